"""The table of transitions, and what its rows are posted as."""

import pytest

from services.donations.domain import Line, LineKind, Purpose
from services.donations.life.transitions import (
    BY_KIND,
    TRANSITIONS,
    is_of_suspense,
    movements_of,
)


def line(kind: LineKind, purpose: Purpose = Purpose.CHARITY) -> Line:
    project = "" if is_of_suspense(kind) else "well"
    return Line(kind, "weibo", "", project, purpose, "aid", "CNY", 1, 1, 1)


def test_every_kind_of_line_has_its_row() -> None:
    assert set(BY_KIND) == set(LineKind)


def test_each_pair_of_accounts_has_one_meaning() -> None:
    """The totals decide by the pair: the one that they count belongs to one kind of line."""
    counted = [movements_of(line(kind))[0] for kind in LineKind]
    assert len(set(counted)) == len(counted)


@pytest.mark.parametrize("row", [row for row in TRANSITIONS if row.back is not None])
def test_what_is_taken_back_is_as_if_it_had_not_been(row: object) -> None:
    balances: dict[str, int] = {}
    for kind in (row.kind, row.back):  # type: ignore[attr-defined]
        for debit, credit in movements_of(line(kind)):
            balances[debit] = balances.get(debit, 0) + 1
            balances[credit] = balances.get(credit, 0) - 1
    assert set(balances.values()) == {0}


@pytest.mark.parametrize(
    ("kind", "movements"),
    [
        (LineKind.GIFT, [("partner/weibo/claimed", "project/well/fund")]),
        (LineKind.REFUND, [("project/well/fund", "partner/weibo/claimed")]),
        (
            LineKind.JOIN,
            [
                ("project/well/fund", "partner/weibo/elsewhere"),
                ("partner/weibo/elsewhere", "partner/weibo/claimed"),
            ],
        ),
        (
            LineKind.REFUND_BACK,
            [
                ("partner/weibo/elsewhere", "project/well/fund"),
                ("partner/weibo/claimed", "partner/weibo/elsewhere"),
            ],
        ),
        (
            LineKind.SUSPENDED_JOIN,
            [
                ("partner/weibo/suspense", "partner/weibo/elsewhere"),
                ("partner/weibo/elsewhere", "partner/weibo/claimed"),
            ],
        ),
        (LineKind.RELEASE, [("partner/weibo/suspense", "partner/weibo/allocated")]),
        (LineKind.ALLOCATION, [("partner/weibo/allocated", "project/well/fund")]),
        (LineKind.RELEASE_BACK, [("partner/weibo/allocated", "partner/weibo/suspense")]),
        (LineKind.ALLOCATION_BACK, [("project/well/fund", "partner/weibo/allocated")]),
        (LineKind.RECEIPT, [("charity/aid/bank", "partner/weibo/settled")]),
        (
            LineKind.SPENDING,
            [
                ("project/well/fund", "partner/weibo/spent"),
                ("partner/weibo/spent", "charity/aid/bank"),
            ],
        ),
        (
            LineKind.SPENDING_BACK,
            [
                ("partner/weibo/spent", "project/well/fund"),
                ("charity/aid/bank", "partner/weibo/spent"),
            ],
        ),
    ],
)
def test_movements(kind: LineKind, movements: list[tuple[str, str]]) -> None:
    assert list(movements_of(line(kind))) == movements


def test_a_personal_appeal_has_accounts_of_its_own() -> None:
    accounts = {
        account
        for kind in LineKind
        if not is_of_suspense(kind)
        for movement in movements_of(line(kind, Purpose.APPEAL))
        for account in movement
    }
    assert accounts == {
        "appeal/well/fund",
        "appeal/well/bank",
        "partner/weibo/claimed",
        "partner/weibo/appeals-settled",
        "partner/weibo/appeals-disputed",
        "partner/weibo/elsewhere",
        "partner/weibo/spent",
        "partner/weibo/allocated",
    }
