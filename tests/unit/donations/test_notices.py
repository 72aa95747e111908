"""Notices: what is recorded, what is quarantined, and what is neither."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from services.donations.commit.submission import Committed, Fate, Submission
from services.donations.desks.notices import Accepted, NoticeDesk, Quarantine
from services.donations.domain import Outcome
from services.donations.gifts.tokens import DonorTokens
from services.donations.platforms.protocol import (
    Acknowledgement,
    GiftReport,
    Notice,
    Probe,
    RefundReport,
    Report,
)
from services.donations.store.quarantine import QuarantinedNotice
from services.runtime.database import OutcomeUnknown
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

    def __init__(self, result: list[Report] | Exception) -> None:
        self.result = result

    def read(self, _notice: Notice, _now: datetime) -> list[Report]:
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


class Script(Platform):
    """A platform whose notices' bodies name what it reads."""

    def __init__(self, results: Mapping[bytes, list[Report] | Exception]) -> None:
        super().__init__([])
        self.results = results

    def read(self, notice: Notice, _now: datetime) -> list[Report]:
        self.result = self.results[notice.body]
        return super().read(notice, _now)


class Committer:
    """Accepts gifts, and says that refunds conflict."""

    def __init__(self) -> None:
        self.submissions: list[Submission] = []
        self.room = 10_000

    def submit(
        self, submission: Submission, *, has_company: bool = False
    ) -> asyncio.Future[Committed]:
        if submission.weight > self.room:
            raise Fault(Reason.QUEUE_FULL, "no room")
        self.submissions.append(submission)
        done = asyncio.get_running_loop().create_future()
        if any(gift.external_id == "breaks" for gift in submission.gifts):
            done.set_exception(ArithmeticError("a defect of the committer's"))
            return done
        if any(gift.external_id == "lost" for gift in submission.gifts):
            done.set_exception(OutcomeUnknown("the connection broke"))
            return done
        outcomes = np.full(submission.gift_count, Outcome.ACCEPTED, dtype=np.uint8)
        conflict = Fate(Outcome.CONFLICTING, None, Reason.REFUND_CONFLICT)
        done.set_result(Committed(None, NOW, outcomes, [conflict] * len(submission.refunds)))
        return done


class Store:
    """Keeps notices by digest, as the database does."""

    def __init__(self) -> None:
        self.kept: dict[bytes, QuarantinedNotice] = {}
        self.is_away = False

    async def keep(self, notices: Sequence[QuarantinedNotice]) -> set[bytes]:
        if self.is_away:
            raise OutcomeUnknown("the connection broke")
        digests = {notice.digest() for notice in notices}
        assert len(digests) == len(notices), "the same notice is kept once"
        new = digests - self.kept.keys()
        self.kept |= {notice.digest(): notice for notice in notices if notice.digest() in new}
        return new


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
        result: list[Report] | Fault | Platform,
        bytes_an_hour: int = 1_000_000,
        allowance: Allowance | None = None,
    ) -> None:
        self.committer, self.store, self.clock = Committer(), Store(), FixedClock(NOW)
        self.desk = NoticeDesk(
            {"alipay": result if isinstance(result, Platform) else Platform(result)},
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


async def test_a_notice_sums_up_to_no_more_than_an_entry_can_carry() -> None:
    most: list[Report] = [
        gift_report(external_id=f"T{number}", amount_micros=10**15) for number in range(2_700)
    ]
    most += [RefundReport("T1", f"R{number}", 10**15, "CNY", False, NOW) for number in range(2_000)]
    parts = Desk(most)
    with pytest.raises(Fault) as raised:
        await parts.desk.accept("alipay", NOTICE)
    assert raised.value.reason is Reason.AMOUNT_OVER_LIMIT
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


FORGED = Fault(Reason.SIGNATURE_INVALID, "forged")
SCRIPT = Script(
    {
        b"gift": [gift_report()],
        b"other gift": [gift_report(external_id="T2"), REFUND],
        b"nothing": [],
        b"forged": FORGED,
        b"malformed": Fault(Reason.NOTIFICATION_MALFORMED, "no JSON"),
        b"too much": [gift_report(amount_micros=10**16)],
        b"probe": Probe("alipay"),
        b"defect": ZeroDivisionError("a defect of the adapter's"),
        b"breaks": [gift_report(external_id="breaks")],
        b"lost": [gift_report(external_id="lost")],
    }
)
# By body: what one of them comes to, alone or among others.
FATES: Mapping[bytes, list[Outcome] | Reason | type[Exception]] = {
    b"gift": [Outcome.ACCEPTED],
    b"other gift": [Outcome.ACCEPTED, Outcome.CONFLICTING],
    b"nothing": [Outcome.IGNORED],
    b"forged": Reason.SIGNATURE_INVALID,
    b"malformed": Reason.NOTIFICATION_MALFORMED,
    b"too much": Reason.AMOUNT_OVER_LIMIT,
    b"probe": Reason.SIGNATURE_INVALID,
    b"defect": ZeroDivisionError,
    b"breaks": ArithmeticError,
}


def fate_of(result: Accepted | Exception) -> list[Outcome] | Reason | type[Exception]:
    if isinstance(result, Fault):
        return result.reason
    return type(result) if isinstance(result, Exception) else result.outcomes


@pytest.mark.property
@given(st.lists(st.sampled_from(sorted(FATES)), min_size=1, max_size=12))
async def test_no_notice_affects_another(bodies: list[bytes]) -> None:
    parts = Desk(SCRIPT)
    notices = [("alipay", Notice("POST", "", {}, body)) for body in bodies]
    results = await parts.desk.accept_all([*notices, ("nobody", NOTICE)])
    assert [fate_of(result) for result in results[:-1]] == [FATES[body] for body in bodies]
    assert fate_of(results[-1]) is Reason.PLATFORM_UNKNOWN
    quarantined = {b"forged", b"malformed", b"too much"} & set(bodies)
    assert {notice.body for notice in parts.store.kept.values()} == quarantined
    recorded = [body for body in bodies if body in (b"gift", b"other gift", b"breaks")]
    joined = len(recorded) > 1
    apart = len(recorded) if joined and b"breaks" in recorded else 0
    assert len(parts.committer.submissions) == (1 if recorded else 0) + apart


async def test_what_a_database_that_is_away_loses_is_not_tried_one_by_one() -> None:
    parts = Desk(SCRIPT)
    bodies = (b"gift", b"lost", b"forged")
    results = await parts.desk.accept_all([("alipay", Notice("POST", "", {}, b)) for b in bodies])
    fates = [fate_of(result) for result in results]
    assert fates == [OutcomeUnknown, OutcomeUnknown, Reason.SIGNATURE_INVALID]
    assert len(parts.committer.submissions) == 1


async def test_notices_that_do_not_fit_together_go_one_by_one() -> None:
    parts = Desk(SCRIPT)
    parts.committer.room = 1
    bodies = (b"gift", b"other gift", b"gift")
    with capture_logs() as logs:
        results = await parts.desk.accept_all(
            [("alipay", Notice("POST", "", {}, b)) for b in bodies]
        )
    assert [fate_of(result) for result in results] == [
        [Outcome.ACCEPTED],
        Reason.QUEUE_FULL,
        [Outcome.ACCEPTED],
    ]
    assert logs == []  # a full queue is nobody's defect


async def test_many_reports_are_several_submissions() -> None:
    reports = [gift_report(external_id=f"T{number}") for number in range(100)]
    parts = Desk(Platform([*reports, REFUND]))
    notices = [("alipay", Notice("POST", "", {}, b"%d" % number)) for number in range(5)]
    results = await parts.desk.accept_all(notices)
    fate = [*[Outcome.ACCEPTED] * 100, Outcome.CONFLICTING]
    assert [fate_of(result) for result in results] == [fate] * 5
    sizes = [len(submission.gifts) for submission in parts.committer.submissions]
    assert sizes == [200, 200, 100]


async def test_what_is_ready_meanwhile_does_not_wait_for_all_notices_of_a_call() -> None:
    read: list[bytes] = []

    class Counting(Script):
        def read(self, notice: Notice, now: datetime) -> list[Report]:
            read.append(notice.body)
            return super().read(notice, now)

    parts = Desk(Counting(SCRIPT.results))
    notices = [("alipay", Notice("POST", "", {}, b"gift"))] * 10
    call = asyncio.create_task(parts.desk.accept_all(notices))
    turns = []
    while not call.done():
        await asyncio.sleep(0)
        turns.append(len(read))
    assert {4, 8} <= set(turns)
    assert len(parts.committer.submissions) == 1


async def test_a_quarantine_that_fails_hinders_only_what_belongs_there() -> None:
    parts = Desk(SCRIPT)
    parts.store.is_away = True
    bodies = (b"gift", b"forged", b"nothing", b"probe")
    results = await parts.desk.accept_all([("alipay", Notice("POST", "", {}, b)) for b in bodies])
    assert [fate_of(result) for result in results] == [
        [Outcome.ACCEPTED],
        OutcomeUnknown,
        [Outcome.IGNORED],
        Reason.SIGNATURE_INVALID,
    ]


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
