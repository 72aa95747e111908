"""The ledger's calendar: on which day a moment counts.

One calendar for all books, without daylight saving, so that a day never depends on a database of
time zones.
"""

from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache

ZONE = timezone(timedelta(hours=8), "+08:00")
"""China Standard Time."""


@lru_cache(maxsize=4_096)
def day_of(time: datetime) -> date:
    """The day in which a moment lies. The moment must be at least a day from the calendar's end."""
    return time.astimezone(ZONE).date()


def start_of(day: date) -> datetime:
    """The moment, in UTC, at which a day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=ZONE).astimezone(UTC)
