"""The ledger's nouns. Plain Python: no wire, no database.

Money is an int of micros (millionths of a currency's unit) beside an ISO 4217 code. Times are aware
and in UTC. What there are thousands of in a call is a NamedTuple, which is made in a third of the
time that a frozen dataclass takes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum
from typing import NamedTuple, NewType

INT64_MAX = 2**63 - 1
"""The largest balance; what would exceed it is refused with BALANCE_OVERFLOW."""

NO_HASH = bytes(32)
"""What stands for the previous hash in the first entry."""


EntryId = NewType("EntryId", str)
"""A UUID in the form of RFC 9562: 36 characters, in lower case. Nearly all that is done with an
entry's id is to write it down and to compare it, so it is kept as it is written."""


class AccountKind(IntEnum):
    """What an account is in double entry; numbered as in the proto and in the database."""

    ASSET = 1
    LIABILITY = 2
    INCOME = 3
    EXPENSE = 4
    EQUITY = 5

    @property
    def debit_normal(self) -> bool:
        """Whether its balance is debits less credits, and not the reverse."""
        return self in (AccountKind.ASSET, AccountKind.EXPENSE)


class AccountState(IntEnum):
    """Whether an account takes part in entries; numbered as in the proto and in the database.

    FROZEN: nothing goes in or out until it is open again. CLOSED: never again.
    """

    OPEN = 1
    FROZEN = 2
    CLOSED = 3


class AccountLimit(IntEnum):
    """What an account may not come to; numbered as in the proto and in the database.

    What is held counts as if it had moved.
    """

    NONE = 1
    DEBITS_WITHIN_CREDITS = 2
    CREDITS_WITHIN_DEBITS = 3


class CauseKind(IntEnum):
    """What made an entry necessary; numbered as in the proto and in the database."""

    __hash__ = int.__hash__  # an enum's own is a call of Python's

    INTAKE_BATCH = 1
    MANUAL = 2
    RECONCILIATION = 3
    SETTLEMENT = 4
    REVERSAL = 5
    HOLD = 6
    PERIOD = 7
    ACCOUNT = 8


class TotalState(IntEnum):
    """Where gifts' money is; numbered as in the proto and in the database."""

    CLAIMED = 1
    SETTLED = 2
    RECEIVED = 3
    SPENT = 4
    REFUNDED = 5
    DISPUTED = 6
    SUSPENSE = 7

    __hash__ = int.__hash__


class StepKind(IntEnum):
    """What a transfer is that is no plain movement; numbered as in the database.

    HOLD reserves its amount. COMMIT moves all or part of a hold and frees the rest; VOID and EXPIRE
    free all of it. REVERSE moves back what a transfer moved, or part of it.
    """

    HOLD = 1
    COMMIT = 2
    VOID = 3
    EXPIRE = 4
    REVERSE = 5


class Purpose(IntEnum):
    """Whether money was given to charity or to personal appeals; numbered as in the proto.

    UNATTRIBUTED: it stands in suspense, so neither is known. No two are ever added up.
    """

    CHARITY = 1
    APPEAL = 2
    UNATTRIBUTED = 3

    __hash__ = int.__hash__


class AccountName(NamedTuple):
    """What names an account: one code has one account for each currency, or unit."""

    code: str
    currency: str


@dataclass(frozen=True, slots=True)
class Account:
    """An opened account. kind and owner are what the chart says of its code."""

    name: AccountName
    kind: AccountKind
    owner: str
    create_time: datetime
    state: AccountState
    limit: AccountLimit


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account holds, in micros: the sums of all its debits and of all its credits.

    held_debits, held_credits: what open holds would add to either; None in a trial balance of a
    moment in the past.
    """

    name: AccountName
    kind: AccountKind
    debits: int
    credits: int
    held_debits: int | None = None
    held_credits: int | None = None

    @property
    def micros(self) -> int:
        """Debits less credits for assets and expenses, credits less debits for the others."""
        signed = self.debits - self.credits
        return signed if self.kind.debit_normal else -signed

    @property
    def held(self) -> int | None:
        """What open holds would take from it."""
        return self.held_credits if self.kind.debit_normal else self.held_debits

    @property
    def available(self) -> int | None:
        """What it holds less what is held."""
        return None if self.held is None else self.micros - self.held


class TransferName(NamedTuple):
    """Names a transfer in the books: its entry's sequence, and its place there, from 0."""

    sequence: int
    position: int

    def __str__(self) -> str:
        return f"{self.sequence}/{self.position}"


class Step(NamedTuple):
    """What makes a transfer more than a plain movement.

    of: the hold or the movement that it is about; None for a HOLD, and only there.
    expire_time: of a HOLD that ends by itself.
    """

    kind: StepKind
    of: TransferName | None = None
    expire_time: datetime | None = None


class Transfer(NamedTuple):
    """micros of currency go from the credited account to the debited one.

    debit, credit: account codes.
    campaign: may be empty. project: empty in suspense.
    hour: the UTC hour in which the gifts were made; None where no gift is behind the transfer.
    tally: how many gifts or refunds micros sums up; may be 0.
    step: None for a plain movement.
    """

    debit: str
    credit: str
    micros: int
    currency: str
    campaign: str
    project: str
    hour: datetime | None
    tally: int
    step: Step | None = None

    @property
    def moves(self) -> bool:
        """Whether money moves, and is not only reserved or freed."""
        return self.step is None or self.step.kind not in RESERVING


RESERVING = frozenset({StepKind.HOLD, StepKind.VOID, StepKind.EXPIRE})
"""The steps by which no money moves."""


class Cause(NamedTuple):
    """What made an entry necessary: a kind of thing, and its id."""

    kind: CauseKind
    id: str


class EntryDraft(NamedTuple):
    """What a poster asks to write down. Its entry_id makes the posting idempotent.

    reverses: the sequence of the entry that all its transfers reverse, if that is what it does.
    """

    entry_id: EntryId
    cause: Cause
    value_time: datetime
    metadata: Mapping[str, str]
    transfers: Sequence[Transfer]
    reverses: int | None = None


class Dates(NamedTuple):
    """Days of an entry's calendar. value: when an entry counts. book: into which period it went;
    the same day, unless the entry came after its period was closed.
    """

    value: date
    book: date


class Entry(NamedTuple):
    """A draft as it stands in the books, for ever.

    content_hash, hash: see seal.py. dates: None in entries of version 1.
    """

    sequence: int
    recorded_time: datetime
    draft: EntryDraft
    content_hash: bytes
    previous_hash: bytes
    hash: bytes
    version: int
    dates: Dates | None


class StatementLine(NamedTuple):
    """One movement on an account.

    counterpart: the code of the account on the other side. is_debit: whether this one is debited.
    """

    name: TransferName
    cause: Cause
    recorded_time: datetime
    value_date: date
    counterpart: str
    is_debit: bool
    micros: int
    campaign: str
    project: str


class Head(NamedTuple):
    """The end of the chain: the last entry's sequence (0 while there is none), hash and time."""

    sequence: int
    hash: bytes
    recorded_time: datetime | None


class Uncounted(NamedTuple):
    """The entries behind one sequence up to another, whose changes are not yet in the totals'
    tables; none where both are the same.
    """

    after: int
    through: int


class Posting(NamedTuple):
    """Where an entry stands in the books. replayed: it was posted before this call."""

    sequence: int
    hash: bytes
    replayed: bool


class Cell(NamedTuple):
    """What one total is about.

    purpose: as the accounts say; UNATTRIBUTED where there is no project.
    """

    campaign: str
    project: str
    partner: str
    hour: datetime
    state: TotalState
    currency: str
    purpose: Purpose


class Sums(NamedTuple):
    """A total: an amount in micros, and a tally of gifts or refunds."""

    micros: int
    tally: int


Change = tuple[int, int]
"""What is added to a total: micros and a tally. No class: a group changes thousands of totals."""

Changes = Mapping[Cell, Change]
"""What is added to which totals."""


class TotalsRow(NamedTuple):
    """One cell of the totals and what stands in it, or what to add to it."""

    cell: Cell
    sums: Sums


@dataclass(frozen=True, slots=True, eq=False)
class TotalsChange:
    """What entries that follow one another change in the totals. Compared by identity.

    after, previous_hash: the entry before the first of them. sequence, hash, time: the last of
    them, and when it was recorded. sums: what to add to which cells, never nothing. watermarks:
    those that they state, by partner.
    """

    after: int
    sequence: int
    previous_hash: bytes
    hash: bytes
    time: datetime
    sums: Changes
    watermarks: Mapping[str, datetime]
