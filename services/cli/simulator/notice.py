"""A platform's notice as an HTTP request, and how a platform makes one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.cli.simulator.reports import Report


@dataclass(frozen=True, slots=True)
class Notice:
    """What is POSTed to the callback address."""

    headers: Mapping[str, str]
    body: bytes


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


def whole_fen(micros: int) -> int:
    """An amount of whole fen as their number."""
    fen, rest = divmod(micros, 10_000)
    assert rest == 0, "native notices state whole fen"
    return fen
