"""The one rule of totals."""

import pytest

from services.ledger.domain import Cell, Sums, TotalState, Transfer
from services.ledger.feed import changes_to_totals
from services.ledger.totals import changes_of
from tests.unit.ledger.drafts import NOON, gift, refund, suspended

State = TotalState


def cell(state: TotalState, project: str = "well", partner: str = "alipay") -> Cell:
    return Cell("95week", project, partner, NOON, state, "CNY")


def swapped(transfer: Transfer) -> Transfer:
    return transfer._replace(debit=transfer.credit, credit=transfer.debit)


def test_a_gift_is_claimed() -> None:
    assert changes_of([gift(30, tally=3)]) == {cell(State.CLAIMED): Sums(30, 3)}


def test_a_gift_to_an_unknown_project_is_in_suspense() -> None:
    assert changes_of([suspended(30, tally=3)]) == {cell(State.SUSPENSE, ""): Sums(30, 3)}


def test_a_refund_takes_the_amount_but_not_the_gift() -> None:
    assert changes_of([refund(20, tally=1)]) == {
        cell(State.CLAIMED): Sums(-20, 0),
        cell(State.REFUNDED): Sums(20, 1),
    }


def test_a_refund_of_a_suspended_gift() -> None:
    assert changes_of([swapped(suspended(20, tally=1))]) == {
        cell(State.SUSPENSE, ""): Sums(-20, 0),
        cell(State.REFUNDED, ""): Sums(20, 1),
    }


@pytest.mark.parametrize(
    ("debit", "credit"),
    [
        ("partner/alipay/settled", "partner/alipay/claimed"),
        ("partner/alipay/claimed", "partner/alipay/settled"),
        ("partner/alipay/fees", "partner/alipay/settled"),
        ("charity/amity/bank", "partner/alipay/settled"),
        ("project/well/fund", "charity/amity/bank"),
        ("partner/alipay/suspense", "project/well/fund"),
        ("partner/alipay/claimed", "partner/tencent/claimed"),
    ],
)
def test_every_other_pair_moves_no_total(debit: str, credit: str) -> None:
    assert changes_of([gift()._replace(debit=debit, credit=credit, hour=None)]) == {}


def test_transfers_of_one_cell_are_added_up_and_others_kept_apart() -> None:
    later = NOON.replace(hour=13)
    assert changes_of(
        [
            gift(1, tally=1),
            gift(2, tally=2),
            gift(4, partner="tencent"),
            gift(8, project="road"),
            gift(16, campaign=""),
            gift(32, currency="USD"),
            gift(64, hour=later),
        ]
    ) == {
        cell(State.CLAIMED): Sums(3, 3),
        cell(State.CLAIMED, partner="tencent"): Sums(4, 1),
        cell(State.CLAIMED, "road"): Sums(8, 1),
        cell(State.CLAIMED)._replace(campaign=""): Sums(16, 1),
        cell(State.CLAIMED)._replace(currency="USD"): Sums(32, 1),
        cell(State.CLAIMED)._replace(hour=later): Sums(64, 1),
    }


def test_the_feed_leaves_out_what_stays_as_it_is() -> None:
    changes = changes_to_totals((gift(20, tally=0), refund(20, tally=1)))
    assert changes == [(cell(State.REFUNDED), Sums(20, 1))]
