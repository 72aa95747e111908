"""Whether a gift may be allocated to a project: what intake demands of a gift to it, and no less.

All is judged by the moment in which the gift was made.
"""

from bisect import bisect_right
from collections.abc import Mapping
from typing import NamedTuple

from services.donations.allocation.allocation import AllocationOutcome
from services.donations.catalog.memory import KnownCampaign, KnownProject
from services.donations.domain import Attribution, Gift, Purpose, micros_of


class Target(NamedTuple):
    """To what gifts are to be allocated. campaigns: all that are known, by code.

    without_campaign: as of the allocation. project: None for back into suspense.
    """

    code: str
    project: KnownProject | None
    campaigns: Mapping[str, KnownCampaign]
    without_campaign: bool


class Verdict(NamedTuple):
    """ALLOCATED, and where the gift is to count; or why not."""

    outcome: AllocationOutcome
    attribution: Attribution | None = None


def verdict_of(gift: Gift, target: Target) -> Verdict:
    """What the catalog says of a gift as it was reported."""
    moment, project = gift.event_time_micros, target.project
    if project is None:
        return Verdict(AllocationOutcome.ALLOCATED, Attribution("", ""))
    if project.purpose is Purpose.APPEAL and gift.project != target.code:
        return Verdict(AllocationOutcome.APPEAL_NOT_NAMED)
    if project.close_time is not None and moment >= micros_of(project.close_time):
        return Verdict(AllocationOutcome.PROJECT_CLOSED)
    # At a qualified moment an odd number of beginnings and ends is over.
    if bisect_right(project.qualified, moment) % 2 == 0:
        return Verdict(AllocationOutcome.CHARITY_NOT_QUALIFIED)
    campaign = gift.campaign
    problem = _campaign_problem(campaign, moment, target) if campaign else None
    if problem is not None:
        if not target.without_campaign:
            return Verdict(problem)
        campaign = ""
    return Verdict(AllocationOutcome.ALLOCATED, Attribution(target.code, campaign))


def _campaign_problem(code: str, moment: int, target: Target) -> AllocationOutcome | None:
    campaign = target.campaigns.get(code)
    if campaign is None:
        return AllocationOutcome.CAMPAIGN_UNKNOWN
    if not micros_of(campaign.start_time) <= moment < micros_of(campaign.end_time):
        return AllocationOutcome.CAMPAIGN_NOT_OPEN
    return None
