"""Rails in bulk: columns that are there only where a gift names one."""

from typing import Any

import numpy as np
import pytest

from services.donations.domain import Rail
from services.donations.gifts.columns import GiftBatch, admitted, columns_of, require_shape
from services.donations.gifts.rows import join
from services.donations.gifts.tokens import DonorTokens
from services.donations.gifts.validation import Refusal
from services.runtime.errors import Fault, Reason
from tests.unit.donations.gifts import NOW_MICROS, a_gift

TOKENS = DonorTokens(bytes(range(32)))


def a_batch(ids: list[str], **changes: Any) -> GiftBatch:
    rows = len(ids)
    fields: dict[str, Any] = {
        "currency": "CNY",
        "external_ids": ids,
        "amounts_micros": np.full(rows, 5),
        "event_times_micros": np.full(rows, NOW_MICROS),
        "projects": ["water"],
        "project_indexes": np.zeros(rows, dtype=np.int64),
        "campaigns": [""],
        "campaign_indexes": np.zeros(rows, dtype=np.int64),
        "donor_references": [],
    }
    return GiftBatch(**(fields | changes))


def rails(ids: list[str], *codes: str) -> dict[str, Any]:
    indexes = np.arange(len(ids), dtype=np.int64) % len(codes)
    return {"rails": codes, "rail_indexes": indexes, "rail_ids": ids}


def test_rows_that_name_a_rail_keep_it_and_wrong_ones_are_refused() -> None:
    batch = a_batch(
        ["", "b", "c", "d", "e"], **rails(["1", "2", "", "4", "5"], "tencent", "alipay", "xiaomi")
    )
    admission = admitted("weibo", batch, NOW_MICROS, TOKENS)
    # The first has no id of its own; the third names none; the last is at position 4 of 3 codes.
    assert admission.refusals.tolist() == [Refusal.EXTERNAL_ID_MISSING, 0, 0, 0, 0]
    assert admission.columns.rails == [
        (0, Rail("alipay", "2")),
        (2, Rail("tencent", "4")),
        (3, Rail("alipay", "5")),
    ]


def test_a_rail_that_is_none_and_a_rail_s_own_gift_are_refused() -> None:
    wrong = a_batch(["a", "b"], **rails(["1", "has space"], "xiaomi", "tencent"))
    refusals = admitted("weibo", wrong, NOW_MICROS, TOKENS).refusals.tolist()
    assert refusals == [Refusal.RAIL_INVALID] * 2
    own = a_batch(["a"], **rails(["1"], "alipay"))
    assert admitted("tencent", own, NOW_MICROS, TOKENS).refusals.tolist() == [Refusal.RAIL_INVALID]


@pytest.mark.parametrize(
    "changes",
    [
        {"rail_ids": ["1"], "rails": ("alipay",), "rail_indexes": np.zeros(1, dtype=np.int64)},
        {"rail_ids": ["1", "2"], "rails": ("alipay",), "rail_indexes": np.array([0, 1])},
        {"rail_ids": ["1", "2"], "rails": ("alipay",)},
    ],
)
def test_columns_of_rails_fit_the_others(changes: dict[str, Any]) -> None:
    with pytest.raises(Fault) as raised:
        require_shape(a_batch(["a", "b"], **changes), 2, 10)
    assert raised.value.reason is Reason.BATCH_COLUMNS_UNEQUAL


def test_joined_columns_keep_their_rails() -> None:
    one = columns_of([a_gift("a"), a_gift("b", rail=Rail("alipay", "1"))])
    other = columns_of([a_gift("c", rail=Rail("tencent", "2"))])
    assert join([one, other]).rails == [(1, Rail("alipay", "1")), (2, Rail("tencent", "2"))]
