"""What the writer remembers of the books, and when it says that it does not know."""

from dataclasses import replace
from datetime import timedelta

from services.ledger.domain import (
    NO_HASH,
    AccountLimit,
    AccountName,
    AccountState,
    EntryDraft,
    Head,
    Uncounted,
)
from services.ledger.journal.drafts import prepare
from services.ledger.journal.group import Group
from services.ledger.journal.plan import Books, Plan, plan_group
from services.ledger.journal.standing import Guard, Turnover
from services.ledger.journal.tally import Tally
from services.ledger.posting.memory import Memory
from tests.unit.ledger.drafts import NOON, draft, gift
from tests.unit.ledger.stepped import POOL, decision, hold, match, pledge

FUND = AccountName("project/well/fund", "CNY")
CLAIMED = AccountName("partner/alipay/claimed", "CNY")
FIRST = Books(Head(0, NO_HASH, None))


def group_of(*drafts: EntryDraft) -> Group:
    return Group(map(prepare, drafts))


def learn(memory: Memory, books: Books, *drafts: EntryDraft) -> Plan:
    """Posts drafts behind books, as far as the memory is concerned."""
    plan = plan_group(group_of(*drafts), books, NOON, timedelta(days=1))
    tally = memory.tally() or Tally(Uncounted(0, 0), {}, transfers=0, most=9)
    tally.decide(plan)
    memory.learn(books, plan, tally)
    return plan


def test_nothing_is_known_at_first() -> None:
    assert Memory().books(group_of(draft()), NOON) is None


def test_what_was_written_is_known_and_what_was_not_met_is_not() -> None:
    memory = Memory()
    plan = learn(memory, FIRST, draft(gift(5)))
    books = memory.books(group_of(draft(gift(1))), NOON)
    assert books is not None
    assert books.head == plan.head
    assert books.turnovers[CLAIMED] == Turnover(5, 0)
    assert memory.books(group_of(draft(gift(1, project="road"))), NOON) is None
    memory.forget()
    assert memory.books(group_of(draft(gift(1))), NOON) is None


def test_what_is_more_than_plain_is_not_for_the_memory() -> None:
    memory = Memory()
    learn(memory, FIRST, draft(pledge(9), match(1)))
    assert memory.books(group_of(draft(match(1))), NOON) is not None
    assert memory.books(group_of(draft(hold(1))), NOON) is None
    assert memory.books(group_of(decision(POOL, AccountState.FROZEN)), NOON) is None


def test_what_is_held_is_known_until_its_time_is_over() -> None:
    memory = Memory()
    learn(memory, FIRST, draft(pledge(9), hold(4, minutes=5)))
    books = memory.books(group_of(draft(match(1))), NOON)
    assert books is not None
    assert books.turnovers[POOL].held_debits == 4
    late = NOON + timedelta(minutes=5)
    assert memory.books(group_of(draft(match(1))), late) is None


def test_an_account_that_was_decided_on_is_asked_for_again() -> None:
    memory = Memory()
    plan = learn(memory, FIRST, draft(pledge(9), match(1)))
    known = memory.books(group_of(draft(match(1))), NOON)
    assert known is not None
    assert plan.head == known.head
    learn(memory, known, decision(POOL, AccountState.FROZEN))
    assert memory.books(group_of(draft(match(1))), NOON) is None
    assert memory.books(group_of(draft(gift(1))), NOON) is None, "claimed was never met"


def test_books_that_go_on_from_elsewhere_replace_what_was_known() -> None:
    memory = Memory()
    learn(memory, FIRST, draft(gift(5)))
    elsewhere = Books(Head(7, bytes([1]) * 32, NOON))
    learn(memory, elsewhere, draft(gift(1, partner="tencent")))
    assert memory.books(group_of(draft(gift(1))), NOON) is None
    assert memory.books(group_of(draft(gift(1, partner="tencent"))), NOON) is not None


def test_it_remembers_no_more_accounts_than_it_may() -> None:
    memory = Memory(accounts_max=3)
    learn(memory, FIRST, draft(gift(5)))
    books = memory.books(group_of(draft(gift(1))), NOON)
    assert books is not None
    learn(memory, Books(books.head), draft(gift(1, partner="tencent", project="road")))
    assert memory.books(group_of(draft(gift(1))), NOON) is None
    assert memory.books(group_of(draft(gift(1, partner="tencent", project="road"))), NOON)


def test_what_binds_accounts_that_were_never_met_is_not_remembered() -> None:
    """Else whoever is refused again and again would fill it."""
    memory = Memory()
    guards = {name: Guard(AccountState.FROZEN, AccountLimit.NONE) for name in (FUND, CLAIMED)}
    plan = learn(memory, replace(FIRST, guards=guards), draft(gift(5)))
    assert not plan.entries
    assert not memory._guards
    learn(memory, replace(FIRST, turnovers={CLAIMED: Turnover(1, 0)}, guards=guards))
    assert memory._guards.keys() == {CLAIMED}


def test_what_is_being_written_is_heeded_and_not_remembered() -> None:
    memory = Memory()
    learn(memory, FIRST, draft(gift(5), gift(1, project="road")))
    group = group_of(draft(gift(1)))
    known = memory.books(group, NOON)
    assert known is not None
    behind = plan_group(group_of(draft(gift(2)), draft(gift(4))), known, NOON, timedelta(days=1))
    books = memory.books(group, NOON, behind)
    assert books is not None
    assert books.head == behind.head
    assert books.turnovers == {CLAIMED: Turnover(12, 0), FUND: Turnover(0, 11)}
    assert memory.books(group, NOON) == known
    assert memory.ends_at(known.head)
    assert not memory.ends_at(behind.head)
    memory.forget()
    assert memory.books(group, NOON, behind) is None
