"""Several submissions as one: what one transaction is made of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from services.donations.allocation.allocation import AllocationStep
from services.donations.allocation.judging import Target
from services.donations.catalog.memory import Catalog, Extent
from services.donations.commit.submission import Submission
from services.donations.domain import Gift, Key, Outcome, bucket_of
from services.donations.gifts.columns import GiftColumns, Ints, columns_of
from services.donations.gifts.lines import line_keys
from services.donations.gifts.rows import GiftRows, join, place
from services.donations.life.reports import RAILS, Fact
from services.donations.pledges.pledge import KeyedOrder

LINES_MAX = 10_000
"""The most lines that a batch may have, and that one call posts: with codes of the greatest length
they come to 3.4 MB, and no service takes a message above 4 MiB.
"""

SMALL_ROWS = 256
"""So many gifts may have their links looked up at once; of more the sweeper finds them."""

# A gift that is taken from one origin and given to another, or settled after it was refunded.
_LINES_A_BOOKING_MAX = 8


@dataclass(frozen=True, slots=True)
class Group:
    """Submissions that are committed together.

    extent: of the catalog that the gifts were placed by, or of one before it.
    gifts: all their gifts in key order, or None if they have none. starts: where each submission's
    gifts begin in the order in which they came; one more for the end.
    facts: all that happened to gifts, with the gifts' keys. partner_ids: of every partner named.
    orders: all their orders. gift_orders: for each gift, in the order in which they came, the
    position of its order, or -1; None if there are no orders.
    target: of an allocation.
    """

    submissions: Sequence[Submission]
    gifts: GiftRows | None
    starts: Sequence[int]
    facts: Sequence[tuple[Key, Fact]]
    partner_ids: dict[str, int]
    orders: Sequence[KeyedOrder] = ()
    gift_orders: Ints | None = None
    extent: Extent = field(default_factory=Extent)
    target: Target | None = None

    @property
    def allocation(self) -> AllocationStep | None:
        """The gifts to allocate, if that is what its one submission is."""
        return self.submissions[0].allocation

    @property
    def awaited(self) -> frozenset[Key]:
        """The gifts that are to be booked in any case."""
        return frozenset(key for submission in self.submissions for key in submission.awaited)

    @property
    def lines_at_most(self) -> int:
        """A bound on the lines that it can come to; not the closest where it is far below the
        limit, as nearly always.
        """
        gifts = 0 if self.gifts is None else len(self.gifts)
        if self.gifts is not None and gifts > LINES_MAX // 2:
            gifts = len(np.unique(line_keys(self.gifts)))
        touched = len(self.facts) + len(self.awaited)
        if self.gifts is not None and self.is_small:
            touched += len(self.gifts.rails)
        return gifts + _LINES_A_BOOKING_MAX * touched

    @property
    def is_plain(self) -> bool:
        """Whether it is nothing but a few gifts, none of them in suspense or from elsewhere."""
        return not (
            self.gifts is None
            or len(self.gifts) > SMALL_ROWS
            or self.gifts.rails
            or self.facts
            or self.orders
            or self.allocation is not None
            or any(one.awaited or one.position or one.watermark for one in self.submissions)
            or self.gifts.suspended.any()
            or self.gifts.is_repeat.any()
        )

    @property
    def is_small(self) -> bool:
        """Whether its gifts are few enough to be looked at one by one."""
        return self.gifts is None or len(self.gifts) <= SMALL_ROWS


async def gather(submissions: Sequence[Submission], catalog: Catalog) -> Group:
    """Joins submissions, of which there is at least one. May read the catalog again."""
    counts = [submission.gift_count for submission in submissions]
    parts = list(_parts(submissions))
    rows = None
    extent = catalog.extent
    if parts:
        columns = join(parts) if len(parts) > 1 else parts[0]
        rows = place(columns, await catalog.standings(columns.targets))
    facts = [fact for submission in submissions for fact in submission.facts]
    named = {fact.partner for fact in facts} | {
        submission.position.partner for submission in submissions if submission.position
    }
    orders = [order for submission in submissions for order in submission.orders]
    named |= {order.partner for order in orders}
    if rows is not None:
        named |= {rail.code for _, rail in rows.rails}
        named |= RAILS & {target.partner for target in rows.targets}
    partner_ids = {partner: await catalog.partner_id(partner) for partner in named}
    keyed = [
        (Key(bucket_of(fact.external_id), partner_ids[fact.partner], fact.external_id), fact)
        for fact in facts
    ]
    starts = np.cumsum([0, *counts]).tolist()
    target = None
    if (step := submissions[0].allocation) is not None:
        target, extent = target_of(step, catalog)
    return Group(
        submissions,
        rows,
        starts,
        keyed,
        partner_ids,
        [
            KeyedOrder(Key(bucket_of(o.order_id), partner_ids[o.partner], o.order_id), o)
            for o in orders
        ],
        _gift_orders(submissions) if orders else None,
        extent,
        target,
    )


def target_of(step: AllocationStep, catalog: Catalog) -> tuple[Target, Extent]:
    """What a step's gifts are judged by, and of which extent of the catalog it is. The catalog
    knows the step's project: it only grows, and whoever made the step has found it there.
    """
    known = catalog.known
    project = known.projects[step.project] if step.project else None
    target = Target(step.project, project, known.campaigns, step.without_campaign)
    return target, known.extent


def _gift_orders(submissions: Sequence[Submission]) -> Ints:
    """For each gift the position of its order among all orders; -1 if it has none."""
    parts = []
    orders = 0
    for submission in submissions:
        part: Ints = np.full(submission.gift_count, -1, dtype=np.int64)
        if submission.orders:
            part[:] = orders + np.array(submission.gift_orders, dtype=np.int64)
        parts.append(part)
        orders += len(submission.orders)
    return np.concatenate(parts)


def _parts(submissions: Iterable[Submission]) -> Iterable[GiftColumns]:
    """Columns as they came, and runs of single gifts as columns."""
    singles: list[Gift] = []
    for submission in submissions:
        if submission.columns is None:
            singles.extend(submission.gifts)
        elif len(submission.columns):
            if singles:
                yield columns_of(singles)
                singles = []
            yield submission.columns
    if singles:
        yield columns_of(singles)


OUTCOME_OF_FATE = np.array(
    [Outcome.ACCEPTED, Outcome.REPLAYED, Outcome.CONFLICTING], dtype=np.uint8
)
"""By store.gifts.NEW, SAME, OTHER; what is new and stands in suspense is SUSPENDED."""
