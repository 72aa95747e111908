"""The rules of a gift, looked at one by one and in columns."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.donations.domain import Gift, micros_of
from services.donations.gifts.columns import (
    BATCH_ROWS_MAX,
    GiftBatch,
    admitted,
    columns_of,
    exact_sum,
    require_shape,
)
from services.donations.gifts.tokens import DonorTokens
from services.donations.gifts.validation import (
    AMOUNT_MICROS_MAX,
    EARLIEST_MICROS,
    EXPLANATIONS,
    Refusal,
    latest_micros,
    refusal_of,
    require_gift,
    require_refund,
)
from services.runtime.errors import Fault, Reason
from tests.unit.donations.gifts import NOW, NOW_MICROS, a_gift, a_refund

TOKENS = DonorTokens(bytes(range(32)))
LATEST = latest_micros(NOW)

_strange_ids = st.one_of(
    st.text(max_size=70), st.sampled_from(["", " ", "a b", "ä", "x" * 64, "x" * 65, "a\0", "1\n"])
)
_codes = st.sampled_from(["", "water", "Water", "a b", "x" * 64, "x" * 65, "ä"])
_amounts = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.sampled_from([0, 1, AMOUNT_MICROS_MAX, 10**15 + 1])
)
_times = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([EARLIEST_MICROS, EARLIEST_MICROS - 1, LATEST, LATEST + 1]),
)
_strange_gifts = st.builds(
    Gift,
    partner=st.just("weibo"),
    external_id=_strange_ids,
    project=_codes,
    campaign=_codes,
    amount_micros=_amounts,
    currency=st.sampled_from(["CNY", "cny", "XXX", ""]),
    event_time_micros=_times,
)


def batch_of(gifts: list[Gift], references: list[str] | None = None) -> GiftBatch:
    """Gifts of one currency as a partner would send them."""
    projects = sorted({gift.project for gift in gifts})
    campaigns = sorted({gift.campaign for gift in gifts})
    return GiftBatch(
        gifts[0].currency,
        [gift.external_id for gift in gifts],
        np.array([gift.amount_micros for gift in gifts], dtype=np.int64),
        np.array([gift.event_time_micros for gift in gifts], dtype=np.int64),
        projects,
        np.array([projects.index(gift.project) for gift in gifts], dtype=np.int64),
        campaigns,
        np.array([campaigns.index(gift.campaign) for gift in gifts], dtype=np.int64),
        references or [],
    )


@given(st.lists(_strange_gifts, min_size=1, max_size=8))
def test_columns_are_judged_as_single_gifts_are(gifts: list[Gift]) -> None:
    gifts = [replace(gift, currency=gifts[0].currency) for gift in gifts]
    expected = [refusal_of(gift, LATEST) for gift in gifts]
    admission = admitted("weibo", batch_of(gifts), LATEST, TOKENS)
    assert admission.refusals.tolist() == expected
    good = [gift for gift, refusal in zip(gifts, expected, strict=True) if not refusal]
    assert admission.columns.external_ids.tolist() == [g.external_id.encode() for g in good]
    assert admission.columns.amounts_micros.tolist() == [g.amount_micros for g in good]
    targets = [admission.columns.targets[i] for i in admission.columns.target_indexes]
    assert targets == [("weibo", g.currency, g.project, g.campaign) for g in good]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"external_id": ""}, Reason.FIELD_REQUIRED),
        ({"external_id": "a b"}, Reason.FIELD_INVALID),
        ({"project": ""}, Reason.FIELD_REQUIRED),
        ({"project": "Water"}, Reason.FIELD_INVALID),
        ({"campaign": "a b"}, Reason.FIELD_INVALID),
        ({"amount_micros": 0}, Reason.AMOUNT_NOT_POSITIVE),
        ({"amount_micros": -1}, Reason.AMOUNT_NOT_POSITIVE),
        ({"amount_micros": AMOUNT_MICROS_MAX + 1}, Reason.AMOUNT_OVER_LIMIT),
        ({"currency": "RMB"}, Reason.CURRENCY_UNKNOWN),
        ({"event_time_micros": LATEST + 1}, Reason.EVENT_TIME_IN_FUTURE),
        ({"event_time_micros": EARLIEST_MICROS - 1}, Reason.FIELD_INVALID),
    ],
)
def test_each_rule_has_its_reason(changes: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(Fault) as raised:
        require_gift(a_gift(**changes), NOW)
    assert raised.value.reason is reason
    assert raised.value.metadata["field"]


def test_what_is_just_allowed_is_allowed() -> None:
    for changes in (
        {"external_id": "!" * 64},
        {"amount_micros": AMOUNT_MICROS_MAX},
        {"event_time_micros": micros_of(NOW + timedelta(minutes=10))},
        {"event_time_micros": EARLIEST_MICROS},
    ):
        require_gift(a_gift(**changes), NOW)
    require_gift(a_gift(project=""), NOW, project_required=False)


def test_every_refusal_is_explained() -> None:
    assert set(EXPLANATIONS) == set(Refusal) - {Refusal.NONE}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"refund_id": ""}, Reason.FIELD_REQUIRED),
        ({"refund_id": "a b"}, Reason.FIELD_INVALID),
        ({"external_id": ""}, Reason.FIELD_REQUIRED),
        ({"amount_micros": 0}, Reason.AMOUNT_NOT_POSITIVE),
        ({"currency": "???"}, Reason.CURRENCY_UNKNOWN),
        ({"event_time_micros": LATEST + 1}, Reason.EVENT_TIME_IN_FUTURE),
    ],
)
def test_a_refund_has_its_rules(changes: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(Fault) as raised:
        require_refund(a_refund(**changes), NOW)
    assert raised.value.reason is reason


def test_a_long_donor_reference_is_refused_and_counts_bytes() -> None:
    gifts = [a_gift(str(number)) for number in range(4)]
    references = ["x" * 128, "x" * 129, "汇" * 42, "汇" * 43]
    refusals = admitted("weibo", batch_of(gifts, references), LATEST, TOKENS).refusals.tolist()
    too_long = Refusal.DONOR_REFERENCE_TOO_LONG
    assert refusals == [Refusal.NONE, too_long, Refusal.NONE, too_long]


def test_tokens_stay_with_their_rows_when_others_are_refused() -> None:
    gifts = [a_gift("a"), a_gift("b", amount_micros=0), a_gift("c"), a_gift("d")]
    columns = admitted("weibo", batch_of(gifts, ["x", "y", "", "z"]), LATEST, TOKENS).columns
    assert [row.tobytes() for row in columns.donor_tokens] == [
        TOKENS.token("weibo", "x"),
        bytes(16),
        TOKENS.token("weibo", "z"),
    ]


def shape_of(**changes: Any) -> GiftBatch:
    """A batch of two good rows, but for the changes."""
    batch = batch_of([a_gift("a"), a_gift("b")])
    fields = {name: getattr(batch, name) for name in GiftBatch.__slots__}
    return GiftBatch(**(fields | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"amounts_micros": np.array([1])},
        {"event_times_micros": np.array([1, 2, 3])},
        {"project_indexes": np.array([0])},
        {"campaign_indexes": np.array([], dtype=np.int64)},
        {"donor_references": ["x"]},
        {"project_indexes": np.array([0, 1])},
        {"campaign_indexes": np.array([0, 7])},
        {"projects": ()},
    ],
)
def test_unequal_columns_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Fault) as raised:
        require_shape(shape_of(**changes), 2, 2_460_000)
    assert raised.value.reason is Reason.BATCH_COLUMNS_UNEQUAL
    assert raised.value.metadata["field"] in {*changes, "project_indexes"}


def test_a_batch_has_its_size() -> None:
    for rows in (0, BATCH_ROWS_MAX + 1):
        with pytest.raises(Fault) as raised:
            require_shape(shape_of(external_ids=["x"] * rows), rows, 0)
        assert raised.value.reason is Reason.BATCH_SIZE_INVALID


@pytest.mark.parametrize(("count", "micros"), [(1, 2_460_000), (2, 2_460_001), (0, 0)])
def test_control_totals_must_tie(count: int, micros: int) -> None:
    with pytest.raises(Fault) as raised:
        require_shape(shape_of(), count, micros)
    assert raised.value.reason is Reason.CONTROL_TOTALS_MISMATCH
    assert raised.value.metadata == {
        "expected_count": str(count),
        "actual_count": "2",
        "expected_micros": str(micros),
        "actual_micros": "2460000",
    }
    require_shape(shape_of(), 2, 2_460_000)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=9))
def test_sums_are_exact_beyond_64_bits(amounts: list[int]) -> None:
    assert exact_sum(np.array(amounts, dtype=np.int64)) == sum(amounts)


def test_a_sum_that_no_entry_can_carry_is_refused() -> None:
    gifts = [a_gift(str(number), amount_micros=AMOUNT_MICROS_MAX) for number in range(5_000)]
    with pytest.raises(Fault) as raised:
        admitted("weibo", batch_of(gifts), LATEST, TOKENS)
    assert raised.value.reason is Reason.AMOUNT_OVER_LIMIT


def test_single_gifts_become_columns() -> None:
    gifts = [a_gift("a"), a_gift("bb", project="books", donor_token=b"0123456789abcdef")]
    columns = columns_of(gifts)
    assert columns.external_ids.tolist() == [b"a", b"bb"]
    assert [columns.targets[i].project for i in columns.target_indexes] == ["water", "books"]
    assert columns.event_times_micros.tolist() == [NOW_MICROS - 60_000_000] * 2
    assert [row.tobytes() for row in columns.donor_tokens] == [bytes(16), b"0123456789abcdef"]
