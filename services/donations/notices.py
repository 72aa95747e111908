"""Platforms' notices: verified, read, recorded, and acknowledged in the platform's own way."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import structlog

from services.donations import metrics
from services.donations.commit.committer import Committer
from services.donations.commit.submission import Committed, Submission
from services.donations.domain import Gift, Outcome, Refund, micros_of
from services.donations.gifts.tokens import DonorTokens
from services.donations.gifts.validation import require_gift, require_refund
from services.donations.platforms.protocol import (
    BODY_LIMIT_BYTES,
    Acknowledgement,
    GiftReport,
    Notice,
    Platform,
    Probe,
    Report,
)
from services.donations.store.quarantine import QuarantinedNotice
from services.runtime.clock import Clock
from services.runtime.errors import Fault, Reason
from services.runtime.quotas.quotas import Quotas

_log = structlog.get_logger()

_HOUR_S = 3600.0


class Keeper(Protocol):
    """Where quarantined notices are kept."""

    async def keep(self, notice: QuarantinedNotice) -> bool:
        """Keeps a notice; False if the very same one was kept before."""


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

    async def keep(self, platform: str, notice: Notice, fault: Fault) -> None:
        """Keeps a notice of a configured platform. Raises the database's errors."""
        now = self._clock()
        kept = QuarantinedNotice(
            platform,
            fault.reason,
            fault.message,
            now,
            notice.http_method,
            notice.query,
            notice.headers,
            notice.body[:BODY_LIMIT_BYTES],
        )
        size = len(notice.body) + len(notice.query)
        size += sum(len(name) + len(value) for name, value in notice.headers.items())
        if not self._take(platform, size, now):
            metrics.QUARANTINE_DROPPED.labels(platform).inc()
            _log.warning(
                "a notice was not kept, as too many were",
                platform=platform,
                reason=fault.reason.value,
                body_sha256=hashlib.sha256(notice.body).hexdigest(),
            )
        elif await self._store.keep(kept):
            metrics.QUARANTINED.labels(platform, fault.reason.value).inc()

    def _take(self, platform: str, size: int, now: datetime) -> bool:
        left, then = self._left.get(platform, (float(self._bytes_an_hour), now))
        earned = (now - then).total_seconds() / _HOUR_S * self._bytes_an_hour
        left = min(left + max(earned, 0.0), float(self._bytes_an_hour))
        enough = size <= left
        self._left[platform] = (left - size if enough else left, now)
        return enough


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

    async def accept(self, code: str, notice: Notice) -> tuple[Acknowledgement, list[Outcome]]:
        """Records what a platform's notice reports; returns what to answer, and what became of
        each report. Conflicts are no error: the notice is genuine, and is kept as a claim.

        Raises Fault(PLATFORM_UNKNOWN), and what `Platform.read` raises, after the notice has been
        quarantined; also for reports that break intake's own rules. Raises Fault(RATE_LIMITED) for
        a genuine notice beyond the platform's quotas: the platform sends it again.
        """
        platform = self._platforms.get(code)
        if platform is None:
            raise Fault(
                Reason.PLATFORM_UNKNOWN,
                "no platform of this name is configured; check the callback's address, or add the "
                "platform to platforms.toml",
            )
        try:
            # Verifying a signature takes tens of microseconds: too little to leave the loop for.
            reports = platform.read(notice, self._clock())
            submission = self._submission(platform.code, reports)
        except Probe:
            raise
        except Fault as fault:
            await self._quarantine.keep(platform.code, notice, fault)
            raise
        # Only what is genuine counts: a forger must not use up what the platform may send.
        self._quotas.of(platform.code).take(calls=1, gifts=len(reports), size=len(notice.body))
        if not reports:
            return platform.acknowledgement, [Outcome.IGNORED]
        committed = await self._committer.commit(submission)
        return platform.acknowledgement, _outcomes(reports, committed)

    def _submission(self, partner: str, reports: Sequence[Report]) -> Submission:
        now = self._clock()
        gifts, refunds = [], []
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
                    self._tokens.token(partner, report.donor_reference),
                )
                gifts.append(require_gift(gift, now, project_required=False))
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
        return Submission(gifts=gifts, refunds=refunds)


def _outcomes(reports: Sequence[Report], committed: Committed) -> list[Outcome]:
    gifts = iter(committed.outcomes.tolist())
    refunds = iter(committed.refunds)
    return [
        Outcome(next(gifts)) if isinstance(report, GiftReport) else next(refunds).outcome
        for report in reports
    ]
