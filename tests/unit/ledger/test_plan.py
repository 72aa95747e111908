"""Groups of drafts: whatever they are and however they are grouped, the books come out whole."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain import (
    INT64_MAX,
    AccountLimit,
    AccountName,
    AccountState,
    Cause,
    CauseKind,
    Entry,
    EntryDraft,
    Posting,
    Sums,
)
from services.ledger.journal import plan, seal
from services.ledger.journal.decisions import AccountDecision, draft_of_account
from services.ledger.journal.drafts import prepare
from services.ledger.journal.group import Group
from services.ledger.journal.periods import PeriodAction
from services.ledger.journal.plan import Books, Outcome
from services.ledger.journal.standing import Guard, Turnover
from services.ledger.journal.totals import changes_of
from services.runtime.errors import Fault, Reason
from tests.unit.ledger.books import MemoryBooks, assert_chain
from tests.unit.ledger.drafts import NOON, draft, gift, id_of, refund
from tests.unit.ledger.stepped import hold, period_decision
from tests.unit.ledger.strategies import drafts


def turnovers_of(entries: Sequence[Entry]) -> dict[AccountName, Turnover]:
    sums: dict[AccountName, list[int]] = defaultdict(lambda: [0, 0])
    for entry in entries:
        for transfer in entry.draft.transfers:
            sums[AccountName(transfer.debit, transfer.currency)][0] += transfer.micros
            sums[AccountName(transfer.credit, transfer.currency)][1] += transfer.micros
    return {name: Turnover(*both) for name, both in sums.items()}


def assert_whole(books: MemoryBooks) -> None:
    assert_chain(books.entries)
    assert books.head.sequence == len(books.entries)
    assert books.turnovers == turnovers_of(books.entries)
    derived = changes_of(t for entry in books.entries for t in entry.draft.transfers)
    assert {c: s for c, s in books.totals.items() if s != Sums(0, 0)} == {
        c: s for c, s in derived.items() if s != Sums(0, 0)
    }
    sums: dict[str, int] = defaultdict(int)
    for name, turnover in books.turnovers.items():
        sums[name.currency] += turnover.debits - turnover.credits
    assert set(sums.values()) <= {0}


@pytest.mark.property
@given(data=st.data(), posted=st.lists(drafts(), max_size=12))
def test_any_grouping_and_repetition_gives_the_same_books(
    data: st.DataObject, posted: list[EntryDraft]
) -> None:
    single = MemoryBooks()
    for number, one in enumerate(posted):
        single.post([prepare(one)], NOON + timedelta(seconds=number))

    again = data.draw(st.lists(st.sampled_from(posted), max_size=8)) if posted else []
    left = [prepare(one) for one in [*posted, *again]]
    grouped = MemoryBooks()
    while left:
        size = data.draw(st.integers(1, len(left)))
        group, left = left[:size], left[size:]
        # The clock may run backwards.
        now = NOON + timedelta(seconds=data.draw(st.integers(-3, 3)))
        for prepared, outcome in zip(group, grouped.post(group, now), strict=True):
            check_outcome(grouped, prepared.draft, outcome)

    for books in (single, grouped):
        assert_whole(books)
    assert [entry.draft for entry in grouped.entries] == [entry.draft for entry in single.entries]
    assert grouped.turnovers == single.turnovers
    assert grouped.totals == single.totals
    assert grouped.watermarks == single.watermarks


@pytest.mark.property
@given(
    data=st.data(),
    posted=st.lists(drafts(micros=st.integers(1, 4) | st.just(INT64_MAX // 3)), max_size=12),
)
def test_summing_up_comes_to_what_asking_about_each_draft_does(
    data: st.DataObject, posted: list[EntryDraft]
) -> None:
    asked, summed = MemoryBooks(), MemoryBooks()
    left = [prepare(one) for one in posted]
    while left:
        size = data.draw(st.integers(1, len(left)))
        group, left = left[:size], left[size:]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(plan, "cannot_refuse", lambda _group, _books: False)
            outcomes = asked.post(group, NOON)
        assert_same(summed.post(group, NOON), outcomes)
        assert summed.entries == asked.entries
        assert summed.turnovers == asked.turnovers
        assert list(summed.totals.items()) == list(asked.totals.items())
        assert summed.watermarks == asked.watermarks


@pytest.mark.property
@given(
    data=st.data(),
    posted=st.lists(
        drafts(micros=st.integers(1, 4) | st.just(INT64_MAX // 3))
        | st.builds(
            lambda micros, hours, kind: draft(
                gift(micros),
                refund(1),
                value_time=NOON + timedelta(hours=hours),
                cause=Cause(kind, str(id_of(1))),
            ),
            st.integers(1, 4),
            st.sampled_from([-24 * 40, -1, 0, 24 * 40]),
            st.sampled_from([CauseKind.MANUAL, CauseKind.INTAKE_BATCH]),
        ),
        max_size=12,
    ),
    closed=st.booleans(),
)
def test_taking_all_comes_to_what_taking_each_does(
    data: st.DataObject, posted: list[EntryDraft], closed: bool
) -> None:
    each, together = MemoryBooks(), MemoryBooks()
    if closed:
        decisions = [period_decision("2019-07", action) for action in _CLOSING]
        for books in (each, together):
            books.post_all(*decisions, now=NOON)
    left = [prepare(one) for one in posted]
    while left:
        size = data.draw(st.integers(1, len(left)))
        group, left = left[:size], left[size:]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(plan._Planning, "take_all", lambda _self, _drafts: False)
            outcomes = each.post(group, NOON)
        assert_same(together.post(group, NOON), outcomes)
        assert vars(together) == vars(each)


def test_plain_drafts_are_taken_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan._Planning, "take", None)
    books = MemoryBooks()
    books.post([prepare(draft(gift(1), refund(1))), prepare(draft())], NOON)
    assert_whole(books)
    assert len(books.entries) == 2


_CLOSING = (PeriodAction.BEGIN_CLOSING, PeriodAction.CLOSE)


def assert_same(outcomes: Sequence[Outcome], others: Sequence[Outcome]) -> None:
    for outcome, other in zip(outcomes, others, strict=True):
        if isinstance(outcome, Fault):
            assert isinstance(other, Fault)
            assert (outcome.reason, outcome.metadata) == (other.reason, other.metadata)
        else:
            assert outcome == other


@given(drafts())
def test_the_text_of_routes_is_the_text_of_transfers(posted: EntryDraft) -> None:
    prepared = prepare(posted)
    assert len(prepared.moves) == len(posted.transfers)
    assert prepared.content == seal.content_of(posted)


@pytest.mark.parametrize(
    ("amounts", "expected"), [((1, 2), True), ((INT64_MAX, 1), False), ((1, INT64_MAX), False)]
)
def test_what_might_overflow_is_asked_about(amounts: tuple[int, int], expected: bool) -> None:
    books = MemoryBooks()
    before, more = amounts
    books.post([prepare(draft(gift(before)))], NOON)
    group = [prepare(draft(gift(more)))]
    assert (
        plan.cannot_refuse(Group(group), Books(books.head, turnovers=books.turnovers)) is expected
    )


def test_what_binds_an_account_or_is_no_plain_movement_is_asked_about() -> None:
    head = MemoryBooks().head
    free = [prepare(draft())]
    assert plan.cannot_refuse(Group(free), Books(head))
    guard = Guard(AccountState.FROZEN, AccountLimit.NONE)
    guards = {AccountName("project/well/fund", "CNY"): guard}
    assert not plan.cannot_refuse(Group(free), Books(head, guards=guards))
    assert not plan.cannot_refuse(Group([*free, prepare(draft(hold(1)))]), Books(head))


def check_outcome(books: MemoryBooks, posted: EntryDraft, outcome: Outcome) -> None:
    (standing,) = [e for e in books.entries if e.draft.entry_id == posted.entry_id]
    if isinstance(outcome, Posting):
        assert standing.draft == posted
        assert (standing.sequence, standing.hash) == (outcome.sequence, outcome.hash)
    else:
        assert outcome.reason is Reason.ENTRY_CONFLICT
        assert standing.draft != posted


@pytest.mark.property
@given(st.lists(drafts(micros=st.integers(INT64_MAX // 3, INT64_MAX)), max_size=10))
def test_no_balance_ever_leaves_64_bits(posted: list[EntryDraft]) -> None:
    books = MemoryBooks()
    for start in range(0, len(posted), 3):
        books.post([prepare(one) for one in posted[start : start + 3]], NOON)
    assert_whole(books)
    assert all(max(turnover) <= INT64_MAX for turnover in books.turnovers.values())
    for sums in books.totals.values():
        assert abs(sums.micros) <= INT64_MAX


def test_a_draft_repeated_in_one_group_is_posted_once() -> None:
    books = MemoryBooks()
    one = draft()
    other = draft(gift(2), entry_id=one.entry_id)
    first, second, third = books.post([prepare(one), prepare(one), prepare(other)], NOON)
    assert isinstance(first, Posting)
    assert not first.replayed
    assert second == first._replace(replayed=True)
    assert isinstance(third, Fault)
    assert third.reason is Reason.ENTRY_CONFLICT
    assert third.metadata["sequence"] == "1"
    assert len(books.entries) == 1


def test_an_overflowing_draft_changes_nothing_and_stops_nobody() -> None:
    books = MemoryBooks()
    full, drop, more = draft(gift(INT64_MAX)), draft(gift(1)), draft(gift(1, partner="tencent"))
    elsewhere = draft(gift(1, partner="tencent", project="road"))
    outcomes = books.post([prepare(one) for one in (full, drop, more, elsewhere)], NOON)
    assert [isinstance(outcome, Posting) for outcome in outcomes] == [True, False, False, True]
    for refused in outcomes[1:3]:
        assert isinstance(refused, Fault)
        assert refused.reason is Reason.BALANCE_OVERFLOW
    assert [entry.sequence for entry in books.entries] == [1, 2]
    assert_whole(books)


def test_an_entry_is_all_or_nothing() -> None:
    books = MemoryBooks()
    (outcome,) = books.post([prepare(draft(gift(1), gift(INT64_MAX), refund(INT64_MAX)))], NOON)
    assert isinstance(outcome, Fault)
    assert books.entries == []
    assert books.turnovers == {}
    assert books.totals == {}


def test_an_id_whose_first_draft_was_refused_is_free() -> None:
    books = MemoryBooks()
    entry_id = id_of(1)
    books.post([prepare(draft(gift(INT64_MAX)))], NOON)
    too_much = prepare(draft(gift(1), entry_id=entry_id))
    fits = prepare(draft(gift(1, partner="tencent", project="road"), entry_id=entry_id))
    refused, posted = books.post([too_much, fits], NOON)
    assert isinstance(refused, Fault)
    assert isinstance(posted, Posting)
    assert not posted.replayed


def test_recording_times_never_run_backwards() -> None:
    books = MemoryBooks()
    books.post([prepare(draft())], NOON)
    books.post([prepare(draft())], NOON - timedelta(hours=1))
    books.post([prepare(draft())], NOON + timedelta(hours=1))
    times = [entry.recorded_time - NOON for entry in books.entries]
    assert times == [timedelta(0), timedelta(0), timedelta(hours=1)]


def test_what_finance_posts_counts_no_later_than_a_month_ahead() -> None:
    books = MemoryBooks()
    month, moment = timedelta(days=31), timedelta(microseconds=1)
    batch = Cause(CauseKind.INTAKE_BATCH, str(id_of(1)))
    within, beyond = draft(value_time=NOON + month), draft(value_time=NOON + month + moment)
    counted = draft(value_time=NOON + 2 * month, cause=batch)
    opening = draft_of_account(
        id_of(2),
        AccountDecision(AccountName("charity/springs/bank", "CNY"), opens=True),
        value_time=NOON + 2 * month,
        by="finance/anna",
        document="",
    )
    outcomes = books.post_all(within, beyond, counted, opening, now=NOON)
    faults = [outcome for outcome in outcomes if isinstance(outcome, Fault)]
    assert [outcomes.index(fault) for fault in faults] == [1, 3]
    for fault in faults:
        assert fault.reason is Reason.FIELD_INVALID
        assert fault.metadata["field"] == "value_time"
        assert "31 days" in fault.message
    assert_whole(books)
    # What stands is answered as before, whatever the limit has become; later it is taken.
    books.ahead = timedelta(days=1)
    (again,) = books.post_all(within, now=NOON)
    assert again == Posting(1, books.entries[0].hash, replayed=True)
    (later,) = books.post_all(beyond, now=NOON + month)
    assert isinstance(later, Posting)
