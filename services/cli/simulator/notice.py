"""A platform's notice as an HTTP request, and how a platform makes one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.cli.simulator.reports import Report


@dataclass(frozen=True, slots=True)
class Notice:
    """What is sent to the callback address. query: encoded, without the question mark."""

    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"
    query: str = ""


class Platform(Protocol):
    """A company that reports in a form of its own."""

    @property
    def partner(self) -> str:
        """The partner's code, which is the last part of the callback address."""

    def notice(self, report: Report, now: datetime) -> Notice:
        """Forms and signs a notice as of now. Each call makes a new one, as a retry does."""

    def acknowledged(self, status: int, body: bytes) -> bool:
        """Whether an answer stops the platform's retries."""


def yuan(micros: int) -> str:
    """An amount of whole fen as "12.34"."""
    fen, rest = divmod(micros, 10_000)
    assert rest == 0, "native notices state whole fen"
    return f"{fen // 100}.{fen % 100:02d}"


# The micros of the smallest unit of a currency, where it is no hundredth.
_UNITS = {"JPY": 1_000_000}


def whole_units(micros: int, currency: str = "CNY") -> int:
    """An amount as the number of its currency's smallest units, such as fen."""
    units, rest = divmod(micros, _UNITS.get(currency, 10_000))
    assert rest == 0, "native notices state whole units"
    return units


def is_json_with(body: bytes, name: str, value: object) -> bool:
    """Whether an answer is a JSON object in which name stands for value."""
    try:
        answer = json.loads(body)
    except ValueError:
        return False
    return isinstance(answer, dict) and answer.get(name) == value
