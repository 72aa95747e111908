"""Any sequence of calls, on a real database, against a model in plain Python (model.py).

After every step the books are what the model says: balances, holds, sums that tie by unit, numbers
without gaps, a chain that verifies, and a past that never changes. What was refused did nothing.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from services.ledger.domain import (
    AccountLimit,
    AccountName,
    AccountState,
    Cause,
    CauseKind,
    EntryDraft,
    Posting,
    Step,
    StepKind,
    Transfer,
    TransferName,
)
from services.ledger.journal.decisions import AccountDecision, draft_of_account
from services.ledger.journal.periods import PeriodAction
from services.ledger.reading.history import AsOf
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.ledger.model import Model
from tests.integration.ledger.parts import Engines, Parts, open_engines, parts_on
from tests.integration.ledger.stand_ins import Breaker
from tests.support.clock import FixedClock
from tests.support.emptying import Emptier
from tests.support.examples import fewer_every_day
from tests.unit.ledger.books import assert_chain
from tests.unit.ledger.drafts import NOON, draft, gift, new_id, suspended
from tests.unit.ledger.stepped import back, decision, hold, match, period_decision, pledge, reversal

EXAMPLES = fewer_every_day(5)  # each is a ledger of its own, asked dozens of questions
STEPS = 15

_MICROS = st.integers(1, 40)
_TIMES = st.sampled_from([NOON, NOON, NOON - timedelta(days=1), NOON - timedelta(days=20)])
_PERIODS = st.sampled_from(["2019-09-04", "2019-08"])
_ACCOUNTS = st.sampled_from(
    [
        AccountName("sponsor/acme/pool", "CNY"),
        AccountName("project/well/fund", "CNY"),
        AccountName("partner/alipay/claimed", "CNY"),
    ]
)


@st.composite
def _movements(draw: st.DrawFn) -> Transfer:
    micros, hour = draw(_MICROS), draw(_TIMES)
    kind = draw(st.sampled_from(["gift", "refund", "suspended", "pledge", "match", "minutes"]))
    given = gift(micros, tally=draw(st.integers(0, 3)), hour=hour.replace(minute=0))
    if kind == "refund":
        given = given._replace(debit=given.credit, credit=given.debit)
    minutes = given._replace(
        debit="project/well/minutes",
        credit="charity/amity/minutes",
        micros=micros * 1_000_000,
        currency="MIN",
        hour=None,
    )
    others = {
        "suspended": suspended(micros),
        "pledge": pledge(micros * 3),
        "match": match(micros),
        "minutes": minutes,
    }
    return others.get(kind, given)


@dataclass
class Surroundings:
    """What one ledger after the other finds: empty books behind a network that may lose answers."""

    loop: asyncio.AbstractEventLoop
    emptier: Emptier
    breaker: Breaker  # between the books and who writes them
    engines: Engines
    watching: psycopg.Connection[Any]


@contextmanager
def surroundings(urls: DatabaseUrls, emptier: Emptier) -> Iterator[Surroundings]:
    """They stay for all examples: making connections takes longer than most steps."""

    async def open_on(stack: AsyncExitStack) -> tuple[Breaker, Engines]:
        breaker = await stack.enter_async_context(Breaker(urls.service).listening())
        engines = open_engines(urls.service, writer_url=breaker.url)
        return breaker, await stack.enter_async_context(engines)

    with (
        asyncio.Runner() as runner,
        psycopg.connect(urls.service, autocommit=True) as watching,
    ):
        stack = AsyncExitStack()
        breaker, engines = runner.run(open_on(stack))
        try:
            yield Surroundings(runner.get_loop(), emptier, breaker, engines, watching)
        finally:
            runner.run(stack.aclose())


class LedgerMachine(RuleBasedStateMachine):
    """One ledger, and a model of it."""

    given: Surroundings

    def __init__(self) -> None:
        super().__init__()
        self.given.emptier.delete()
        self.breaker = self.given.breaker
        self.breaker.cuts = 0
        self.stack = AsyncExitStack()
        self.clock = FixedClock(NOON)
        self.model = Model()
        self.posted: list[EntryDraft] = []
        self.parts: Parts

    @initialize(at_once_max=st.sampled_from([0, 100]))
    def open(self, at_once_max: int) -> None:
        """A ledger with empty books, behind a network that may lose answers."""
        parts = parts_on(self.given.engines, self.clock, at_once_max=at_once_max)
        self.parts = self.run(self.stack.enter_async_context(parts))

    def teardown(self) -> None:
        """The audit finds nothing; everything is closed."""
        try:
            if self.model.count:
                report = self.run(self.parts.audit())
                wrong = [check for check in report.checks if not check.ok]
                # Batches that intake counted are nobody's here.
                assert {check.name for check in wrong} <= {"batches"}, wrong
        finally:
            self.run(self.stack.aclose())

    def run(self, work: Any) -> Any:
        """What becomes of a coroutine."""
        return self.given.loop.run_until_complete(work)

    def post(self, one: EntryDraft) -> None:
        """Posts a draft to both, which must agree."""
        expected = self.model.post(one, self.clock())
        is_decision = one.cause.kind in (CauseKind.ACCOUNT, CauseKind.PERIOD)
        outcome = self.run(self._decide(one) if is_decision else self._post(one))
        if isinstance(outcome, Posting):
            assert (outcome.sequence, outcome.replayed) == expected
        else:
            assert outcome.reason is expected, outcome
        self.posted.append(one)

    async def _post(self, one: EntryDraft) -> Any:
        (outcome,) = await self.parts.post(one)
        return outcome

    async def _decide(self, one: EntryDraft) -> Any:
        (result,) = await asyncio.gather(self.parts.writer.decide(one), return_exceptions=True)
        return result

    # What people and services do.

    @rule(
        transfers=st.lists(_movements(), min_size=1, max_size=3), time=_TIMES, counted=st.booleans()
    )
    def move(self, transfers: list[Transfer], time: datetime, counted: bool) -> None:
        """An entry of plain movements, of finance or of intake."""
        entry_id = new_id()
        cause = Cause(CauseKind.INTAKE_BATCH, str(entry_id)) if counted else None
        self.post(draft(*transfers, entry_id=entry_id, cause=cause, value_time=time))

    @precondition(lambda self: self.posted)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """The same content under the same id."""
        self.post(data.draw(st.sampled_from(self.posted)))

    @precondition(lambda self: self.posted)
    @rule(data=st.data())
    def contradict(self, data: st.DataObject) -> None:
        """Other content under an id that may be taken."""
        one = data.draw(st.sampled_from(self.posted))
        self.post(one._replace(metadata={**one.metadata, "other": "1"}))

    @precondition(lambda self: self.posted)
    @rule(transfer=_movements())
    def lose_an_answer(self, transfer: Transfer) -> None:
        """The commit is done, its answer is lost, and the writer finds out by itself."""
        lost = self.breaker.lost
        self.breaker.cuts = 1
        self.post(draft(transfer))
        assert self.breaker.lost <= lost + 1
        self.breaker.cuts = 0

    @rule(micros=_MICROS, minutes=st.none() | st.integers(0, 40), pledged=st.booleans())
    def place(self, micros: int, minutes: int | None, pledged: bool) -> None:
        """A hold, for a while or until it is ended."""
        elapsed = int((self.clock() - NOON).total_seconds() // 60)
        until = None if minutes is None else elapsed + 1 + minutes
        promises = (pledge(micros),) if pledged else ()
        self.post(draft(*promises, hold(micros, until)))

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data(), share=st.integers(1, 3), voids=st.booleans(), time=_TIMES)
    def end(self, data: st.DataObject, share: int, voids: bool, time: datetime) -> None:
        """A hold is committed, in full or in part, or voided; it may have ended before."""
        name = data.draw(st.sampled_from(sorted(self.model.holds)))
        held = self.model.holds[name].transfer
        if voids:
            ended = held._replace(step=Step(StepKind.VOID, name))
        else:
            micros = max(1, held.micros * share // 2)  # at times more than is held
            ended = held._replace(micros=micros, step=Step(StepKind.COMMIT, name))
        self.post(draft(ended, value_time=time))

    @precondition(lambda self: self.model.moved)
    @rule(data=st.data(), micros=_MICROS, whole=st.booleans())
    def reverse(self, data: st.DataObject, micros: int, whole: bool) -> None:
        """A movement is moved back, in full or in part, at times beyond what is left."""
        name: TransferName = data.draw(st.sampled_from(sorted(self.model.moved)))
        moved = self.model.moved[name]
        if moved.currency == "MIN":
            micros *= 1_000_000
        change = {} if whole else {"micros": micros, "tally": 0}
        self.post(reversal(back(moved, *name, **change), of=name.sequence))

    @rule(
        name=_ACCOUNTS,
        state=st.none() | st.sampled_from(list(AccountState)),
        limit=st.none() | st.sampled_from(list(AccountLimit)),
    )
    def decide(
        self, name: AccountName, state: AccountState | None, limit: AccountLimit | None
    ) -> None:
        """Finance decides on an account."""
        if state is not None or limit is not None:
            self.post(decision(name, state, limit))

    @rule(name=_ACCOUNTS)
    def create(self, name: AccountName) -> None:
        """Finance opens an account, which may be open."""
        opening = AccountDecision(name, opens=True)
        self.post(
            draft_of_account(new_id(), opening, value_time=NOON, by="finance/anna", document="")
        )

    @rule(
        name=_PERIODS,
        action=st.sampled_from(list(PeriodAction)),
        by=st.sampled_from(["finance/anna", "finance/bo"]),
    )
    def close(self, name: str, action: PeriodAction, by: str) -> None:
        """Finance decides on a period."""
        self.post(period_decision(name, action, by))

    @rule(minutes=st.integers(1, 15))
    def wait(self, minutes: int) -> None:
        """Time passes."""
        self.clock.advance(timedelta(minutes=minutes))

    # What holds after every step.

    @invariant()
    def books_are_the_models(self) -> None:
        """Balances and holds; in each unit debits equal credits."""
        if not hasattr(self, "parts"):
            return
        trial = self.run(self.parts.reader.trial_balance(""))
        found = {
            tuple(balance.name): (
                balance.debits,
                balance.credits,
                balance.held_debits,
                balance.held_credits,
            )
            for balance in trial.balances
        }
        assert found == {
            key: (sides.debits, sides.credits, sides.held_debits, sides.held_credits)
            for key, sides in self.model.accounts.items()
        }
        assert trial.sequence == self.model.count
        assert all(sums.debits == sums.credits for sums in trial.sums)

    @invariant()
    def entries_are_a_chain_that_adds_up(self) -> None:
        """No number is missing, every hash verifies, and balances are the sums of transfers."""
        if not hasattr(self, "parts"):
            return
        entries = self.run(self.parts.entries())
        assert len(entries) == self.model.count
        assert_chain(entries)
        sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        for entry in entries:
            for transfer in entry.draft.transfers:
                if transfer.moves:
                    sums[transfer.debit, transfer.currency][0] += transfer.micros
                    sums[transfer.credit, transfer.currency][1] += transfer.micros
        assert {key: tuple(both) for key, both in sums.items()} == self.model.past[-1]

    @invariant()
    def what_came_late_is_listed(self) -> None:
        """And nothing else is."""
        late = self.given.watching.execute("SELECT * FROM late_arrivals ORDER BY 1, 2")
        assert late.fetchall() == self.model.late

    @invariant()
    def the_past_stays(self) -> None:
        """As of each entry the books are what they were behind it."""
        if not hasattr(self, "parts") or not self.model.count:
            return
        count = self.model.count
        for sequence in {1, count // 2, count - 1} - {0}:
            as_of = AsOf(sequence)
            trial = self.run(self.parts.history.trial_balance("", as_of, count))
            found = {tuple(b.name): (b.debits, b.credits) for b in trial.balances}
            assert found == self.model.past[sequence]
            for key, held in self.model.past_held[sequence].items():
                asked = self.parts.history.balance(AccountName(*key), as_of, count)
                balance, _ = self.run(asked)
                assert (balance.held_debits, balance.held_credits) == held


@pytest.mark.property
@pytest.mark.timeout(3_600)
def test_any_sequence_of_calls(urls: DatabaseUrls, emptier: Emptier) -> None:
    with surroundings(urls, emptier) as found:

        class Machine(LedgerMachine):
            given = found

        run_state_machine_as_test(
            Machine,
            settings=settings(max_examples=EXAMPLES, stateful_step_count=STEPS),
        )
