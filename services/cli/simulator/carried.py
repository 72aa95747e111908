"""Gifts that are paid on another company's channel, and what that company tells of them."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from services.cli.simulator.afterwards import some
from services.cli.simulator.occasion import SHANGHAI
from services.cli.simulator.reports import Gift, Rail, Refund

_CARRIED_PERMILLE = 400
_UNNAMED_PERCENT = 30


@dataclass(frozen=True, slots=True)
class Carried:
    """A gift of another partner as its rail tells of it, with its refunds: the same money."""

    gift: Gift
    refunds: tuple[Refund, ...]


def pay_on_rails(chance: random.Random, gifts: Sequence[Gift], rails: Sequence[str]) -> list[Gift]:
    """The gifts, some of them paid on one of the rails, each in turn."""
    paid = list(gifts)
    for number, index in enumerate(some(chance, len(gifts), _CARRIED_PERMILLE)):
        gift = gifts[index]
        local = gift.event_time.astimezone(SHANGHAI)
        # Its own numbers begin with 0.
        external_id = f"{local:%Y%m%d%H%M%S}9{index:06d}{chance.randrange(10**7):07d}"
        rail = Rail(rails[number % len(rails)], external_id)
        paid[index] = replace(gift, rail=rail)
    return paid


def carry(
    chance: random.Random, gifts: Iterable[Gift], refunds: Iterable[Refund]
) -> Mapping[str, Sequence[Carried]]:
    """What each rail's company tells of these gifts, in ids of its own.

    It knows less than the page that the gift was made on, and often not for which project.
    """
    backs: dict[Gift, list[Refund]] = {}
    for refund in refunds:
        backs.setdefault(refund.gift, []).append(refund)
    carried: dict[str, list[Carried]] = {}
    for gift in gifts:
        if gift.rail is None:
            continue
        project = "" if chance.randrange(100) < _UNNAMED_PERCENT else gift.project
        told = replace(
            gift,
            partner=gift.rail.partner,
            external_id=gift.rail.external_id,
            project=project,
            rail=None,
        )
        same = [
            replace(
                refund,
                gift=told,
                refund_id=f"R{told.external_id}-{number}",
                same_as=refund.refund_id,
            )
            for number, refund in enumerate(backs.get(gift, ()), 1)
        ]
        carried.setdefault(gift.rail.partner, []).append(Carried(told, tuple(same)))
    return carried
