"""When a project closes, as it was decided."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class Decider(NamedTuple):
    """Who decides, and in which request."""

    caller: str
    request_id: UUID


@dataclass(frozen=True, slots=True)
class Closure:
    """A decision. decider: None of those of the release before, which kept nobody."""

    close_time: datetime
    decide_time: datetime
    decider: Decider | None
