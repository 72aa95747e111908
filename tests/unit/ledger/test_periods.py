"""Periods, in memory: which entries they take, and who decides on them."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.ledger.domain import Cause, CauseKind, Dates, EntryDraft, Posting
from services.ledger.journal.drafts import prepare
from services.ledger.journal.periods import (
    Late,
    PeriodAction,
    Periods,
    PeriodState,
    period_decision_of,
    period_of,
)
from services.runtime.errors import Fault, Reason
from tests.unit.ledger.books import MemoryBooks, assert_chain
from tests.unit.ledger.drafts import NOON, draft, gift, new_id
from tests.unit.ledger.stepped import period_decision

AUGUST = datetime(2019, 8, 20, 12, tzinfo=UTC)
YESTERDAY = NOON - timedelta(days=1)
TODAY = date(2019, 9, 5)

Action = PeriodAction


def posted(books: MemoryBooks, *drafts: EntryDraft) -> None:
    outcomes = books.post([prepare(one) for one in drafts], NOON)
    assert all(isinstance(outcome, Posting) for outcome in outcomes), outcomes
    assert_chain(books.entries)


def refused(books: MemoryBooks, one: EntryDraft) -> Reason:
    count = len(books.entries)
    (outcome,) = books.post([prepare(one)], NOON)
    assert isinstance(outcome, Fault), outcome
    assert len(books.entries) == count
    return outcome.reason


def decide(books: MemoryBooks, name: str, *actions: Action, by: str = "finance/anna") -> None:
    posted(books, *(period_decision(name, action, by) for action in actions))


def counted(value_time: datetime, *hours: datetime) -> EntryDraft:
    """What intake counted, of gifts of these hours."""
    batch_id = new_id()
    return draft(
        *(gift(hour=hour) for hour in hours),
        entry_id=batch_id,
        cause=Cause(CauseKind.INTAKE_BATCH, str(batch_id)),
        value_time=value_time,
    )


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("2019-09", date(2019, 9, 1), date(2019, 10, 1)),
        ("2019-12", date(2019, 12, 1), date(2020, 1, 1)),
        ("2019-09-30", date(2019, 9, 30), date(2019, 10, 1)),
        ("2999-12", date(2999, 12, 1), date(3000, 1, 1)),
    ],
)
def test_names_of_periods(name: str, start: date, end: date) -> None:
    assert period_of(name) == (name, start, end, "")
    assert period_of(f"{name}@Asia/Shanghai") == (name, start, end, "")
    there = f"{name}@America/New_York"
    assert period_of(there) == (there, start, end, "America/New_York")


@pytest.mark.parametrize(
    "name",
    [
        *("", "2019", "2019-9", "2019-13", "2019-02-30", "1999-12", "2019-09-05T12", "2019-09\n"),
        *(
            "2019-09@",
            "2019-09@Mars/Base",
            "@Europe/London",
            "2019-09@../x",
            "2019-09@Europe/Paris ",
        ),
    ],
)
def test_what_names_no_period(name: str) -> None:
    with pytest.raises(Fault) as caught:
        period_of(name)
    assert caught.value.reason is Reason.FIELD_INVALID
    assert caught.value.metadata["field"] == "period"


def test_a_closed_period_takes_nothing() -> None:
    books = MemoryBooks()
    posted(books, draft(value_time=AUGUST))
    decide(books, "2019-08", Action.BEGIN_CLOSING)
    posted(books, draft(value_time=AUGUST))
    decide(books, "2019-08", Action.CLOSE)
    assert refused(books, draft(value_time=AUGUST)) is Reason.PERIOD_CLOSED
    assert books.periods.until == date(2019, 9, 1)
    posted(books, draft(value_time=YESTERDAY))
    decide(books, "2019-09-04", Action.BEGIN_CLOSING, Action.CLOSE)
    assert refused(books, draft(value_time=YESTERDAY)) is Reason.PERIOD_CLOSED
    posted(books, draft(value_time=NOON))
    assert books.late == []


def test_what_intake_counted_late_goes_to_the_open_period_and_is_listed() -> None:
    books = MemoryBooks()
    decide(books, "2019-08", Action.BEGIN_CLOSING)
    late = counted(AUGUST, AUGUST, AUGUST - timedelta(days=90))
    mixed = counted(NOON, NOON, AUGUST)
    posted(books, late, mixed)
    assert [entry.dates for entry in books.entries[1:]] == [
        Dates(date(2019, 8, 20), TODAY),
        Dates(TODAY, TODAY),
    ]
    assert books.late == [Late(2, 0, date(2019, 8, 20)), Late(3, 1, date(2019, 8, 20))]
    decide(books, "2019-08", Action.CLOSE)
    posted(books, counted(AUGUST, AUGUST))
    assert books.late[2:] == [Late(5, 0, date(2019, 8, 20))]


def test_what_becomes_of_gifts_later_is_not_late() -> None:
    books = MemoryBooks()
    decide(books, "2019-08", Action.BEGIN_CLOSING, Action.CLOSE)
    gifts = counted(NOON, AUGUST)
    (transfer,) = gifts.transfers
    settled = transfer._replace(debit="partner/alipay/settled", credit="partner/alipay/claimed")
    refunded = transfer._replace(debit=transfer.credit, credit=transfer.debit)
    posted(books, gifts._replace(transfers=(settled, refunded, transfer)))
    assert [late.position for late in books.late] == [1, 2]


def test_what_leaves_suspense_changes_the_totals_of_its_day_and_is_late() -> None:
    books = MemoryBooks()
    decide(books, "2019-08", Action.BEGIN_CLOSING, Action.CLOSE)
    gifts = counted(NOON, AUGUST)
    (transfer,) = gifts.transfers
    between = "partner/alipay/allocated"
    out = transfer._replace(debit="partner/alipay/suspense", credit=between, project="")
    in_ = transfer._replace(debit=between)
    posted(books, gifts._replace(transfers=(out, in_)))
    august = date(2019, 8, 20)
    assert books.late == [Late(3, 0, august), Late(3, 1, august)]
    assert books.entries[-1].dates == Dates(TODAY, TODAY)


def test_decisions_on_the_past_stand_in_today() -> None:
    books = MemoryBooks()
    decide(books, "2019-08", Action.BEGIN_CLOSING, Action.CLOSE)
    posted(books, period_decision("2019-07", Action.BEGIN_CLOSING, value_time=AUGUST))
    assert books.entries[-1].dates == Dates(date(2019, 8, 20), TODAY)


def test_two_people_open_a_closed_period_again() -> None:
    books = MemoryBooks()
    decide(books, "2019-08", Action.BEGIN_CLOSING, Action.CLOSE)
    approve = Action.APPROVE_REOPENING
    assert refused(books, period_decision("2019-08", approve)) is Reason.PERIOD_STATE_CONFLICT
    decide(books, "2019-08", Action.PROPOSE_REOPENING)
    assert books.periods.proposals["2019-08"] == ("finance/anna", 3)
    again = period_decision("2019-08", Action.PROPOSE_REOPENING, "finance/bo")
    assert refused(books, again) is Reason.PERIOD_STATE_CONFLICT
    assert refused(books, period_decision("2019-08", approve)) is Reason.SECOND_PERSON_REQUIRED
    assert refused(books, draft(value_time=AUGUST)) is Reason.PERIOD_CLOSED
    decide(books, "2019-08", approve, by="finance/bo")
    posted(books, draft(value_time=AUGUST))
    assert books.periods == Periods(sequence=4)


def test_the_steps_come_in_order() -> None:
    books = MemoryBooks()
    for action in Action:
        if action is not Action.BEGIN_CLOSING:
            one = period_decision("2019-08", action)
            assert refused(books, one) is Reason.PERIOD_STATE_CONFLICT
    decide(books, "2019-08", Action.BEGIN_CLOSING)
    for action in (Action.BEGIN_CLOSING, Action.PROPOSE_REOPENING, Action.APPROVE_REOPENING):
        assert refused(books, period_decision("2019-08", action)) is Reason.PERIOD_STATE_CONFLICT
    decide(books, "2019-08", Action.CANCEL_CLOSING)
    assert books.periods.state_of(date(2019, 8, 20)) is PeriodState.OPEN


@pytest.mark.parametrize("name", ["2019-09", "2019-09-05", "2019-10"])
def test_a_period_that_is_not_over_does_not_close(name: str) -> None:
    one = period_decision(name, Action.BEGIN_CLOSING)
    assert refused(MemoryBooks(), one) is Reason.PERIOD_NOT_OVER


def test_a_day_is_over_at_midnight_in_china() -> None:
    books = MemoryBooks()
    begin = prepare(period_decision("2019-09-05", Action.BEGIN_CLOSING))
    midnight = datetime(2019, 9, 5, 16, tzinfo=UTC)
    (early,) = books.post([begin], midnight - timedelta(microseconds=1))
    assert isinstance(early, Fault)
    (due,) = books.post([begin], midnight)
    assert isinstance(due, Posting)


def test_a_day_is_as_closed_as_the_stricter_of_itself_and_its_month() -> None:
    books = MemoryBooks()
    decide(books, "2019-08-20", Action.BEGIN_CLOSING, Action.CLOSE)
    decide(books, "2019-08", Action.BEGIN_CLOSING)
    assert books.periods.state_of(date(2019, 8, 20)) is PeriodState.CLOSED
    assert books.periods.state_of(date(2019, 8, 21)) is PeriodState.CLOSING
    assert books.periods.state_of(date(2019, 9, 1)) is PeriodState.OPEN


def test_a_decision_binds_the_drafts_behind_it_in_the_group() -> None:
    books = MemoryBooks()
    begin, close = (
        period_decision("2019-08", action) for action in (Action.BEGIN_CLOSING, Action.CLOSE)
    )
    group = [draft(value_time=AUGUST), begin, close, draft(value_time=AUGUST)]
    outcomes = books.post([prepare(one) for one in group], NOON)
    assert [isinstance(outcome, Posting) for outcome in outcomes] == [True, True, True, False]


def test_a_decision_on_a_period_says_what_it_decides() -> None:
    good = period_decision("2019-08", Action.CLOSE)
    for wrong in (
        good._replace(metadata={"by": "finance/anna"}),
        good._replace(metadata={"period/action": "CLOSE"}),
        good._replace(metadata={"period/action": "MELT", "by": "finance/anna"}),
        good._replace(cause=Cause(CauseKind.PERIOD, "2019")),
        good._replace(transfers=(gift(),)),
    ):
        with pytest.raises(Fault) as caught:
            prepare(wrong)
        assert caught.value.reason is Reason.FIELD_INVALID


LONDON, NEW_YORK = "Europe/London", "America/New_York"


def of(calendar: str, one: EntryDraft) -> EntryDraft:
    return one._replace(metadata={**one.metadata, "time_zone": calendar})


@pytest.mark.parametrize(
    ("calendar", "moment", "day"),
    [
        # One moment, three days' calendars.
        ("", datetime(2019, 9, 4, 16, 30, tzinfo=UTC), date(2019, 9, 5)),
        (LONDON, datetime(2019, 9, 4, 16, 30, tzinfo=UTC), date(2019, 9, 4)),
        (NEW_YORK, datetime(2019, 9, 4, 3, 30, tzinfo=UTC), date(2019, 9, 3)),
        # The hour that comes twice in New York, and the last of its long day.
        (NEW_YORK, datetime(2018, 11, 4, 5, 30, tzinfo=UTC), date(2018, 11, 4)),
        (NEW_YORK, datetime(2018, 11, 4, 6, 30, tzinfo=UTC), date(2018, 11, 4)),
        (NEW_YORK, datetime(2018, 11, 5, 4, 59, tzinfo=UTC), date(2018, 11, 4)),
        (NEW_YORK, datetime(2018, 11, 5, 5, 0, tzinfo=UTC), date(2018, 11, 5)),
        # London's summer ends within a day and begins within one.
        (LONDON, datetime(2018, 10, 27, 23, 0, tzinfo=UTC), date(2018, 10, 28)),
        (LONDON, datetime(2018, 10, 28, 23, 59, tzinfo=UTC), date(2018, 10, 28)),
        (LONDON, datetime(2019, 3, 31, 22, 59, tzinfo=UTC), date(2019, 3, 31)),
        (LONDON, datetime(2019, 3, 31, 23, 0, tzinfo=UTC), date(2019, 4, 1)),
    ],
)
def test_an_entry_counts_on_the_day_of_its_calendar(
    calendar: str, moment: datetime, day: date
) -> None:
    books = MemoryBooks()
    posted(books, of(calendar, draft(value_time=moment)))
    assert books.entries[0].dates == Dates(day, day)


def test_periods_of_one_calendar_close_without_those_of_another() -> None:
    books = MemoryBooks()
    decide(books, f"2019-08@{LONDON}", Action.BEGIN_CLOSING, Action.CLOSE)
    assert refused(books, of(LONDON, draft(value_time=AUGUST))) is Reason.PERIOD_CLOSED
    for calendar in ("", "Asia/Shanghai", NEW_YORK):
        posted(books, of(calendar, draft(value_time=AUGUST)))
    decide(books, "2019-08", Action.BEGIN_CLOSING, Action.CLOSE)
    for calendar in ("", "Asia/Shanghai"):
        assert refused(books, of(calendar, draft(value_time=AUGUST))) is Reason.PERIOD_CLOSED
    posted(books, of(NEW_YORK, draft(value_time=AUGUST)))


def test_what_came_late_is_told_by_the_days_of_its_calendar() -> None:
    """An hour of China's September that is still August in London."""
    books = MemoryBooks()
    decide(books, f"2019-08@{LONDON}", Action.BEGIN_CLOSING)
    hour = datetime(2019, 8, 31, 17, tzinfo=UTC)
    posted(books, of(LONDON, counted(hour, hour, NOON)), counted(hour, hour))
    assert books.late == [Late(2, 0, date(2019, 8, 31))]
    assert [entry.dates for entry in books.entries[1:]] == [
        Dates(date(2019, 8, 31), TODAY),
        Dates(date(2019, 9, 1), date(2019, 9, 1)),
    ]


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("2018-10", datetime(2018, 10, 31, 16, tzinfo=UTC)),
        (f"2018-10@{LONDON}", datetime(2018, 11, 1, 0, tzinfo=UTC)),
        (f"2018-10@{NEW_YORK}", datetime(2018, 11, 1, 4, tzinfo=UTC)),
        (f"2018-11@{NEW_YORK}", datetime(2018, 12, 1, 5, tzinfo=UTC)),
        (f"2018-11-04@{NEW_YORK}", datetime(2018, 11, 5, 5, tzinfo=UTC)),
        (f"2018-10-28@{LONDON}", datetime(2018, 10, 29, 0, tzinfo=UTC)),
    ],
)
def test_a_period_is_over_at_midnight_of_its_calendar(name: str, end: datetime) -> None:
    decision = period_decision_of(
        name, {"period/action": Action.BEGIN_CLOSING.name, "by": "finance/anna"}
    )
    Periods().require(decision, end)
    with pytest.raises(Fault) as caught:
        Periods().require(decision, end - timedelta(microseconds=1))
    assert caught.value.reason is Reason.PERIOD_NOT_OVER


def test_an_entry_of_no_calendar_is_refused() -> None:
    with pytest.raises(Fault) as caught:
        prepare(of("Mars/Base", draft()))
    assert caught.value.reason is Reason.FIELD_INVALID
    assert caught.value.metadata["field"] == "metadata[time_zone]"
