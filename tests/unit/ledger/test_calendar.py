"""On which day a moment counts."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.ledger.journal.calendar import day_of, start_of

_DAYS = st.dates(date(2000, 1, 2), date(2999, 12, 30))


def test_a_day_begins_at_midnight_in_china() -> None:
    assert day_of(datetime(2019, 9, 5, 15, 59, 59, 999_999, tzinfo=UTC)) == date(2019, 9, 5)
    assert day_of(datetime(2019, 9, 5, 16, tzinfo=UTC)) == date(2019, 9, 6)


@given(_DAYS)
def test_a_day_is_what_lies_between_two_starts(day: date) -> None:
    start, end = start_of(day), start_of(day + timedelta(days=1))
    assert end - start == timedelta(days=1)
    assert day_of(start) == day_of(end - timedelta(microseconds=1)) == day
    assert day_of(start - timedelta(microseconds=1)) == day - timedelta(days=1)
