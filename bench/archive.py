"""An archive of many transfers, made without a ledger: entries of two transfers each."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.cli.exporting.writer import write_archive
from services.ledger.domain import (
    NO_HASH,
    Account,
    AccountName,
    AccountState,
    Cause,
    CauseKind,
    Dates,
    EntryDraft,
    EntryId,
    Head,
    Transfer,
)
from services.ledger.journal import seal
from services.ledger.journal.chart import place
from services.ledger.log.archive import HoldingAccount, Part, SealedEntry, Start
from services.ledger.log.note import Checkpoint, Signer, signed
from services.ledger.log.tree import Frontier, leaf_hash
from services.ledger.wire.convert_log import archive_message

TRANSFERS_AN_ENTRY = 2
_ENTRIES_A_PART = 500
_ENTRIES_A_CHECKPOINT = 10_000
_PARTNERS = ("alipay", "tencent", "weibo", "bytedance", "xiaomi", "qingsongchou")
_PROJECTS = 1_000
_START = datetime(2026, 9, 5, tzinfo=UTC)


def make_archive(folder: Path, transfers: int, seed: int) -> None:
    """Writes it, six partners' gifts for a thousand projects, with a checkpoint for each 10,000."""
    books = _Books(seed)
    entries = [books.entry() for _ in range(transfers // TRANSFERS_AN_ENTRY)]
    parts = books.parts(entries)
    write_archive(folder, map(archive_message, parts), lambda _done, _of: None)


class _Books:
    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)  # noqa: S311  no secret
        self._numbers = count(1)
        self._hash = NO_HASH
        self._tree = Frontier(0, {})
        self._sums: dict[AccountName, list[int]] = {}
        self._checkpoints: list[Checkpoint] = []
        key = Ed25519PrivateKey.from_private_bytes(bytes(32))
        self._signer = Signer("bench.example/ledger", key)

    def entry(self) -> SealedEntry:
        """The next entry."""
        sequence = next(self._numbers)
        recorded = _START + timedelta(milliseconds=sequence)
        entry_id = UUID(int=sequence << 64 | self._draw.getrandbits(62))
        draft = EntryDraft(
            entry_id=EntryId(str(entry_id)),
            cause=Cause(CauseKind.INTAKE_BATCH, str(entry_id)),
            value_time=recorded,
            metadata={"digest": sha256(entry_id.bytes).hexdigest(), "gifts": "40"},
            transfers=tuple(self._transfer(recorded) for _ in range(TRANSFERS_AN_ENTRY)),
        )
        dates = Dates(recorded.date(), recorded.date())
        text = seal.text_of(sequence, recorded, dates, seal.content_of(draft))
        self._hash = seal.entry_hash(self._hash, text)
        self._tree.extend([leaf_hash(self._hash)])
        if sequence % _ENTRIES_A_CHECKPOINT == 0:
            self._checkpoints.append(signed(sequence, self._tree.root(), [self._signer]))
        return SealedEntry(text, self._hash)

    def parts(self, entries: list[SealedEntry]) -> Iterator[Part]:
        """What a ledger would stream."""
        yield Start(Head(len(entries), self._hash, _START), [self._signer.verifier_key])
        yield [HoldingAccount(_account(name), *held) for name, held in sorted(self._sums.items())]
        for at in range(0, len(entries), _ENTRIES_A_PART):
            yield entries[at : at + _ENTRIES_A_PART]
        yield self._checkpoints

    def _transfer(self, recorded: datetime) -> Transfer:
        partner = self._draw.choice(_PARTNERS)
        project = f"project-{self._draw.randrange(_PROJECTS):04}"
        micros = self._draw.randrange(10_000, 10**10, 10_000)
        debit, credit = f"partner/{partner}/claimed", f"project/{project}/fund"
        self._sums.setdefault(AccountName(debit, "CNY"), [0, 0])[0] += micros
        self._sums.setdefault(AccountName(credit, "CNY"), [0, 0])[1] += micros
        hour = recorded.replace(minute=0, second=0, microsecond=0)
        tally = self._draw.randrange(1, 40)
        return Transfer(debit, credit, micros, "CNY", "95week", project, hour, tally)


def _account(name: AccountName) -> Account:
    found = place(name.code)
    return Account(name, found.row.kind, found.owner, _START, AccountState.OPEN, found.row.limit)
