"""The time, as something that is handed in, so that tests can set it."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the present moment: aware, in UTC."""


def system_clock() -> datetime:
    """The machine's own clock; a `Clock`."""
    return datetime.now(UTC)
