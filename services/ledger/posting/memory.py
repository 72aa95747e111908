"""How the books stand behind the last entry that this process has written or met.

While one process writes, it need not ask the database what it has just told it. Nothing of this is
trusted: what is planned from it is written only if the chain still ends where the memory does, and
whatever changes the books moves that end.
"""

from datetime import datetime

from services.ledger.domain import AccountName, Head
from services.ledger.journal.group import Group
from services.ledger.journal.periods import Periods
from services.ledger.journal.plan import Books, Plan
from services.ledger.journal.standing import Guard, Turnover
from services.ledger.journal.tally import Tally

_ACCOUNTS_MAX = 200_000
"""About 100 MB. With more, all are forgotten, and met again as they are used."""


class Memory:
    """The end of the chain, the periods, what entries change that the totals do not count yet, and
    the accounts that were met, all as of that end.
    """

    def __init__(self, accounts_max: int = _ACCOUNTS_MAX) -> None:
        self._accounts_max = accounts_max
        self._head: Head | None = None
        self._periods = Periods()
        self._next_expiry: datetime | None = None
        self._tally: Tally | None = None
        self._turnovers: dict[AccountName, Turnover] = {}
        self._guards: dict[AccountName, Guard] = {}  # of those that have one

    def forget(self) -> None:
        """Remembers nothing."""
        self._head = None
        self._tally = None
        self._forget_accounts()

    def ends_at(self, head: Head) -> bool:
        """Whether this end of the chain is the remembered one."""
        return head == self._head

    def periods(self) -> Periods:
        """The periods, if any end of the chain is remembered."""
        return self._periods

    def tally(self) -> Tally | None:
        """What is uncounted; None if no end of the chain is remembered."""
        return self._tally

    def books(self, group: Group, now: datetime, behind: Plan | None = None) -> Books | None:
        """What a plan for the group needs to know, if none of its entry ids is posted already.

        behind: plain movements that are being written behind the remembered end; nothing of them is
        remembered yet. None if that is not known: of an account that was not met, of transfers that
        are about others, of holds whose time is over.
        """
        is_due = self._next_expiry is not None and self._next_expiry <= now
        if self._head is None or group.drafts.others or is_due:
            return None
        try:
            turnovers = {name: self._turnovers[name] for name in group.accounts()}
        except KeyError:
            return None
        guards = {name: self._guards[name] for name in turnovers.keys() & self._guards.keys()}
        if behind is not None:
            turnovers |= {n: now for n, now in behind.turnovers.items() if n in turnovers}
        return Books(
            self._head if behind is None else behind.head,
            turnovers=turnovers,
            guards=guards,
            next_expiry=self._next_expiry,
            periods=self._periods,
        )

    def learn(self, books: Books, plan: Plan, tally: Tally) -> None:
        """Follows a plan that was made from these books, decided by this tally, and is written."""
        if self._head != books.head:
            self._forget_accounts()
        met = {**books.turnovers, **plan.turnovers}
        if len(self._turnovers) + len(met) > self._accounts_max:
            self._forget_accounts()
        self._turnovers |= met
        self._guards |= {name: guard for name, guard in books.guards.items() if name in met}
        for decision in plan.decisions:  # by which other guards stand there
            self._turnovers.pop(decision.name, None)
            self._guards.pop(decision.name, None)
        tally.follow(plan)
        self._tally = tally
        self._head = plan.head
        self._periods = plan.periods
        self._next_expiry = plan.next_expiry

    def _forget_accounts(self) -> None:
        self._turnovers.clear()
        self._guards.clear()
