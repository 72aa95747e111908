"""Any order and any repetition of the same messages, on both lanes, makes the same books."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.donations.commit.submission import Submission
from services.donations.domain import Gift, Purpose, Refund
from services.donations.gifts.booking import Refunded, booking_lines
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.donations.conftest import forget_now_and_then
from tests.integration.donations.parts import Parts, write
from tests.unit.donations.gifts import a_gift, a_refund

_HOUR = 3_600_000_000
_PURPOSES = {"water": Purpose.CHARITY, "surgery": Purpose.APPEAL}

# The database outlives the examples; each example's partners are its own.
shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
examples = itertools.count()

_amounts = st.integers(1, 150)
_messages = st.lists(
    st.one_of(
        st.builds(
            a_gift,
            external_id=st.sampled_from("abc"),
            amount_micros=st.just(100),
            project=st.just("water"),
        ),
        st.builds(
            a_refund,
            external_id=st.sampled_from("abc"),
            refund_id=st.sampled_from(["1", "2", "3"]),
        ),
    ),
    min_size=1,
    max_size=12,
)


@shared
@given(messages=_messages, chance=st.randoms(use_true_random=False))
async def test_any_order_on_both_lanes_makes_the_same_books(
    parts: Parts, urls: DatabaseUrls, messages: list[Gift | Refund], chance: object
) -> None:
    forget_now_and_then(urls)
    example = next(examples)
    partner = f"any-{example}"
    messages = [told(message, partner) for message in messages]
    again = chance.choices(messages, k=4)  # type: ignore[attr-defined]
    for part in grouped(shuffled([*messages, *again], chance), chance):
        lanes = [part[::2], part[1::2]]
        await asyncio.gather(
            *(
                write(parts, writer, *map(submission, lane))
                for writer, lane in zip(parts.writers, lanes, strict=True)
                if lane
            )
        )
    await parts.sweeper.sweep()
    books = {line: sums for line, sums in (await parts.books()).items() if line[1] == partner}
    assert books == expected_books(messages)


def told(message: Gift | Refund, partner: str) -> Gift | Refund:
    """Content that depends on the key alone, so that repeats are no conflicts."""
    if isinstance(message, Gift):
        project = {"b": "surgery", "c": "unheard-of"}.get(message.external_id, "water")
        return replace(message, partner=partner, project=project)
    number = int(message.refund_id)
    return replace(message, partner=partner, amount_micros=20 + 25 * number, cumulative=number == 3)


def expected_books(messages: Sequence[Gift | Refund]) -> dict[tuple[object, ...], tuple[int, int]]:
    gifts = {m for m in messages if isinstance(m, Gift)}
    refunds = {m for m in messages if isinstance(m, Refund)}
    sums: dict[tuple[object, ...], tuple[int, int]] = {}
    for gift in gifts:
        state = Refunded()
        for refund in refunds:
            if refund.external_id == gift.external_id:
                state = state.with_refund(refund.amount_micros, cumulative=refund.cumulative)
        purpose = _PURPOSES.get(gift.project, Purpose.UNATTRIBUTED)
        hour = gift.event_time_micros // _HOUR
        kin: tuple[object, ...] = (1, gift.partner, "", gift.project, purpose, "CNY", hour)
        if purpose is Purpose.UNATTRIBUTED:
            kin = (2, gift.partner, "", "", purpose, "CNY", hour)
        lines = [(kin, gift.amount_micros, 1)]
        lines += [
            (tuple(line[:-2]), line.micros, line.gift_count)
            for line in booking_lines(gift, purpose, Refunded(), state)
        ]
        for key, micros, count in lines:
            old = sums.get(key, (0, 0))
            sums[key] = old[0] + micros, old[1] + count
    return sums


def submission(message: Gift | Refund) -> Submission:
    if isinstance(message, Gift):
        return Submission(gifts=[message])
    return Submission(refunds=[message])


def shuffled(messages: list[Gift | Refund], chance: object) -> list[Gift | Refund]:
    chance.shuffle(messages)  # type: ignore[attr-defined]
    return messages


def grouped(messages: list[Gift | Refund], chance: object) -> list[list[Gift | Refund]]:
    """Cut into groups of one to four."""
    groups = []
    while messages:
        size = chance.randint(1, 4)  # type: ignore[attr-defined]
        groups.append(messages[:size])
        messages = messages[size:]
    return groups
