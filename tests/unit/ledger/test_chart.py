"""Which codes are accounts, and what they are."""

import pytest

from services.ledger.chart import CHART, place
from services.ledger.domain import AccountKind, AccountName, Balance
from services.runtime.errors import Fault, Reason

PLACES = {
    "partner/alipay/claimed": (AccountKind.ASSET, "alipay"),
    "partner/alipay/settled": (AccountKind.ASSET, "alipay"),
    "partner/alipay/suspense": (AccountKind.LIABILITY, "alipay"),
    "partner/alipay/fees": (AccountKind.EXPENSE, "alipay"),
    "project/well-2.b_c/fund": (AccountKind.LIABILITY, "well-2.b_c"),
    "appeal/well-2.b_c/fund": (AccountKind.LIABILITY, "well-2.b_c"),
    "charity/amity/bank": (AccountKind.ASSET, "amity"),
}


@pytest.mark.parametrize("code", PLACES)
def test_codes_of_the_chart(code: str) -> None:
    found = place(code)
    assert (found.row.kind, found.owner) == PLACES[code]


def test_every_row_was_looked_at() -> None:
    assert {place(code).row for code in PLACES} == set(CHART)


@pytest.mark.parametrize(
    "code",
    [
        "",
        "partner/alipay",
        "partner/alipay/claimed/",
        "/partner/alipay/claimed",
        "partner//claimed",
        "partner/Alipay/claimed",
        "partner/ali pay/claimed",
        "partner/alipay/claimed\n",
        "partner/" + "a" * 65 + "/claimed",
        "partner/alipay/fund",
        "project/well/claimed",
        "equity/opening",
    ],
)
def test_other_codes_are_refused(code: str) -> None:
    with pytest.raises(Fault) as caught:
        place(code)
    assert caught.value.reason is Reason.ACCOUNT_NOT_IN_CHART
    assert "project/{project}/fund" in caught.value.message


@pytest.mark.parametrize(
    ("kind", "micros"),
    [
        (AccountKind.ASSET, 3),
        (AccountKind.EXPENSE, 3),
        (AccountKind.LIABILITY, -3),
        (AccountKind.INCOME, -3),
        (AccountKind.EQUITY, -3),
    ],
)
def test_the_kind_decides_the_sign_of_a_balance(kind: AccountKind, micros: int) -> None:
    assert Balance(AccountName("x", "CNY"), kind, debits=5, credits=2).micros == micros
