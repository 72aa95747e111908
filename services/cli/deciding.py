"""What commands share that decide something: who decides, on what ground, and under which id."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Protocol
from uuid import UUID

import typer
from google.protobuf.timestamp_pb2 import Timestamp
from uuid_utils.compat import uuid7
from watersmeet.client import to_micros

Document = Annotated[
    str, typer.Option(metavar="ID", help="What it rests on: a memo's number, say.")
]
Request = Annotated[
    UUID | None,
    typer.Option(metavar="UUID", help="The same as before, to learn what became of it."),
]


def _micros(text: str) -> int:
    try:
        micros = to_micros(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if micros <= 0:
        raise typer.BadParameter("an amount is more than nothing")
    return micros


Part = Annotated[
    int | None,
    typer.Option("--amount", parser=_micros, metavar="AMOUNT", help="Only so much: 12.50, say."),
]
"""In micros; None for all of it."""

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Person = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="NAME",
        help="Who decides: the name in a certificate of finance, as `certs issue` made it. "
        "(here local, elsewhere the one in your certificate)",
    ),
]

THIS_PERSON = None
"""Whose certificate it is that is at hand."""


def confirm(question: str, *, yes: bool) -> None:
    """Asks, unless it was said before. Raises typer.Abort after a no."""
    if not yes:
        typer.confirm(question, abort=True, err=True)


def told_request(request: UUID | None) -> UUID:
    """The id of a call that changes something, made if there is none. It is written down before
    the call, so that a lost answer can be asked for again.
    """
    request = request or uuid7()
    typer.echo(f"request {request}", err=True)
    return request


class Decision(Protocol):
    """A request of the contract that decides something."""

    request_id: str

    @property
    def value_time(self) -> Timestamp:
        """When it was decided."""


def say_when(asked: Decision, request: UUID | None) -> None:
    """Puts the id, told before the call, and the time of a decision into its request."""
    request = told_request(request)
    asked.request_id = str(request)
    asked.value_time.CopyFrom(decided_time(request))


class Answer(Protocol):
    """The contract's answer to a decision."""

    @property
    def sequence(self) -> int:
        """The entry that holds it."""

    @property
    def replayed(self) -> bool:
        """Whether it was decided before, by the same request."""


def document_of(answer: Answer, asked: Decision) -> dict[str, str | int | bool]:
    """What became of a decision, for programs."""
    return {
        "sequence": answer.sequence,
        "replayed": answer.replayed,
        "request_id": asked.request_id,
    }


def decided_time(request: UUID) -> Timestamp:
    """When it was decided. An id made here says it, so that the same request says the same whenever
    it is repeated; with an id that says no time it is the day.
    """
    if request.version == 7:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=request.int >> 80)
    else:
        moment = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def told_entry(sequence: int, *, replayed: bool) -> str:
    """Which entry holds a decision, as a sentence."""
    return f"Entry {sequence} {'said so before' if replayed else 'says so'}."
