"""What refunds do to the books: a pure function of a gift and the set of all its refunds.

The total given back is the sum of the single refunds plus the greatest running total. Of a gift to
a project it is taken from the project up to the gift's amount, and what exceeds that stands in the
partner's suspense; of a gift in suspense all of it is. A booking books the difference to what is
booked already. Sums and maxima do not care about order, so neither do the books.

Counts say how many gifts were (in part or in full) given back, not how many refunds came: two
running totals of 1 and 3 mean the same as the second alone, in any order.
"""

from collections.abc import Iterable
from typing import NamedTuple

from services.donations.domain import HOUR_MICROS, Gift, Line, LineKind, Purpose


class Refunded(NamedTuple):
    """What is given back of one gift, as far as it is booked.

    single_micros: the sum of single refunds. running_micros: the greatest running total.
    """

    single_micros: int = 0
    running_micros: int = 0

    @property
    def total_micros(self) -> int:
        """All that is given back."""
        return self.single_micros + self.running_micros

    def with_refund(self, amount_micros: int, *, cumulative: bool) -> "Refunded":
        """The state after one more refund."""
        if cumulative:
            return self._replace(running_micros=max(self.running_micros, amount_micros))
        return self._replace(single_micros=self.single_micros + amount_micros)


class Parts(NamedTuple):
    """Where what is given back was taken from."""

    project_micros: int
    suspense_micros: int


def parts_of(amount_micros: int, refunded: Refunded, *, suspended: bool) -> Parts:
    """Splits what is given back of a gift between its project and the partner's suspense."""
    total = refunded.total_micros
    project = 0 if suspended else min(total, amount_micros)
    return Parts(project, total - project)


def booking_lines(
    gift: Gift, purpose: Purpose, before: Refunded, after: Refunded
) -> Iterable[Line]:
    """The lines that carry a gift's refunds from one state to a later one; none if none moves.

    purpose: the gift's; UNATTRIBUTED if it stands in suspense.
    """
    suspended = purpose is Purpose.UNATTRIBUTED
    old = parts_of(gift.amount_micros, before, suspended=suspended)
    new = parts_of(gift.amount_micros, after, suspended=suspended)
    hour = gift.event_time_micros // HOUR_MICROS
    unattributed = Purpose.UNATTRIBUTED
    for kind, project, of, was, now in (
        (LineKind.REFUND, gift.project, purpose, old.project_micros, new.project_micros),
        (LineKind.SUSPENDED_REFUND, "", unattributed, old.suspense_micros, new.suspense_micros),
    ):
        assert now >= was, "what is given back only grows"
        if now > was:
            count = 1 if was == 0 else 0
            yield Line(
                kind,
                gift.partner,
                gift.campaign,
                project,
                of,
                gift.currency,
                hour,
                now - was,
                count,
            )
