"""A clock that stands still until it is told."""

from datetime import UTC, datetime, timedelta


class FixedClock:
    """A `services.runtime.clock.Clock`: call it for the time; set or advance it."""

    def __init__(self, now: datetime) -> None:
        self.set(now)

    def __call__(self) -> datetime:
        return self._now

    def set(self, now: datetime) -> None:
        """The time from now on. Aware."""
        assert now.tzinfo is not None, "a time without a zone is no time"
        self._now = now.astimezone(UTC)

    def advance(self, step: timedelta | float) -> None:
        """Later by step: a timedelta, or seconds."""
        self._now += step if isinstance(step, timedelta) else timedelta(seconds=step)
