"""Small archives, made of what a ledger would stream."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from watersmeet.ledger.v1 import log_service_pb2 as pb

from services.cli.exporting.writer import write_archive
from services.ledger.domain import (
    NO_HASH,
    Account,
    AccountName,
    AccountState,
    Dates,
    EntryDraft,
    Head,
    Step,
    StepKind,
    TransferName,
)
from services.ledger.journal import seal
from services.ledger.journal.chart import place
from services.ledger.log.archive import HoldingAccount, Part, SealedEntry, Start
from services.ledger.log.note import Checkpoint, Signer, signed
from services.ledger.log.tree import Frontier, leaf_hash
from services.ledger.wire.convert_log import archive_message
from tests.unit.ledger.drafts import NOON, draft, gift, refund, suspended

SIGNER = Signer("example.com/ledger", Ed25519PrivateKey.from_private_bytes(bytes(32)))
NEXT = Signer("example.com/ledger", Ed25519PrivateKey.from_private_bytes(bytes([1] * 32)))
DAY = date(2019, 9, 5)
_MOVES = (StepKind.COMMIT, StepKind.REVERSE)


def sample() -> list[EntryDraft]:
    """Seven drafts in which everything occurs that an archive can hold."""
    held = gift(40)._replace(step=Step(StepKind.HOLD, expire_time=NOON))
    return [
        draft(gift(7), gift(5, currency="USD"), gift(2, campaign="")),
        draft(gift(9), refund(2), suspended(3), metadata={"note": '融 \\ "', "gifts": "3"}),
        draft(gift(5, partner="tencent", project="a_b.2")),
        draft(held),
        draft(gift(30)._replace(step=Step(StepKind.COMMIT, TransferName(4, 0)))),
        draft()._replace(transfers=()),
        draft(refund(7)._replace(step=Step(StepKind.REVERSE, TransferName(1, 0))))._replace(
            reverses=1
        ),
    ]


def parts_of(
    drafts: Sequence[EntryDraft], *, cuts: Iterable[int] = (), signers: Sequence[Signer] = (SIGNER,)
) -> list[pb.StreamArchiveResponse]:
    """What a ledger with these entries streams. cuts: where checkpoints were signed."""
    hash_, recorded = NO_HASH, datetime(2019, 9, 5, 12, tzinfo=UTC)
    tree = Frontier(0, {})
    entries: list[SealedEntry] = []
    checkpoints: list[Checkpoint] = []
    sums: dict[AccountName, list[int]] = {}
    wanted = set(cuts)
    for sequence, one in enumerate(drafts, start=1):
        dates = Dates(DAY + timedelta(days=sequence // 3), DAY) if sequence != 3 else None
        text = seal.text_of(sequence, recorded, dates, seal.content_of(one))
        hash_ = seal.entry_hash(hash_, text)
        recorded += timedelta(microseconds=1)
        entries.append(SealedEntry(text, hash_))
        tree.extend([leaf_hash(hash_)])
        if sequence in wanted:
            checkpoints.append(signed(sequence, tree.root(), signers))
        for moved in one.transfers:
            debit = sums.setdefault(AccountName(moved.debit, moved.currency), [0, 0])
            credit = sums.setdefault(AccountName(moved.credit, moved.currency), [0, 0])
            if moved.step is None or moved.step.kind in _MOVES:
                debit[0] += moved.micros
                credit[1] += moved.micros
    accounts = [HoldingAccount(_account(name), *held) for name, held in sorted(sums.items())]
    keys = sorted(signer.verifier_key for signer in signers)
    parts: list[Part] = [Start(Head(len(entries), hash_, recorded), keys)]
    parts += [part for part in (accounts, entries, checkpoints) if part]
    return [archive_message(part) for part in parts]


def _account(name: AccountName) -> Account:
    found = place(name.code)
    return Account(
        name, found.row.kind, found.owner, NOON, state=AccountState.OPEN, limit=found.row.limit
    )


def write_sample(folder: Path, *, cuts: Iterable[int] = (2, 5)) -> Path:
    """The sample's archive; its last entries are not covered by a checkpoint."""
    write_archive(folder, parts_of(sample(), cuts=cuts), lambda _done, _of: None)
    return folder
