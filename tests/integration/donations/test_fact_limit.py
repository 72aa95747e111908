"""So many refunds, disputes and stages of one gift are kept, and then no more."""

from typing import Any

import grpc
import pytest
from watersmeet.donations.v1 import review_service_pb2 as pb
from watersmeet.donations.v1.donation_intake_service_pb2_grpc import DonationIntakeServiceStub
from watersmeet.donations.v1.review_service_pb2_grpc import ReviewServiceStub
from watersmeet.errors.v1 import errors_pb2

from services.donations.commit.submission import Fate, Submission
from services.donations.domain import Outcome
from services.donations.life.reports import Dispute, DisputeStatus
from services.donations.proof.positions import check_positions
from services.donations.store.rederiving import LifeReader
from services.runtime.errors import Reason
from services.runtime.status import fault_from_rpc_error
from tests.integration.donations.conftest import Connect
from tests.integration.donations.messages import donation_request, refund_request
from tests.integration.donations.parts import Parts, write
from tests.unit.donations.gifts import NOW_MICROS, a_gift, a_refund

EXCEEDED = Fate(Outcome.CONFLICTING, reason=Reason.REPORTS_EXCEEDED)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.donations.store.facts.FACTS_MAX", 3)


def refunds(*names: str, **changes: Any) -> Submission:
    return Submission(refunds=[a_refund(name, amount_micros=1, **changes) for name in names])


async def fates(parts: Parts, submission: Submission) -> list[Outcome]:
    [result] = (await write(parts, parts.writers[0], submission)).results
    for fate in result.facts:
        assert (fate == EXCEEDED) == (fate.outcome is Outcome.CONFLICTING)
    return [fate.outcome for fate in result.facts]


async def test_what_exceeds_is_a_claim_and_moves_nothing(parts: Parts) -> None:
    accepted, replayed, refused = Outcome.ACCEPTED, Outcome.REPLAYED, Outcome.CONFLICTING
    await write(parts, parts.writers[0], Submission(gifts=[a_gift(), a_gift("other")]))
    at_once = refunds("r5", "r1", "r2", "r4", "r3")
    assert await fates(parts, at_once) == [refused, accepted, accepted, refused, accepted]
    assert await fates(parts, at_once) == [refused, replayed, replayed, refused, replayed]
    assert await fates(parts, refunds("r0", "r2")) == [refused, replayed]
    assert await fates(parts, refunds("r1", external_id="other")) == [accepted]
    gift = a_gift()
    dispute = Dispute(
        gift.partner, gift.external_id, "d1", DisputeStatus.OPENED, 1, "CNY", NOW_MICROS
    )
    assert await fates(parts, Submission(disputes=[dispute])) == [accepted]
    assert {line[0]: sums for line, sums in (await parts.books()).items() if line[0] == 3} == {
        3: (4, 2)
    }
    claims = await parts.query("SELECT reason, refund_id FROM conflicts ORDER BY refund_id")
    assert [tuple(row) for row in claims] == [("REPORTS_EXCEEDED", f"r{n}") for n in (0, 4, 5)]
    checked = [part async for part in check_positions(LifeReader(parts.engine))]
    assert [part.differences for part in checked] == [[]]
    await parts.require_balanced()


async def test_a_gift_that_is_not_there_yet_has_the_same_limit(parts: Parts) -> None:
    waiting, refused = Outcome.WAITING, Outcome.CONFLICTING
    assert await fates(parts, refunds("r1", "r2")) == [waiting, waiting]
    assert await fates(parts, refunds("r3")) == [waiting]
    assert await fates(parts, refunds("r4")) == [refused]
    await write(parts, parts.writers[0], Submission(gifts=[a_gift()]))
    assert await parts.sweeper.sweep() == 1
    assert {line[0]: sums[0] for line, sums in (await parts.books()).items()} == {
        1: a_gift().amount_micros,
        3: 3,
    }
    await parts.require_balanced()


async def test_the_partner_is_told_and_finance_sees_the_claim(connect: Connect) -> None:
    weibo: Any = DonationIntakeServiceStub(connect("partner", "weibo"))
    finance: Any = ReviewServiceStub(connect("finance", "local"))
    await weibo.RecordDonation(donation_request(a_gift()), timeout=5)
    for number in range(3):
        await weibo.RecordRefund(refund_request(a_refund(f"r{number}")), timeout=5)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await weibo.RecordRefund(refund_request(a_refund("r3")), timeout=5)
    assert fault_from_rpc_error(raised.value).reason is Reason.REPORTS_EXCEEDED
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    answer = await finance.ListConflicts(pb.ListConflictsRequest(), timeout=5)
    [found] = answer.conflicts
    assert (found.reason, found.refund_id) == (errors_pb2.ERROR_REASON_REPORTS_EXCEEDED, "r3")
    assert not found.HasField("refund")
