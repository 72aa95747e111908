"""The audit of periods finds whatever is changed, and says where."""

from datetime import UTC, datetime

import psycopg
import pytest

from services.ledger.domain import Cause, CauseKind
from services.ledger.journal.periods import PeriodAction
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.ledger.batches import batch
from tests.integration.ledger.parts import Parts
from tests.unit.ledger.drafts import draft, gift
from tests.unit.ledger.stepped import period_decision

AUGUST = datetime(2019, 8, 20, 12, tzinfo=UTC)

TAMPERING = [
    (
        "UPDATE entries SET book_date = value_date WHERE sequence = 4",
        "entry 4 stands in the period of 2019-08-20, and belongs into that of 2019-09-05",
    ),
    ("UPDATE entries SET value_time = '2019-08-20Z' WHERE sequence = 5", "entry 5: the period of"),
    (
        """UPDATE entries SET metadata = metadata || '{"period/action": "CANCEL_CLOSING"}'
           WHERE sequence = 3""",
        "entry 4 stands in the period of 2019-09-05",
    ),
    (
        """UPDATE entries SET metadata = metadata || '{"period/action": "MELT"}'
           WHERE sequence = 3""",
        "entry 3: a decision on a period",
    ),
    ("UPDATE entries SET cause_id = '2019-07' WHERE sequence = 3", "entry 3: period 2019-07"),
    (
        """UPDATE entries SET metadata = metadata || '{"by": "finance/anna"}'
           WHERE sequence = 7""",
        "entry 7: finance/anna proposed",
    ),
    ("UPDATE late_arrivals SET value_date = '2019-08-21'", "transfer 4/0 of 2019-08-20 is not"),
    ("DELETE FROM late_arrivals", "transfer 4/0 of 2019-08-20 is not listed as late"),
    ("INSERT INTO late_arrivals VALUES (5, 0, '2019-08-20')", "is listed as late, and was not"),
    ("INSERT INTO late_arrivals VALUES (55, 0, '2019-08-20')", "transfers of an entry 55"),
    ("UPDATE head SET periods_sequence = 3", "the head names another last decision than entry 7"),
]


async def fill(parts: Parts) -> None:
    """A month that is closed, a gift that came late, and the month opened again."""
    await parts.post_all(draft(value_time=AUGUST))
    for action in (PeriodAction.BEGIN_CLOSING, PeriodAction.CLOSE):
        await parts.writer.decide(period_decision("2019-08", action))
    counted = batch()
    await parts.post_all(
        draft(
            gift(5, hour=AUGUST),
            cause=Cause(CauseKind.INTAKE_BATCH, counted.batch_id),
            value_time=AUGUST,
        )
    )
    await parts.post_all(draft())
    await parts.writer.decide(period_decision("2019-08", PeriodAction.PROPOSE_REOPENING))
    approval = period_decision("2019-08", PeriodAction.APPROVE_REOPENING, "finance/bo")
    await parts.writer.decide(approval)
    await parts.post_all(draft(value_time=AUGUST))


async def test_periods_in_order(parts: Parts) -> None:
    await fill(parts)
    report = await parts.audit()
    (check,) = [check for check in report.checks if check.name == "periods"]
    assert check.ok, check
    assert check.covered == 5
    assert "all 1 movements that came late are listed" in check.detail


@pytest.mark.parametrize(("statement", "detail"), TAMPERING, ids=[row[0][:70] for row in TAMPERING])
async def test_tampering_is_found_and_named(
    parts: Parts, urls: DatabaseUrls, statement: str, detail: str
) -> None:
    await fill(parts)
    with psycopg.connect(urls.owner) as connection:
        connection.execute(statement.encode())
    report = await parts.audit()
    assert detail in " | ".join(check.detail for check in report.checks if not check.ok)
