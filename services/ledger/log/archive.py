"""All that an archive holds, read as the books stand when the reading begins.

Only the accounts and what they hold are read in one moment. All the rest is only ever added to, so
it is read page by page up to the head of that moment, and a slow reader keeps nobody up.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from services.ledger.domain import Account, Head
from services.ledger.journal import seal
from services.ledger.log.note import Checkpoint
from services.ledger.reading.snapshots import Snapshots
from services.ledger.store.log import LogStore
from services.ledger.store.reading import ReadingStore
from services.runtime.errors import Fault, Reason

ACCOUNTS_MAX = 500_000
_ACCOUNTS_A_PART = 1_000
_ENTRIES_A_PART = 500
_PART_BYTES = 1024 * 1024
_CHECKPOINTS_A_PART = 1_000


@dataclass(frozen=True, slots=True)
class Start:
    """The first part: where the books stand, and the log's verifier keys."""

    head: Head
    verifier_keys: Sequence[str]


@dataclass(frozen=True, slots=True)
class HoldingAccount:
    """An account and the sums of its debits and credits, in micros."""

    account: Account
    debits: int
    credits: int


@dataclass(frozen=True, slots=True)
class SealedEntry:
    """An entry's canonical text and its hash."""

    text: bytes
    hash: bytes


Part = Start | list[HoldingAccount] | list[SealedEntry] | list[Checkpoint]
"""Lists are never empty."""


class Archive:
    """Reads archives."""

    def __init__(self, snapshots: Snapshots, reading: ReadingStore, log: LogStore) -> None:
        self._snapshots = snapshots
        self._reading = reading
        self._log = log

    async def parts(self) -> AsyncGenerator[Part, None]:
        """The start, the accounts by code and currency, the entries, the checkpoints.

        Raises Fault(QUEUE_FULL), Fault(MESSAGE_TOO_LARGE) beyond 500,000 accounts, and the stores'
        errors.
        """
        async with self._snapshots.take() as books:
            head = books.head
            held = await books.accounts(ACCOUNTS_MAX + 1)
        if len(held) > ACCOUNTS_MAX:
            raise Fault(
                Reason.MESSAGE_TOO_LARGE,
                f"there are more than {ACCOUNTS_MAX:,} accounts, which no archive holds",
            )
        yield Start(head, await self._log.keys())
        for at in range(0, len(held), _ACCOUNTS_A_PART):
            yield [HoldingAccount(*one) for one in held[at : at + _ACCOUNTS_A_PART]]
        del held
        async for entries in self._entries(head.sequence):
            yield entries
        size = 0
        while found := await self._log.after(size, head.sequence, _CHECKPOINTS_A_PART):
            yield found
            size = found[-1].size

    async def _entries(self, until: int) -> AsyncGenerator[list[SealedEntry], None]:
        sent = 0
        part: list[SealedEntry] = []
        part_bytes = 0
        while sent < until:
            page = await self._reading.entries_after(sent, _ENTRIES_A_PART)
            assert page.entries, "the head names an entry"
            for entry in page.entries:
                if entry.sequence > until:
                    break
                text = seal.text_of(
                    entry.sequence,
                    entry.recorded_time,
                    entry.dates,
                    seal.content_of(entry.draft),
                )
                if part and part_bytes + len(text) > _PART_BYTES:
                    yield part
                    part, part_bytes = [], 0
                part.append(SealedEntry(text, entry.hash))
                part_bytes += len(text)
                sent = entry.sequence
        if part:
            yield part
