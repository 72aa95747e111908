"""Gifts for tests: one, and Hypothesis strategies of many."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from services.donations.domain import Gift, Refund, micros_of

NOW = datetime(2019, 9, 5, 12, tzinfo=UTC)
NOW_MICROS = micros_of(NOW)

PROJECTS = ("water", "books", "surgery", "closed", "unheard-of", "")
CAMPAIGNS = ("", "week", "past", "unknown")


def a_gift(external_id: str = "20190905-0001", **changes: Any) -> Gift:
    """A gift like most, but for the changes."""
    fields: dict[str, Any] = {
        "partner": "weibo",
        "project": "water",
        "campaign": "",
        "amount_micros": 1_230_000,
        "currency": "CNY",
        "event_time_micros": NOW_MICROS - 60_000_000,
    }
    return Gift(external_id=external_id, **(fields | changes))


def a_refund(refund_id: str = "r1", **changes: Any) -> Refund:
    """A refund of that gift, but for the changes."""
    fields: dict[str, Any] = {
        "partner": "weibo",
        "external_id": "20190905-0001",
        "amount_micros": 230_000,
        "currency": "CNY",
        "cumulative": False,
        "event_time_micros": NOW_MICROS - 30_000_000,
    }
    return Refund(refund_id=refund_id, **(fields | changes))


external_ids = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64)

gifts = st.builds(
    Gift,
    partner=st.sampled_from(("weibo", "xiaomi")),
    external_id=external_ids,
    project=st.sampled_from(PROJECTS),
    campaign=st.sampled_from(CAMPAIGNS),
    amount_micros=st.integers(1, 10**15),
    currency=st.sampled_from(("CNY", "USD")),
    event_time_micros=st.integers(NOW_MICROS - 4 * 3_600_000_000, NOW_MICROS),
    donor_token=st.sampled_from((b"", b"0123456789abcdef", bytes(15) + b"\1")),
)
