"""On which day a moment counts."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.journal.calendar import CALENDAR, calendar_of, day_of, start_of, zone_of
from services.runtime.errors import Fault, Reason

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


# Zones with and without summer time, of half hours, and with clocks that change at midnight.
_ZONES = st.sampled_from(
    (
        *("America/New_York", "Europe/London", "Asia/Shanghai", "Asia/Kolkata"),
        *("Australia/Lord_Howe", "America/Havana", "America/Sao_Paulo", "Africa/Cairo"),
    )
)


@given(st.dates(date(2000, 1, 2), date(2036, 12, 30)), _ZONES)
def test_days_of_every_calendar_follow_one_another(day: date, calendar: str) -> None:
    start, end = start_of(day, calendar), start_of(day + timedelta(days=1), calendar)
    assert timedelta(hours=22) < end - start < timedelta(hours=26)
    assert day_of(start, calendar) == day_of(end - timedelta(microseconds=1), calendar) == day
    assert day_of(start - timedelta(microseconds=1), calendar) == day - timedelta(days=1)


@pytest.mark.parametrize(
    ("calendar", "day", "start", "hours"),
    [
        # Clocks go forward at 02:00, back at 02:00.
        ("America/New_York", date(2026, 3, 8), datetime(2026, 3, 8, 5, tzinfo=UTC), 23),
        ("America/New_York", date(2026, 11, 1), datetime(2026, 11, 1, 4, tzinfo=UTC), 25),
        # At 01:00 UTC, both ways.
        ("Europe/London", date(2026, 3, 29), datetime(2026, 3, 29, 0, tzinfo=UTC), 23),
        ("Europe/London", date(2026, 10, 25), datetime(2026, 10, 24, 23, tzinfo=UTC), 25),
        ("Asia/Shanghai", date(2026, 3, 29), datetime(2026, 3, 28, 16, tzinfo=UTC), 24),
        ("", date(2026, 3, 29), datetime(2026, 3, 28, 16, tzinfo=UTC), 24),
    ],
)
def test_days_on_which_clocks_change(calendar: str, day: date, start: datetime, hours: int) -> None:
    assert start_of(day, calendar) == start
    end = start_of(day + timedelta(days=1), calendar)
    assert end - start == timedelta(hours=hours)
    for hour in range(hours):
        assert day_of(start + timedelta(hours=hour), calendar) == day


def test_the_ledgers_own_calendar_has_two_names() -> None:
    assert calendar_of({}) == calendar_of({CALENDAR: "Asia/Shanghai"}) == ""
    assert calendar_of({CALENDAR: "Europe/London"}) == "Europe/London"


@pytest.mark.parametrize("name", ["Mars/Base", "../etc/passwd", "/etc/passwd", "Europe", "x" * 99])
def test_what_is_no_time_zone(name: str) -> None:
    with pytest.raises(Fault) as caught:
        zone_of(name)
    assert caught.value.reason is Reason.FIELD_INVALID
