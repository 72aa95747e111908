"""Notices: what is recorded, what is quarantined, and what is neither."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from services.donations.commit.submission import Committed, RefundFate, Submission
from services.donations.domain import Outcome
from services.donations.gifts.tokens import DonorTokens
from services.donations.notices import NoticeDesk, Quarantine
from services.donations.platforms.protocol import (
    Acknowledgement,
    GiftReport,
    Notice,
    Probe,
    RefundReport,
    Report,
)
from services.donations.store.quarantine import QuarantinedNotice
from services.runtime.errors import Fault, Reason
from services.runtime.quotas.quotas import Quotas
from services.runtime.quotas.table import Allowance, QuotaTable
from tests.support.clock import FixedClock
from tests.unit.runtime.quotas.moments import Moments

NOW = datetime(2019, 9, 5, 12, tzinfo=UTC)
NOTICE = Notice("POST", "", {"x-signature": "s"}, b"body")
TOKENS = DonorTokens(bytes(32))


class Platform:
    """A platform that reads what a test wants it to."""

    code = "alipay"
    acknowledgement = Acknowledgement(200, "text/plain", b"success")

    def __init__(self, result: list[Report] | Fault) -> None:
        self.result = result

    def read(self, _notice: Notice, _now: datetime) -> list[Report]:
        if isinstance(self.result, Fault):
            raise self.result
        return self.result


class Committer:
    """Accepts gifts, and says that refunds conflict."""

    def __init__(self) -> None:
        self.submissions: list[Submission] = []

    async def commit(self, submission: Submission) -> Committed:
        self.submissions.append(submission)
        outcomes = np.full(submission.gift_count, Outcome.ACCEPTED, dtype=np.uint8)
        conflict = RefundFate(Outcome.CONFLICTING, None, Reason.REFUND_CONFLICT)
        return Committed(None, NOW, outcomes, [conflict] * len(submission.refunds))


class Store:
    """Keeps notices by digest, as the database does."""

    def __init__(self) -> None:
        self.kept: dict[bytes, QuarantinedNotice] = {}

    async def keep(self, notice: QuarantinedNotice) -> bool:
        is_new = notice.digest() not in self.kept
        self.kept.setdefault(notice.digest(), notice)
        return is_new


def gift_report(**changes: object) -> GiftReport:
    fields: dict[str, object] = {
        "external_id": "T1",
        "project": "",
        "campaign": "",
        "amount_micros": 10_000,
        "currency": "CNY",
        "event_time": NOW,
        "donor_reference": "2088",
    }
    return GiftReport(**(fields | changes))  # type: ignore[arg-type]


REFUND = RefundReport("T1", "R1", 10_000, "CNY", True, NOW)


class Desk:
    """A desk, and what stands behind it."""

    def __init__(
        self,
        result: list[Report] | Fault,
        bytes_an_hour: int = 1_000_000,
        allowance: Allowance | None = None,
    ) -> None:
        self.committer, self.store, self.clock = Committer(), Store(), FixedClock(NOW)
        self.desk = NoticeDesk(
            {"alipay": Platform(result)},
            self.committer,  # type: ignore[arg-type]
            Quarantine(self.store, self.clock, bytes_an_hour=bytes_an_hour),
            TOKENS,
            self.clock,
            Quotas(QuotaTable(allowance), pause=Moments().pause, clock=Moments()),
        )


async def test_reports_are_recorded_together_and_answered_in_their_order() -> None:
    parts = Desk([REFUND, gift_report()])
    answer, outcomes = await parts.desk.accept("alipay", NOTICE)
    assert answer == Platform.acknowledgement
    assert outcomes == [Outcome.CONFLICTING, Outcome.ACCEPTED]
    [submission] = parts.committer.submissions
    [gift] = submission.gifts
    assert (gift.partner, gift.project) == ("alipay", "")
    assert gift.donor_token == TOKENS.token("alipay", "2088")
    assert submission.refunds[0].cumulative
    assert parts.store.kept == {}


async def test_genuine_notices_beyond_the_quota_are_sent_again_later() -> None:
    parts = Desk([gift_report()], allowance=Allowance(gifts_per_s=0.5, burst_s=2))
    await parts.desk.accept("alipay", NOTICE)
    with pytest.raises(Fault) as caught:
        await parts.desk.accept("alipay", NOTICE)
    assert caught.value.reason is Reason.RATE_LIMITED
    assert caught.value.metadata["partner"] == "alipay"
    assert caught.value.retry_after == pytest.approx(2.0)
    assert len(parts.committer.submissions) == 1
    assert parts.store.kept == {}, "there is nothing wrong with it"


async def test_forged_notices_use_up_nothing_of_the_platforms() -> None:
    forged = Fault(Reason.SIGNATURE_INVALID, "forged")
    parts = Desk(forged, allowance=Allowance(calls_per_s=0.5, burst_s=2))
    for _ in range(5):
        with pytest.raises(Fault) as caught:
            await parts.desk.accept("alipay", NOTICE)
        assert caught.value.reason is Reason.SIGNATURE_INVALID


async def test_a_notice_that_moves_no_money_is_acknowledged() -> None:
    parts = Desk([])
    assert await parts.desk.accept("alipay", NOTICE) == (
        Platform.acknowledgement,
        [Outcome.IGNORED],
    )
    assert parts.committer.submissions == []


@pytest.mark.parametrize(
    "reason",
    [
        Reason.SIGNATURE_INVALID,
        Reason.TIMESTAMP_STALE,
        Reason.NOTIFICATION_MALFORMED,
        Reason.RECIPIENT_MISMATCH,
    ],
)
async def test_what_cannot_be_verified_is_kept_whole_and_once(reason: Reason) -> None:
    parts = Desk(Fault(reason, "no"))
    for _ in range(3):
        with pytest.raises(Fault) as raised:
            await parts.desk.accept("alipay", NOTICE)
        assert raised.value.reason is reason
    [kept] = parts.store.kept.values()
    assert (kept.reason, kept.message, kept.platform) == (reason, "no", "alipay")
    assert (kept.headers, kept.body) == (NOTICE.headers, NOTICE.body)
    assert parts.committer.submissions == []


async def test_a_report_that_breaks_our_rules_is_kept_too() -> None:
    parts = Desk([gift_report(), gift_report(amount_micros=10**16)])
    with pytest.raises(Fault) as raised:
        await parts.desk.accept("alipay", NOTICE)
    assert raised.value.reason is Reason.AMOUNT_OVER_LIMIT
    assert len(parts.store.kept) == 1
    assert parts.committer.submissions == []


async def test_a_probe_is_refused_and_leaves_no_trace() -> None:
    parts = Desk(Probe("tencent"))
    with pytest.raises(Fault) as raised:
        await parts.desk.accept("alipay", NOTICE)
    assert raised.value.reason is Reason.SIGNATURE_INVALID
    assert parts.store.kept == {}


async def test_an_unknown_platform_is_refused() -> None:
    parts = Desk([])
    with pytest.raises(Fault) as raised:
        await parts.desk.accept("nobody", NOTICE)
    assert raised.value.reason is Reason.PLATFORM_UNKNOWN


async def test_a_flood_is_not_kept() -> None:
    parts = Desk(Fault(Reason.SIGNATURE_INVALID, "no"), bytes_an_hour=2_500)

    async def send(number: int) -> None:
        notice = Notice("POST", "", {}, b"%01000d" % number)
        with pytest.raises(Fault):
            await parts.desk.accept("alipay", notice)

    for number in range(5):
        await send(number)
    assert len(parts.store.kept) == 2
    parts.clock.advance(timedelta(minutes=30))
    await send(9)
    assert len(parts.store.kept) == 3
