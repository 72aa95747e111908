"""How commands show amounts, times and JSON."""

import json
import re
from datetime import UTC
from typing import Any, Protocol

import typer
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.timestamp_pb2 import Timestamp
from watersmeet.errors.v1.errors_pb2 import ErrorReason
from watersmeet.type.v1.money_pb2 import Money

from services.runtime.currency import decimal


def amount(micros: int, unit: str) -> str:
    """An exact amount for people, with as many places as its unit has, or needs: "1,234.50"."""
    whole, point, places = decimal(abs(micros), unit).partition(".")
    return f"{'-' if micros < 0 else ''}{int(whole):,}{point}{places}"


def with_unit(money: Money) -> str:
    """The same with its unit: "1,234.50 CNY"."""
    return f"{amount(money.micros, money.currency_code)} {money.currency_code}"


class Enumeration(Protocol):
    """One of the contract's enums."""

    DESCRIPTOR: EnumDescriptor

    def Name(self, number: Any) -> str:  # noqa: N802  the generated code calls it so
        """What a value is called."""


def word(enum: Enumeration, value: int) -> str:
    """A value of one of the contract's enums as people say it: "debits within credits"."""
    prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum.DESCRIPTOR.name).upper()
    return enum.Name(value).removeprefix(f"{prefix}_").lower().replace("_", " ")


def reason_of(reason: "ErrorReason.ValueType") -> str:
    """Why something was not done, as errors.v1 calls it: "DONATION_CONFLICT"."""
    return ErrorReason.Name(reason).removeprefix("ERROR_REASON_")


def rfc3339(time: Timestamp) -> str:
    """A time for programs: "2026-09-05T12:00:00.123456Z"."""
    return time.ToDatetime(UTC).isoformat().replace("+00:00", "Z")


def moment(time: Timestamp) -> str:
    """A time for people: in UTC, to the second: "2026-09-05 12:00:00Z"."""
    return to_the_second(rfc3339(time))


def to_the_second(time: str) -> str:
    """The same of a time for programs."""
    day, _, clock = time.removesuffix("Z").partition("T")
    return f"{day} {clock.partition('.')[0]}Z"


def print_json(document: object) -> None:
    """One document on standard output, as text that any program reads."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
