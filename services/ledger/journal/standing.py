"""How accounts stand while a group is planned: what went through them, what is held, what binds
them.

Everything is decided here in memory, from what was read under the head's lock.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from services.ledger.domain import (
    INT64_MAX,
    AccountLimit,
    AccountName,
    AccountState,
    StepKind,
    Transfer,
)
from services.ledger.journal.chart import place
from services.ledger.journal.made import all_made
from services.ledger.journal.routes import Move, RouteSums
from services.runtime.errors import Fault, Reason


class Turnover(NamedTuple):
    """The sums of all debits and all credits of one account, and of what open holds would add, in
    micros.
    """

    debits: int
    credits: int
    held_debits: int = 0
    held_credits: int = 0


NOTHING = Turnover(0, 0)


class Guard(NamedTuple):
    """What binds an account. Most accounts are open and have no limit, and no guard."""

    state: AccountState
    limit: AccountLimit


class Effect(NamedTuple):
    """What a transfer does: its amount moves or does not, and `held` is added to what is held."""

    transfer: Transfer
    held: int


@lru_cache(maxsize=65_536)
def sides_of(debit: str, credit: str, currency: str) -> tuple[AccountName, AccountName]:
    """The debited and the credited account of a transfer."""
    return AccountName(debit, currency), AccountName(credit, currency)


@lru_cache(maxsize=65_536)
def guard_of(code: str, state: int | None, limit: int | None) -> Guard | None:
    """What binds the account; None for most. state, limit: what was decided on it, if anything was,
    as numbered in the database.

    Where nothing was, an account is open, and has the limit that the chart says.
    """
    guard = Guard(
        AccountState(state or AccountState.OPEN), AccountLimit(limit or place(code).row.limit)
    )
    return None if guard == _FREE else guard


_FREE = Guard(AccountState.OPEN, AccountLimit.NONE)


def added(before: Mapping[AccountName, Turnover], sums: RouteSums) -> dict[AccountName, Turnover]:
    """How the accounts stand behind plain movements that nothing can refuse, given their sums."""
    through = sums.through()
    rows: list[tuple[int, int, int, int]] = []
    for name, (debits, credits_) in through.items():
        debited, credited, held_debits, held_credits = before.get(name, NOTHING)
        rows.append((debited + debits, credited + credits_, held_debits, held_credits))
    return dict(zip(through, all_made(Turnover, rows), strict=True))


class Accounts:
    """The accounts of a group. Each method does all that it is asked, or raises and does nothing.

    guards: of those that have one. stepped: those on which more than plain movements were posted.
    """

    def __init__(
        self, before: Mapping[AccountName, Turnover], guards: Mapping[AccountName, Guard]
    ) -> None:
        self._before = before
        self._debits = {name: turnover.debits for name, turnover in before.items()}
        self._credits = {name: turnover.credits for name, turnover in before.items()}
        self._held_debits: dict[AccountName, int] = {}
        self._held_credits: dict[AccountName, int] = {}
        for name, turnover in before.items():
            if turnover.held_debits:
                self._held_debits[name] = turnover.held_debits
            if turnover.held_credits:
                self._held_credits[name] = turnover.held_credits
        self.guards = dict(guards)
        self.stepped: set[AccountName] = set()

    def turnover(self, name: AccountName) -> Turnover:
        """What went through an account by now, and what is held."""
        return Turnover(
            self._debits.get(name, 0),
            self._credits.get(name, 0),
            self._held_debits.get(name, 0),
            self._held_credits.get(name, 0),
        )

    def is_open(self, name: AccountName) -> bool:
        """Whether the account was opened, before the group or in it."""
        return name in self._before or name in self.stepped or any(self.turnover(name))

    def changed(self) -> dict[AccountName, Turnover]:
        """The accounts through which something has gone, or on which something was held."""
        names = self._debits.keys() | self._credits.keys() | self.stepped
        now = {name: self.turnover(name) for name in names}
        return {
            name: turnover
            for name, turnover in now.items()
            if name in self.stepped or turnover != self._before.get(name, NOTHING)
        }

    def move(self, moves: Sequence[Move], *, is_bound: bool) -> None:
        """Posts plain movements. is_bound: whether guards bind them.

        Raises Fault(BALANCE_OVERFLOW), ACCOUNT_FROZEN, ACCOUNT_CLOSED or LIMIT_EXCEEDED.
        """
        bound = None
        if is_bound and self.guards:
            bound = self._bound(
                (name, False) for route, _, _ in moves for name in (route.debit, route.credit)
            )
        debits, credits_ = self._debits, self._credits
        held_debits, held_credits = self._held_debits, self._held_credits
        for number, (route, micros, _) in enumerate(moves, start=1):
            debit, credit = route.debit, route.credit
            debits[debit] = debited = debits.get(debit, 0) + micros
            credits_[credit] = credited = credits_.get(credit, 0) + micros
            # What is held keeps its room, or no hold on the account could end any more.
            is_debit_full = debited + held_debits.get(debit, 0) > INT64_MAX
            if is_debit_full or credited + held_credits.get(credit, 0) > INT64_MAX:
                self._take_back(moves[:number])
                raise _overflow(debit if is_debit_full else credit)
        if bound:
            try:
                self._require_limits(bound)
            except Fault:
                self._take_back(moves)
                raise

    def take(self, effects: Sequence[Effect]) -> None:
        """Posts what is more than plain movements. Raises what `move` raises."""
        transfers = [effect.transfer for effect in effects]
        bound: Mapping[AccountName, int] = {}
        if self.guards:
            bound = self._bound(
                (name, _frees(transfer))
                for transfer in transfers
                for name in sides_of(transfer.debit, transfer.credit, transfer.currency)
            )
        self._apply(effects, +1)
        try:
            self._require_room(transfers)
            self._require_limits(bound)
        except Fault:
            self._apply(effects, -1)
            raise
        self.stepped |= names_of(transfers)

    def open(self, name: AccountName) -> None:
        """Opens an account, if it is not open."""
        if not self.is_open(name):
            self.stepped.add(name)

    def decide(
        self, name: AccountName, state: AccountState | None, limit: AccountLimit | None
    ) -> None:
        """Changes what binds an account; None leaves either as it is.

        Raises Fault(ACCOUNT_NOT_FOUND, ACCOUNT_CLOSED, ACCOUNT_NOT_EMPTY or LIMIT_EXCEEDED).
        """
        if not self.is_open(name):
            raise Fault(
                Reason.ACCOUNT_NOT_FOUND,
                f"there is no account {name.code!r} in {name.currency}; create it first",
            )
        before = self.guards.get(name, _FREE)
        if before.state is AccountState.CLOSED:
            raise _takes_no_part(name, before.state)
        if state is AccountState.CLOSED:
            self._require_empty(name)
        if limit is not None and (beyond := self.beyond(name, limit)) > 0:
            raise _beyond(name, limit, 0, beyond)
        self.guards[name] = Guard(state or before.state, limit or before.limit)

    def _require_empty(self, name: AccountName) -> None:
        debits, credits_, held_debits, held_credits = self.turnover(name)
        if debits != credits_ or held_debits or held_credits:
            raise Fault(
                Reason.ACCOUNT_NOT_EMPTY,
                f"account {name.code} in {name.currency} is not at nothing, or holds are open on "
                "it; move what is left, end the holds, and close it then",
                account=name.code,
                currency=name.currency,
            )

    def _apply(self, effects: Sequence[Effect], sign: int) -> None:
        for transfer, held in effects:
            debit, credit = sides_of(transfer.debit, transfer.credit, transfer.currency)
            if transfer.moves:
                self._debits[debit] = self._debits.get(debit, 0) + sign * transfer.micros
                self._credits[credit] = self._credits.get(credit, 0) + sign * transfer.micros
            self._held_debits[debit] = self._held_debits.get(debit, 0) + sign * held
            self._held_credits[credit] = self._held_credits.get(credit, 0) + sign * held

    def _take_back(self, moves: Sequence[Move]) -> None:
        for route, micros, _ in moves:
            self._debits[route.debit] -= micros
            self._credits[route.credit] -= micros

    def _bound(self, used: Iterable[tuple[AccountName, bool]]) -> dict[AccountName, int]:
        """How far each account with a limit is beyond it before it is used (below 0: within it).

        used: with whether that frees what was held. Raises Fault(ACCOUNT_FROZEN or ACCOUNT_CLOSED)
        of an account that takes no part.
        """
        beyond: dict[AccountName, int] = {}
        for name, frees in used:
            guard = self.guards.get(name)
            if guard is None:
                continue
            if guard.state is not AccountState.OPEN and not frees:
                raise _takes_no_part(name, guard.state)
            if guard.limit is not AccountLimit.NONE:
                beyond[name] = self.beyond(name, guard.limit)
        return beyond

    def beyond(self, name: AccountName, limit: AccountLimit) -> int:
        """By how many micros an account is beyond a limit; below 0, how much is left."""
        debits, credits_, held_debits, held_credits = self.turnover(name)
        match limit:
            case AccountLimit.DEBITS_WITHIN_CREDITS:
                return debits + held_debits - credits_
            case AccountLimit.CREDITS_WITHIN_DEBITS:
                return credits_ + held_credits - debits
            case _:
                return -INT64_MAX

    def _require_limits(self, before: Mapping[AccountName, int]) -> None:
        """What is beyond its limit already may come nearer to it, and not go further away."""
        for name, was in before.items():
            limit = self.guards[name].limit
            if (now := self.beyond(name, limit)) > max(0, was):
                raise _beyond(name, limit, max(0, -was), now)

    def _require_room(self, transfers: Sequence[Transfer]) -> None:
        for name in sorted(names_of(transfers)):
            debits, credits_, held_debits, held_credits = self.turnover(name)
            if max(debits + held_debits, credits_ + held_credits) > INT64_MAX:
                raise _overflow(name)


def names_of(transfers: Collection[Transfer]) -> set[AccountName]:
    """The accounts between which transfers stand."""
    names: set[AccountName] = set()
    for transfer in transfers:
        names.update(sides_of(transfer.debit, transfer.credit, transfer.currency))
    return names


def _frees(transfer: Transfer) -> bool:
    return transfer.step is not None and transfer.step.kind in (StepKind.VOID, StepKind.EXPIRE)


def _overflow(name: AccountName) -> Fault:
    return Fault(
        Reason.BALANCE_OVERFLOW,
        f"account {name.code} in {name.currency} would turn over more than 64 bits of micros hold; "
        "use another account",
        account=name.code,
    )


def _takes_no_part(name: AccountName, state: AccountState) -> Fault:
    if state is AccountState.CLOSED:
        return Fault(
            Reason.ACCOUNT_CLOSED,
            f"account {name.code} in {name.currency} is closed for good; use another account",
            account=name.code,
            currency=name.currency,
        )
    return Fault(
        Reason.ACCOUNT_FROZEN,
        f"account {name.code} in {name.currency} is frozen; ask finance to open it again, "
        "or use another account",
        account=name.code,
        currency=name.currency,
    )


def _beyond(name: AccountName, limit: AccountLimit, available: int, beyond: int) -> Fault:
    debits_end = limit is AccountLimit.DEBITS_WITHIN_CREDITS
    told = (
        "debits may not exceed its credits" if debits_end else "credits may not exceed its debits"
    )
    return Fault(
        Reason.LIMIT_EXCEEDED,
        f"account {name.code} in {name.currency} would be {beyond} micros beyond its limit: its "
        f"{told}, holds included; {available} micros are available",
        account=name.code,
        currency=name.currency,
        available_micros=str(available),
    )
