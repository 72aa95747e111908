"""A platform's line: its notices by HTTP, repeated until they are acknowledged."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime

import aiohttp
from yarl import URL

from services.cli.simulator.notice import Platform
from services.cli.simulator.patience import Patience
from services.cli.simulator.reports import Dispute, Kind, Refund, Report
from services.cli.simulator.tally import Answer, Pace, Tally

# WeChat Pay waits this long for an answer.
_TIMEOUT = aiohttp.ClientTimeout(total=5)
_IN_FLIGHT = 16
_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
# What became of the notice's reports, which platforms do not read and people looking on do.
_OUTCOMES_HEADER = "Watersmeet-Outcomes"


class NativeLine:
    """Sends one platform's rounds to the gateway's callback address."""

    def __init__(
        self,
        platform: Platform,
        gateway_url: str,
        session: aiohttp.ClientSession,
        tally: Tally,
        pace: Pace,
    ) -> None:
        self._platform = platform
        self._url = f"{gateway_url}/callbacks/{platform.partner}"
        self._session = session
        self._tally = tally
        self._pace = pace

    async def send(self, reports: Sequence[Report]) -> None:
        """Sends a round, several notices at once. Returns when each has its final answer.

        Raises UnansweredError (in a group) if one gets none.
        """
        waiting = iter(reports)

        async def send_on() -> None:
            for report in waiting:
                await self._pace.wait()
                await self._send_one(report)
                self._tally.reports += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(min(_IN_FLIGHT, len(reports))):
                group.create_task(send_on())

    async def _send_one(self, report: Report) -> None:
        patience = Patience()
        while True:
            notice = self._platform.notice(report, datetime.now(UTC))
            try:
                async with self._session.request(
                    notice.method,
                    # As it was encoded: a signature may cover it.
                    URL(f"{self._url}?{notice.query}" if notice.query else self._url, encoded=True),
                    data=notice.body or None,
                    headers=notice.headers,
                    timeout=_TIMEOUT,
                ) as response:
                    status, body = response.status, await response.read()
                    outcomes = response.headers.get(_OUTCOMES_HEADER, "")
            except (aiohttp.ClientError, TimeoutError) as error:
                why = f"{type(error).__name__}: {error}"
            else:
                if self._platform.acknowledged(status, body):
                    self._acknowledged(report, outcomes)
                    return
                why = f"HTTP {status} {_reason(body)}"
                if status not in _LATER:
                    self._refused(report, why)
                    return
            self._tally.retries += 1
            await patience.wait(why)

    def _acknowledged(self, report: Report, outcomes: str) -> None:
        if report.kind in (Kind.FORGED, Kind.PROBE):
            self._tally.surprise(f"a {report.kind.name} notice was acknowledged as {outcomes}")
            return
        answers = [Answer(name.strip().lower()) for name in outcomes.split(",") if name.strip()]
        if isinstance(report.subject, Refund):
            # The refund's own answer is the last; the gift's comes first where the notice tells it.
            for answer in answers[:-1]:
                self._tally.gifts[answer] += 1
            for answer in answers[-1:]:
                self._tally.refund(report.subject, answer)
        elif isinstance(report.subject, Dispute):
            for answer in answers:
                self._tally.dispute(report.subject.dispute_id, answer)
        else:
            for answer in answers:
                self._tally.gifts[answer] += 1
        expected = Answer.CONFLICTING if report.kind is Kind.CONFLICT else None
        if not answers or (Answer.CONFLICTING in answers) != (expected is not None):
            self._tally.surprise(
                f"a {report.kind.name} report was answered {outcomes or 'nothing'}"
            )

    def _refused(self, report: Report, why: str) -> None:
        if report.kind in (Kind.FORGED, Kind.PROBE):
            self._tally.refused += 1
        else:
            self._tally.surprise(f"a genuine notice was refused: {why}")


def _reason(body: bytes) -> str:
    """The reason in an error's JSON body, or nothing."""
    try:
        answer = json.loads(body)
    except ValueError:
        return ""
    return str(answer.get("reason", "")) if isinstance(answer, dict) else ""
