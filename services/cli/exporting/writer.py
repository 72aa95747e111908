"""Writes an archive from the parts that the ledger streams, in bounded memory.

Everything goes into a folder beside the archive's place, which takes the archive's name when it is
complete: what has the name is whole.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from watersmeet.ledger.v1 import log_service_pb2 as pb
from watersmeet.ledger.v1.ledger_service_pb2 import AccountKind

from services.cli.exporting.place import whole_or_nothing
from services.cli.verifying.beancount import HEAD, assertions, name_of, openings, transaction
from services.cli.verifying.files import (
    Account,
    Chart,
    Checkpoint,
    Facts,
    account_line,
    checkpoint_line,
    facts_line,
)
from services.cli.verifying.layout import (
    ACCOUNTS,
    BEANCOUNT,
    CHECKPOINTS,
    END,
    ENTRIES,
    FACTS,
    HASH_LINE,
    KEYS,
    SUMMED,
    SUMS,
)
from services.cli.verifying.sums import sum_of
from services.cli.verifying.sums_file import sums_text
from services.cli.verifying.text import read
from services.runtime.errors import Fault, Reason
from services.runtime.supervisor.errors import MeshError

Progress = Callable[[int, int], None]
"""Called with how many entries of how many are written."""


def write_archive(
    folder: Path,
    parts: Iterable[pb.StreamArchiveResponse],
    progress: Progress,
    begins_anew: Callable[[Path], None] = lambda _left: None,
) -> int:
    """Writes the archive; returns how many entries it has.

    begins_anew: told of what a killed export has left, which is thrown away.
    Raises MeshError if the folder is there already, is being written or cannot be, Fault(INTERNAL)
    for a stream that does not come to its end, and whatever reading the parts raises. Leaves
    nothing behind then.
    """
    try:
        with whole_or_nothing(folder, begins_anew) as partial:
            return _Writing(partial, progress).run(parts)
    except OSError as error:
        raise MeshError(f"{folder} cannot be written: {error}") from error


class _Writing:
    def __init__(self, folder: Path, progress: Progress) -> None:
        self._folder = folder
        self._progress = progress
        self._head = pb.ArchiveHead()
        self._accounts: list[Account] = []
        self._names: dict[bytes, bytes] = {}
        self._entries = 0
        self._last_hash = bytes(32)
        self._last_day = b""

    def run(self, parts: Iterable[pb.StreamArchiveResponse]) -> int:
        with (
            self._open(ACCOUNTS) as accounts,
            self._open(ENTRIES) as entries,
            self._open(CHECKPOINTS) as checkpoints,
            self._open(BEANCOUNT) as beancount,
        ):
            for part in parts:
                match part.WhichOneof("part"):
                    case "head":
                        self._head = part.head
                    case "accounts":
                        self._write_accounts(part.accounts, accounts)
                    case "entries":
                        if not self._entries:
                            self._open_books(beancount)
                        self._write_entries(part.entries, entries, beancount)
                    case _:
                        self._write_checkpoints(part.checkpoints, checkpoints)
            if not self._entries:
                self._open_books(beancount)
            names = {code.decode(): name for code, name in self._names.items()}
            beancount.write(assertions(self._accounts, names, self._last_day))
        self._finish()
        return self._entries

    def _open(self, name: str) -> BinaryIO:
        return (self._folder / name).open("wb", buffering=1024 * 1024)

    def _write_accounts(self, part: pb.ArchiveAccounts, file: BinaryIO) -> None:
        for held in part.accounts:
            account = Account(
                code=held.account.code,
                currency=held.account.currency_code,
                kind=_kind(held.account.kind),
                owner=held.account.owner,
                debits=held.debits_micros,
                credits=held.credits_micros,
            )
            self._accounts.append(account)
            self._names[account.code.encode()] = name_of(account.code, account.kind)
            file.write(account_line(account).encode())

    def _open_books(self, beancount: BinaryIO) -> None:
        names = {code.decode(): name for code, name in self._names.items()}
        beancount.write(HEAD + openings(self._accounts, names))

    def _write_entries(
        self, part: pb.ArchiveEntries, entries: BinaryIO, beancount: BinaryIO
    ) -> None:
        for sealed in part.entries:
            entries.write(sealed.text + HASH_LINE + sealed.hash.hex().encode() + END)
            entry = read(sealed.text)
            beancount.write(transaction(entry, self._names))
            self._last_day = max(self._last_day, entry.day)
        self._entries += len(part.entries)
        self._last_hash = part.entries[-1].hash
        self._progress(self._entries, self._head.sequence)

    def _write_checkpoints(self, part: pb.ArchiveCheckpoints, file: BinaryIO) -> None:
        for one in part.checkpoints:
            file.write(checkpoint_line(Checkpoint(one.size, one.note)).encode())

    def _finish(self) -> None:
        head = self._head
        if (self._entries, self._last_hash) != (head.sequence, head.hash):
            raise Fault(
                Reason.INTERNAL,
                f"the ledger sent {self._entries:,} entries of {head.sequence:,}; export again",
            )
        chart = [Chart(row.pattern, _kind(row.kind)) for row in head.chart]
        facts = Facts(head.sequence, head.hash.hex(), chart)
        (self._folder / FACTS).write_text(facts_line(facts), encoding="utf-8")
        keys = "".join(f"{key}\n" for key in sorted(head.verifier_keys))
        (self._folder / KEYS).write_text(keys, encoding="utf-8")
        sums = {name: sum_of(self._folder / name) for name in SUMMED}
        (self._folder / SUMS).write_text(sums_text(sums), encoding="utf-8")


def _kind(kind: "AccountKind.ValueType") -> str:
    return AccountKind.Name(kind).removeprefix("ACCOUNT_KIND_")
