"""Which codes are accounts, and what they are."""

import pytest

from services.ledger.domain import AccountKind, AccountLimit, AccountName, Balance
from services.ledger.journal.chart import CHART, POOL, place, require_unit
from services.runtime.errors import Fault, Reason

PLACES = {
    "partner/alipay/claimed": (AccountKind.ASSET, "alipay"),
    "partner/alipay/settled": (AccountKind.ASSET, "alipay"),
    "partner/alipay/suspense": (AccountKind.LIABILITY, "alipay"),
    "partner/alipay/fees": (AccountKind.EXPENSE, "alipay"),
    "project/well-2.b_c/fund": (AccountKind.LIABILITY, "well-2.b_c"),
    "appeal/well-2.b_c/fund": (AccountKind.LIABILITY, "well-2.b_c"),
    "charity/amity/clearing": (AccountKind.ASSET, "amity"),
    "charity/amity/bank": (AccountKind.ASSET, "amity"),
    "sponsor/acme/pledged": (AccountKind.ASSET, "acme"),
    "sponsor/acme/pool": (AccountKind.LIABILITY, "acme"),
    "charity/amity/minutes": (AccountKind.INCOME, "amity"),
    "project/well/minutes": (AccountKind.EXPENSE, "well"),
    "appeal/well-2.b_c/bank": (AccountKind.ASSET, "well-2.b_c"),
    "partner/alipay/disputed": (AccountKind.ASSET, "alipay"),
    "partner/alipay/elsewhere": (AccountKind.ASSET, "alipay"),
    "partner/alipay/allocated": (AccountKind.ASSET, "alipay"),
    "partner/alipay/spent": (AccountKind.ASSET, "alipay"),
    "partner/alipay/appeals-settled": (AccountKind.ASSET, "alipay"),
    "partner/alipay/appeals-disputed": (AccountKind.ASSET, "alipay"),
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


def test_money_and_time_are_apart() -> None:
    for code in PLACES:
        is_time = code.endswith("/minutes")
        require_unit(AccountName(code, "MIN" if is_time else "CNY"))
        with pytest.raises(Fault) as caught:
            require_unit(AccountName(code, "CNY" if is_time else "MIN"))
        assert caught.value.reason is Reason.UNIT_MISMATCH


def test_a_sponsors_pool_never_gives_more_than_was_pledged() -> None:
    limited = {row: row.limit for row in CHART if row.limit is not AccountLimit.NONE}
    assert limited == {POOL: AccountLimit.DEBITS_WITHIN_CREDITS}


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


@pytest.mark.parametrize(("kind", "held"), [(AccountKind.ASSET, 7), (AccountKind.LIABILITY, 4)])
def test_what_is_held_is_not_available(kind: AccountKind, held: int) -> None:
    balance = Balance(AccountName("x", "CNY"), kind, 50, 20, held_debits=4, held_credits=7)
    assert balance.held == held
    assert balance.available == balance.micros - held
