"""How an entry is sealed: its canonical text, and the hash that chains it to the one before.

docs/ledger.md shows the text and how to check a hash by hand. The text never changes for an entry
that stands in the books; a new form gets a new first line.
"""

from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from json import JSONEncoder

from services.ledger.domain import EntryDraft, Transfer

NOTHING = "~"
"""Stands for an empty campaign, project or hour. No code can be this."""


def content_of(draft: EntryDraft) -> bytes:
    """The part of the canonical text that the poster decides: all but sequence and recorded_time.

    Its SHA-256 is the content hash, by which a repeated entry_id is told from a conflicting one.
    """
    kind, cause_id = draft.cause
    lines = [
        f"entry_id {draft.entry_id}\n",
        f"cause {kind.name} {cause_id}\n",
        f"value_time {rfc3339(draft.value_time)}\n",
    ]
    # Values hold no control characters, so only the quotation mark and the backslash are escaped;
    # everything else stands as it is.
    lines += [f"metadata {key} {_json(draft.metadata[key])}\n" for key in sorted(draft.metadata)]
    lines += map(_transfer_line, draft.transfers)
    return "".join(lines).encode()


def content_hash(content: bytes) -> bytes:
    """SHA-256 of the content."""
    return sha256(content).digest()


def text_of(sequence: int, recorded_time: datetime, content: bytes) -> bytes:
    """The whole canonical text: UTF-8 lines, each ended by one LF."""
    header = f"watersmeet entry 1\nsequence {sequence}\nrecorded_time {rfc3339(recorded_time)}\n"
    return header.encode() + content


def entry_hash(previous_hash: bytes, text: bytes) -> bytes:
    """SHA-256 over the 32 bytes of the previous hash and the canonical text."""
    return sha256(previous_hash + text).digest()


@lru_cache(maxsize=4_096)
def rfc3339(time: datetime) -> str:
    """A UTC time with all six digits of its microseconds: 2026-09-05T01:00:00.000000Z."""
    return time.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _transfer_line(transfer: Transfer) -> str:
    debit, credit, micros, currency, campaign, project, hour, tally = transfer
    return (
        f"transfer {debit} {credit} {micros} {currency} {campaign or NOTHING} "
        f"{project or NOTHING} {rfc3339(hour) if hour else NOTHING} {tally}\n"
    )


_json = JSONEncoder(ensure_ascii=False).encode
