"""What happens with pledges and orders: created, ended, evaluated, given."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.donations import metrics
from services.donations.catalog.memory import Catalog
from services.donations.commit.committer import Committer
from services.donations.commit.submission import Committed, Submission
from services.donations.domain import Outcome
from services.donations.gifts.columns import columns_of
from services.donations.gifts.tokens import DonorTokens
from services.donations.gifts.validation import latest_micros, require_code
from services.donations.pledges.evaluation import Account, account_of, remainder_order
from services.donations.pledges.memory import PledgeBook
from services.donations.pledges.orders import (
    ORDERS_MAX,
    Evaluated,
    IncomingOrder,
    evaluated,
    gifts_of,
    require_batch,
    require_order_id,
)
from services.donations.pledges.pledge import REMAINDER_PREFIX, Pledge, PledgedOrder
from services.donations.pledges.rules import require_lead, require_pledge, require_successor
from services.donations.store.orders import OrderReader
from services.donations.store.pledges import PledgeStore
from services.runtime.clock import Clock
from services.runtime.errors import Fault, Reason

DRAFTS_MAX = 1_000
"""The most pledges of one call."""

# Of two calls that make the same version only one does; the other looks again.
_TRIES = 3


@dataclass(frozen=True, slots=True)
class PledgeFate:
    """What became of a draft: ACCEPTED, REPLAYED, CONFLICTING or REFUSED, and why."""

    outcome: Outcome
    version: int = 0
    problem: Fault | None = None


class Pledging:
    """The use cases. Each raises the database's errors besides those it names."""

    def __init__(
        self,
        store: PledgeStore,
        orders: OrderReader,
        book: PledgeBook,
        committer: Committer,
        catalog: Catalog,
        tokens: DonorTokens,
        clock: Clock,
    ) -> None:
        self._store = store
        self._orders = orders
        self._book = book
        self._committer = committer
        self._catalog = catalog
        self._tokens = tokens
        self._clock = clock

    async def create(self, partner: str, drafts: Sequence[Pledge | Fault]) -> Sequence[PledgeFate]:
        """Creates pledges; a draft that could not be read is a Fault. Raises BATCH_SIZE_INVALID."""
        require_batch(len(drafts), DRAFTS_MAX, "pledges")
        partner_id = await self._catalog.partner_id(partner)
        fates: dict[int, PledgeFate] = {}
        wanted = _checked(drafts, fates)
        now = self._clock()
        for _ in range(_TRIES):
            codes = [pledge.code for pledge in wanted.values()]
            known = await self._store.versions(partner, partner_id, codes)
            made: dict[int, Pledge] = {}
            for place, pledge in list(wanted.items()):
                versions = known.get(pledge.code, ())
                fate = _fate_among(pledge, versions)
                try:
                    if fate is None and versions:
                        require_successor(pledge, versions[-1], now)
                except Fault as fault:
                    fate = PledgeFate(Outcome.REFUSED, problem=fault)
                if fate is None:
                    made[place] = replace(pledge, version=len(versions) + 1)
                else:
                    fates[place] = fate
                    del wanted[place]
            if not made:
                break
            kept = await self._store.add(partner_id, list(made.values()), now)
            self._book.forget(partner_id, kept)
            for place, pledge in made.items():
                if pledge.code in kept:
                    fates[place] = PledgeFate(Outcome.ACCEPTED, pledge.version)
                    del wanted[place]
            if not wanted:
                break
        for place in wanted:
            fates[place] = PledgeFate(Outcome.CONFLICTING, problem=_race())
        return [fates[place] for place in range(len(drafts))]

    async def end(self, partner: str, code: str, end_micros: int) -> Pledge:
        """Ends the newest version. Raises Fault (PLEDGE_NOT_FOUND, PLEDGE_CONFLICT, …)."""
        pledge = await self.pledge(partner, code, 0)
        if pledge.until_micros != end_micros:
            require_lead(end_micros, self._clock(), "end_time")
            if pledge.until_micros is not None and (
                pledge.ended_micros is not None or pledge.until_micros < end_micros
            ):
                raise Fault(
                    Reason.PLEDGE_CONFLICT,
                    "the pledge has another end already, which is not moved; start a new version",
                )
            if end_micros <= pledge.start_micros:
                raise Fault(
                    Reason.FIELD_INVALID,
                    "end_time must be after the start_time of the newest version",
                    field="end_time",
                )
            stands = await self._store.end(pledge, end_micros, self._clock())
            self._book.forget(await self._catalog.partner_id(partner), [code])
            if stands != end_micros:
                raise _race()
            pledge = replace(pledge, ended_micros=stands)
        return pledge

    async def pledge(self, partner: str, code: str, version: int) -> Pledge:
        """A version of a pledge as it is kept; 0 is the newest. Raises Fault(PLEDGE_NOT_FOUND)."""
        require_code(code, "code")
        partner_id = await self._catalog.known_partner_id(partner)
        found: Sequence[Pledge] = ()
        if partner_id is not None:
            known = await self._store.versions(partner, partner_id, [code])
            found = known.get(code, ())
        if not found or not 0 <= version <= len(found):
            raise Fault(Reason.PLEDGE_NOT_FOUND, f"{partner} has no such version of a pledge")
        return found[version - 1]

    async def page(self, partner: str, after: tuple[str, int], limit: int) -> Sequence[Pledge]:
        """A partner's pledges by code and version, after a position."""
        partner_id = await self._catalog.known_partner_id(partner)
        if partner_id is None:
            return []
        return await self._store.page(partner, partner_id, after, limit)

    async def account(self, pledge: Pledge) -> Account:
        """What a pledge's orders come to, now."""
        return account_of(pledge, await self._store.sums(pledge))

    async def record(
        self, partner: str, incoming: Sequence[IncomingOrder]
    ) -> tuple[Evaluated, Committed | None]:
        """Records orders and what they give; None if none of them can be recorded.

        Raises Fault (BATCH_SIZE_INVALID, QUEUE_FULL, DONATION_CONFLICT).
        """
        require_batch(len(incoming), ORDERS_MAX, "orders")
        partner_id = await self._catalog.partner_id(partner)
        codes = {order.pledge for order in incoming}
        pledges = await self._book.versions(partner, partner_id, codes)
        latest = latest_micros(self._clock())
        batch = evaluated(partner, incoming, pledges, latest, self._tokens)
        if batch.problems:
            metrics.ORDERS.labels(Outcome.REFUSED.name.lower()).inc(len(batch.problems))
        if not batch.orders:
            return batch, None
        return batch, await self._committer.commit(
            Submission(
                columns=columns_of(batch.gifts),
                orders=batch.orders,
                gift_orders=batch.gift_orders,
            )
        )

    async def order(self, partner: str, order_id: str) -> tuple[PledgedOrder, Pledge]:
        """An order, and the pledge that it was evaluated by. Raises Fault(ORDER_NOT_FOUND)."""
        require_order_id(order_id)
        partner_id = await self._catalog.known_partner_id(partner)
        found = None
        if partner_id is not None:
            found = await self._orders.order(partner, partner_id, order_id)
        if found is None:
            raise Fault(Reason.ORDER_NOT_FOUND, f"{partner} has reported no such order")
        return found, await self._store.by_id(partner, found.pledge_id)

    async def give_remainder(
        self, partner: str, code: str, version: int
    ) -> tuple[Pledge, int, Account]:
        """Gives the whole units of what was cut off; returns how many micros, and the account.

        Two of these at once make the same order; the second finds it and fails, or replays it.
        Raises Fault (PLEDGE_NOT_FOUND, ORDER_CONFLICT, QUEUE_FULL).
        """
        pledge = await self.pledge(partner, code, version)
        sums = await self._store.sums(pledge)
        order_id = f"{REMAINDER_PREFIX}{pledge.id}.{sums.remainders + 1}"
        order = remainder_order(pledge, sums, order_id)
        if order is None:
            return pledge, 0, account_of(pledge, sums)
        made = gifts_of(pledge, order)
        submission = Submission(
            columns=columns_of(made), orders=[order], gift_orders=[0] * len(made)
        )
        committed = await self._committer.commit(submission)
        given = order.given_micros
        if committed.orders[0] is Outcome.CONFLICTING:
            raise Fault(
                Reason.ORDER_CONFLICT,
                "another call gave this remainder at the same moment; call again for the rest",
            )
        if committed.orders[0] is Outcome.REPLAYED:
            given = 0
        return pledge, given, await self.account(pledge)


def _checked(drafts: Sequence[Pledge | Fault], fates: dict[int, PledgeFate]) -> dict[int, Pledge]:
    """The drafts that may be created, by place; the others' fates are written down."""
    wanted: dict[int, Pledge] = {}
    codes = set[str]()
    for place, draft in enumerate(drafts):
        try:
            if isinstance(draft, Fault):
                raise draft
            pledge = require_pledge(draft)
            if pledge.code in codes:
                raise Fault(
                    Reason.FIELD_INVALID,
                    "the call names this code twice; create its versions one after the other",
                    field="pledge.code",
                )
        except Fault as fault:
            fates[place] = PledgeFate(Outcome.REFUSED, problem=fault)
        else:
            codes.add(pledge.code)
            wanted[place] = pledge
    return wanted


def _fate_among(pledge: Pledge, versions: Sequence[Pledge]) -> PledgeFate | None:
    """What a pledge is to the versions there are; None if it is none of them."""
    for known in versions:
        if known.start_micros == pledge.start_micros:
            if known.says(pledge):
                return PledgeFate(Outcome.REPLAYED, known.version)
            return PledgeFate(
                Outcome.CONFLICTING,
                known.version,
                Fault(
                    Reason.PLEDGE_CONFLICT,
                    "a pledge of this code and start_time has other content, and is never changed; "
                    "start a new version later",
                ),
            )
    return None


def _race() -> Fault:
    return Fault(
        Reason.PLEDGE_CONFLICT, "another call changed this pledge at the same moment; look again"
    )
