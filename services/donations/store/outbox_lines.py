"""A batch's lines as the outbox keeps them: JSON that the release before can read, and wrote.

A line is its fields in order but for two that come last and only where they say something: the
purpose of a personal appeal (what has no project is not attributed, and all else is charity's), and
the charity whose bank account is moved.
"""

import json
from collections.abc import Iterable
from typing import Any

from services.donations.domain import Line, LineKind, Purpose

_encode = json.JSONEncoder(separators=(",", ":")).encode


def text_of(lines: Iterable[Line]) -> str:
    """The lines as JSON."""
    return _encode([_values_of(line) for line in lines])


def lines_of(values: Iterable[Any]) -> list[Line]:
    """The lines of parsed JSON. Raises TypeError or ValueError for what is no line."""
    return [_line_of(*line) for line in values]


def _values_of(line: Line) -> list[object]:
    kind, partner, campaign, project, purpose, charity, *rest = line
    values = [kind, partner, campaign, project, *rest]
    if charity:
        return [*values, purpose, charity]
    return [*values, purpose] if purpose is Purpose.APPEAL else values


def _line_of(
    kind: int,
    partner: str,
    campaign: str,
    project: str,
    currency: str,
    hour: int,
    micros: int,
    gift_count: int,
    purpose: int = 0,
    charity: str = "",
) -> Line:
    texts, numbers = (partner, campaign, project, currency, charity), (hour, micros, gift_count)
    if not all(isinstance(one, str) for one in texts) or not all(
        isinstance(one, int) for one in numbers
    ):
        raise TypeError("a line's codes are texts, and its sums are numbers")
    stated = purpose or (Purpose.CHARITY if project else Purpose.UNATTRIBUTED)
    return Line(
        LineKind(kind),
        partner,
        campaign,
        project,
        Purpose(stated),
        charity,
        currency,
        hour,
        micros,
        gift_count,
    )
