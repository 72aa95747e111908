"""Entries of several calendars in one set of books."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.ledger.reading.history import AsOf
from services.ledger.reading.rollup import Rollups
from tests.integration.ledger.parts import Parts
from tests.integration.ledger.test_history import CLAIMED, held
from tests.support.clock import FixedClock
from tests.unit.ledger.drafts import draft, gift

THERE = {"time_zone": "America/New_York"}
LAST = datetime(2019, 11, 4, 4, 59, tzinfo=UTC)
"""New York's 3 November 2019 has 25 hours; this minute is its last, and China's afternoon."""


@pytest.mark.parametrize("rolled_up", [False, True])
async def test_a_day_is_that_of_each_entrys_calendar(
    parts: Parts, clock: FixedClock, rolled_up: bool
) -> None:
    clock.set(LAST + timedelta(days=2))
    await parts.post_all(draft(gift(100), value_time=LAST, metadata=THERE))
    after = LAST + timedelta(minutes=1)
    await parts.post_all(draft(gift(20), value_time=after, metadata=THERE))
    await parts.post_all(draft(gift(3), value_time=LAST))
    if rolled_up:
        head = parts.reader.head_sequence
        rollups = Rollups(parts.past, head, lambda: True, entries=3, poll_s=60)
        assert await rollups.roll_up_due() == 1
    assert await held(parts, CLAIMED, AsOf(value_date=date(2019, 11, 3))) == (100, 3)
    assert await held(parts, CLAIMED, AsOf(value_date=date(2019, 11, 4))) == (123, 3)
    report = await parts.audit()
    assert report.ok, report.checks
