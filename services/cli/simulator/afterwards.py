"""What happens to gifts after they were given: refunds and disputes."""

import random
from collections.abc import Sequence
from datetime import timedelta
from itertools import cycle

from services.cli.simulator.manner import FEN, Manner
from services.cli.simulator.reports import Dispute, DisputeStatus, Gift, Refund

_EARLY_REFUND_PERCENT = 25
_DISPUTED_PERMILLE = 80


def some(chance: random.Random, count: int, permille: int) -> list[int]:
    """Positions drawn without repetition: so many of a thousand, rounded up."""
    return chance.sample(range(count), -(-count * permille // 1000))


def step_of(gift: Gift, manner: Manner) -> int:
    """By which amounts of a gift's currency differ: a fen, a cent, a yen."""
    return max(manner.grains[gift.currency], FEN)


def give_back(
    chance: random.Random, gifts: Sequence[Gift], manner: Manner
) -> list[tuple[Refund, bool]]:
    """Refunds in full, in one part, and in parts that add up; each with whether it comes early.

    Every part is at least one fen, or another currency's unit, so less than two of them are
    refunded in full.
    """
    refunds = []
    for index in some(chance, len(gifts), manner.refunded_permille):
        gift = gifts[index]
        parts = _parts(chance, gift.amount_micros, step_of(gift, manner))
        early = index >= len(gifts) // 2 and chance.randrange(100) < 2 * _EARLY_REFUND_PERCENT
        total = 0
        for number, part in enumerate(parts, 1):
            total += part
            moment = gift.event_time + timedelta(minutes=number)
            name = f"R{gift.external_id}-{number}"
            refunds.append((Refund(gift, name, part, total, moment), early))
    return refunds


def _parts(chance: random.Random, amount: int, step: int) -> list[int]:
    units = amount // step
    if units < 2 or chance.randrange(2):
        return [amount]
    first = chance.randrange(1, units) * step
    return [first, amount - first] if chance.randrange(2) else [first]


def contest(
    chance: random.Random, gifts: Sequence[Gift], refunds: Sequence[Refund]
) -> list[Dispute]:
    """Disputes of what was not given back: a third stays open, a third is won, a third is lost.

    A dispute that ended was opened, too, and both are told.
    """
    left = {gift: gift.amount_micros for gift in gifts}
    for refund in refunds:
        left[refund.gift] -= refund.amount_micros
    disputes = []
    endings = cycle(DisputeStatus)
    for index in some(chance, len(gifts), _DISPUTED_PERMILLE):
        gift = gifts[index]
        if not left[gift]:
            continue
        opened_time = gift.event_time + timedelta(minutes=1)
        name = f"dp_{gift.external_id}"
        disputes.append(Dispute(gift, name, DisputeStatus.OPENED, left[gift], opened_time))
        ending = next(endings)
        if ending is not DisputeStatus.OPENED:
            ended_time = opened_time + timedelta(minutes=1)
            disputes.append(Dispute(gift, name, ending, left[gift], ended_time))
    return disputes
