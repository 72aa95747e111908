"""The one rule of totals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain import (
    Cell,
    Purpose,
    Step,
    StepKind,
    Sums,
    TotalState,
    Transfer,
    TransferName,
)
from services.ledger.journal.totals import MOVEMENTS, PURPOSES, changes_of
from services.ledger.reading.feed import changes_to_totals
from tests.unit.ledger.drafts import NOON, appealed, gift, refund, suspended
from tests.unit.ledger.strategies import transfers

State = TotalState


def cell(state: TotalState, project: str = "well", partner: str = "alipay") -> Cell:
    purpose = Purpose.CHARITY if project else Purpose.UNATTRIBUTED
    return Cell("95week", project, partner, NOON, state, "CNY", purpose)


def swapped(transfer: Transfer) -> Transfer:
    return transfer._replace(debit=transfer.credit, credit=transfer.debit)


def test_a_gift_is_claimed() -> None:
    assert changes_of([gift(30, tally=3)]) == {cell(State.CLAIMED): Sums(30, 3)}


def test_a_gift_to_an_unknown_project_is_in_suspense() -> None:
    assert changes_of([suspended(30, tally=3)]) == {cell(State.SUSPENSE, ""): Sums(30, 3)}


def test_a_personal_appeal_is_claimed_apart_from_charity() -> None:
    appeal = cell(State.CLAIMED, "surgery")._replace(purpose=Purpose.APPEAL)
    given = appealed(30, tally=3)
    assert changes_of([given]) == {appeal: Sums(30, 3)}
    assert changes_of([swapped(given)]) == {
        appeal: Sums(-30, 0),
        appeal._replace(state=State.REFUNDED): Sums(30, 3),
    }
    # Not even of one code do they mix.
    same = changes_of([gift(1), appealed(2, project="well")])
    assert {of.purpose: micros for of, (micros, _) in same.items()} == {
        Purpose.CHARITY: 1,
        Purpose.APPEAL: 2,
    }


@given(st.lists(transfers(st.integers(1, 10**12)), max_size=20))
def test_a_total_holds_the_money_of_one_purpose(made: list[Transfer]) -> None:
    """Without the transfers of the other purposes its cells would be the same."""
    mark = {Purpose.CHARITY: "project/", Purpose.APPEAL: "appeal/", Purpose.UNATTRIBUTED: "/susp"}
    changes = changes_of(made)
    for purpose, part in mark.items():
        alone = changes_of([each for each in made if part in each.debit + each.credit])
        assert alone == {of: sums for of, sums in changes.items() if of.purpose is purpose}


def test_every_movement_that_totals_count_has_one_purpose() -> None:
    for pair in MOVEMENTS:
        assert len({PURPOSES[row] for row in pair if row in PURPOSES}) == 1


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


LIFE = [
    # debited, credited, from, to: a whole gift of 30 that goes on, and what takes it back.
    ("partner/alipay/settled", "partner/alipay/claimed", State.CLAIMED, State.SETTLED),
    ("charity/amity/bank", "partner/alipay/settled", State.SETTLED, State.RECEIVED),
    ("project/well/fund", "partner/alipay/spent", State.RECEIVED, State.SPENT),
    ("project/well/fund", "partner/alipay/settled", State.SETTLED, State.REFUNDED),
    ("partner/alipay/disputed", "partner/alipay/claimed", State.CLAIMED, State.DISPUTED),
    ("partner/alipay/disputed", "partner/alipay/settled", State.SETTLED, State.DISPUTED),
]


@pytest.mark.parametrize(("debit", "credit", "source", "target"), LIFE)
def test_a_gift_goes_from_state_to_state_and_back(
    debit: str, credit: str, source: State, target: State
) -> None:
    on = gift(30)._replace(debit=debit, credit=credit)
    assert changes_of([on]) == {cell(source): Sums(-30, 0), cell(target): Sums(30, 1)}
    assert set(changes_of([on, swapped(on)]).values()) == {Sums(0, 0)}


def test_a_gift_that_another_company_counts_is_gone_and_its_refund_as_well() -> None:
    out = gift(30)._replace(debit="project/well/fund", credit="partner/alipay/elsewhere")
    assert changes_of([gift(30), out]) == {cell(State.CLAIMED): Sums(0, 0)}
    assert set(changes_of([refund(20), swapped(out)._replace(micros=20)]).values()) == {Sums(0, 0)}
    rest = out._replace(debit="partner/alipay/elsewhere", credit="partner/alipay/claimed")
    assert changes_of([rest]) == {}


def test_an_allocated_gift_leaves_suspense_and_is_claimed_and_a_reversal_takes_both_back() -> None:
    out = suspended(30, tally=3)._replace(
        debit="partner/alipay/suspense", credit="partner/alipay/allocated"
    )
    in_ = gift(30, tally=3)._replace(debit="partner/alipay/allocated")
    suspense, claimed = cell(State.SUSPENSE, ""), cell(State.CLAIMED)
    assert changes_of([out, in_]) == {suspense: Sums(-30, -3), claimed: Sums(30, 3)}
    assert changes_of([suspended(30, tally=3), out]) == {suspense: Sums(0, 0)}
    reversed_ = [
        swapped(one)._replace(step=Step(StepKind.REVERSE, TransferName(1, place)))
        for place, one in enumerate((out, in_))
    ]
    assert set(changes_of([out, in_, *reversed_]).values()) == {Sums(0, 0)}
    # And so does intake, without a reversal, where it goes elsewhere.
    assert set(changes_of([out, in_, swapped(in_), swapped(out)]).values()) == {Sums(0, 0)}
    # Of personal appeals likewise, and apart.
    appeal = appealed(30, tally=3)._replace(debit="partner/alipay/allocated")
    [(of, sums)] = changes_of([appeal]).items()
    assert (of.purpose, of.state, sums) == (Purpose.APPEAL, State.CLAIMED, Sums(30, 3))


def test_what_names_no_gifts_moves_no_total() -> None:
    on = gift(30)._replace(debit="partner/alipay/settled", credit="partner/alipay/claimed")
    assert changes_of([on._replace(hour=None)]) == {}
    assert changes_of([on._replace(project="")]) == {}


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
    assert changes == {cell(State.REFUNDED): Sums(20, 1)}
