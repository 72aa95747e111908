"""How commands show amounts, times and JSON."""

import json
from datetime import UTC

import typer
from google.protobuf.timestamp_pb2 import Timestamp


def decimal(micros: int) -> str:
    """Micros as an exact decimal for programs, with two to six places: "1234.50"."""
    whole, part = divmod(abs(micros), 1_000_000)
    places = f"{part:06}".rstrip("0").ljust(2, "0")
    return f"{'-' if micros < 0 else ''}{whole}.{places}"


def amount(micros: int) -> str:
    """The same for people, with grouped digits: "1,234.50"."""
    whole, _, places = decimal(micros).partition(".")
    return f"{int(whole):,}.{places}" if whole != "-0" else f"-0.{places}"


def rfc3339(time: Timestamp) -> str:
    """A time for programs: "2026-09-05T12:00:00.123456Z"."""
    return time.ToDatetime(UTC).isoformat().replace("+00:00", "Z")


def moment(time: Timestamp) -> str:
    """A time for people: in UTC, to the second."""
    return time.ToDatetime(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def print_json(document: object) -> None:
    """One document on standard output, as text that any program reads."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
