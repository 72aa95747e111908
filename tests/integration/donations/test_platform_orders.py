"""All platforms' own messages, in any order, in any transactions, however often: the same books.

Each platform's notices go the whole way: signed by its sender, verified and read, then recorded on
two lanes. What one notice tells is one submission, as the desk makes it.
"""

import asyncio
import itertools
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.donations.commit.submission import Submission
from services.donations.desks.notices import submission_of
from services.donations.domain import bucket_of
from services.donations.gifts.tokens import DonorTokens
from services.donations.platforms import Notice, Platform
from tests.integration.donations.canonical import canonical, forget_earlier
from tests.integration.donations.conftest import forget_now_and_then
from tests.integration.donations.parts import Parts, write
from tests.support.emptying import Emptier
from tests.unit.donations.platforms.impossible import Case, impossible
from tests.unit.donations.platforms.sender_bytedance import BytedanceSender
from tests.unit.donations.platforms.sender_partner import PartnerSender
from tests.unit.donations.platforms.sender_stripe import StripeSender
from tests.unit.donations.platforms.senders import SENDERS
from tests.unit.donations.platforms.sending import NOW, Dispute, Gift, Refund, Sender

shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
TOKENS = DonorTokens(bytes(range(32)))
PLATFORMS: dict[str, Platform] = {sender.code: sender.platform() for sender in SENDERS}

# Whose gifts may be paid on whose rail, by the way that Douyin calls it; and what two may share.
WAYS = {"1": "tencent", "2": "alipay"}
# Of one length, so that they fall into the same buckets in every run (test_orders.py).
IDS = ("a", "b")
marks = (mark for n in itertools.count() if bucket_of((mark := f"{n:08}-") + "a") == 0)


@dataclass(frozen=True)
class Told:
    """One notice to be made: of a gift of a sender, by what it tells."""

    sender: Sender
    kind: str
    external_id: str
    number: int = 0
    rail: tuple[str, str] | None = None

    def notice(self, mark: str) -> Notice:
        """The notice, with ids that begin with a mark."""
        gift = Gift(external_id=mark + self.external_id, campaign="", project="water")
        if self.rail is not None:
            gift = replace(gift, way=self.rail[0], rail_id=mark + self.rail[1])
        if self.kind == "payment":
            return self.sender.payment(gift)
        if self.kind == "refund":
            total = 300 * self.number
            return self.sender.refund(gift, Refund(f"R-{self.number}", 300, total))
        status = ("opened", "won", "lost")[self.number % 3]
        dispute = Dispute(f"D-{self.number // 3}", status, 400)
        assert isinstance(self.sender, StripeSender | PartnerSender), "the others tell of none"
        return self.sender.dispute(gift, dispute)


def told_by(sender: Sender) -> st.SearchStrategy[Told]:
    """What a sender may tell of its gifts."""
    names_rails = isinstance(sender, BytedanceSender | PartnerSender)
    rails = st.tuples(st.sampled_from(tuple(WAYS)), st.sampled_from(IDS))
    ids = st.sampled_from(IDS)
    kinds = [
        st.builds(
            Told,
            st.just(sender),
            st.just("payment"),
            ids,
            st.just(0),
            (st.none() | rails) if names_rails else st.none(),
        )
    ]
    if not impossible(sender, Case.REFUND):
        kinds.append(st.builds(Told, st.just(sender), st.just("refund"), ids, st.integers(1, 3)))
    if isinstance(sender, StripeSender | PartnerSender):
        kinds.append(st.builds(Told, st.just(sender), st.just("dispute"), ids, st.integers(0, 5)))
    return st.one_of(kinds)


# What contradicts itself is another test: a payment has one content for each id.
messages = st.lists(
    st.sampled_from(SENDERS).flatmap(told_by),
    min_size=1,
    max_size=14,
    unique_by=lambda told: (told.sender.code, told.kind, told.external_id, told.number),
)


@pytest.mark.property
@shared
@given(told=messages, chance=st.randoms(use_true_random=False))
async def test_any_order_of_all_platforms_messages_makes_the_same_books(
    parts: Parts, emptier: Emptier, told: list[Told], chance: random.Random
) -> None:
    forget_now_and_then(emptier)
    straight = await books(parts, [[[one]] for one in told])
    again = [*told, *chance.choices(told, k=3)]
    chance.shuffle(again)
    # Dealt before any is written: an example that runs out of chance must not end between two.
    assert await books(parts, list(dealt(again, chance))) == straight


async def books(parts: Parts, rounds: Iterable[Sequence[Sequence[Told]]]) -> str:
    """Takes notices in, round after round, and dumps what comes of it."""
    mark = next(marks)
    await forget_earlier(parts)
    for lanes in rounds:
        # Not gathered: where one fails, the other must not write into the next example's books.
        async with asyncio.TaskGroup() as both:
            for writer, lane in zip(parts.writers, lanes, strict=False):
                if lane:
                    told = [submission(one, mark) for one in lane]
                    both.create_task(write(parts, writer, *told))
    while await parts.sweeper.sweep():
        pass
    gifts = [(sender.code, mark + external_id) for sender in SENDERS for external_id in IDS]
    return (await canonical(parts, gifts)).replace(mark, "")


def submission(told: Told, mark: str) -> Submission:
    platform = PLATFORMS[told.sender.code]
    return submission_of(platform.code, platform.read(told.notice(mark), NOW), TOKENS, NOW)


def dealt(every: list[Told], chance: random.Random) -> Iterable[list[list[Told]]]:
    """Rounds of one to five notices, each dealt to both lanes."""
    while every:
        size = chance.randint(1, 5)
        yield [every[:size][::2], every[:size][1::2]]
        every = every[size:]
