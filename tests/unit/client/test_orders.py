"""Pledges and orders, as they travel."""

from datetime import UTC, datetime
from typing import Any

import pytest
from watersmeet._orders import Order, Pledge, orders_request, pledges_request
from watersmeet.donations.v1 import pledge_service_pb2 as pb

TIME = datetime(2019, 9, 5, 12, tzinfo=UTC)


def a_pledge(**changes: Any) -> Pledge:
    fields: dict[str, Any] = {
        "code": "m-7",
        "merchant_reference": "merchant",
        "projects": {"water": 2, "books": 1},
        "currency": "CNY",
        "start_time": TIME,
    }
    return Pledge(**(fields | changes))


def test_pledges_travel_whole() -> None:
    rate = a_pledge(rate_ppm=3_000, campaign="week", end_time=TIME, unit_micros=10_000)
    request = pledges_request([rate, a_pledge(fixed_micros=20_000)], "an id")
    assert request.request_id == "an id"
    first, second = request.drafts
    assert first.merchant_reference == "merchant"
    assert [(share.project, share.weight) for share in first.pledge.shares] == [
        ("water", 2),
        ("books", 1),
    ]
    assert (first.pledge.rate_ppm, first.pledge.unit_micros) == (3_000, 10_000)
    assert first.pledge.end_time.ToDatetime(UTC) == first.pledge.start_time.ToDatetime(UTC) == TIME
    assert first.pledge.rounding == pb.PLEDGE_ROUNDING_LARGEST_REMAINDER
    assert (second.pledge.WhichOneof("gift"), second.pledge.fixed_micros) == (
        "fixed_micros",
        20_000,
    )
    assert not second.pledge.HasField("end_time")


def test_orders_travel_whole() -> None:
    request = orders_request([Order("A1", "m-7", 19_990_000, "CNY", TIME, "shopper")])
    [order] = request.orders
    assert (order.order_id, order.pledge, order.shopper_reference) == ("A1", "m-7", "shopper")
    assert (order.paid.micros, order.paid.currency_code) == (19_990_000, "CNY")
    assert order.event_time.ToDatetime(UTC) == TIME
    assert request.request_id != orders_request([]).request_id


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"rate_ppm": 1_000, "fixed_micros": 1},
        {"rate_ppm": 1_000, "start_time": datetime(2019, 9, 5)},  # noqa: DTZ001  without a zone
        {"rate_ppm": 1_000, "end_time": datetime(2019, 9, 5)},  # noqa: DTZ001
    ],
)
def test_a_pledge_that_says_too_little_or_too_much_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"pledge has either|time zone"):
        a_pledge(**changes)


def test_an_orders_price_is_whole_and_its_time_has_a_zone() -> None:
    with pytest.raises(TypeError):
        Order("A1", "m-7", 1.5, "CNY", TIME)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="time zone"):
        Order("A1", "m-7", 1, "CNY", datetime(2019, 9, 5))  # noqa: DTZ001


def test_references_stay_out_of_what_is_printed() -> None:
    assert "merchant" not in repr(a_pledge(rate_ppm=1_000))
    assert "shopper" not in repr(Order("A1", "m-7", 1, "CNY", TIME, "shopper"))
