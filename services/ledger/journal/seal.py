"""How an entry is sealed: its canonical text, and the hash that chains it to the one before.

docs/ledger.md shows the text and how to check a hash by hand. The text never changes for an entry
that stands in the books; a new form gets a new first line.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from json import JSONEncoder

from services.ledger.domain import Cause, Dates, EntryDraft, EntryId, Step, StepKind, Transfer
from services.ledger.journal.routes import Move

VERSION = 2
"""The form of the text in which new entries are sealed."""

_START_1 = b"watersmeet entry 1\nsequence "
_START = b"watersmeet entry 2\nsequence "

NOTHING = "~"
"""Stands for an empty campaign, project, hour or expire time. No code can be this."""


def content_of(draft: EntryDraft, transfer_lines: Iterable[str] | None = None) -> bytes:
    """The part of the canonical text that the poster decides, the same in both versions.

    Its SHA-256 is the content hash, by which a repeated entry_id is told from a conflicting one.
    transfer_lines: those of all its transfers, from a caller that has them.
    """
    lines = [f"entry_id {draft.entry_id}\n{_about(draft.cause, draft.value_time)}"]
    if draft.reverses is not None:
        lines.append(f"reverses {draft.reverses}\n")
    # Values hold no control characters, so only the quotation mark and the backslash are escaped;
    # everything else stands as it is.
    if draft.metadata:
        lines += [
            f"metadata {key} {_json(draft.metadata[key])}\n" for key in sorted(draft.metadata)
        ]
    lines += map(_transfer_line, draft.transfers) if transfer_lines is None else transfer_lines
    return "".join(lines).encode()


def contents_of(
    entry_ids: Iterable[EntryId],
    causes: Iterable[Cause],
    value_times: Iterable[datetime],
    sizes: Iterable[int],
    lines: Iterator[str],
) -> list[bytes]:
    """What `content_of` is of drafts without metadata that reverse nothing, given in columns.

    sizes: how many of the transfers' lines are of each.
    """
    columns = zip(entry_ids, causes, value_times, sizes, strict=True)
    return [
        f"entry_id {entry_id}\n{_about(cause, time)}{''.join(islice(lines, size))}".encode()
        for entry_id, cause, time, size in columns
    ]


def move_lines(moves: Iterable[Move]) -> list[str]:
    """The lines of plain movements."""
    return [
        f"{route.line_start}{micros}{route.line_middle}{tally}\n" for route, micros, tally in moves
    ]


def content_hash(content: bytes) -> bytes:
    """SHA-256 of the content."""
    return sha256(content).digest()


def text_of(sequence: int, recorded_time: datetime, dates: Dates | None, content: bytes) -> bytes:
    """The whole canonical text: UTF-8 lines, each ended by one LF.

    dates: None for the text of version 1, which had none.
    """
    start = _START_1 if dates is None else _START
    return b"%b%d\n%b%b" % (start, sequence, _recorded(recorded_time, dates).encode(), content)


def entry_hash(previous_hash: bytes, text: bytes) -> bytes:
    """SHA-256 over the 32 bytes of the previous hash and the canonical text."""
    return sha256(previous_hash + text).digest()


def chained(
    previous_hash: bytes,
    first_sequence: int,
    recorded_time: datetime,
    dates: Sequence[Dates],
    contents: Iterable[bytes],
) -> list[bytes]:
    """The hashes of entries that follow one another, each the `entry_hash` of its `text_of`."""
    recorded = {its: _recorded(recorded_time, its).encode() for its in set(dates)}
    hashes: list[bytes] = []
    hash_ = previous_hash
    for sequence, (its_dates, content) in enumerate(
        zip(dates, contents, strict=True), start=first_sequence
    ):
        # In one go: to put the text together first takes half as long again.
        sealed = b"%b%b%d\n%b%b" % (hash_, _START, sequence, recorded[its_dates], content)
        hash_ = sha256(sealed).digest()
        hashes.append(hash_)
    return hashes


@lru_cache(maxsize=4_096)
def rfc3339(time: datetime) -> str:
    """A UTC time with all six digits of its microseconds: 2026-09-05T01:00:00.000000Z."""
    return time.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def line_start(word: str, debit: str, credit: str) -> str:
    """A transfer's line before the amount."""
    return f"{word} {debit} {credit} "


def line_middle(currency: str, campaign: str, project: str, hour: datetime | None) -> str:
    """A transfer's line between the amount and the tally."""
    time = rfc3339(hour) if hour else NOTHING
    return f" {currency} {campaign or NOTHING} {project or NOTHING} {time} "


def _transfer_line(transfer: Transfer) -> str:
    debit, credit, micros, currency, campaign, project, hour, tally, step = transfer
    word, about = ("transfer", "") if step is None else _step_words(step)
    start = line_start(word, debit, credit)
    return f"{start}{micros}{line_middle(currency, campaign, project, hour)}{tally}{about}\n"


@lru_cache(maxsize=4_096)
def _about(cause: Cause, value_time: datetime) -> str:
    kind, cause_id = cause
    return f"cause {kind.name} {cause_id}\nvalue_time {rfc3339(value_time)}\n"


@lru_cache(maxsize=4_096)
def _recorded(time: datetime, dates: Dates | None) -> str:
    line = f"recorded_time {rfc3339(time)}\n"
    if dates is None:
        return line
    value, book = dates
    return f"{line}value_date {value.isoformat()}\nbook_date {book.isoformat()}\n"


def _step_words(step: Step) -> tuple[str, str]:
    """What a transfer's line begins with, and what it ends with."""
    kind, of, expire_time = step
    if kind is StepKind.HOLD:
        return "hold", f" {rfc3339(expire_time) if expire_time else NOTHING}"
    return kind.name.lower(), f" {of}"


_json = JSONEncoder(ensure_ascii=False).encode
