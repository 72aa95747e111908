"""How gifts become rows: straight and staged, on both lanes, give the same answers."""

import asyncio
import itertools
from dataclasses import astuple, replace

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.donations.catalog.memory import Project
from services.donations.commit.submission import Submission
from services.donations.domain import Gift, Outcome
from services.donations.gifts.columns import columns_of
from tests.integration.donations.parts import DECIDER, Parts, outcomes_of, write
from tests.unit.donations.gifts import NOW_MICROS, a_gift

_HOUR = 3_600_000_000

# The database outlives the examples; each example's partners are its own.
shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
examples = itertools.count()


def suspended(gift: Gift) -> bool:
    """Whether a gift of the unit tests' kind goes to suspense."""
    if gift.project not in ("water", "books", "surgery"):
        is_open = gift.project == "closed" and gift.event_time_micros < NOW_MICROS - 2 * _HOUR
        if not is_open:
            return True
    if gift.campaign == "past":
        return not NOW_MICROS - 3 * _HOUR <= gift.event_time_micros < NOW_MICROS - _HOUR
    return gift.campaign == "unknown"


_few = st.builds(
    a_gift,
    external_id=st.sampled_from(["a", "b", "cc", "d" * 40, "e", "f"]),
    project=st.sampled_from(["water", "books", "surgery", "closed", "unheard-of", ""]),
    campaign=st.sampled_from(["", "week", "past", "unknown"]),
    amount_micros=st.sampled_from([1, 2]),
    currency=st.sampled_from(["CNY", "USD"]),
    event_time_micros=st.sampled_from([NOW_MICROS - 5 * _HOUR // 2, NOW_MICROS]),
    donor_token=st.sampled_from([b"", b"0123456789abcdef"]),
)
_groups = st.lists(st.lists(_few, min_size=1, max_size=6), min_size=1, max_size=4)


@shared
@given(groups=_groups)
async def test_both_ways_give_the_answers_of_a_plain_model(
    parts: Parts, groups: list[list[Gift]]
) -> None:
    known: dict[str, Gift] = {}
    expected = []
    for gift in itertools.chain.from_iterable(groups):
        first = known.setdefault(gift.external_id, gift)
        if first is gift:
            expected.append(Outcome.SUSPENDED if suspended(gift) else Outcome.ACCEPTED)
        else:
            expected.append(Outcome.REPLAYED if first == gift else Outcome.CONFLICTING)

    example = next(examples)
    for writer, way, forced in ((parts.writers[0], "copy", 0), (parts.writers[1], "staged", 10**9)):
        partner = f"{way}-{example}"
        answers = []
        for group in groups:
            writer._staged_left = forced  # the way to be tried first
            mine = [replace(gift, partner=partner) for gift in group]
            half = len(mine) // 2
            submissions = [
                Submission(gifts=mine[:half]),
                Submission(columns=columns_of(mine[half:])),
            ]
            answers += outcomes_of(await write(parts, writer, *submissions))
        assert answers == expected
        assert await recorded_gifts(parts, partner) == sorted(
            (replace(gift, partner=partner) for gift in known.values()), key=by_id
        )
        [claims] = await parts.query(
            """SELECT count(*) FROM conflicts c JOIN partners p ON p.id = c.partner_id
               WHERE p.code = :partner""",
            partner=partner,
        )
        others = {astuple(gift) for group in groups for gift in group}
        others -= {astuple(gift) for gift in known.values()}
        assert claims.count == len(others)  # each claim once, however often it comes


async def recorded_gifts(parts: Parts, partner: str) -> list[Gift]:
    """What stands in the table of one partner, as it was reported."""
    rows = await parts.query(
        """
        SELECT p.code AS partner, d.external_id, coalesce(u.project, j.code) AS project,
               coalesce(u.campaign, c.code, '') AS campaign, d.amount_micros, d.currency,
               d.donor_token, CAST(extract(epoch FROM d.event_time) * 1000000 AS bigint) AS micros,
               d.project_id = 0 AS suspended
        FROM donations d JOIN partners p ON p.id = d.partner_id
        LEFT JOIN suspended u USING (bucket, partner_id, external_id)
        LEFT JOIN projects j ON j.id = d.project_id LEFT JOIN campaigns c ON c.id = d.campaign_id
        WHERE p.code = :partner""",
        partner=partner,
    )
    found = []
    for row in rows:
        gift = Gift(
            row.partner,
            row.external_id,
            row.project,
            row.campaign,
            row.amount_micros,
            row.currency,
            row.micros,
            bytes(row.donor_token),
        )
        assert row.suspended == suspended(gift)
        found.append(gift)
    return sorted(found, key=by_id)


def by_id(gift: Gift) -> str:
    return gift.external_id


async def test_both_lanes_with_the_same_keys_record_each_gift_once(parts: Parts) -> None:
    rng = np.random.default_rng(7)
    for turn in range(10):
        gifts = [a_gift(f"{turn}-{n}") for n in range(300)]
        parts.writers[1]._staged_left = turn % 2  # against straight COPY, and against staging
        subsets = [[gifts[n] for n in rng.permutation(300)[:200].tolist()] for _ in parts.writers]
        answers = await asyncio.gather(
            *(
                write(parts, writer, Submission(gifts=subset))
                for writer, subset in zip(parts.writers, subsets, strict=True)
            )
        )
        accepted = [
            gift.external_id
            for answer, subset in zip(answers, subsets, strict=True)
            for gift, outcome in zip(subset, outcomes_of(answer), strict=True)
            if outcome is Outcome.ACCEPTED
        ]
        told_twice = {g.external_id for g in subsets[0]} & {g.external_id for g in subsets[1]}
        assert len(accepted) == len(set(accepted)) == 400 - len(told_twice)
    await parts.require_balanced()


async def test_a_repeat_is_one_wherever_the_project_stands_today(parts: Parts) -> None:
    gift = a_gift(project="new", campaign="week")
    first = await write(parts, parts.writers[0], Submission(gifts=[gift]))
    assert outcomes_of(first) == [Outcome.SUSPENDED]
    await parts.catalog_store.create_project(Project("new", "New", "aid"), DECIDER, parts.clock())
    await parts.catalog.refresh()
    other = replace(gift, project="water")
    again = await write(parts, parts.writers[0], Submission(gifts=[gift, other]))
    assert outcomes_of(again) == [Outcome.REPLAYED, Outcome.CONFLICTING]
