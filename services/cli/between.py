"""Options that say between which times something was written."""

from datetime import UTC, datetime
from typing import Annotated, Protocol

import typer
from google.protobuf.timestamp_pb2 import Timestamp

_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]

Since = Annotated[
    datetime | None,
    typer.Option(formats=_FORMATS, help="Only what was written then (UTC) or later."),
]
Until = Annotated[
    datetime | None,
    typer.Option(formats=_FORMATS, help="Only what was written before then (UTC)."),
]


class _Asked(Protocol):
    """A request of the contract that says between which times."""

    @property
    def start_time(self) -> Timestamp:
        """The first moment that counts."""

    @property
    def end_time(self) -> Timestamp:
        """The first moment behind."""


def set_times(asked: _Asked, since: datetime | None, until: datetime | None) -> None:
    """Puts the options into a request; one that was not given stays unset."""
    if since is not None:
        asked.start_time.FromDatetime(since.replace(tzinfo=UTC))
    if until is not None:
        asked.end_time.FromDatetime(until.replace(tzinfo=UTC))
