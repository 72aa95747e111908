"""What did we believe then? Balances and statements as of an entry, a time, and a value date.

Two times are apart: when an entry was written (its sequence, its recording time) and the day it
counts for (its value date). "On the 6th about the 5th" is: recorded at the end of the 6th or
before, value date the 5th or before. Nothing that is answered about the past ever changes.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from services.ledger.domain import (
    AccountKind,
    AccountName,
    Balance,
    StatementLine,
    TransferName,
)
from services.ledger.journal.standing import Turnover
from services.ledger.reading.reader import (
    TRIAL_BALANCE_ACCOUNTS_MAX,
    TrialBalance,
    no_account,
    sums_of,
    too_many_accounts,
)
from services.ledger.reading.snapshots import Snapshots
from services.ledger.store.history import HistoryStore
from services.runtime.clock import Clock
from services.runtime.errors import Fault, Reason

LATEST = date.max

_INSTANT = timedelta(microseconds=1)
_DAWN = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class AsOf:
    """Which entries count.

    recorded: those up to this sequence, or written at this time or before; None for all.
    value_date: those that count for this day or before; None for all.
    """

    recorded: int | datetime | None = None
    value_date: date | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """Some lines of an account's statement. opening: before the first of them, balance included."""

    kind: AccountKind
    opening: Turnover
    lines: Sequence[StatementLine]
    through: int
    more: bool


class History:
    """Reads the past. Every method raises the database's errors besides those it names."""

    def __init__(
        self, store: HistoryStore, snapshots: Snapshots, clock: Clock, *, read_timeout_s: float
    ) -> None:
        """read_timeout_s: how long the reading of all balances may take."""
        self._store = store
        self._snapshots = snapshots
        self._clock = clock
        self._read_timeout_s = read_timeout_s

    async def through(self, as_of: AsOf, head: int) -> int:
        """The last entry that counts. head: the last one there is.

        Raises Fault(SEQUENCE_AHEAD) for a sequence beyond it, and Fault(FIELD_INVALID) for a time
        that has not come: what will be written by then is not known.
        """
        match as_of.recorded:
            case None:
                return head
            case int(sequence):
                if sequence > head:
                    raise Fault(
                        Reason.SEQUENCE_AHEAD,
                        f"the last entry is {head}; ask as of that one or one before",
                        sequence=str(head),
                    )
                return sequence
            case time:
                found = await self._store.sequence_at(time) if time <= self._clock() else None
                if found is None:
                    raise Fault(
                        Reason.FIELD_INVALID,
                        "recorded_time has not come yet; ask as of now by leaving it out",
                        field="as_of.recorded_time",
                    )
                return found

    async def balance(self, name: AccountName, as_of: AsOf, head: int) -> tuple[Balance, int]:
        """What an account held, what was held of it, and the last entry that counts.

        Raises Fault(ACCOUNT_NOT_FOUND), and what `through` raises.
        """
        account_id, kind = await self._account(name)
        through = await self.through(as_of, head)
        value_date = as_of.value_date or LATEST
        turnover = await self._store.turnover(account_id, through, value_date)
        held = await self._store.held(account_id, through, value_date)
        return Balance(name, kind, turnover.debits, turnover.credits, *held), through

    async def span(
        self, start: datetime | None, end: datetime | None, last: int
    ) -> tuple[int, int]:
        """Behind which entry, and up to which, what was written from start until before end lies.

        last: where it ends without an end. Raises Fault(FIELD_INVALID) for an end to come.
        """
        through: int | None = last
        if end is not None:
            through = await self._sequence_before(end) if end <= self._clock() else None
        if through is None:
            raise Fault(
                Reason.FIELD_INVALID,
                "end_time has not come yet; leave it out for all that there is",
                field="end_time",
            )
        if start is None:
            return 0, through
        after = await self._sequence_before(start)
        if after is None:  # the last so far will do: nothing is put off until then
            after = await self._store.sequence_so_far(start - _INSTANT)
        return after, through

    async def trial_balance(self, currency: str, as_of: AsOf, head: int) -> TrialBalance:
        """All accounts that were used by then, in one piece.

        Raises Fault(MESSAGE_TOO_LARGE) beyond 50,000 accounts, and what `through` raises.
        """
        through = await self.through(as_of, head)
        found: list[Balance] = []
        async with aclosing(self.balances(currency, through, as_of.value_date)) as pages:
            async for balances in pages:
                found += balances
                if len(found) > TRIAL_BALANCE_ACCOUNTS_MAX:
                    raise too_many_accounts()
        return TrialBalance(found, sums_of(found), through)

    async def balances(
        self, currency: str, through: int, value_date: date | None
    ) -> AsyncGenerator[Sequence[Balance], None]:
        """All accounts that were used by then, by code and currency, some at a time.

        through: the last entry that counts. Raises as `Snapshots.pages`.
        """
        pages = self._snapshots.pages(
            lambda books: books.balances(currency, through, value_date or LATEST),
            timeout_s=self._read_timeout_s,
        )
        async with aclosing(pages):
            async for balances in pages:
                yield balances

    async def statement(
        self, name: AccountName, after: TransferName, through: int, limit: int
    ) -> Statement:
        """An account's movements behind a transfer, up to an entry: at most limit.

        Raises Fault(ACCOUNT_NOT_FOUND).
        """
        account_id, kind = await self._account(name)
        opening = await self._turnover_after(account_id, after)
        # One more than asked for says whether there is another page.
        lines = await self._store.lines(account_id, after, through, limit + 1)
        return Statement(kind, opening, lines[:limit], through, len(lines) > limit)

    async def whole_statement(
        self, name: AccountName, after: int, through: int, lines_a_page: int
    ) -> AsyncGenerator[Statement, None]:
        """All of an account's movements behind an entry, page by page; at least one page.

        Raises Fault(ACCOUNT_NOT_FOUND).
        """
        account_id, kind = await self._account(name)
        place = end_of(after)
        opening = await self._turnover_after(account_id, place)
        while True:
            lines = await self._store.lines(account_id, place, through, lines_a_page)
            more = len(lines) == lines_a_page
            yield Statement(kind, opening, lines, through, more)
            if not more:
                return
            place, opening = lines[-1].name, after_lines(opening, lines)

    async def _sequence_before(self, time: datetime) -> int | None:
        """The last entry that was written before a time; 0 if there is none, None if it has not
        come.
        """
        if time == _DAWN:
            return 0
        before = time - _INSTANT
        return await self._store.sequence_at(before) if before <= self._clock() else None

    async def _turnover_after(self, account_id: int, place: TransferName) -> Turnover:
        """What went through an account up to a transfer, that one included."""
        turnover = await self._store.turnover(account_id, place.sequence - 1, LATEST)
        before = TransferName(place.sequence, -1)
        lines = await self._store.lines(account_id, before, place.sequence, _ENTRY_LINES_MAX)
        return after_lines(turnover, [line for line in lines if line.name <= place])

    async def _account(self, name: AccountName) -> tuple[int, AccountKind]:
        found = await self._store.account_id(name)
        if found is None:
            raise no_account()
        return found


_ENTRY_LINES_MAX = 40_000
"""More than one entry can have of one account."""

_POSITION_MAX = 2**31 - 1


def end_of(sequence: int) -> TransferName:
    """The place behind the last transfer of an entry."""
    return TransferName(sequence, _POSITION_MAX)


def after_lines(turnover: Turnover, lines: Sequence[StatementLine]) -> Turnover:
    """What went through an account when these lines have, too."""
    debits = sum(line.micros for line in lines if line.is_debit)
    credits_ = sum(line.micros for line in lines if not line.is_debit)
    return Turnover(turnover.debits + debits, turnover.credits + credits_)
