"""One stretch of entries.txt, checked alone, so that several processes can share the work.

Of the entries before it a stretch needs only the hash that stands there: whether that one is right
is found where it stands.
"""

import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from services.cli.verifying.beancount import transaction
from services.cli.verifying.chain import made_hashes
from services.cli.verifying.columns import Reader, Unusual
from services.cli.verifying.layout import END, ENTRIES, HASH_LINE, MARK_BYTES
from services.cli.verifying.merkle import Subtree, leaves_of, subtrees_of
from services.cli.verifying.moved import Moved, moved_of
from services.cli.verifying.room import FRONT, PAD, room_for
from services.cli.verifying.text import Misread, Read, read

_FINDINGS_MAX = 20
_HASH_BYTES = 64  # in hexadecimal
_TAIL_BYTES = MARK_BYTES + len(END)


class Stretch(NamedTuple):
    """Whole entries: the bytes of entries.txt from begin up to, and without, end."""

    begin: int
    end: int


@dataclass(frozen=True)
class Known:
    """What the other files say. held: accounts' indices, by code and currency. names: in beancount,
    by code. cuts: the sizes at which the tree's root is wanted. books: whether to make the
    beancount text.
    """

    folder: Path
    held: Mapping[tuple[bytes, bytes], int]
    names: dict[bytes, bytes]
    cuts: Sequence[int]
    books: bool


@dataclass
class Checked:
    """What a stretch holds. first: the number of its first entry, by what the entries say.

    subtrees: of the entries' leaves, one list up to each cut and one for the rest.
    moved: debits and credits by account. beancount: its length and its SHA-256.
    findings: entry's number, and what is wrong with it. more: findings that are not told.
    """

    first: int = 0
    entries: int = 0
    transfers: int = 0
    last_hash: bytes = b""
    first_time: bytes = b""
    last_time: bytes = b""
    last_day: bytes = b""
    subtrees: list[list[Subtree]] = field(default_factory=list)
    moved: Moved = field(default_factory=lambda: moved_of({}))
    beancount_bytes: int = 0
    beancount_hash: bytes = b""
    findings: list[tuple[int, str]] = field(default_factory=list)
    more: int = 0

    def add(self, number: int, finding: str) -> None:
        """Notes what is wrong with an entry."""
        if len(self.findings) < _FINDINGS_MAX:
            self.findings.append((number, finding))
        else:
            self.more += 1


def check_stretch(known: Known, stretch: Stretch) -> Checked:
    """Checks the entries of a stretch: form, order, hashes, accounts."""
    with (known.folder / ENTRIES).open("rb", buffering=0) as file:
        quick = None if known.books else _check_quickly(known, file, stretch)
        if quick is not None:
            return quick
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
            return _Checking(known, whole, stretch).run()


def _check_quickly(known: Known, file: FileIO, stretch: Stretch) -> Checked | None:
    """Checks a stretch in which all is well and in the plainest form; None for any other."""
    room = room_for(stretch.end - stretch.begin)
    before = file.seek(max(0, stretch.begin - _TAIL_BYTES))
    previous = _stored_at_end(file.read(stretch.begin - before))
    file.readinto(memoryview(room)[FRONT:-PAD])
    try:
        columns = _reader_of(known).read(room)
    except Unusual:
        return None
    hashes = made_hashes(room, columns.begins, columns.ends, previous)
    if hashes is None:
        return None
    return Checked(
        first=columns.first,
        entries=len(hashes),
        transfers=columns.transfers,
        last_hash=hashes[-1],
        first_time=columns.first_time,
        last_time=columns.last_time,
        last_day=columns.last_day,
        subtrees=_subtrees(leaves_of(hashes), columns.first - 1, known.cuts),
        moved=columns.moved,
    )


_readers: dict[int, tuple[Known, Reader]] = {}


def _reader_of(known: Known) -> Reader:
    """This process's, which remembers words from one stretch to the next."""
    if id(known) not in _readers:
        _readers.clear()
        _readers[id(known)] = (known, Reader(known.held))
    return _readers[id(known)][1]


def _subtrees(leaves: list[bytes], begin: int, cuts: Sequence[int]) -> list[list[Subtree]]:
    """The subtrees that leaves make up, one list up to each cut and one for the rest."""
    found = []
    at = 0
    for cut in cuts:
        if begin < cut <= begin + len(leaves):
            found.append(subtrees_of(leaves[at : cut - begin], begin + at))
            at = cut - begin
    found.append(subtrees_of(leaves[at:], begin + at))
    return found


def _called(missing: KeyError) -> str:
    """An account that was looked up: by its code alone, or with its currency."""
    (key,) = missing.args
    return " in ".join(part.decode() for part in (key if isinstance(key, tuple) else (key,)))


class _Checking:
    def __init__(self, known: Known, whole: mmap.mmap, stretch: Stretch) -> None:
        self._known = known
        self._whole = whole
        self._begin = stretch.begin
        self._blocks = whole[stretch.begin : stretch.end].split(END)
        self._checked = Checked()
        self._leaves: list[bytes] = []
        self._debits = dict.fromkeys(known.held, 0)
        self._credits = dict.fromkeys(known.held, 0)

    def run(self) -> Checked:
        blocks, checked = self._blocks, self._checked
        if blocks.pop() != b"":  # what is behind the last END
            blocks.append(b"")
        previous = _stored_before(self._whole, self._begin)
        expected = checked.first = _first_number(blocks)
        rendered: list[bytes] = []
        render = rendered.append
        names, books = self._known.names, self._known.books
        leaf = self._leaves.append
        last_time = day = b""
        for index, block in enumerate(blocks):
            text = block[:-MARK_BYTES]
            made = sha256(previous + text)
            as_sealed = block[-MARK_BYTES:] == HASH_LINE + made.hexdigest().encode()
            previous = made.digest()
            if not as_sealed and not self._is_blameless(index, text, block):
                previous = self._blame(index, expected, previous)
            elif not as_sealed:
                previous = bytes.fromhex(block[-_HASH_BYTES:].decode())
            leaf(sha256(b"\x00" + previous).digest())
            try:
                entry = read(text)
            except Misread as error:
                checked.add(expected, str(error))
                if _hash_of(block) is None:
                    self._leaves.pop()  # a piece of an entry, whose hash stands behind the rest
                else:
                    expected += 1
                continue
            if entry.sequence != expected:
                checked.add(expected, f"entry {entry.sequence} stands in its place")
                expected = entry.sequence if as_sealed else expected
            expected += 1
            if entry.recorded_time < last_time:
                checked.add(entry.sequence, "it was recorded before the one before it")
            checked.first_time = checked.first_time or entry.recorded_time
            last_time = entry.recorded_time
            day = max(day, entry.day)
            checked.transfers += entry.transfers
            try:
                self._add(entry)
                if books:
                    render(transaction(entry, names))
            except KeyError as error:
                checked.add(entry.sequence, f"{_called(error)} is none of the archive's accounts")
        checked.entries = len(blocks)
        checked.last_hash, checked.last_time, checked.last_day = previous, last_time, day
        self._finish(b"".join(rendered))
        return checked

    def _add(self, entry: Read) -> None:
        debits, credits_ = self._debits, self._credits
        for debit, credit, micros, currency in entry.movements:
            amount = int(micros)
            debits[debit, currency] += amount
            credits_[credit, currency] += amount

    def _finish(self, rendered: bytes) -> None:
        checked = self._checked
        checked.beancount_bytes = len(rendered)
        checked.beancount_hash = sha256(rendered).digest()
        checked.moved = moved_of(
            {
                account: (self._debits[name], self._credits[name])
                for name, account in self._known.held.items()
                if self._debits[name] or self._credits[name]
            }
        )
        checked.subtrees = _subtrees(self._leaves, checked.first - 1, self._known.cuts)

    def _is_blameless(self, index: int, text: bytes, block: bytes) -> bool:
        """Whether only the hash that stands before a stretch is wrong, which is told there."""
        if index or not self._begin:
            return False
        start = self._whole.rfind(END, 0, self._begin - len(END))
        before = self._whole[start + len(END) if start >= 0 else 0 : self._begin - len(END)]
        behind = _stored_before(self._whole, self._begin - len(before) - len(END))
        made = sha256(behind + before[:-MARK_BYTES]).digest()
        return block[-MARK_BYTES:] == HASH_LINE + sha256(made + text).hexdigest().encode()

    def _blame(self, index: int, number: int, made: bytes) -> bytes:
        """Says what of an entry was changed. Returns the hash that it was sealed with."""
        block = self._blocks[index]
        after = self._blocks[index + 1] if index + 1 < len(self._blocks) else self._next()
        fits = sha256(made + after[:-MARK_BYTES]).hexdigest().encode()
        if after and after[-_HASH_BYTES:] == fits:
            self._checked.add(
                number, "its hash is not that of its text, which the next entry names"
            )
            return made
        stored = _hash_of(block)
        if stored is None:
            self._checked.add(number, "its last line is no hash")
            return made
        self._checked.add(number, "it is not what its hash was made of")
        return stored

    def _next(self) -> bytes:
        """The first entry behind the stretch; nothing at the end."""
        begin = self._begin + sum(len(block) + len(END) for block in self._blocks)
        end = self._whole.find(END, begin)
        return b"" if end < 0 else self._whole[begin:end]


def stretches_of(folder: Path, bytes_a_stretch: int) -> list[Stretch]:
    """Divides entries.txt between entries."""
    path = folder / ENTRIES
    size = path.stat().st_size
    if not size:
        return []
    stretches = []
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole,
    ):
        begin = 0
        while begin < size:
            end = whole.find(END, min(begin + bytes_a_stretch, size))
            end = size if end < 0 else end + len(END)
            stretches.append(Stretch(begin, end))
            begin = end
    return stretches


def _stored_before(whole: mmap.mmap, begin: int) -> bytes:
    return _stored_at_end(whole[max(0, begin - _TAIL_BYTES) : begin])


def _stored_at_end(tail: bytes) -> bytes:
    """The hash that stands at the end of entries; zeros at the beginning, and where there is none.

    tail: their last bytes.
    """
    return _hash_of(tail[: -len(END)]) or bytes(32)


def _hash_of(block: bytes) -> bytes | None:
    mark = block[-MARK_BYTES:]
    try:
        stored = bytes.fromhex(mark[len(HASH_LINE) :].decode("ascii"))
    except ValueError:
        return None
    return stored if mark == HASH_LINE + stored.hex().encode() and len(stored) == 32 else None


def _first_number(blocks: list[bytes]) -> int:
    """The number of the first entry, by what most of the first few entries say of themselves."""
    said = []
    for index, block in enumerate(blocks[:3]):
        line = block.split(b"\n", 2)[1:2]
        word, _, digits = (line or [b""])[0].partition(b" ")
        if word == b"sequence" and digits.isdigit() and len(digits) < 19:
            said.append(int(digits) - index)
    return max(1, max(said, key=said.count, default=1))
