"""Holds, reversals, limits and states, in memory."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from services.ledger.domain import (
    INT64_MAX,
    AccountLimit,
    AccountState,
    Cause,
    CauseKind,
    Cell,
    EntryDraft,
    Posting,
    Purpose,
    Step,
    StepKind,
    Sums,
    TotalState,
    TransferName,
)
from services.ledger.journal.decisions import AccountDecision, draft_of_account
from services.ledger.journal.drafts import prepare
from services.ledger.journal.rules import require_postable
from services.ledger.journal.standing import Turnover
from services.runtime.errors import Fault, Reason
from tests.unit.ledger.books import MemoryBooks, assert_chain
from tests.unit.ledger.drafts import NOON, draft, gift, new_id
from tests.unit.ledger.stepped import (
    FUND,
    POOL,
    back,
    commit,
    decision,
    hold,
    match,
    pledge,
    reversal,
    void,
)


@pytest.fixture
def books() -> MemoryBooks:
    """A sponsor has pledged 100 (entry 1)."""
    made = MemoryBooks()
    posted(made, draft(pledge(100)))
    return made


def posted(books: MemoryBooks, one: EntryDraft, minutes: int = 0) -> int:
    """Where a draft stands; it must."""
    (outcome,) = books.post([prepare(one)], NOON + timedelta(minutes=minutes))
    assert isinstance(outcome, Posting), outcome
    assert_chain(books.entries)
    return outcome.sequence


def refused(books: MemoryBooks, one: EntryDraft, minutes: int = 0) -> Fault:
    """Why a draft was refused; the books must be as before, but for holds that are over."""
    before = dict(books.turnovers), len(books.entries)
    (outcome,) = books.post([prepare(one)], NOON + timedelta(minutes=minutes))
    assert isinstance(outcome, Fault), outcome
    if not minutes:
        assert (books.turnovers, len(books.entries)) == before
    return outcome


def test_a_hold_counts_against_the_limit_and_moves_nothing(books: MemoryBooks) -> None:
    posted(books, draft(hold(70)))
    assert books.turnovers[POOL] == Turnover(0, 100, held_debits=70)
    assert books.turnovers[FUND] == Turnover(0, 0, held_credits=70)
    fault = refused(books, draft(match(31)))
    assert fault.reason is Reason.LIMIT_EXCEEDED
    assert fault.metadata == {
        "account": POOL.code,
        "currency": "CNY",
        "available_micros": "30",
    }
    assert refused(books, draft(hold(31))).reason is Reason.LIMIT_EXCEEDED
    posted(books, draft(match(30)))


def test_a_hold_is_committed_in_part_and_the_rest_is_free(books: MemoryBooks) -> None:
    of = posted(books, draft(hold(70)))
    posted(books, draft(commit(40, of)))
    assert books.turnovers[POOL] == Turnover(40, 100)
    assert books.turnovers[FUND] == Turnover(0, 40)
    for again in (commit(30, of), void(70, of)):
        fault = refused(books, draft(again))
        assert fault.reason is Reason.HOLD_ENDED
        assert fault.metadata["end"] == "COMMIT"
        assert fault.metadata["sequence"] == "3"


def test_a_voided_hold_is_free(books: MemoryBooks) -> None:
    of = posted(books, draft(hold(100)))
    posted(books, draft(void(100, of)))
    assert books.turnovers[POOL] == Turnover(0, 100)
    assert refused(books, draft(commit(1, of))).metadata["end"] == "VOID"


def test_a_hold_expires_before_anything_else_of_its_time(books: MemoryBooks) -> None:
    of = posted(books, draft(hold(100, minutes=5)))
    other = posted(books, draft(pledge(1), hold(1, minutes=9)))
    assert books.next_expiry == NOON + timedelta(minutes=5)
    posted(books, draft(match(100)), minutes=5)
    expiry = books.entries[3]
    assert expiry.draft.cause == Cause(CauseKind.HOLD, f"{of}/0")
    (transfer,) = expiry.draft.transfers
    assert transfer.step == Step(StepKind.EXPIRE, TransferName(of, 0))
    assert books.turnovers[POOL] == Turnover(100, 101, held_debits=1)
    assert books.next_expiry == NOON + timedelta(minutes=9)
    assert refused(books, draft(commit(1, other, 1)), minutes=9).metadata["end"] == "EXPIRE"
    assert books.turnovers[POOL] == Turnover(100, 101)
    assert books.next_expiry is None


def test_a_hold_ends_until_the_moment_of_its_expiry(books: MemoryBooks) -> None:
    of = posted(books, draft(hold(100, minutes=5)))
    posted(books, draft(commit(100, of)), minutes=4)
    assert refused(books, draft(hold(1, minutes=0))).reason is Reason.FIELD_INVALID


def test_holds_without_drafts_expire(books: MemoryBooks) -> None:
    posted(books, draft(hold(100, minutes=5)))
    assert books.post([], NOON + timedelta(minutes=6)) == []
    assert books.turnovers[POOL] == Turnover(0, 100)
    assert len(books.entries) == 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda end: end._replace(micros=71), Reason.HOLD_EXCEEDED),
        (lambda end: end._replace(tally=2), Reason.HOLD_EXCEEDED),
        (lambda end: end._replace(campaign=""), Reason.STEP_MISMATCH),
        (lambda end: end._replace(hour=NOON), Reason.STEP_MISMATCH),
        (lambda end: end._replace(credit="charity/a/bank", project=""), Reason.STEP_MISMATCH),
        (lambda end: end._replace(currency="USD"), Reason.STEP_MISMATCH),
        (lambda end: void(69, 2), Reason.STEP_MISMATCH),
        (lambda end: commit(1, 2, 1), Reason.HOLD_NOT_FOUND),
        (lambda end: commit(1, 1), Reason.HOLD_NOT_FOUND),
        (lambda end: commit(1, 3), Reason.HOLD_NOT_FOUND),
        (lambda end: commit(1, 99), Reason.HOLD_NOT_FOUND),
    ],
)
def test_an_end_is_of_a_hold_and_like_it(
    books: MemoryBooks, change: Callable[..., object], reason: Reason
) -> None:
    posted(books, draft(hold(70)))
    wrong = change(commit(70, 2))
    fault = refused(books, draft(wrong))  # type: ignore[arg-type]
    assert fault.reason is reason
    assert fault.metadata["field"] == "transfers[0]"


def test_an_entry_with_two_ends_of_one_hold_is_refused_whole(books: MemoryBooks) -> None:
    of = posted(books, draft(hold(70)))
    fault = refused(books, draft(commit(1, of), commit(1, of)))
    assert fault.reason is Reason.HOLD_ENDED
    assert fault.metadata["field"] == "transfers[1]"


def test_holds_of_the_same_group_are_known(books: MemoryBooks) -> None:
    outcomes = books.post(
        [prepare(one) for one in (draft(hold(70)), draft(void(70, 2)), draft(hold(100)))], NOON
    )
    assert [getattr(outcome, "sequence", None) for outcome in outcomes] == [2, 3, 4]
    assert books.turnovers[POOL] == Turnover(0, 100, held_debits=100)


def test_holds_are_within_64_bits(books: MemoryBooks) -> None:
    posted(books, draft(pledge(INT64_MAX - 100)))
    posted(books, draft(hold(INT64_MAX)))
    posted(books, decision(POOL, limit=AccountLimit.NONE))
    assert refused(books, draft(hold(1))).reason is Reason.BALANCE_OVERFLOW


def test_what_is_held_keeps_its_room_so_that_a_hold_can_end(books: MemoryBooks) -> None:
    posted(books, draft(hold(20, minutes=1)))
    posted(books, draft(hold(30, minutes=2)))
    committed = posted(books, draft(hold(40)))
    assert refused(books, draft(gift(INT64_MAX - 89))).reason is Reason.BALANCE_OVERFLOW
    posted(books, draft(gift(INT64_MAX - 90)))
    posted(books, draft(gift(1, project="road")), minutes=1)
    assert books.turnovers[FUND] == Turnover(0, INT64_MAX - 90, 0, 70)
    posted(books, draft(commit(40, committed)), minutes=1)
    posted(books, draft(gift(1, project="road")), minutes=2)
    assert books.turnovers[FUND] == Turnover(0, INT64_MAX - 50)


def test_only_the_ledger_expires_holds(books: MemoryBooks) -> None:
    of = posted(books, draft(hold(70)))
    with pytest.raises(Fault) as caught:
        prepare(draft(match(70, Step(StepKind.EXPIRE, TransferName(of, 0)))))
    assert caught.value.reason is Reason.FIELD_INVALID


CELL = Cell("95week", "well", "alipay", NOON, TotalState.CLAIMED, "CNY", Purpose.CHARITY)


def test_a_reversal_takes_back_what_was_moved_and_counted() -> None:
    books = MemoryBooks()
    given = gift(10, tally=3)
    of = posted(books, draft(given, gift(5, partner="tencent")))
    posted(books, reversal(back(given, of, micros=4, tally=1), of=of))
    assert books.totals[CELL] == Sums(6, 2)
    assert books.turnovers[FUND] == Turnover(4, 15)
    fault = refused(books, reversal(back(given, of, micros=7, tally=1), of=of))
    assert fault.reason is Reason.REVERSAL_EXCEEDED
    assert (fault.metadata["left_micros"], fault.metadata["left_count"]) == ("6", "2")
    posted(books, reversal(back(given, of, micros=6, tally=2), of=of))
    assert books.totals[CELL] == Sums(0, 0)
    assert not any(cell.state is TotalState.REFUNDED for cell in books.totals)
    assert (
        refused(books, reversal(back(given, of, micros=1, tally=0), of=of)).reason
        is Reason.REVERSAL_EXCEEDED
    )


def test_a_full_reversal_takes_all_of_the_count() -> None:
    books = MemoryBooks()
    of = posted(books, draft(gift(10, tally=3)))
    for change in ({"tally": 2}, {"tally": 4}, {"micros": 9, "tally": 4}):
        one = reversal(back(gift(10, tally=3), of, **change), of=of)
        assert refused(books, one).reason is Reason.REVERSAL_EXCEEDED


def test_parts_of_one_entry_add_up() -> None:
    books = MemoryBooks()
    of = posted(books, draft(gift(10)))
    half = back(gift(10), of, micros=6, tally=0)
    assert refused(books, reversal(half, half, of=of)).reason is Reason.REVERSAL_EXCEEDED


def test_what_cannot_be_reversed(books: MemoryBooks) -> None:
    of = posted(books, draft(hold(70)))
    assert refused(books, reversal(back(hold(70), of), of=of)).reason is Reason.NOT_REVERSIBLE
    committed = posted(books, draft(commit(70, of)))
    undone = posted(books, reversal(back(commit(70, of), committed), of=committed))
    assert books.turnovers[POOL] == Turnover(70, 170)
    again = reversal(back(back(commit(70, of), committed), undone), of=undone)
    assert refused(books, again).reason is Reason.NOT_REVERSIBLE
    assert refused(books, reversal(back(gift(1), 99), of=99)).reason is Reason.ENTRY_NOT_FOUND
    other = reversal(back(pledge(100), 1)._replace(campaign="x"), of=1)
    assert refused(books, other).reason is Reason.STEP_MISMATCH


def test_a_reversal_is_bound_by_limits(books: MemoryBooks) -> None:
    posted(books, draft(match(30)))
    assert refused(books, reversal(back(pledge(100), 1), of=1)).reason is Reason.LIMIT_EXCEEDED


@pytest.mark.parametrize(
    "one",
    [
        draft(back(gift(1), 1)),
        draft()._replace(reverses=1),
        reversal(back(gift(1), 1), back(gift(1), 2), of=1),
        reversal(back(gift(1), 1), gift(1), of=1),
        reversal(back(gift(1), 1), hold(1), of=1),
        reversal(back(gift(1), 1), commit(1, 1), of=1),
        reversal(back(gift(1), 1), of=2),
        reversal(back(gift(1), 0), of=0),
        draft(commit(1, 1, -1)),
    ],
)
def test_a_reversal_is_of_one_entry(one: EntryDraft) -> None:
    with pytest.raises(Fault) as caught:
        prepare(one)
    assert caught.value.reason is Reason.FIELD_INVALID


def test_a_frozen_account_takes_no_part_until_it_is_open(books: MemoryBooks) -> None:
    of = posted(books, draft(hold(70)))
    posted(books, decision(POOL, AccountState.FROZEN))
    for one in (draft(match(1)), draft(pledge(1)), draft(commit(1, of)), draft(hold(1))):
        fault = refused(books, one)
        assert fault.reason is Reason.ACCOUNT_FROZEN
        assert fault.metadata["account"] == POOL.code
    posted(books, draft(void(70, of)))
    posted(books, decision(POOL, AccountState.OPEN))
    posted(books, draft(match(1)))


def test_an_account_is_closed_when_it_is_empty_and_for_good(books: MemoryBooks) -> None:
    assert refused(books, decision(POOL, AccountState.CLOSED)).reason is Reason.ACCOUNT_NOT_EMPTY
    of = posted(books, draft(match(99), hold(1)))
    assert refused(books, decision(POOL, AccountState.CLOSED)).reason is Reason.ACCOUNT_NOT_EMPTY
    posted(books, draft(commit(1, of, 1)))
    posted(books, decision(POOL, AccountState.CLOSED))
    assert refused(books, draft(pledge(1))).reason is Reason.ACCOUNT_CLOSED
    assert refused(books, decision(POOL, AccountState.OPEN)).reason is Reason.ACCOUNT_CLOSED


def test_a_limit_is_decided_on_one_account(books: MemoryBooks) -> None:
    posted(books, draft(gift(10)))
    wrong = decision(FUND, limit=AccountLimit.CREDITS_WITHIN_DEBITS)
    assert refused(books, wrong).reason is Reason.LIMIT_EXCEEDED
    posted(books, decision(FUND, limit=AccountLimit.DEBITS_WITHIN_CREDITS))
    spend = match(11)._replace(debit=FUND.code, credit="charity/amity/bank")
    assert refused(books, draft(spend)).metadata["available_micros"] == "10"
    posted(books, draft(spend._replace(micros=10)))
    posted(books, decision(FUND, limit=AccountLimit.NONE))
    posted(books, draft(spend))


def test_a_decision_binds_the_drafts_behind_it_in_the_group(books: MemoryBooks) -> None:
    group = [draft(match(1)), decision(POOL, AccountState.FROZEN), draft(match(1))]
    first, frozen, second = books.post([prepare(one) for one in group], NOON)
    assert isinstance(first, Posting)
    assert isinstance(frozen, Posting)
    assert isinstance(second, Fault)


def test_what_intake_counted_is_recorded_whatever_binds_the_accounts(books: MemoryBooks) -> None:
    posted(books, draft(gift(10)))
    posted(books, decision(FUND, AccountState.FROZEN, AccountLimit.DEBITS_WITHIN_CREDITS))
    counted = Cause(CauseKind.INTAKE_BATCH, "0190a5d0-ac96-774b-bcce-b302099a8057")
    refunded = gift(15)._replace(debit=FUND.code, credit="partner/alipay/claimed")
    posted(books, draft(refunded, cause=counted))
    # What is beyond its limit by that may come nearer to it.
    posted(books, decision(FUND, AccountState.OPEN))
    posted(books, draft(gift(1)))
    assert refused(books, draft(refunded)).reason is Reason.LIMIT_EXCEEDED


def test_an_account_is_opened_by_a_decision(books: MemoryBooks) -> None:
    opening = draft_of_account(
        new_id(), AccountDecision(FUND, opens=True), value_time=NOON, by="finance/a", document=""
    )
    posted(books, opening)
    assert books.turnovers[FUND] == Turnover(0, 0)
    posted(books, decision(FUND, AccountState.FROZEN))
    # Opening what is open changes nothing.
    posted(books, opening._replace(entry_id=new_id()))
    assert refused(books, draft(gift(1))).reason is Reason.ACCOUNT_FROZEN


def test_what_a_group_opens_can_be_decided_on_behind_it() -> None:
    books = MemoryBooks()
    group = [draft(gift(1)), decision(FUND, AccountState.FROZEN), draft(gift(1))]
    outcomes = books.post([prepare(one) for one in group], NOON)
    assert [isinstance(outcome, Posting) for outcome in outcomes] == [True, True, False]


def test_accounts_that_are_not_there_are_not_decided_on(books: MemoryBooks) -> None:
    one = decision(FUND, AccountState.FROZEN)
    assert refused(books, one).reason is Reason.ACCOUNT_NOT_FOUND


def test_decisions_are_not_posted_as_they_come() -> None:
    with pytest.raises(Fault) as caught:
        require_postable(decision(FUND, AccountState.FROZEN))
    assert caught.value.reason is Reason.FIELD_INVALID
    require_postable(draft())


@pytest.mark.parametrize(
    "one",
    [
        decision(FUND),
        decision(FUND, AccountState.FROZEN)._replace(transfers=(gift(),)),
        decision(FUND, AccountState.FROZEN)._replace(reverses=1),
        decision(FUND, AccountState.FROZEN)._replace(metadata={"account/state": "MELTED"}),
        decision(FUND, AccountState.FROZEN)._replace(cause=Cause(CauseKind.ACCOUNT, "x")),
    ],
)
def test_a_decision_says_what_it_decides(one: EntryDraft) -> None:
    with pytest.raises(Fault) as caught:
        prepare(one)
    assert caught.value.reason is Reason.FIELD_INVALID


def test_minutes_are_whole() -> None:
    minutes = gift(90_000_000)._replace(
        debit="project/well/minutes",
        credit="charity/amity/minutes",
        currency="MIN",
        hour=None,
    )
    prepare(draft(minutes))
    for change, reason in (
        ({"micros": 90_000_001}, Reason.FIELD_INVALID),
        ({"currency": "CNY"}, Reason.UNIT_MISMATCH),
        ({"credit": "charity/amity/bank"}, Reason.UNIT_MISMATCH),
    ):
        with pytest.raises(Fault) as caught:
            prepare(draft(minutes._replace(**change)))  # type: ignore[arg-type]
        assert caught.value.reason is reason
