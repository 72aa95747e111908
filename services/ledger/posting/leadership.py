"""Which of several ledgers on one database writes: the one that holds the lease.

The others stand by: they serve every reading, refuse to post with LEDGER_STANDBY, and take over
when the lease lapses. A killed writer's lease lapses after `lease_s`; one that stops gives it up.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Protocol
from uuid import UUID, uuid4

import structlog

from services.ledger import metrics
from services.runtime.database import fault_of
from services.runtime.errors import Fault, Reason

_log = structlog.get_logger()

_LOOKS_A_LEASE = 4
_RELEASE_S = 2.0


class Leases(Protocol):
    """Where the lease is kept (store/lease.py)."""

    async def take(self, holder: UUID, seconds: float) -> int | None:
        """The new term; None if another holds the lease."""

    async def renew(self, holder: UUID, seconds: float) -> bool:
        """Whether it is still held."""

    async def release(self, holder: UUID) -> None:
        """Gives it up."""


class Tenure(Protocol):
    """The right to write, as the writer sees it."""

    def require_term(self) -> int:
        """The term that this process may write in. Raises Fault(LEDGER_STANDBY) without one."""


class Leadership:
    """This process's part in it. `run` must be running for the lease to be kept or taken."""

    def __init__(
        self,
        leases: Leases,
        *,
        lease_s: float,
        changed: Callable[[bool], Awaitable[None]],
        now: Callable[[], float] = monotonic,
    ) -> None:
        """lease_s: how long a lease holds without being renewed.
        changed: called with whether this process writes, whenever that changes.
        """
        self._leases = leases
        self._lease_s = lease_s
        self._changed = changed
        self._now = now
        self._holder = uuid4()
        self._term: int | None = None
        self._held_until = 0.0
        self._was_leading = False
        self._looking = asyncio.Lock()

    @property
    def term(self) -> int | None:
        """The term that this process writes in; None while it stands by.

        By this process's own clock, counted from before the database was asked, a lease is over no
        later than by the database's.
        """
        return self._term if self._now() < self._held_until else None

    def require_term(self) -> int:
        """See Tenure."""
        term = self.term
        if term is None:
            raise standing_by()
        return term

    async def run(self) -> None:
        """Keeps the lease or waits for it, for ever; gives it up when cancelled.

        While the database is away nothing can be written and the lease may lapse.
        """
        try:
            while True:
                await self.look()
                await asyncio.sleep(self._lease_s / _LOOKS_A_LEASE)
        finally:
            await self._give_up()

    async def look(self) -> None:
        """Renews the lease, or takes it if nobody holds it."""
        async with self._looking:
            await self._look()
            await self._tell()

    async def _look(self) -> None:
        asked = self._now()
        try:
            async with asyncio.timeout(self._lease_s):
                if self._term is not None and not await self._leases.renew(
                    self._holder, self._lease_s
                ):
                    self._term = None
                if self._term is None:
                    self._term = await self._leases.take(self._holder, self._lease_s)
            if self._term is not None:
                self._held_until = asked + self._lease_s
        except TimeoutError:
            _log.warning("the lease could not be looked at in time", lease_s=self._lease_s)
        except Exception as error:
            fault = fault_of(error)
            if fault is None:
                raise
            _log.warning("the lease could not be looked at", reason=fault.reason.value)

    async def _tell(self) -> None:
        is_leading = self.term is not None
        if is_leading == self._was_leading:
            return
        self._was_leading = is_leading
        metrics.WRITER.set(is_leading)
        _log.info("this process writes" if is_leading else "this process stands by", term=self.term)
        await self._changed(is_leading)

    async def _give_up(self) -> None:
        if self._term is None:
            return
        self._term = None
        await self._tell()
        try:
            async with asyncio.timeout(_RELEASE_S):
                await self._leases.release(self._holder)
        except TimeoutError:
            _log.warning("the lease was not given up in time; it lapses")
        except Exception as error:
            fault = fault_of(error)
            if fault is None:
                raise
            _log.warning("the lease was not given up; it lapses", reason=fault.reason.value)


def standing_by() -> Fault:
    """What whoever wants to post is told where another process writes."""
    return Fault(
        Reason.LEDGER_STANDBY,
        "this ledger stands by and another one writes; nothing was posted; send the same entries "
        "to the writer, or here again in a moment",
        retry_after=1.0,
    )
