"""Times as people write them."""

from datetime import UTC, datetime


def given_time(text: str) -> datetime:
    """A moment, in UTC. Raises ValueError, which says how to write one."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter beyond the years 1 to 9999
        pass
    raise ValueError("must be ISO 8601 with its offset from UTC, such as 2019-09-05T12:00:00+08:00")
