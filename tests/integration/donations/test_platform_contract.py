"""The contract kit's cases that need a memory: every platform's notices on a real database.

tests/unit/donations/platforms/test_contract.py shows how a notice reads; here is what becomes of it
when it comes again, contradicts itself, is refunded before it was paid, in parts, or beyond the
gift. The senders are the same, and so is the table of what a protocol makes impossible.
"""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.donations.desks.notices import NoticeDesk, Quarantine
from services.donations.domain import Outcome
from services.donations.gifts.tokens import DonorTokens
from services.donations.life.recorded import RecordedGift
from services.donations.platforms import Notice, Probe
from services.donations.store.quarantine import QuarantineStore
from services.runtime.errors import Fault, Reason
from services.runtime.quotas.quotas import Quotas
from services.runtime.quotas.table import QuotaTable
from tests.integration.donations.conftest import forget_now_and_then
from tests.integration.donations.parts import Parts
from tests.support.clock import FixedClock
from tests.support.emptying import Emptier
from tests.unit.donations.platforms.impossible import Case, impossible
from tests.unit.donations.platforms.senders import SENDERS, probe_of
from tests.unit.donations.platforms.sending import NOW, Gift, Refund, Sender

FEN = 10_000
GIFT = Gift(campaign="", project="water")
PARTS = (Refund("R-1", 234, 234), Refund("R-2", 500, 734), Refund("R-3", 500, 1234))

each_platform = pytest.mark.parametrize("sender", SENDERS, ids=lambda sender: sender.code)
WHO_REFUNDS = [sender for sender in SENDERS if not impossible(sender, Case.REFUND)]
each_that_refunds = pytest.mark.parametrize("sender", WHO_REFUNDS, ids=lambda sender: sender.code)
examples = itertools.count()


async def never(_seconds: float) -> None:
    raise AssertionError("no notice is slowed down")


@dataclass
class Desk:
    """One platform's notices, from the HTTP request to the rows."""

    sender: Sender
    desk: NoticeDesk
    parts: Parts

    async def take(self, notice: Notice) -> list[Outcome]:
        """Takes a notice in; it must be acknowledged as the platform expects."""
        acknowledgement, outcomes = await self.desk.accept(self.sender.code, notice)
        assert acknowledgement == self.sender.platform().acknowledgement
        return outcomes

    async def refused(self, notice: Notice) -> Fault:
        with pytest.raises(Fault) as caught:
            await self.desk.accept(self.sender.code, notice)
        return caught.value

    async def gift(self, external_id: str = GIFT.external_id) -> RecordedGift | None:
        partner_id = await self.parts.catalog.known_partner_id(self.sender.code)
        if partner_id is None:
            return None
        return await self.parts.reader.life(self.sender.code, partner_id, external_id)

    async def books(self) -> dict[str, int]:
        """What stands in the books, in fen, after all refunds are booked and checked."""
        await self.parts.sweeper.sweep()
        await self.parts.require_balanced()
        names = {1: "given", 2: "suspended", 3: "refunded", 4: "refunded from suspense"}
        sums: dict[str, int] = {}
        for line, (micros, _) in (await self.parts.books()).items():
            if line[1] == self.sender.code:
                name = names[int(line[0])]  # type: ignore[call-overload]
                sums[name] = sums.get(name, 0) + micros
        return {name: micros // FEN for name, micros in sums.items()}

    async def count(self, table: str) -> int:
        [row] = await self.parts.query(f"SELECT count(*) AS rows FROM {table}")
        return int(row.rows)


@pytest.fixture
def open_desk(parts: Parts, clock: FixedClock) -> Callable[[Sender], Desk]:
    """`open_desk(sender)`: that platform's notices are taken."""
    clock.set(NOW)
    quotas = Quotas(QuotaTable(), pause=never)
    quarantine = Quarantine(QuarantineStore(parts.engine), clock, bytes_an_hour=1 << 30)
    tokens = DonorTokens(bytes(range(32)))

    def opened(sender: Sender) -> Desk:
        platforms = {sender.code: sender.platform()}
        desk = NoticeDesk(platforms, parts.committer, quarantine, tokens, clock, quotas)
        return Desk(sender, desk, parts)

    return opened


Opening = Callable[[Sender], Desk]


@each_platform
async def test_a_good_notice_is_one_gift_however_often_it_comes(
    open_desk: Opening, sender: Sender
) -> None:
    desk = open_desk(sender)
    notice = sender.payment(GIFT)
    assert await desk.take(notice) == [Outcome.ACCEPTED]
    assert await desk.take(notice) == [Outcome.REPLAYED]
    more = {"zz_new_field": "新"}
    assert await desk.take(sender.payment(GIFT, lambda content: content.update(more))) == [
        Outcome.REPLAYED
    ]
    recorded = await desk.gift()
    assert recorded is not None
    assert (recorded.gift.project, recorded.gift.amount_micros) == ("water", 1234 * FEN)
    assert await desk.books() == {"given": 1234}


@each_platform
async def test_the_same_notice_at_the_same_moment_is_one_gift(
    open_desk: Opening, sender: Sender
) -> None:
    desk = open_desk(sender)
    taken = await asyncio.gather(*(desk.take(sender.payment(GIFT)) for _ in range(10)))
    assert sorted(outcome for [outcome] in taken) == [Outcome.ACCEPTED] + [Outcome.REPLAYED] * 9
    assert await desk.books() == {"given": 1234}


@each_platform
async def test_a_replay_after_a_day_changes_nothing(
    open_desk: Opening, sender: Sender, clock: FixedClock
) -> None:
    desk = open_desk(sender)
    notice = sender.payment(GIFT)
    await desk.take(notice)
    clock.advance(timedelta(days=1))
    if impossible(sender, Case.STALE):
        assert await desk.take(notice) == [Outcome.REPLAYED]
    else:
        assert (await desk.refused(notice)).reason is Reason.TIMESTAMP_STALE
    assert await desk.books() == {"given": 1234}


@each_platform
async def test_a_duplicate_with_other_content_is_acknowledged_and_kept_as_a_claim(
    open_desk: Opening, sender: Sender
) -> None:
    desk = open_desk(sender)
    await desk.take(sender.payment(GIFT))
    others = [
        replace(GIFT, fen=9999),
        replace(GIFT, project="books"),
        replace(GIFT, campaign="week"),
        replace(GIFT, paid=GIFT.paid - timedelta(seconds=5)),
    ]
    for other in [*others, *others]:
        assert await desk.take(sender.payment(other)) == [Outcome.CONFLICTING]
    assert await desk.count("conflicts") == len(others)
    assert await desk.books() == {"given": 1234}


@each_platform
async def test_what_is_not_genuine_is_kept_whole_and_gives_nothing(
    open_desk: Opening, sender: Sender
) -> None:
    desk = open_desk(sender)
    bad = {
        Reason.SIGNATURE_INVALID: [
            sender.forged(sender.payment(GIFT)),
            sender.payment(GIFT, key_name="stranger"),
        ],
        Reason.NOTIFICATION_MALFORMED: [
            sender.payment(GIFT, lambda content: content.pop(sender.required[-1])),
            replace(sender.payment(GIFT), http_method="PUT"),
        ],
    }
    for reason, notices in bad.items():
        for notice in notices:
            for _ in range(2):
                assert (await desk.refused(notice)).reason is reason
    kept = await desk.parts.query("SELECT platform, reason, body, query FROM quarantine")
    assert sorted(
        (row.platform, row.reason, bytes(row.body), bytes(row.query)) for row in kept
    ) == sorted(
        (sender.code, reason.value, notice.body, notice.query.encode("latin-1"))
        for reason, notices in bad.items()
        for notice in notices
    )
    assert await desk.books() == {}
    assert await desk.take(sender.payment(GIFT)) == [Outcome.ACCEPTED]


@each_platform
async def test_a_probe_is_refused_and_not_kept(open_desk: Opening, sender: Sender) -> None:
    desk = open_desk(sender)
    probe = probe_of(sender, sender.payment(GIFT))
    assert (probe is None) is bool(impossible(sender, Case.PROBE))
    if probe is not None:
        assert isinstance(await desk.refused(probe), Probe)
        assert await desk.count("quarantine") == 0


@each_that_refunds
async def test_a_refund_before_its_payment_is_booked_when_the_gift_comes(
    open_desk: Opening, sender: Sender
) -> None:
    desk = open_desk(sender)
    [*gifts, refund] = await desk.take(sender.refund(GIFT, PARTS[0]))
    # A platform whose refund's notice tells of the gift as well needs not to wait for it.
    assert (gifts, refund) in (
        ([], Outcome.WAITING),
        ([Outcome.ACCEPTED], Outcome.ACCEPTED),
    )
    [payment] = await desk.take(sender.payment(GIFT))
    assert payment is (Outcome.REPLAYED if gifts else Outcome.ACCEPTED)
    assert (await desk.take(sender.refund(GIFT, PARTS[0])))[-1] is Outcome.REPLAYED
    assert await desk.books() == {"given": 1234, "refunded": 234}
    recorded = await desk.gift()
    assert recorded is not None
    assert recorded.refunded_micros == 234 * FEN


@each_that_refunds
async def test_partial_refunds_add_up_to_the_gift(open_desk: Opening, sender: Sender) -> None:
    desk = open_desk(sender)
    await desk.take(sender.payment(GIFT))
    for part in PARTS:
        assert (await desk.take(sender.refund(GIFT, part)))[-1] is Outcome.ACCEPTED
    assert await desk.books() == {"given": 1234, "refunded": 1234}
    recorded = await desk.gift()
    assert recorded is not None
    assert (len(recorded.refunds), recorded.refunded_micros) == (3, 1234 * FEN)


@each_that_refunds
async def test_what_is_refunded_beyond_the_gift_stands_in_suspense(
    open_desk: Opening, sender: Sender
) -> None:
    desk = open_desk(sender)
    await desk.take(sender.payment(GIFT))
    await desk.take(sender.refund(GIFT, Refund("R-1", 1000, 1000)))
    await desk.take(sender.refund(GIFT, Refund("R-2", 534, 1534)))
    assert await desk.books() == {
        "given": 1234,
        "refunded": 1234,
        "refunded from suspense": 300,
    }
    recorded = await desk.gift()
    assert recorded is not None
    assert recorded.refunded_micros == 1234 * FEN


@each_that_refunds
async def test_a_refund_with_other_content_is_a_claim(open_desk: Opening, sender: Sender) -> None:
    desk = open_desk(sender)
    await desk.take(sender.payment(GIFT))
    await desk.take(sender.refund(GIFT, PARTS[0]))
    other = sender.refund(GIFT, Refund("R-1", 235, 235))
    for _ in range(2):
        assert (await desk.take(other))[-1] is Outcome.CONFLICTING
    assert await desk.count("conflicts") == 1
    assert await desk.books() == {"given": 1234, "refunded": 234}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sender=st.sampled_from(WHO_REFUNDS), data=st.data())
async def test_any_order_and_any_repeats_end_in_the_same_books(
    open_desk: Opening, emptier: Emptier, sender: Sender, data: st.DataObject
) -> None:
    forget_now_and_then(emptier)
    desk = open_desk(sender)
    # The database outlives the example; each example's gift is its own.
    gift = replace(GIFT, external_id=f"example-{next(examples)}")
    messages: list[Notice] = [sender.payment(gift)]
    messages += [sender.refund(gift, part) for part in PARTS]
    sent: list[Any] = data.draw(
        st.permutations(messages + messages[: data.draw(st.integers(0, 4))])
    )
    for notice in sent:
        assert Outcome.CONFLICTING not in await desk.take(notice)
    await desk.parts.sweeper.sweep()
    recorded = await desk.gift(gift.external_id)
    assert recorded is not None
    assert (recorded.gift.amount_micros, recorded.refunded_micros) == (1234 * FEN, 1234 * FEN)
    assert len(recorded.refunds) == 3
    await desk.parts.require_balanced()
