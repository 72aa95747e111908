"""What stood in the books earlier, against a plain sum over all entries."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from datetime import date, datetime, timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ledger.domain import AccountName, Balance, Entry, StatementLine, TransferName
from services.ledger.journal.calendar import day_of
from services.ledger.journal.plan import Plan
from services.ledger.journal.standing import Turnover
from services.ledger.reading.history import AsOf, after_lines, end_of
from services.ledger.reading.rollup import Rollups
from services.ledger.store.posting import PostingTransaction
from services.runtime.errors import Fault, Reason
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.ledger.parts import Engines, Parts, parts_on
from tests.support.clock import FixedClock
from tests.support.emptying import Emptier
from tests.support.examples import fewer_every_day
from tests.unit.ledger.drafts import NOON, draft, gift, refund, suspended

EXAMPLES = fewer_every_day(10)  # each is a ledger of its own, asked dozens of questions
CLAIMED = AccountName("partner/alipay/claimed", "CNY")
FUND = AccountName("project/well/fund", "CNY")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def rollups_of(parts: Parts, entries: int, *, writes: bool = True) -> Rollups:
    return Rollups(
        parts.past, parts.reader.head_sequence, lambda: writes, entries=entries, poll_s=60
    )


async def held(parts: Parts, name: AccountName, as_of: AsOf) -> tuple[int, int]:
    """The balance, and the last entry that counts."""
    head = await parts.reader.head_sequence()
    balance, through = await parts.history.balance(name, as_of, head)
    return balance.micros, through


async def test_what_was_believed_on_the_6th_about_the_5th(parts: Parts, clock: FixedClock) -> None:
    the_5th, the_6th = date(2019, 9, 5), date(2019, 9, 6)
    clock.set(NOON)
    await parts.post_all(draft(gift(100), value_time=NOON))
    clock.set(NOON + DAY)
    await parts.post_all(draft(gift(20), value_time=NOON + DAY))
    await parts.post_all(draft(gift(3), value_time=NOON - HOUR))  # a late one about the 5th
    on_the_6th = clock()
    clock.set(NOON + 2 * DAY)
    await parts.post_all(draft(refund(50), value_time=NOON))
    assert await held(parts, CLAIMED, AsOf()) == (73, 4)
    assert await held(parts, CLAIMED, AsOf(value_date=the_5th)) == (53, 4)
    assert await held(parts, CLAIMED, AsOf(on_the_6th, the_5th)) == (103, 3)
    assert await held(parts, CLAIMED, AsOf(on_the_6th, the_6th)) == (123, 3)
    assert await held(parts, CLAIMED, AsOf(NOON, the_6th)) == (100, 1)
    assert await held(parts, CLAIMED, AsOf(NOON - HOUR)) == (0, 0)
    assert await held(parts, CLAIMED, AsOf(2)) == (120, 2)


async def test_a_day_is_a_day_of_the_ledgers_calendar(parts: Parts) -> None:
    # 16:00 UTC is midnight in China.
    before = datetime(2019, 9, 5, 15, 59, 59, 999_999, tzinfo=NOON.tzinfo)
    await parts.post_all(
        draft(gift(1), value_time=before),
        draft(gift(20), value_time=before + timedelta(microseconds=1)),
    )
    assert (await held(parts, CLAIMED, AsOf(value_date=date(2019, 9, 5))))[0] == 1
    assert (await held(parts, CLAIMED, AsOf(value_date=date(2019, 9, 6))))[0] == 21


async def test_entries_of_version_1_have_their_value_time_for_a_date(
    parts: Parts, urls: DatabaseUrls
) -> None:
    await parts.post_all(draft(gift(1), value_time=NOON), draft(gift(2), value_time=NOON + DAY))
    with psycopg.connect(urls.owner) as connection:
        connection.execute("UPDATE entries SET version = 1, value_date = NULL, book_date = NULL")
    assert (await held(parts, CLAIMED, AsOf(value_date=date(2019, 9, 5))))[0] == 1


@pytest.mark.parametrize(
    ("as_of", "reason"),
    [
        (AsOf(2), Reason.SEQUENCE_AHEAD),
        (AsOf(NOON + HOUR), Reason.FIELD_INVALID),
    ],
)
async def test_what_has_not_come_is_not_answered(
    parts: Parts, clock: FixedClock, as_of: AsOf, reason: Reason
) -> None:
    clock.set(NOON)
    await parts.post_all(draft())
    with pytest.raises(Fault) as caught:
        await held(parts, CLAIMED, as_of)
    assert caught.value.reason is reason


async def test_a_time_is_answered_for_when_nothing_can_be_recorded_before_it_any_more(
    parts: Parts, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await parts.post_all(draft(gift(1)))
    append = PostingTransaction.append
    is_dated, goes_on = asyncio.Event(), asyncio.Event()

    async def held_up(self: PostingTransaction, plan: Plan) -> None:
        is_dated.set()  # its time is taken under the head's lock, and it is not committed
        await goes_on.wait()
        await append(self, plan)

    monkeypatch.setattr(PostingTransaction, "append", held_up)
    clock.advance(HOUR)
    posting = asyncio.create_task(parts.post_all(draft(gift(20), gift(2, project="road"))))
    await is_dated.wait()
    clock.advance(HOUR)
    answer = asyncio.create_task(held(parts, CLAIMED, AsOf(clock())))
    # What was before the last entry cannot change, and is answered without waiting.
    assert await held(parts, CLAIMED, AsOf(NOON - HOUR)) == (0, 0)
    await asyncio.wait({answer}, timeout=0.2)
    goes_on.set()
    await posting
    assert await answer == (23, 2)


async def test_slow_readers_of_all_balances_leave_the_books_to_others(parts: Parts) -> None:
    await parts.post_all(draft(gift(7)))
    async with AsyncExitStack() as stack:
        for _ in range(9):  # more than there are connections
            balances = await stack.enter_async_context(
                aclosing(parts.history.balances("", 1, None))
            )
            assert [balance.micros for balance in await anext(balances)] == [7, 7]
        async with asyncio.timeout(3):
            assert await held(parts, CLAIMED, AsOf(1)) == (7, 1)


async def test_an_unknown_account_is_not_zero(parts: Parts) -> None:
    await parts.post_all(draft())
    unknown = AccountName("project/road/fund", "CNY")
    for ask in (
        lambda: held(parts, unknown, AsOf(1)),
        lambda: parts.history.statement(unknown, end_of(0), 1, 10),
    ):
        with pytest.raises(Fault) as caught:
            await ask()
        assert caught.value.reason is Reason.ACCOUNT_NOT_FOUND


async def test_a_statement_runs_from_page_to_page_and_stays_what_it_was(parts: Parts) -> None:
    await parts.post_all(
        draft(gift(7), refund(3), gift(5, currency="USD")),
        draft(suspended(11)),
        draft(refund(2), gift(1)),
    )
    first = await parts.history.statement(CLAIMED, end_of(0), 3, 2)
    assert [(line.name, line.is_debit, line.micros) for line in first.lines] == [
        ((1, 0), True, 7),
        ((1, 1), False, 3),
    ]
    assert first.lines[0].counterpart == FUND.code
    assert (first.opening, first.more) == (Turnover(0, 0), True)
    await parts.post_all(draft(gift(1_000)))  # meanwhile, and beyond what was asked for
    second = await parts.history.statement(CLAIMED, first.lines[-1].name, 3, 2)
    assert second.opening == after_lines(first.opening, first.lines) == Turnover(7, 3)
    assert [line.name for line in second.lines] == [(2, 0), (3, 0)]
    third = await parts.history.statement(CLAIMED, second.lines[-1].name, 3, 2)
    assert (third.opening, third.more) == (Turnover(18, 5), False)
    assert [line.name for line in third.lines] == [(3, 1)]
    whole = [page async for page in parts.history.whole_statement(CLAIMED, 0, 3, 2)]
    assert [line for page in whole for line in page.lines] == [
        *first.lines,
        *second.lines,
        *third.lines,
    ]
    assert [page.opening for page in whole] == [first.opening, second.opening, third.opening]


async def waits_for_another(task: asyncio.Task[bool], urls: DatabaseUrls) -> None:
    """Returns once what a task does waits for the end of another's transaction."""
    waiting = "SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
    async with (
        asyncio.timeout(10),
        await psycopg.AsyncConnection.connect(urls.owner, autocommit=True) as watching,
    ):
        while not await (await watching.execute(waiting)).fetchall():
            assert not task.done()
            await asyncio.sleep(0.02)


async def test_two_ledgers_that_roll_up_other_stretches_count_no_entry_twice(
    parts: Parts, urls: DatabaseUrls
) -> None:
    await parts.post_all(*(draft(gift(n)) for n in range(1, 13)))
    async with await psycopg.AsyncConnection.connect(urls.owner) as other:
        await other.execute("INSERT INTO rollups (last_sequence, first_sequence) VALUES (5, 1)")
        rolling_up = asyncio.create_task(parts.past.roll_up(4))
        await waits_for_another(rolling_up, urls)
        await other.rollback()
        assert await rolling_up
        await other.execute("INSERT INTO rollups (last_sequence, first_sequence) VALUES (9, 5)")
        rolling_up = asyncio.create_task(parts.past.roll_up(8))
        await waits_for_another(rolling_up, urls)
        await other.commit()
        assert not await rolling_up


async def test_a_rollup_is_made_once_by_whoever_is_first(parts: Parts) -> None:
    await parts.post_all(*(draft(gift(n)) for n in range(1, 24)))
    done = await asyncio.gather(*(rollups_of(parts, 5).roll_up_due() for _ in range(6)))
    assert max(done) <= 4
    assert await parts.past.rolled_up() == 20
    assert (await parts.audit()).ok
    assert await rollups_of(parts, 5).roll_up_due() == 0
    assert await held(parts, CLAIMED, AsOf(19)) == (sum(range(1, 20)), 19)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE daily_turnovers SET debits = debits + 1",
        "UPDATE daily_turnovers SET value_date = value_date + 1",
        "UPDATE daily_turnovers SET account_id = account_id + 70",
        "DELETE FROM daily_turnovers WHERE account_id = 1",
        "UPDATE rollups SET first_sequence = 2",
        "UPDATE rollups SET last_sequence = 99",
        "INSERT INTO rollups VALUES (6, 3)",
        "INSERT INTO daily_turnovers SELECT id, 5, '2030-01-01', 0, 0 FROM accounts",
    ],
)
async def test_the_audit_finds_a_changed_rollup(
    parts: Parts, urls: DatabaseUrls, change: str
) -> None:
    await parts.post_all(*(draft(gift(n)) for n in range(1, 7)))
    assert await rollups_of(parts, 5).roll_up_due() == 1
    assert (await parts.audit()).ok
    with psycopg.connect(urls.owner) as connection:
        connection.execute(change)
    report = await parts.audit()
    assert [check.name for check in report.checks if not check.ok] == ["daily_balances"]


# The property: whatever was posted when and about which day, rolled up or not.

_posts = st.lists(
    st.tuples(
        st.lists(
            st.builds(
                lambda make, micros, currency: make(micros, currency),
                st.sampled_from(
                    [
                        lambda micros, currency: gift(micros, currency=currency),
                        lambda micros, currency: refund(micros, currency=currency),
                        lambda micros, _: suspended(micros),
                        lambda micros, currency: gift(micros, project="road", currency=currency),
                    ]
                ),
                st.integers(1, 10**6),
                st.sampled_from(["CNY", "USD"]),
            ),
            min_size=1,
            max_size=4,
        ),
        st.integers(0, 60),  # hours since the one before
        st.integers(-72, 72),  # hours from recording to value
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.property
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    posts=_posts,
    stretch=st.integers(1, 5),
    asked=st.lists(
        st.tuples(st.integers(0, 8), st.integers(-4, 30), st.booleans()), min_size=1, max_size=2
    ),
)
async def test_the_past_is_the_sum_of_its_entries(
    engines: Engines,
    emptier: Emptier,
    posts: Sequence[tuple[list, int, int]],  # type: ignore[type-arg]
    stretch: int,
    asked: Sequence[tuple[int, int, bool]],
) -> None:
    emptier.delete()
    clock = FixedClock(NOON)
    async with parts_on(engines, clock) as parts:
        for transfers, later, value in posts:
            clock.advance(later * HOUR)
            await parts.post_all(draft(*transfers, value_time=clock() + value * HOUR))
        entries = await parts.entries()
        questions = [
            (_moment(entries, sequence) if by_time else sequence, NOON.date() + days * DAY)
            for wanted, days, by_time in asked
            for sequence in [min(wanted, len(entries))]
        ]
        first = [await _answers(parts, *question) for question in questions]
        for question, answers in zip(questions, first, strict=True):
            assert answers == _summed(entries, *question)
        # Rolled up, and with more in the books, the answers stay.
        await rollups_of(parts, stretch).roll_up_due()
        assert [await _answers(parts, *question) for question in questions] == first
        clock.advance(HOUR)
        await parts.post_all(draft(gift(1), value_time=NOON - 90 * DAY))
        assert [await _answers(parts, *question) for question in questions] == first
        for balance in (await parts.reader.trial_balance("")).balances:
            await _assert_statement(
                parts, balance, [*entries, await parts.reader.entry(len(entries) + 1)]
            )
        assert (await parts.audit()).ok


def _moment(entries: Sequence[Entry], sequence: int) -> datetime:
    """When that entry was recorded; before all of them for 0."""
    return entries[sequence - 1].recorded_time if sequence else NOON - HOUR


async def _answers(
    parts: Parts, recorded: int | datetime, value_date: date
) -> dict[AccountName, Turnover]:
    """As the trial balance says it; each balance by itself says the same."""
    head = await parts.reader.head_sequence()
    as_of = AsOf(recorded, value_date)
    trial = await parts.history.trial_balance("", as_of, head)
    for balance in trial.balances:
        by_itself = replace(balance, held_debits=0, held_credits=0)
        assert await parts.history.balance(balance.name, as_of, head) == (by_itself, trial.sequence)
    assert all(sums.debits == sums.credits for sums in trial.sums)
    return {b.name: Turnover(b.debits, b.credits) for b in trial.balances}


def _summed(
    entries: Iterable[Entry], recorded: int | datetime, value_date: date
) -> dict[AccountName, Turnover]:
    counts: Callable[[Entry], bool] = (
        (lambda entry: entry.sequence <= recorded)
        if isinstance(recorded, int)
        else (lambda entry: entry.recorded_time <= recorded)
    )
    sums: dict[AccountName, list[int]] = {}
    for entry in filter(counts, entries):
        if day_of(entry.draft.value_time) > value_date:
            continue
        for transfer in entry.draft.transfers:
            debit = AccountName(transfer.debit, transfer.currency)
            credit = AccountName(transfer.credit, transfer.currency)
            sums.setdefault(debit, [0, 0])[0] += transfer.micros
            sums.setdefault(credit, [0, 0])[1] += transfer.micros
    return {name: Turnover(*both) for name, both in sums.items()}


async def _assert_statement(parts: Parts, balance: Balance, entries: Sequence[Entry]) -> None:
    through = len(entries)
    lines: list[StatementLine] = []
    place = end_of(0)
    while True:
        page = await parts.history.statement(balance.name, place, through, 2)
        assert page.opening == after_lines(Turnover(0, 0), lines)
        lines += page.lines
        if not page.more:
            break
        place = page.lines[-1].name
    assert after_lines(Turnover(0, 0), lines) == Turnover(balance.debits, balance.credits)
    assert [line.name for line in lines] == [
        TransferName(entry.sequence, position)
        for entry in entries
        for position, transfer in enumerate(entry.draft.transfers)
        if balance.name.currency == transfer.currency
        and balance.name.code in (transfer.debit, transfer.credit)
    ]
