"""A gift's moves as lines of a batch."""

from collections.abc import Iterable

from services.donations.domain import HOUR_MICROS, Attribution, Gift, Line, LineKind, Purpose
from services.donations.life.position import Move
from services.donations.life.transitions import is_of_suspense

_AT_A_BANK = frozenset(
    {LineKind.RECEIPT, LineKind.RECEIPT_BACK, LineKind.SPENDING, LineKind.SPENDING_BACK}
)


def move_lines(
    gift: Gift,
    purpose: Purpose,
    charity: str,
    moves: Iterable[Move],
    allocated: Attribution | None = None,
) -> Iterable[Line]:
    """What each move says in a batch, attributed as its gift is and in the gift's hour.

    allocated: where the gift counts by finance's decision; None where it counts as it was reported.
    purpose: UNATTRIBUTED if the gift stands in suspense. charity: its project's.
    """
    hour = gift.event_time_micros // HOUR_MICROS
    counts = allocated or Attribution(gift.project, gift.campaign)
    for kind, micros, gift_count in moves:
        of_suspense = is_of_suspense(kind)
        yield Line(
            kind,
            gift.partner,
            gift.campaign if of_suspense else counts.campaign,
            "" if of_suspense else counts.project,
            Purpose.UNATTRIBUTED if of_suspense else purpose,
            charity if kind in _AT_A_BANK and purpose is Purpose.CHARITY else "",
            gift.currency,
            hour,
            micros,
            gift_count,
        )
