"""Books in which every table of the ledger has a row that says something."""

from datetime import UTC, datetime

from services.ledger.domain import AccountLimit, AccountState, Cause, CauseKind
from services.ledger.journal.periods import PeriodAction
from tests.integration.ledger.log_parts import LogParts
from tests.integration.ledger.parts import Parts
from tests.unit.ledger.drafts import appealed, draft, gift, new_id, refund, suspended
from tests.unit.ledger.stepped import (
    FUND,
    back,
    commit,
    decision,
    hold,
    period_decision,
    pledge,
    reversal,
    void,
)

AUGUST = datetime(2019, 8, 20, 12, tzinfo=UTC)


async def fill_books(parts: Parts, log: LogParts) -> None:
    """Entries of every form, holds of every end, a late gift, sums by day, a log with a node."""
    stated = {"gifts": "1", "complete_until/alipay": "2019-09-05T12:00:00Z"}
    await parts.post_all(draft(gift(9), refund(2), suspended(3), appealed(4), metadata=stated))
    await parts.post_all(draft(pledge(100)), draft(hold(40, 30)), draft(hold(20)))
    await parts.post_all(draft(commit(30, 3)), draft(void(20, 4)), draft(hold(10, 60)))
    await parts.post_all(reversal(back(gift(9), 1), of=1))
    await parts.writer.decide(decision(FUND, AccountState.FROZEN, AccountLimit.NONE))
    await parts.writer.decide(decision(FUND, AccountState.OPEN))
    for action in (PeriodAction.BEGIN_CLOSING, PeriodAction.CLOSE):
        await parts.writer.decide(period_decision("2019-08", action))
    late = Cause(CauseKind.INTAKE_BATCH, str(new_id()))
    await parts.post_all(draft(gift(5, hour=AUGUST), cause=late, value_time=AUGUST))
    await parts.post_all(*(draft(gift(5, partner="tencent")) for _ in range(250)))
    await parts.past.roll_up(200)
    await log.sign(263)
