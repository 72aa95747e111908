"""What the books answer: accounts, balances, entries and totals. An unknown thing is never zero."""

import re
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime

from services.ledger.domain import (
    INT64_MAX,
    Account,
    AccountName,
    Balance,
    Cause,
    Entry,
    EntryId,
    Head,
    TotalsRow,
)
from services.ledger.reading.balances import Balances
from services.ledger.reading.snapshots import Snapshots
from services.ledger.store.reading import EntryPage, ReadingStore
from services.ledger.store.snapshot import Snapshot
from services.runtime.errors import Fault, Reason

TRIAL_BALANCE_ACCOUNTS_MAX = 50_000
_NAMEABLE = re.compile(r"[!-~]{1,512}")


@dataclass(frozen=True, slots=True)
class TrialBalanceSum:
    """The sums of one currency over all accounts, in micros. They are equal."""

    currency: str
    debits: int
    credits: int


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """All balances by code and currency, at one sequence."""

    balances: Sequence[Balance]
    sums: Sequence[TrialBalanceSum]
    sequence: int


@dataclass(frozen=True, slots=True)
class TotalsPage:
    """Some of the totals as they stand at head. The first page has the watermarks."""

    head: Head
    rows: Sequence[TotalsRow]
    watermarks: dict[str, datetime] = field(default_factory=dict)


class Reader:
    """Reads for callers."""

    def __init__(
        self,
        store: ReadingStore,
        balances: Balances,
        snapshots: Snapshots,
        *,
        read_totals_timeout_s: float,
    ) -> None:
        self._store = store
        self._balances = balances
        self._snapshots = snapshots
        self._read_totals_timeout_s = read_totals_timeout_s

    async def head_sequence(self) -> int:
        """The last entry's sequence; 0 while there is none."""
        return (await self._store.head()).sequence

    async def account(self, name: AccountName) -> Account:
        """An account. Raises Fault(ACCOUNT_NOT_FOUND)."""
        account = await self._store.account(name)
        if account is None:
            raise no_account()
        return account

    async def accounts(
        self, *, prefix: str, after: AccountName | None, limit: int
    ) -> list[Account]:
        """Accounts whose codes begin with prefix, by code and currency, from behind after."""
        return await self._store.accounts(prefix=prefix, after=after, limit=limit)

    async def entry(self, name: int | EntryId) -> Entry:
        """An entry by its sequence or its id. Raises Fault(ENTRY_NOT_FOUND)."""
        if isinstance(name, str):
            entry = await self._store.entry_of(name)
        else:
            entry = await self._store.entry_at(name)
        if entry is None:
            raise Fault(
                Reason.ENTRY_NOT_FOUND,
                f"no entry {name} stands in the books; check the sequence or the id",
            )
        return entry

    async def entries(
        self,
        *,
        account: str,
        cause: Cause | None,
        after: int,
        limit: int,
        through: int = INT64_MAX,
    ) -> EntryPage:
        """Entries behind a sequence and up to another, of an account code ("" for all) and a cause
        (None for all).

        As many as fit a page, at most limit. Raises Fault(ACCOUNT_NOT_FOUND).
        """
        ids = None
        if account:
            ids = await self._store.account_ids(account)
            if not ids:
                raise no_account()
        return await self._store.list_entries(
            account_ids=ids, cause=cause, after=after, through=through, limit=limit
        )

    async def balance(self, name: AccountName) -> tuple[Balance, int]:
        """What an account holds, and the last entry that counts. Fault(ACCOUNT_NOT_FOUND)."""
        # What no account can be called is not asked for together with what others want.
        found = await self._balances.of(name) if _NAMEABLE.fullmatch("".join(name)) else None
        if found is None:
            raise no_account()
        return found

    async def trial_balance(self, currency: str) -> TrialBalance:
        """All balances, of a currency or ("") of all, as they are now.

        Raises Fault(MESSAGE_TOO_LARGE) beyond 50,000 accounts, and Fault(BALANCE_OVERFLOW) if a sum
        is beyond 64 bits, which no balance is.
        """
        limit = TRIAL_BALANCE_ACCOUNTS_MAX
        balances, sequence = await self._store.balances(currency, limit + 1)
        if len(balances) > limit:
            raise too_many_accounts()
        return TrialBalance(balances, sums_of(balances), sequence)

    async def totals(self, rows_a_page: int) -> AsyncGenerator[TotalsPage, None]:
        """All totals as they stand at one sequence; at least one page, which may be empty.

        Raises as `Snapshots.pages`.
        """

        async def read(books: Snapshot) -> AsyncIterator[TotalsPage]:
            watermarks = await books.watermarks()
            is_first = True
            async for rows in books.totals(rows_a_page):
                yield TotalsPage(books.head, rows, watermarks if is_first else {})
                is_first = False
            if is_first:
                yield TotalsPage(books.head, (), watermarks)

        async with aclosing(
            self._snapshots.pages(read, timeout_s=self._read_totals_timeout_s)
        ) as pages:
            async for page in pages:
                yield page


def sums_of(balances: Sequence[Balance]) -> list[TrialBalanceSum]:
    """The sums by currency. Raises Fault(BALANCE_OVERFLOW) for one beyond 64 bits."""
    sums = SumsByCurrency()
    sums.add(balances)
    return sums.all()


class SumsByCurrency:
    """Adds balances up, some at a time."""

    def __init__(self) -> None:
        self._debits = Counter[str]()
        self._credits = Counter[str]()

    def add(self, balances: Iterable[Balance]) -> None:
        """Counts these, too."""
        for balance in balances:
            self._debits[balance.name.currency] += balance.debits
            self._credits[balance.name.currency] += balance.credits

    def all(self) -> list[TrialBalanceSum]:
        """The sums. Raises Fault(BALANCE_OVERFLOW) for one beyond 64 bits."""
        for currency, most in (self._debits | self._credits).items():
            if most > INT64_MAX:
                raise Fault(
                    Reason.BALANCE_OVERFLOW,
                    f"the sum of all accounts in {currency} is beyond 64 bits; read single "
                    "balances",
                )
        return [
            TrialBalanceSum(currency, self._debits[currency], self._credits[currency])
            for currency in sorted(self._debits)
        ]


def too_many_accounts() -> Fault:
    """What a trial balance in one piece cannot hold."""
    return Fault(
        Reason.MESSAGE_TOO_LARGE,
        f"there are more than {TRIAL_BALANCE_ACCOUNTS_MAX:,} accounts; ask for one currency, or "
        "call StreamTrialBalance",
    )


def no_account() -> Fault:
    """What was asked for is not repeated: it may be anything."""
    return Fault(
        Reason.ACCOUNT_NOT_FOUND,
        "there is no such account; check the code and the currency, or list the accounts",
    )
