"""Which version holds, and what a pledge must fulfil."""

from datetime import timedelta
from typing import Any

import pytest

from services.donations.pledges.pledge import Share, version_at
from services.donations.pledges.rules import (
    LEAD,
    require_lead,
    require_merchant_reference,
    require_pledge,
    require_successor,
)
from services.runtime.errors import Fault, Reason
from tests.unit.donations.gifts import NOW, NOW_MICROS
from tests.unit.donations.pledges.pledging import DAY_MICROS, a_pledge

FIRST = a_pledge(start_micros=NOW_MICROS)
SECOND = a_pledge(version=2, start_micros=NOW_MICROS + 10, end_micros=NOW_MICROS + 20)
THIRD = a_pledge(version=3, start_micros=NOW_MICROS + 30, ended_micros=NOW_MICROS + 40)


@pytest.mark.parametrize(
    ("later", "version"),
    [(-1, None), (0, 1), (9, 1), (10, 2), (19, 2), (20, None), (30, 3), (39, 3), (40, None)],
)
def test_an_orders_time_picks_the_version(later: int, version: int | None) -> None:
    pledge = version_at([FIRST, SECOND, THIRD], NOW_MICROS + later)
    assert (pledge.version if pledge else None) == version


def test_a_later_version_takes_over_from_one_that_is_open() -> None:
    assert version_at([FIRST, SECOND], NOW_MICROS + 15) == SECOND
    assert version_at([FIRST, SECOND], NOW_MICROS + 25) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"rate_ppm": 1_000},
        {"rate_ppm": 1_000_000},
        {"rate_ppm": 0, "fixed_micros": 10**15},
        {"rate_ppm": 0, "fixed_micros": 20_000, "unit_micros": 10_000},
        {"shares": tuple(Share(str(place), 1_000_000) for place in range(8))},
        {"campaign": "week"},
        {"end_micros": NOW_MICROS},
    ],
)
def test_a_pledge_may_be(changes: dict[str, Any]) -> None:
    pledge = a_pledge(**changes)
    assert require_pledge(pledge) is pledge


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"code": "Spring"}, "pledge.code"),
        ({"rate_ppm": 999}, "pledge.rate_ppm"),
        ({"rate_ppm": 1_000_001}, "pledge.rate_ppm"),
        ({"rate_ppm": 0, "fixed_micros": 10**15 + 1}, "pledge.fixed_micros"),
        ({"rate_ppm": 0, "fixed_micros": -1}, "pledge.fixed_micros"),
        ({"rate_ppm": 0, "fixed_micros": 5, "unit_micros": 10}, "pledge.fixed_micros"),
        ({"unit_micros": 0}, "pledge.unit_micros"),
        ({"unit_micros": 1_000_001}, "pledge.unit_micros"),
        ({"shares": ()}, "pledge.shares"),
        ({"shares": tuple(Share(str(place), 1) for place in range(9))}, "pledge.shares"),
        ({"shares": (Share("a", 1), Share("a", 2))}, "pledge.shares"),
        ({"shares": (Share("a", 0),)}, "pledge.shares.weight"),
        ({"shares": (Share("A", 1),)}, "pledge.shares.project"),
        ({"campaign": "A week"}, "pledge.campaign"),
        ({"start_micros": 0}, "pledge.start_time"),
        ({"end_micros": NOW_MICROS - 30 * DAY_MICROS}, "pledge.end_time"),
    ],
)
def test_a_pledge_may_not_be(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Fault) as caught:
        require_pledge(a_pledge(**changes))
    assert (caught.value.reason, caught.value.metadata["field"]) == (Reason.FIELD_INVALID, field)


def test_a_currency_is_one_in_use() -> None:
    with pytest.raises(Fault) as caught:
        require_pledge(a_pledge(currency="RMB"))
    assert caught.value.reason is Reason.CURRENCY_UNKNOWN


def test_the_merchant_is_named() -> None:
    assert require_merchant_reference("m") == "m"
    for text, reason in (("", Reason.FIELD_REQUIRED), ("x" * 129, Reason.FIELD_INVALID)):
        with pytest.raises(Fault) as caught:
            require_merchant_reference(text)
        assert caught.value.reason is reason


def test_what_changes_evaluation_is_known_a_quarter_of_an_hour_before() -> None:
    lead = LEAD // timedelta(microseconds=1)
    require_lead(NOW_MICROS + lead, NOW, "end_time")
    with pytest.raises(Fault):
        require_lead(NOW_MICROS + lead - 1, NOW, "end_time")
    newest = a_pledge()
    require_successor(a_pledge(start_micros=NOW_MICROS + lead), newest, NOW)
    late = a_pledge(start_micros=NOW_MICROS + 2 * lead)
    for pledge, before in (
        (a_pledge(start_micros=NOW_MICROS), newest),
        (late, late),
        (late, a_pledge(version=1_000)),
    ):
        with pytest.raises(Fault) as caught:
            require_successor(pledge, before, NOW)
        assert caught.value.reason is Reason.FIELD_INVALID


def test_the_merchants_token_stays_out_of_what_is_printed() -> None:
    assert "merchant-token" not in repr(a_pledge())
