"""What one partner will say: what happens to its gifts, the mishaps of the way, and the order."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import cycle

from services.cli.simulator.afterwards import contest, give_back, some, step_of
from services.cli.simulator.carried import Carried, carry, pay_on_rails
from services.cli.simulator.manner import FEN, Manner
from services.cli.simulator.occasion import GIVING_DAYS, SHANGHAI, Occasion
from services.cli.simulator.reports import Dispute, Gift, Kind, Refund, Report, Subject, Way

# The last round holds no report that is new: late repeats, and claims of other amounts.
LAST_ROUND = 4

_REPEATED_PERMILLE = 100
# A little more than a fifth: the last few have no later place to go to.
_DISPLACED_PERMILLE = 205
_FORGED_PERMILLE = 1
_PROBED_PERMILLE = 5
_CONFLICT_PERMILLE = 1
_UNKNOWN_PROJECT_PERMILLE = 5
# Of the gifts of a partner that streams, those it reports one by one; of the repeats of the others,
# those that come another way than their gift.
_SINGLE_PERMILLE = 20
_OTHER_WAY_PERCENT = 5
# Of the gifts on a platform with personal appeals, those to one.
_APPEAL_PERCENT = 30

# Typical gifts in fen or another currency's least unit, and how often each is seen.
_AMOUNTS = {1: 8, 10: 6, 100: 10, 500: 8, 666: 3, 950: 4, 1000: 9, 2000: 6, 9999: 2, 52000: 1}


@dataclass(frozen=True, slots=True)
class PartnerPlan:
    """One partner's part.

    gifts, refunds, disputes: what really happened, each once.
    carried: what the companies tell of these gifts on whose rails they were paid.
    rounds: what will be said. A round's reports may be sent at once and overtake one another; the
        next begins when all of them are acknowledged, so that a claim of another amount comes
        surely after its original.
    altered_batches: batches to send once with control totals that do not tie.
    """

    partner: str
    gifts: tuple[Gift, ...]
    refunds: tuple[Refund, ...]
    disputes: tuple[Dispute, ...]
    carried: Mapping[str, Sequence[Carried]]
    rounds: tuple[tuple[Report, ...], ...]
    altered_batches: int


def plan_partner(
    seed: int,
    partner: str,
    gifts: int,
    occasion: Occasion,
    manner: Manner,
    carried: Sequence[Carried] = (),
) -> PartnerPlan:
    """Plans one partner's gifts, at least one.

    carried: gifts of others that were paid on this one's rail, of which it tells as well.
    """
    chance = random.Random(f"{seed}/{partner}")  # noqa: S311  (a plan, not a secret)
    given = _give(chance, partner, gifts, occasion, manner)
    if manner.rails:
        given = pay_on_rails(chance, given, manner.rails)
    told = give_back(chance, given, manner) if manner.gives_back else []
    refunds = tuple(refund for refund, _ in told)
    disputes = contest(chance, given, refunds) if manner.contested else []
    others: list[tuple[Subject, Kind]] = [(dispute, Kind.FIRST) for dispute in disputes]
    for gift in carried:
        others.append((gift.gift, Kind.RAIL))
        others += [(refund, Kind.RAIL) for refund in gift.refunds]
    return PartnerPlan(
        partner,
        tuple(given),
        refunds,
        tuple(disputes),
        carry(chance, given, refunds),
        _say(chance, given, told, others, manner),
        altered_batches=0 if manner.is_native else 1,
    )


def _give(
    chance: random.Random, partner: str, count: int, occasion: Occasion, manner: Manner
) -> list[Gift]:
    """Gifts in the order in which they were made."""
    moments = sorted(chance.randrange(GIVING_DAYS * 86_400_000_000) for _ in range(count))
    codes = [project.code for project in occasion.projects]
    # The first project is given to most, as pages with a ranking bring about.
    popularity = [len(codes) + 5 - place for place in range(len(codes))]
    projects = chance.choices(codes, popularity, k=count)
    if manner.appeals:
        for index in some(chance, count, 10 * _APPEAL_PERCENT):
            projects[index] = chance.choice(occasion.appeals).code
    for index in some(chance, count, _UNKNOWN_PROJECT_PERMILLE):
        unheard_of = f"unheard-of-{chance.randrange(9)}"
        projects[index] = "" if manner.is_native and index % 2 else unheard_of
    gifts = []
    for index, moment in enumerate(moments):
        if manner.whole_seconds:
            moment -= moment % 1_000_000
        event_time = occasion.start_time + timedelta(microseconds=moment)
        # Platforms' ids begin with the time: local date, then a number that only they understand.
        local = event_time.astimezone(SHANGHAI)
        external_id = f"{manner.prefix}{local:%Y%m%d%H%M%S}{index:07d}{chance.randrange(10**7):07d}"
        currency = chance.choice(list(manner.grains))
        gifts.append(
            Gift(
                partner,
                external_id,
                projects[index],
                occasion.campaign,
                _amount(chance, manner.grains[currency]),
                event_time,
                f"2088{chance.randrange(10**12):012d}",
                currency,
            )
        )
    return gifts


def _amount(chance: random.Random, grain: int) -> int:
    """A gift in micros; a third of those that may have parts of a fen have."""
    if grain < FEN and chance.randrange(3) == 0:
        return chance.randrange(1, 20_000) * grain
    [units] = chance.choices(list(_AMOUNTS), list(_AMOUNTS.values()))
    return units * max(grain, FEN)


def _say(
    chance: random.Random,
    gifts: Sequence[Gift],
    refunds: Sequence[tuple[Refund, bool]],
    others: Iterable[tuple[Subject, Kind]],
    manner: Manner,
) -> tuple[tuple[Report, ...], ...]:
    """All reports in their rounds.

    Each report gets a place on the line of the gifts' own order, 0 to len(gifts); displaced and
    repeated ones get a later place than their own, refunds before their payment an earlier one.
    others: what keeps no order at all, neither with what it is about nor with another partner.
    """
    count = len(gifts)
    single = frozenset(() if manner.is_native else some(chance, count, _SINGLE_PERMILLE))
    displaced = frozenset(some(chance, count, _DISPLACED_PERMILLE))
    ways = cycle(manner.singly)
    way_of = [next(ways) if index in single else manner.bulk for index in range(count)]
    line: list[tuple[int, Report]] = []
    place: dict[str, int] = {}
    for index, gift in enumerate(gifts):
        at = index + (chance.randrange(1, max(2, count // 3)) if index in displaced else 0)
        # What is new is said before the last round.
        place[gift.external_id] = at = min(at, count - 1)
        line.append((at, Report(gift, Kind.FIRST, way_of[index])))
    for index in some(chance, count, _REPEATED_PERMILLE):
        at = place[gifts[index].external_id] + chance.randrange(max(1, count // 2))
        other_way = not manner.is_native and chance.randrange(100) < _OTHER_WAY_PERCENT
        way = next(ways) if other_way else way_of[index]
        line.append((at, Report(gifts[index], Kind.REPEAT, way)))
    for refund, early in refunds:
        step = chance.randrange(count // 4, max(1, count // 2) + 1)
        at = place[refund.gift.external_id]
        at = max(0, at - step) if early else min(at + step, count - 1)
        line.append((at, Report(refund, Kind.FIRST, next(ways))))
        if chance.randrange(1000) < _REPEATED_PERMILLE:
            again = at + chance.randrange(max(1, count // 2))
            line.append((again, Report(refund, Kind.REPEAT, next(ways))))
    for subject, kind in others:
        at = chance.randrange(count)
        line.append((at, Report(subject, kind, next(ways))))
        if chance.randrange(1000) < _REPEATED_PERMILLE:
            again = at + chance.randrange(max(1, count // 2))
            line.append((again, Report(subject, Kind.REPEAT, next(ways))))
    for index in some(chance, count, _CONFLICT_PERMILLE):
        gift = gifts[index]
        more = chance.randrange(1, 9) * step_of(gift, manner)
        other = replace(gift, amount_micros=gift.amount_micros + more)
        next_round = _round(place[gift.external_id], count) + 1
        at = chance.randrange(-(-next_round * count // LAST_ROUND), count + 1)
        line.append((at, Report(other, Kind.CONFLICT, way_of[index])))
    for index in some(chance, count, _FORGED_PERMILLE):
        false = replace(gifts[index], external_id="F" + gifts[index].external_id[1:])
        line.append((index, Report(false, Kind.FORGED, next(ways))))
    probed = some(chance, count, _PROBED_PERMILLE) if manner.tests_us else ()
    line += [(index, Report(gifts[index], Kind.PROBE, Way.NOTICE)) for index in probed]
    rounds: list[list[Report]] = [[] for _ in range(LAST_ROUND + 1)]
    for at, report in sorted(line, key=lambda placed: placed[0]):
        rounds[_round(at, count)].append(report)
    return tuple(map(tuple, rounds))


def _round(place: int, count: int) -> int:
    return min(place * LAST_ROUND // count, LAST_ROUND)
