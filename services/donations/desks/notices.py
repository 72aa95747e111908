"""Platforms' notices: verified, read, recorded, and acknowledged in the platform's own way."""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from typing import NamedTuple, Protocol

import structlog

from services.donations import metrics
from services.donations.commit.committer import Committer
from services.donations.commit.submission import Committed, Submission
from services.donations.commit.together import Together
from services.donations.domain import Gift, Outcome, Refund, micros_of
from services.donations.gifts.columns import require_sum
from services.donations.gifts.tokens import DonorTokens
from services.donations.gifts.validation import require_dispute, require_gift, require_refund
from services.donations.life.reports import Dispute
from services.donations.platforms.protocol import (
    BODY_LIMIT_BYTES,
    Acknowledgement,
    DisputeReport,
    GiftReport,
    Notice,
    Platform,
    Probe,
    RefundReport,
    Report,
)
from services.donations.store.quarantine import QuarantinedNotice
from services.runtime.clock import Clock
from services.runtime.errors import Fault, Reason
from services.runtime.quotas.quotas import Quotas

_log = structlog.get_logger()

_HOUR_S = 3600.0

# Notices that are read before all else that is ready has its turn: a quarter of a millisecond.
_AT_A_STRETCH = 4


class Keeper(Protocol):
    """Where quarantined notices are kept."""

    async def keep(self, notices: Sequence[QuarantinedNotice]) -> Set[bytes]:
        """Keeps notices; returns the digests of those that were not kept before."""


class Unreadable(NamedTuple):
    """A notice of a configured platform that could not be verified or read, and why."""

    platform: str
    notice: Notice
    fault: Fault


class Quarantine:
    """Keeps what could not be verified or read, though not without bound: callbacks are open to
    everybody, so a flood of forged notices must not fill the disk.
    """

    def __init__(self, store: Keeper, clock: Clock, *, bytes_an_hour: int) -> None:
        """bytes_an_hour: what is kept of each platform's notices in an hour, at most."""
        self._store = store
        self._clock = clock
        self._bytes_an_hour = bytes_an_hour
        # By platform: what may still be kept, and when that was so.
        self._left: dict[str, tuple[float, datetime]] = {}

    async def keep(self, unreadable: Iterable[Unreadable]) -> None:
        """Keeps notices. Raises the database's errors, and has kept none then."""
        now = self._clock()
        kept: dict[bytes, QuarantinedNotice] = {}
        for platform, notice, fault in unreadable:
            size = len(notice.body) + len(notice.query)
            size += sum(len(name) + len(value) for name, value in notice.headers.items())
            if self._take(platform, size, now):
                quarantined = _quarantined(platform, notice, fault, now)
                kept[quarantined.digest()] = quarantined
                continue
            metrics.QUARANTINE_DROPPED.labels(platform).inc()
            _log.warning(
                "a notice was not kept, as too many were",
                platform=platform,
                reason=fault.reason.value,
                body_sha256=hashlib.sha256(notice.body).hexdigest(),
            )
        if kept:
            for digest in await self._store.keep(list(kept.values())):
                metrics.QUARANTINED.labels(kept[digest].platform, kept[digest].reason.value).inc()

    def _take(self, platform: str, size: int, now: datetime) -> bool:
        left, then = self._left.get(platform, (float(self._bytes_an_hour), now))
        earned = (now - then).total_seconds() / _HOUR_S * self._bytes_an_hour
        left = min(left + max(earned, 0.0), float(self._bytes_an_hour))
        enough = size <= left
        self._left[platform] = (left - size if enough else left, now)
        return enough


def _quarantined(platform: str, notice: Notice, fault: Fault, now: datetime) -> QuarantinedNotice:
    return QuarantinedNotice(
        platform,
        fault.reason,
        fault.message,
        now,
        notice.http_method,
        notice.query,
        notice.headers,
        notice.body[:BODY_LIMIT_BYTES],
    )


class Accepted(NamedTuple):
    """What to answer a platform, and what became of each report in its notice."""

    acknowledgement: Acknowledgement
    outcomes: list[Outcome]


class _Taken(NamedTuple):
    """A notice that was read, and what is to be recorded of it."""

    platform: Platform
    reports: Sequence[Report]
    submission: Submission

    def accepted(self, fate: Committed | Exception) -> Accepted | Exception:
        """What became of it, now that it is durable or failed."""
        if isinstance(fate, Exception):
            return fate
        return Accepted(self.platform.acknowledgement, _outcomes(self.reports, fate))


class RefusedAgain(Exception):
    """A notice from quarantine cannot be taken in now either; fault says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class NoticeDesk:
    """Takes notices in."""

    def __init__(
        self,
        platforms: Mapping[str, Platform],
        committer: Committer,
        quarantine: Quarantine,
        tokens: DonorTokens,
        clock: Clock,
        quotas: Quotas,
    ) -> None:
        self._platforms = platforms
        self._committer = committer
        self._quarantine = quarantine
        self._tokens = tokens
        self._clock = clock
        self._quotas = quotas

    async def accept(self, code: str, notice: Notice) -> Accepted:
        """Records what a platform's notice reports. Conflicts are no error: the notice is genuine,
        and is kept as a claim.

        Raises Fault(PLATFORM_UNKNOWN), and what `Platform.read` raises, after the notice has been
        quarantined; also for reports that break intake's own rules. Raises Fault(RATE_LIMITED) for
        a genuine notice beyond the platform's quotas: the platform sends it again.
        """
        [result] = await self.accept_all([(code, notice)])
        if isinstance(result, Exception):
            raise result
        return result

    async def accept_all(self, notices: Sequence[tuple[str, Notice]]) -> list[Accepted | Exception]:
        """Records what many notices, each with its platform's code, report.

        Returns for each what `accept` would return or raise. None affects another: they share
        transactions and nothing else.
        """
        now = self._clock()
        taken: list[_Taken | Unreadable | Accepted | Exception] = []
        for number, (code, notice) in enumerate(notices, 1):
            taken.append(self._take(code, notice, now))
            if number % _AT_A_STRETCH == 0:
                await asyncio.sleep(0)  # whoever's transaction ended meanwhile is answered
        together = Together(
            self._committer, [item.submission for item in taken if isinstance(item, _Taken)]
        )
        lost: Exception | None = None
        unreadable = [item for item in taken if isinstance(item, Unreadable)]
        if unreadable:
            try:
                await self._quarantine.keep(unreadable)
            except Exception as error:  # noqa: BLE001  handed to whoever sent one of these
                lost = error
        fates = iter(await together.fates())
        results: list[Accepted | Exception] = []
        for item in taken:
            if isinstance(item, _Taken):
                results.append(item.accepted(next(fates)))
            elif isinstance(item, Unreadable):
                results.append(lost or item.fault)
            else:
                results.append(item)
        return results

    def _take(
        self, code: str, notice: Notice, now: datetime
    ) -> _Taken | Unreadable | Accepted | Exception:
        """What is to be done with a notice, or what is to be said at once."""
        try:
            platform = self._require_platform(code)
            try:
                # Verifying a signature takes tens of microseconds: too little for a thread.
                reports = platform.read(notice, now)
                submission = submission_of(platform.code, reports, self._tokens, now)
            except Probe:
                raise
            except Fault as fault:
                return Unreadable(platform.code, notice, fault)
            # Only what is genuine counts: a forger must not use up what the platform may send.
            quotas = self._quotas.of(platform.code)
            size = len(notice.body) + len(notice.query)
            quotas.take(calls=1, gifts=len(reports), size=size)
        except Exception as error:  # noqa: BLE001  handed to whoever sent this notice
            return error
        if not reports:
            return Accepted(platform.acknowledgement, [Outcome.IGNORED])
        return _Taken(platform, reports, submission)

    async def accept_again(
        self, code: str, notice: Notice, received_time: datetime
    ) -> list[Outcome]:
        """As `accept`, of a notice from quarantine, as if it came now with the time of then: what
        was fresh when it came counts as fresh. No quota is asked; what is refused again is known.

        Raises RefusedAgain for what `accept` would quarantine, and Fault(QUEUE_FULL).
        """
        try:
            platform = self._require_platform(code)
            reports = platform.read(notice, received_time)
            submission = submission_of(platform.code, reports, self._tokens, self._clock())
        except Fault as fault:
            raise RefusedAgain(fault) from fault
        if not reports:
            return [Outcome.IGNORED]
        return _outcomes(reports, await self._committer.commit(submission))

    def _require_platform(self, code: str) -> Platform:
        platform = self._platforms.get(code)
        if platform is None:
            raise Fault(
                Reason.PLATFORM_UNKNOWN,
                "no platform of this name is configured; check the callback's address, or add the "
                "platform to platforms.toml",
            )
        return platform


def submission_of(
    partner: str, reports: Sequence[Report], tokens: DonorTokens, now: datetime
) -> Submission:
    """What a platform's notice reports, as it is recorded.

    Raises the Fault of the first report that breaks intake's own rules, or AMOUNT_OVER_LIMIT if all
    of them sum up to more than one entry can carry.
    """
    gifts, refunds, disputes = [], [], []
    for report in reports:
        if isinstance(report, GiftReport):
            gift = Gift(
                partner,
                report.external_id,
                report.project,
                report.campaign,
                report.amount_micros,
                report.currency,
                micros_of(report.event_time),
                tokens.token(partner, report.donor_reference),
                report.rail,
            )
            gifts.append(require_gift(gift, now, project_required=False))
        elif isinstance(report, DisputeReport):
            dispute = Dispute(
                partner,
                report.external_id,
                report.dispute_id,
                report.status,
                report.amount_micros,
                report.currency,
                micros_of(report.event_time),
            )
            disputes.append(require_dispute(dispute, now))
        else:
            refund = Refund(
                partner,
                report.external_id,
                report.refund_id,
                report.amount_micros,
                report.currency,
                report.cumulative,
                micros_of(report.event_time),
            )
            refunds.append(require_refund(refund, now))
    submission = Submission(gifts=gifts, refunds=refunds, disputes=disputes)
    if len(reports) > 1:  # what one may be is far below what all may sum up to
        require_sum(submission.micros)
    return submission


_OUTCOMES = {int(outcome): outcome for outcome in Outcome}
"""Looked up for a fifth of what the enum's own way costs."""


def _outcomes(reports: Sequence[Report], committed: Committed) -> list[Outcome]:
    gifts = map(_OUTCOMES.__getitem__, committed.outcomes.tolist())
    if len(reports) == len(committed.outcomes):  # they are all gifts
        return list(gifts)
    refunds, disputes = iter(committed.refunds), iter(committed.disputes)
    outcomes = []
    for report in reports:
        match report:
            case GiftReport():
                outcomes.append(next(gifts))
            case RefundReport():
                outcomes.append(next(refunds).outcome)
            case DisputeReport():
                outcomes.append(next(disputes).outcome)
    return outcomes
