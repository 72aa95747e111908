"""Sealed entries by the million: what the ledger would have written of entries like the measured
ones, made at once for thousands of them.

The product's own seal writes one entry of a shape, in which every field has a fixed width; the
others of the shape differ from it in digits alone. A test holds them to the seal, and lets the
audit look at books that are filled so.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.binary_rows import Column, binary_rows, day_number, timestamp
from bench.ledger.entries import CURRENCY, PARTNERS
from services.ledger.domain import Cause, CauseKind, Dates, EntryDraft, EntryId, Transfer
from services.ledger.journal import seal

CHUNK = 10_000
"""Entries made at once; all of one partner."""

PROJECTS = range(100, 1_000)
"""Those of the measured entries' projects whose number has three digits."""

_FIELDS = {
    "project": PROJECTS,
    "micros": range(10**8, 10**9),
    "tally": range(100, 1_000),
    "fee": range(10**5, 10**6),
}
"""What the entries differ in besides their ids, each field of one width."""

_MARKS = {"project": 777, "micros": 888_888_888, "tally": 999, "fee": 666_666}
"""What stands for them in the text that is sealed; nothing else in it looks like these."""

_ID = EntryId("11111111-2222-4333-8444-555555555555")

Numbers = NDArray[np.int64]
Hashes = NDArray[np.void]


class Moment(NamedTuple):
    """When entries are recorded, and for which days they count. They were given in hour."""

    recorded: datetime
    dates: Dates
    hour: datetime


@dataclass(frozen=True, slots=True)
class Chunk:
    """Entries that follow one another. rows: for COPY in its binary form. totals: micros and
    tallies by project, from the first of PROJECTS; fees: all fees together.
    """

    partner: str
    entries: bytes
    transfers: bytes
    last: int
    last_hash: bytes
    micros: NDArray[np.int64]
    tallies: NDArray[np.int64]
    fees: int


def draft_of(
    entry_id: EntryId, moment: Moment, partner: str, project: int, micros: int, tally: int, fee: int
) -> EntryDraft:
    """One such entry: a gift, and a platform's fee."""
    code = f"project-{project}"
    claimed, fund = f"partner/{partner}/claimed", f"project/{code}/fund"
    fees, settled = f"partner/{partner}/fees", f"partner/{partner}/settled"
    gift = Transfer(claimed, fund, micros, CURRENCY, "bench", code, moment.hour, tally)
    charge = Transfer(fees, settled, fee, CURRENCY, "", "", None, 0)
    return EntryDraft(
        entry_id=entry_id,
        cause=Cause(CauseKind.MANUAL, "bench"),
        value_time=moment.hour,
        metadata={},
        transfers=(gift, charge),
    )


class Books:
    """Books that go on behind an entry. accounts: ids by code."""

    def __init__(
        self, moment: Moment, accounts: Mapping[str, int], sequence: int, previous_hash: bytes
    ) -> None:
        self._moment = moment
        self._accounts = accounts
        self._sequence = sequence
        self._hash = previous_hash
        self._random = np.random.default_rng(sequence)
        self._funds = np.array([accounts[f"project/project-{one}/fund"] for one in PROJECTS])

    def chunks(self, last: int) -> Iterator[Chunk]:
        """Entries up to the last one, in their order."""
        while self._sequence < last:
            # Of one chunk all numbers have as many digits.
            longer = 10 ** len(str(self._sequence + 1))
            count = min(CHUNK, last - self._sequence, longer - 1 - self._sequence)
            yield self._chunk(PARTNERS[self._sequence // CHUNK % len(PARTNERS)], count)

    def _chunk(self, partner: str, count: int) -> Chunk:
        draw, moment = self._random, self._moment
        first = self._sequence + 1
        sequences = np.arange(first, first + count)
        ids = _ids(draw, count)
        numbers = {
            field: draw.integers(values.start, values.stop, count)
            for field, values in _FIELDS.items()
        }
        content = _Template(seal.content_of(draft_of(_ID, moment, partner, **_MARKS)), count)
        for field, mark in _MARKS.items():
            content.write(str(mark).encode(), numbers[field])
        content.write_ids(ids)
        head = _Template(seal.text_of(first, moment.recorded, moment.dates, b""), count)
        head.write(str(first).encode(), sequences, behind=b"sequence ")
        contents, hashes = self._sealed(head.texts(), content.texts())
        self._sequence = first + count - 1
        slots = numbers["project"] - PROJECTS.start
        return Chunk(
            partner,
            self._entry_rows(sequences, ids, contents, hashes),
            self._transfer_rows(sequences, partner, numbers),
            self._sequence,
            self._hash,
            np.bincount(slots, numbers["micros"], len(PROJECTS)).astype(np.int64),
            np.bincount(slots, numbers["tally"], len(PROJECTS)).astype(np.int64),
            int(numbers["fee"].sum()),
        )

    def _sealed(self, heads: list[bytes], contents: list[bytes]) -> tuple[Hashes, Hashes]:
        """The contents' hashes, and the entries', of which the first is that of the one before."""
        hashes = [self._hash]
        for head, content in zip(heads, contents, strict=True):
            hashes.append(seal.entry_hash(hashes[-1], head + content))
        self._hash = hashes[-1]
        return _hashes(map(seal.content_hash, contents)), _hashes(hashes)

    def _entry_rows(
        self, sequences: Numbers, ids: NDArray[np.uint8], contents: Hashes, hashes: Hashes
    ) -> bytes:
        recorded, dates, hour = self._moment
        return binary_rows(
            len(sequences),
            {
                "sequence": (">i8", sequences),
                "entry_id": ("V16", ids.view("V16")[:, 0]),
                "content_hash": ("V32", contents),
                "cause_kind": (">i2", int(CauseKind.MANUAL)),
                "cause_id": ("S5", b"bench"),
                "value_time": (">i8", timestamp(hour)),
                "recorded_time": (">i8", timestamp(recorded)),
                "metadata": ("S3", b"\x01{}"),  # JSONB's version, and its text
                "previous_hash": ("V32", hashes[:-1]),
                "hash": ("V32", hashes[1:]),
                "version": (">i2", seal.VERSION),
                "value_date": (">i4", day_number(dates.value)),
                "book_date": (">i4", day_number(dates.book)),
            },
        )

    def _transfer_rows(
        self, sequences: Numbers, partner: str, numbers: Mapping[str, Numbers]
    ) -> bytes:
        claimed, fees, settled = (
            self._accounts[f"partner/{partner}/{name}"] for name in ("claimed", "fees", "settled")
        )
        projects = numbers["project"]
        gift: dict[str, Column] = {
            "sequence": (">i8", sequences),
            "position": (">i4", 0),
            "debit_account_id": (">i4", claimed),
            "credit_account_id": (">i4", self._funds[projects - PROJECTS.start]),
            "amount_micros": (">i8", numbers["micros"]),
            "campaign": ("S5", b"bench"),
            "project": ("S11", np.char.add(b"project-", projects.astype("S3"))),
            "hour": (">i8", timestamp(self._moment.hour)),
            "count": (">i8", numbers["tally"]),
        }
        fee: dict[str, Column] = gift | {
            "position": (">i4", 1),
            "debit_account_id": (">i4", fees),
            "credit_account_id": (">i4", settled),
            "amount_micros": (">i8", numbers["fee"]),
            "campaign": ("V0", np.void(b"")),
            "project": ("V0", np.void(b"")),
            "hour": ("", None),
            "count": (">i8", 0),
        }
        return binary_rows(len(sequences), gift, fee)


class _Template:
    """So many copies of a text, in which fields are overwritten."""

    def __init__(self, text: bytes, count: int) -> None:
        self._text = text
        self._rows = np.tile(np.frombuffer(text, dtype=np.uint8), (count, 1))

    def write(self, mark: bytes, numbers: Numbers, behind: bytes = b"") -> None:
        """Writes a number of as many digits in the place of each mark behind something."""
        powers = 10 ** np.arange(len(mark))[::-1]
        digits = (numbers[:, None] // powers % 10 + ord("0")).astype(np.uint8)
        at = self._text.index(behind + mark) + len(behind)
        while at >= 0:
            self._rows[:, at : at + len(mark)] = digits
            at = -1 if behind else self._text.find(mark, at + 1)

    def write_ids(self, ids: NDArray[np.uint8]) -> None:
        """Writes identifiers in the place of the one that there is."""
        at = self._text.index(_ID.encode())
        digits = np.frombuffer(ids.tobytes().hex().encode(), dtype=np.uint8)
        places = [at + n for n, character in enumerate(_ID) if character != "-"]
        self._rows[:, places] = digits.reshape(len(ids), -1)

    def texts(self) -> list[bytes]:
        """All of them."""
        texts: list[bytes] = self._rows.view(f"V{len(self._text)}")[:, 0].tolist()
        return texts


def _ids(draw: np.random.Generator, count: int) -> NDArray[np.uint8]:
    """Random UUIDs, as clients draw them: sixteen bytes each."""
    ids = draw.integers(0, 256, (count, 16), dtype=np.uint8)
    ids[:, 6] = ids[:, 6] & 0x0F | 0x40
    ids[:, 8] = ids[:, 8] & 0x3F | 0x80
    return ids


def _hashes(hashes: Iterable[bytes]) -> Hashes:
    return np.frombuffer(b"".join(hashes), dtype="V32")
