"""Whether a gift may leave suspense for a project: exactly where intake would put it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.donations.allocation.allocation import AllocationOutcome
from services.donations.allocation.judging import Target, verdict_of
from services.donations.catalog.certificates import ALWAYS
from services.donations.catalog.memory import KnownCampaign, KnownProject, Standing
from services.donations.domain import Attribution, Gift, Purpose, SuspenseReason, micros_of
from services.donations.gifts.columns import columns_of
from services.donations.gifts.rows import place
from tests.unit.donations.gifts import NOW, NOW_MICROS, a_gift

HOUR = timedelta(hours=1)
WEEK = KnownCampaign(3, NOW - HOUR, NOW + HOUR)
_ALWAYS, _NEVER = 2**62, -(2**62)

edges = st.lists(st.integers(NOW_MICROS - 5, NOW_MICROS + 5), unique=True, max_size=4).map(
    lambda found: tuple(sorted(found))
)


def target(
    close_time: datetime | None = None,
    qualified: Sequence[int] = ALWAYS,
    *,
    purpose: Purpose = Purpose.CHARITY,
    without_campaign: bool = False,
) -> Target:
    project = KnownProject(7, purpose, close_time, tuple(qualified))
    return Target("water", project, {"week": WEEK}, without_campaign)


@given(
    st.integers(NOW_MICROS - 6, NOW_MICROS + 6),
    st.none() | st.integers(-5, 5),
    edges,
    st.sampled_from(["", "week", "unknown"]),
)
def test_intake_would_say_the_same(
    moment: int, closes: int | None, qualified: Sequence[int], campaign: str
) -> None:
    """Of a gift that names the project, with the campaign that it names."""
    close_time = None if closes is None else NOW + timedelta(microseconds=closes)
    aim = target(close_time, qualified)
    gift = a_gift(event_time_micros=moment, campaign=campaign)
    standing = Standing(
        1,
        7,
        3,
        Purpose.CHARITY,
        SuspenseReason.CAMPAIGN_UNKNOWN if campaign == "unknown" else 0,
        micros_of(close_time) if close_time else _ALWAYS,
        micros_of(WEEK.start_time) if campaign == "week" else _NEVER,
        micros_of(WEEK.end_time) if campaign == "week" else _ALWAYS,
        tuple(qualified),
    )
    is_suspended = bool(place(columns_of([gift]), [standing]).suspended[0])
    verdict = verdict_of(gift, aim)
    assert (verdict.outcome is AllocationOutcome.ALLOCATED) == (not is_suspended)
    expected = None if is_suspended else Attribution("water", campaign)
    assert verdict.attribution == expected


@pytest.mark.parametrize(
    ("gift", "aim", "outcome"),
    [
        (a_gift(project=""), target(), AllocationOutcome.ALLOCATED),
        (a_gift(), target(NOW - HOUR), AllocationOutcome.PROJECT_CLOSED),
        (a_gift(), target(NOW + HOUR), AllocationOutcome.ALLOCATED),
        (a_gift(), target(qualified=()), AllocationOutcome.CHARITY_NOT_QUALIFIED),
        (a_gift(campaign="unknown"), target(), AllocationOutcome.CAMPAIGN_UNKNOWN),
        (a_gift(), target(purpose=Purpose.APPEAL), AllocationOutcome.ALLOCATED),
        (
            a_gift(project="other"),
            target(purpose=Purpose.APPEAL),
            AllocationOutcome.APPEAL_NOT_NAMED,
        ),
    ],
)
def test_outcomes(gift: Gift, aim: Target, outcome: AllocationOutcome) -> None:
    assert verdict_of(gift, aim).outcome is outcome


def test_the_last_moment_of_a_campaign_is_in_it_and_its_end_is_not() -> None:
    end = micros_of(WEEK.end_time)
    last, late = (a_gift(campaign="week", event_time_micros=at) for at in (end - 1, end))
    assert verdict_of(last, target()).attribution == Attribution("water", "week")
    assert verdict_of(late, target()).outcome is AllocationOutcome.CAMPAIGN_NOT_OPEN
    freely = target(without_campaign=True)
    assert verdict_of(late, freely).attribution == Attribution("water", "")
    assert verdict_of(last, freely).attribution == Attribution("water", "week")


@pytest.mark.parametrize(
    "aim", [target(NOW - HOUR), target(qualified=()), target(purpose=Purpose.APPEAL)]
)
def test_nothing_but_the_campaign_can_be_left_out(aim: Target) -> None:
    gift = a_gift(project="other", campaign="unknown", event_time_micros=NOW_MICROS)
    freely = aim._replace(without_campaign=True)
    assert verdict_of(gift, freely).attribution is None
    assert verdict_of(replace(gift, campaign=""), freely).attribution is None
