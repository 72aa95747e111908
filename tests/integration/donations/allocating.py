"""Allocations as a step, for tests."""

from collections.abc import Sequence
from uuid import uuid4

from services.donations.allocation.allocation import (
    BEFORE_ALL,
    Allocation,
    AllocationOutcome,
    AllocationStep,
    GiftName,
)
from services.donations.commit.submission import Submission
from services.donations.domain import Key, bucket_of
from services.donations.store.allocations import AllocationStore
from tests.integration.donations.parts import Parts

Named = tuple[str, str]
"""A gift, by partner and id."""


async def allocate(
    parts: Parts,
    gifts: Sequence[Named],
    project: str = "books",
    *,
    without_campaign: bool = True,
    again: bool = False,
) -> Sequence[AllocationOutcome]:
    """Allocates gifts in a request of its own; returns what became of each."""
    keys = [
        Key(bucket_of(external_id), await parts.catalog.partner_id(partner), external_id)
        for partner, external_id in gifts
    ]
    wanted = Allocation(project, [GiftName(*gift) for gift in gifts], without_campaign, again)
    request_id = uuid4()
    await AllocationStore(parts.engine).begin(request_id, wanted, "finance/anna", parts.clock())
    step = AllocationStep(
        request_id,
        project,
        without_campaign=without_campaign,
        number=1,
        keys=keys,
        end=BEFORE_ALL,
        is_last=True,
        is_named=True,
        again=again,
    )
    committed = await parts.committer.commit(Submission(allocation=step))
    assert committed.allocated is not None
    return committed.allocated.outcomes
