"""Batches as the donations service sums them up, and the entries that they are posted as."""

from datetime import timedelta
from hashlib import sha256
from itertools import chain

from services.ledger.audit.batches import BatchLine, BatchSummary, LineKind, transfers_of_line
from services.ledger.domain import Cause, CauseKind, EntryDraft, Purpose
from tests.unit.ledger.drafts import NOON, draft, new_id

_OF_SUSPENSE = (
    LineKind.SUSPENDED_GIFT,
    LineKind.SUSPENDED_JOIN,
    LineKind.SUSPENDED_REFUND,
    LineKind.SUSPENDED_REFUND_BACK,
    LineKind.RELEASE,
    LineKind.RELEASE_BACK,
)
_AT_A_BANK = (
    LineKind.RECEIPT,
    LineKind.RECEIPT_BACK,
    LineKind.SPENDING,
    LineKind.SPENDING_BACK,
)


def batch(*lines: BatchLine, gifts: int = 4, posted: bool = True) -> BatchSummary:
    """A batch with an id after all earlier ones.

    If no line is given: one of each kind, and of a personal appeal one of gifts and one of refunds.
    """
    batch_id = str(new_id())
    return BatchSummary(
        batch_id=batch_id,
        gifts=gifts,
        digest=sha256(batch_id.encode()).digest(),
        lines=lines
        or (
            *(line(kind) for kind in LineKind),
            line(LineKind.GIFT, 20, purpose=Purpose.APPEAL),
            line(LineKind.REFUND, 5, purpose=Purpose.APPEAL),
        ),
        posted=posted,
    )


def line(
    kind: LineKind = LineKind.GIFT,
    micros: int = 10,
    tally: int = 1,
    purpose: Purpose = Purpose.CHARITY,
) -> BatchLine:
    """A line of alipay's in the hour before noon; in suspense it has no purpose."""
    project = "well" if purpose is Purpose.CHARITY else "surgery"
    if kind in _OF_SUSPENSE:
        project, purpose = "", Purpose.UNATTRIBUTED
    charity = "amity" if kind in _AT_A_BANK and purpose is Purpose.CHARITY else ""
    hour = NOON - timedelta(hours=1)
    return BatchLine(
        kind, "alipay", "95week", project, purpose, charity, "CNY", hour, micros, tally
    )


def entry_of(summary: BatchSummary) -> EntryDraft:
    """The entry that the donations service posts for a batch."""
    return draft(
        *chain.from_iterable(map(transfers_of_line, summary.lines)),
        cause=Cause(CauseKind.INTAKE_BATCH, summary.batch_id),
        metadata={"gifts": str(summary.gifts), "digest": summary.digest.hex()},
    )
