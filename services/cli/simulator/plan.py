"""The plan of one campaign: what each partner will say, when, and what must come of it.

A pure function of its arguments, so a seed is enough to see the same campaign again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from services.cli.simulator.carried import Carried
from services.cli.simulator.expectation import Expectation, add_up
from services.cli.simulator.manner import MANNERS
from services.cli.simulator.occasion import Occasion
from services.cli.simulator.partner_plan import LAST_ROUND, PartnerPlan, plan_partner
from services.cli.simulator.reports import Gift, Kind, Refund

PARTNERS = tuple(MANNERS)
DIRECT_PARTNERS = tuple(name for name, manner in MANNERS.items() if not manner.is_native)

# A native notice is a request of its own, with a signature on either side, so these platforms take
# a smaller share; the others report in bulk.
_NATIVE_GIFTS_MAX = 600
_NATIVE_SHARE_PERCENT = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """One campaign: the partners' rounds of messages, and the books they must lead to."""

    occasion: Occasion
    partners: Mapping[str, PartnerPlan]
    expectation: Expectation

    @property
    def rounds(self) -> int:
        """How many rounds there are. A round begins when its partner's last is acknowledged."""
        return LAST_ROUND + 1

    def count(self, *kinds: Kind, refunds: bool | None = None) -> int:
        """How many reports there are of some kinds (of all if none is named).

        refunds: True counts only refunds, False only gifts, None all.
        """
        return sum(
            1
            for partner in self.partners.values()
            for report in chain.from_iterable(partner.rounds)
            if (not kinds or report.kind in kinds)
            and (refunds is None or isinstance(report.subject, Refund if refunds else Gift))
        )

    @property
    def rails(self) -> frozenset[str]:
        """Who tells of other partners' gifts."""
        rails = (rail for partner in self.partners.values() for rail in partner.carried)
        return frozenset(rails) & self.partners.keys()

    @property
    def told_by_two(self) -> int:
        """How many gifts are told of by two companies that take part."""
        return self.count(Kind.RAIL, refunds=False)

    @property
    def reports(self) -> int:
        """All reports, and the altered batches as one each."""
        return self.count() + self.altered_batches

    @property
    def altered_batches(self) -> int:
        """The batches whose control totals will not tie."""
        return sum(partner.altered_batches for partner in self.partners.values())

    @property
    def refused(self) -> int:
        """What must be refused: forged reports, probes and altered batches."""
        return self.count(Kind.FORGED, Kind.PROBE) + self.altered_batches


def make_plan(
    seed: int, gifts: int, occasion: Occasion, partners: Sequence[str] = PARTNERS
) -> Plan:
    """Plans a campaign of so many gifts by some of the partners.

    Raises ValueError for a partner that is none of them, twice the same, or no gift for each.
    """
    if unknown := set(partners) - set(PARTNERS):
        raise ValueError(f"unknown partners: {', '.join(sorted(unknown))}; known: {PARTNERS}")
    if len(set(partners)) != len(partners) or not partners:
        raise ValueError("name each partner once, and at least one")
    shares = _shares(gifts, partners)
    if min(shares.values()) < 1:
        raise ValueError(f"{gifts} gifts are too few for {len(partners)} partners")
    plans: dict[str, PartnerPlan] = {}
    carried: dict[str, list[Carried]] = {}
    # What a rail's company tells is known when those are planned whose gifts it carries.
    for name in sorted(shares, key=lambda name: not MANNERS[name].rails):
        plans[name] = plan_partner(
            seed, name, shares[name], occasion, MANNERS[name], carried.get(name, ())
        )
        for rail, gifts_told in plans[name].carried.items():
            carried.setdefault(rail, []).extend(gifts_told)
    expectation = add_up(
        chain.from_iterable(plan.gifts for plan in plans.values()),
        chain.from_iterable(plan.refunds for plan in plans.values()),
        chain.from_iterable(plan.disputes for plan in plans.values()),
        (project.code for project in occasion.projects),
        (appeal.code for appeal in occasion.appeals),
    )
    return Plan(occasion, {name: plans[name] for name in shares}, expectation)


def _shares(gifts: int, partners: Sequence[str]) -> dict[str, int]:
    """Splits the gifts among partners. The parts sum to the whole."""
    direct = {name: MANNERS[name].share for name in partners if not MANNERS[name].is_native}
    native = [name for name in partners if MANNERS[name].is_native]
    if not direct:
        return _split(gifts, dict.fromkeys(native, 1))
    small = min(_NATIVE_GIFTS_MAX, gifts * _NATIVE_SHARE_PERCENT // 100)
    shares = dict.fromkeys(native, small)
    shares.update(_split(gifts - small * len(native), direct))
    return {name: shares[name] for name in partners}


def _split(whole: int, weights: Mapping[str, int]) -> dict[str, int]:
    total = sum(weights.values())
    parts = {name: whole * weight // total for name, weight in weights.items()}
    for name in list(parts)[: whole - sum(parts.values())]:
        parts[name] += 1
    return parts
