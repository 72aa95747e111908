"""What a partner was answered."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from services.cli.simulator.reports import Refund

_SURPRISES_MAX = 20


class Answer(StrEnum):
    """What the system said became of a report; the names of `donations.v1.Outcome`."""

    ACCEPTED = "accepted"
    REPLAYED = "replayed"
    SUSPENDED = "suspended"
    CONFLICTING = "conflicting"
    WAITING = "waiting"
    REFUSED = "refused"
    IGNORED = "ignored"


@dataclass(slots=True)
class Tally:
    """One partner's answers, each report counted once, by its last answer.

    gifts, refunds, disputes: answers by kind of report. An Alipay refund's notice tells of its gift
        too, and is answered for both.
    refunds_known, disputes_known: ids of those that were acknowledged, whatever the answer.
    reports: reports that are done with.
    retries: attempts that got no answer, or "later".
    surprises: answers that contradict the plan, the first few in words.
    """

    partner: str
    gifts: Counter[Answer] = field(default_factory=Counter)
    refunds: Counter[Answer] = field(default_factory=Counter)
    disputes: Counter[Answer] = field(default_factory=Counter)
    refunds_known: set[str] = field(default_factory=set)
    disputes_known: set[str] = field(default_factory=set)
    refused: int = 0
    reports: int = 0
    retries: int = 0
    surprise_count: int = 0
    surprises: list[str] = field(default_factory=list)

    def refund(self, refund: Refund, answer: Answer) -> None:
        """Notes the answer to a refund's report, by the name that its gift's own partner uses."""
        self.refunds[answer] += 1
        self.refunds_known.add(refund.same_as or refund.refund_id)

    def dispute(self, dispute_id: str, answer: Answer) -> None:
        """Notes the answer to a dispute's report."""
        self.disputes[answer] += 1
        self.disputes_known.add(dispute_id)

    def surprise(self, words: str) -> None:
        """Notes an answer that the plan does not allow."""
        self.surprise_count += 1
        if len(self.surprises) < _SURPRISES_MAX:
            self.surprises.append(f"{self.partner}: {words}")


@dataclass(slots=True)
class Pace:
    """At most so many reports a second, over all partners; None is as fast as they are taken."""

    per_second: float | None = None
    _next: float = 0.0

    async def wait(self, reports: int = 1) -> None:
        """Returns when so many more reports may go out."""
        if self.per_second is None:
            return
        now = time.monotonic()
        start = max(now, self._next)
        self._next = start + reports / self.per_second
        await asyncio.sleep(start - now)

    def batch_rows(self, most: int) -> int:
        """How many rows a batch should have, so that a slow pace stays even."""
        return most if self.per_second is None else max(1, min(most, int(self.per_second) // 4))
