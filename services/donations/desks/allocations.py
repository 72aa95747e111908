"""Allocates what stands in suspense, or was allocated before, step by step."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from services.donations.allocation.allocation import (
    BEFORE_ALL,
    STEP_GIFTS,
    Allocated,
    Allocation,
    AllocationStep,
    GiftName,
    Progress,
    StepTaken,
    Suspended,
)
from services.donations.catalog.memory import Catalog
from services.donations.commit.allocating import preview
from services.donations.commit.committer import Committer
from services.donations.commit.group import target_of
from services.donations.commit.submission import Submission
from services.donations.domain import Key, bucket_of
from services.donations.store.allocations import AllocationStore
from services.donations.store.suspense import SuspenseReader
from services.runtime.clock import Clock
from services.runtime.errors import Fault, Reason


class AllocationDesk:
    """Methods raise the database's errors besides those they name."""

    def __init__(
        self,
        committer: Committer,
        catalog: Catalog,
        store: AllocationStore,
        suspense: SuspenseReader,
        clock: Clock,
    ) -> None:
        self._committer = committer
        self._catalog = catalog
        self._store = store
        self._suspense = suspense
        self._clock = clock

    async def allocate(
        self, request_id: UUID, allocation: Allocation, caller: str
    ) -> AsyncIterator[Progress]:
        """Allocates what is not yet allocated of a request; yields how far it has come, durably.

        The last that comes is done; at least one does. Raises Fault(PROJECT_NOT_FOUND,
        ALLOCATION_CONFLICT, FIELD_INVALID or QUEUE_FULL).
        """
        await self._require_known(allocation)
        progress = await self._store.begin(request_id, allocation, caller, self._clock())
        if progress.steps:
            yield progress
        while not progress.is_done:
            step = await self._step(request_id, allocation, progress)
            try:
                committed = await self._committer.commit(Submission(allocation=step))
            except StepTaken:
                # By the same request, sent again while this one runs: what it did is this one's.
                progress = await self._store.progress(request_id)
            else:
                assert committed.allocated is not None, "that is what was submitted"
                progress = progress.then(committed.allocated)
            yield progress

    async def preview(self, allocation: Allocation) -> AsyncIterator[Progress]:
        """Yields what would become of an allocation now, in the same steps. Raises as allocate."""
        await self._require_known(allocation)
        progress = Progress()
        while not progress.is_done:
            step = await self._step(UUID(int=0), allocation, progress)
            target, _ = target_of(step, self._catalog)
            async with self._suspense.moment() as driver:
                progress = progress.then(await preview(driver, step, target))
            yield progress

    async def _require_known(self, allocation: Allocation) -> None:
        # Another process may have created it just now.
        await self._catalog.refresh()
        what = allocation.what
        named = [allocation.project] if allocation.project else []
        if isinstance(what, Allocated):
            named.append(what.project)
        for project in named:
            if project not in self._catalog.known.projects:
                raise Fault(
                    Reason.PROJECT_NOT_FOUND,
                    f"the catalog knows no project {project}; create it, or check the code",
                    project=project,
                )
        if (
            isinstance(what, Suspended | Allocated)
            and await self._catalog.known_partner_id(what.partner) is None
        ):
            kind = "suspended" if isinstance(what, Suspended) else "allocated"
            raise Fault(
                Reason.FIELD_INVALID,
                "a partner is named that has reported nothing; check its code",
                field=f"{kind}.partner",
            )

    async def _step(
        self, request_id: UUID, allocation: Allocation, progress: Progress
    ) -> AllocationStep:
        """What comes next."""
        what = allocation.what
        if isinstance(what, Suspended | Allocated):
            partner_id = await self._catalog.known_partner_id(what.partner)
            assert partner_id is not None, "it was known before, and stays so"
            found = await self._suspense.part(partner_id, what, progress.end, STEP_GIFTS)
            keys: Sequence[Key | None] = found.keys
            end, is_last, is_named = found.end, found.is_last, False
        else:
            keys = [await self._key(name) for name in what]
            end, is_last, is_named = BEFORE_ALL, True, True
        return AllocationStep(
            request_id,
            allocation.project,
            allocation.without_campaign,
            progress.steps + 1,
            keys,
            end,
            is_last,
            is_named,
            allocation.again,
        )

    async def _key(self, name: GiftName) -> Key | None:
        """None if the partner has reported nothing."""
        partner_id = await self._catalog.known_partner_id(name.partner)
        if partner_id is None:
            return None
        return Key(bucket_of(name.external_id), partner_id, name.external_id)
