"""Every partner's quotas, and what is left of them.

A call beyond a quota is refused at once, before its message is parsed, with the time at which it
would pass. A stream is never refused for what it sends: its next message waits, which the sender
feels through HTTP/2's flow control. So a partner that sends too much is slowed down, and the others
feel nothing of it. Nothing here is shared between processes: each counts what it serves itself.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum

from prometheus_client import Counter

from services.runtime.errors import Fault, Reason
from services.runtime.identity import Caller, Role
from services.runtime.quotas.bucket import TokenBucket
from services.runtime.quotas.table import QuotaTable

REFUSED = Counter(
    "watersmeet_quota_refused",
    "Calls and notices refused because a partner's quota was used up.",
    ["partner", "quota"],
)
PAUSED_SECONDS = Counter(
    "watersmeet_quota_paused_seconds",
    "Seconds that streams waited for their partner's quota.",
    ["partner", "quota"],
)

_PARTNERS_MAX = 1_024

# What to wait for when as many calls are served as may be: there is no telling when one ends.
_AT_ONCE_RETRY_S = 0.5


class Quota(StrEnum):
    """The quotas of a rate, as errors and metrics name them."""

    CALLS = "calls"
    GIFTS = "gifts"
    BYTES = "bytes"


class PartnerQuotas:
    """One partner's."""

    def __init__(
        self,
        partner: str,
        table: QuotaTable,
        clock: Callable[[], float],
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        """For the arguments see Quotas."""
        allowance = table.of(partner)
        self._partner = partner
        self._clock = clock
        self._pause = pause
        self._limits = {
            Quota.CALLS: allowance.calls_per_s,
            Quota.GIFTS: allowance.gifts_per_s,
            Quota.BYTES: allowance.bytes_per_s,
        }
        now = clock()
        self._buckets = {
            quota: TokenBucket(limit, max(1.0, limit * allowance.burst_s), now)
            for quota, limit in self._limits.items()
        }
        # Streams wait in turn, so that the tokens go to the one in front; calls pass between.
        self._turns = {quota: asyncio.Lock() for quota in Quota}
        self._calls_max = allowance.calls_at_once
        self._streams_max = allowance.streams_at_once
        self.calls = 0
        self._streams = 0

    def begin(self, size: int, *, is_stream: bool) -> None:
        """A call of the partner begins; `end` counts it out. size: bytes of a unary request.

        is_stream: requests come as a stream, and `pace` counts their bytes.
        Raises Fault(RATE_LIMITED), and has counted nothing then.
        """
        if self.calls >= self._calls_max:
            raise self._refusal("calls_at_once", self._calls_max, _AT_ONCE_RETRY_S)
        if is_stream and self._streams >= self._streams_max:
            raise self._refusal("streams_at_once", self._streams_max, _AT_ONCE_RETRY_S)
        self.take(calls=1, size=size)
        self.calls += 1
        self._streams += is_stream

    def end(self, *, is_stream: bool) -> None:
        """The call is over, however it went."""
        self.calls -= 1
        self._streams -= is_stream

    def take(self, *, calls: int = 0, gifts: int = 0, size: int = 0) -> None:
        """Counts what has come now. Raises Fault(RATE_LIMITED), and has counted nothing then."""
        now = self._clock()
        wanted = ((Quota.CALLS, calls), (Quota.GIFTS, gifts), (Quota.BYTES, size))
        for quota, amount in wanted:
            if amount and (wait_s := self._buckets[quota].wait_s(amount, now)):
                raise self._refusal(quota, self._limits[quota], wait_s)
        for quota, amount in wanted:
            if amount:
                self._buckets[quota].take(amount, now)

    async def pace(self, quota: Quota, amount: int) -> None:
        """Counts what came on a stream, after waiting until the quota holds it.

        Raises Fault(SHUTTING_DOWN) if the server stops meanwhile.
        """
        bucket = self._buckets[quota]
        async with self._turns[quota]:
            while wait_s := bucket.wait_s(amount, self._clock()):
                PAUSED_SECONDS.labels(self._partner, quota.value).inc(wait_s)
                await self._pause(wait_s)
            bucket.take(amount, self._clock())

    def _refusal(self, quota: str, limit: float, retry_after: float) -> Fault:
        REFUSED.labels(self._partner, str(quota)).inc()
        rate = "at once" if quota.endswith("_at_once") else "a second"
        what = quota.removesuffix("_at_once")
        return Fault(
            Reason.RATE_LIMITED,
            f"{self._partner} may send {limit:,.0f} {what} {rate}, and no more now; send again "
            "when RetryInfo says, with the same ids, or ask the mesh's operator for more",
            retry_after=retry_after,
            partner=self._partner,
            quota=str(quota),
            limit=f"{limit:.15g}",
        )


class Quotas:
    """All partners' of one server."""

    def __init__(
        self,
        table: QuotaTable,
        *,
        pause: Callable[[float], Awaitable[None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """pause: waits so many seconds, or raises if the server stops meanwhile."""
        self._table = table
        self._pause = pause
        self._clock = clock
        self._partners: dict[str, PartnerQuotas] = {}

    def of(self, partner: str) -> PartnerQuotas:
        """A partner's quotas. It has a certificate, or a configured platform."""
        known = self._partners.get(partner)
        if known is None:
            if len(self._partners) >= _PARTNERS_MAX:
                self._forget_one()
            known = PartnerQuotas(partner, self._table, self._clock, self._pause)
            self._partners[partner] = known
        return known

    def of_caller(self, caller: Caller) -> PartnerQuotas | None:
        """A caller's quotas; the mesh's own services and people have none."""
        return self.of(caller.name) if caller.role is Role.PARTNER else None

    def _forget_one(self) -> None:
        """Forgets the partner that came first and has no call now: it begins with full buckets."""
        idle = next((name for name, partner in self._partners.items() if not partner.calls), None)
        if idle is not None:
            del self._partners[idle]
