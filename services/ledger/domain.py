"""The ledger's nouns. Plain Python: no wire, no database.

Money is an int of micros (millionths of a currency's unit) beside an ISO 4217 code. Times are aware
and in UTC. What there are thousands of in a call is a NamedTuple, which is made in a third of the
time that a frozen dataclass takes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID

INT64_MAX = 2**63 - 1
"""The largest balance; what would exceed it is refused with BALANCE_OVERFLOW."""

NO_HASH = bytes(32)
"""What stands for the previous hash in the first entry."""


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


class CauseKind(IntEnum):
    """What made an entry necessary; numbered as in the proto and in the database."""

    INTAKE_BATCH = 1
    MANUAL = 2


class TotalState(IntEnum):
    """Where gifts' money is; numbered as in the proto and in the database."""

    CLAIMED = 1
    SETTLED = 2
    RECEIVED = 3
    SPENT = 4
    REFUNDED = 5
    DISPUTED = 6
    SUSPENSE = 7


class AccountName(NamedTuple):
    """What names an account: one code has one account for each currency."""

    code: str
    currency: str


@dataclass(frozen=True, slots=True)
class Account:
    """An opened account. kind and owner are what the chart says of its code."""

    name: AccountName
    kind: AccountKind
    owner: str
    create_time: datetime


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account holds, in micros: the sums of all its debits and of all its credits."""

    name: AccountName
    kind: AccountKind
    debits: int
    credits: int

    @property
    def micros(self) -> int:
        """Debits less credits for assets and expenses, credits less debits for the others."""
        signed = self.debits - self.credits
        return signed if self.kind.debit_normal else -signed


class Transfer(NamedTuple):
    """micros of currency go from the credited account to the debited one.

    debit, credit: account codes.
    campaign: may be empty. project: empty in suspense.
    hour: the UTC hour in which the gifts were made; None where no gift is behind the transfer.
    tally: how many gifts or refunds micros sums up; may be 0.
    """

    debit: str
    credit: str
    micros: int
    currency: str
    campaign: str
    project: str
    hour: datetime | None
    tally: int


class Cause(NamedTuple):
    """What made an entry necessary: a kind of thing, and its id."""

    kind: CauseKind
    id: str


class EntryDraft(NamedTuple):
    """What a poster asks to write down. Its entry_id makes the posting idempotent."""

    entry_id: UUID
    cause: Cause
    value_time: datetime
    metadata: Mapping[str, str]
    transfers: tuple[Transfer, ...]


class Entry(NamedTuple):
    """A draft as it stands in the books, for ever.

    content_hash, hash: see seal.py.
    """

    sequence: int
    recorded_time: datetime
    draft: EntryDraft
    content_hash: bytes
    previous_hash: bytes
    hash: bytes


class Head(NamedTuple):
    """The end of the chain: the last entry's sequence (0 while there is none), hash and time."""

    sequence: int
    hash: bytes
    recorded_time: datetime | None


class Posting(NamedTuple):
    """Where an entry stands in the books. replayed: it was posted before this call."""

    sequence: int
    hash: bytes
    replayed: bool


class Cell(NamedTuple):
    """What one total is about."""

    campaign: str
    project: str
    partner: str
    hour: datetime
    state: TotalState
    currency: str


class Sums(NamedTuple):
    """A total, or a change of one: an amount in micros, and a tally of gifts or refunds."""

    micros: int
    tally: int


class TotalsRow(NamedTuple):
    """One cell of the totals and what stands in it."""

    cell: Cell
    sums: Sums
