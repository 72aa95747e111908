"""The largest batch still fits one message to the ledger."""

from datetime import UTC, datetime
from uuid import UUID

from watersmeet.ledger.v1 import ledger_service_pb2 as pb

from services.donations.commit.group import LINES_MAX
from services.donations.domain import Line, LineKind, Purpose
from services.donations.gifts.batch import Batch
from services.donations.wire.convert import entries_of
from services.runtime.channel import MESSAGE_BYTES_MAX


def test_the_largest_batch_fits_one_message() -> None:
    code, now = "x" * 64, datetime(2026, 9, 5, tzinfo=UTC)
    line = Line(LineKind.GIFT, code, code, code, Purpose.APPEAL, "", "CNY", 500_000, 2**62, 2**31)
    batch = Batch(
        UUID(int=2**128 - 1),
        now,
        LINES_MAX,
        bytes(32),
        now,
        [line] * LINES_MAX,
        {f"{number:02}{'x' * 50}": now for number in range(30)},
    )
    request = pb.PostEntriesRequest(request_id=str(batch.id), entries=entries_of(batch, {}))
    assert MESSAGE_BYTES_MAX // 2 < request.ByteSize() <= MESSAGE_BYTES_MAX
