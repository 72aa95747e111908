"""The calendars of the books: on which day a moment counts.

Each has the days of a time zone. Entries say in which one they count (`CALENDAR` among their
facts): what was given to a campaign counts in the campaign's. All else counts in the ledger's own,
China Standard Time, which is no name at all here. The days themselves are sealed, so that they need
no database of time zones to be read.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

from services.runtime.errors import Fault, Reason
from services.runtime.zones import time_zone

ZONE = timezone(timedelta(hours=8), "+08:00")
"""China Standard Time, of the ledger's own calendar."""

CALENDAR = "time_zone"
"""The fact of an entry that names its calendar, by the zone: Europe/London."""

OWN = "Asia/Shanghai"
"""Another name of the ledger's own."""


def calendar_of(metadata: Mapping[str, str]) -> str:
    """The calendar that an entry counts in; empty for the ledger's own."""
    name = metadata.get(CALENDAR, "")
    return "" if name == OWN else name


def zone_of(calendar: str) -> tzinfo:
    """A calendar's time zone. Raises Fault(FIELD_INVALID) if there is none of this name."""
    if not calendar:
        return ZONE
    try:
        return time_zone(calendar)
    except ValueError:
        raise Fault(
            Reason.FIELD_INVALID,
            f"{calendar} is no IANA time zone such as Europe/London",
            field=f"metadata[{CALENDAR}]",
        ) from None


@lru_cache(maxsize=4_096)
def day_of(time: datetime, calendar: str = "") -> date:
    """The day in which a moment lies. The moment must be at least a day from the calendar's end.

    Raises Fault as zone_of does.
    """
    return time.astimezone(zone_of(calendar)).date()


def start_of(day: date, calendar: str = "") -> datetime:
    """The moment, in UTC, at which a day begins. Raises Fault as zone_of does.

    Where clocks leave midnight out, it begins when they do; where midnight comes twice, with the
    first.
    """
    return datetime(day.year, day.month, day.day, tzinfo=zone_of(calendar)).astimezone(UTC)
