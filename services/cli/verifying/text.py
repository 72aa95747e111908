"""The canonical text of an entry, as docs/ledger.md has it: read, and held to its one form.

Bytes throughout: what is hashed is what is read.
"""

import re
from datetime import date
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

_DAY = rb"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_TIME = _DAY + rb"T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z"
_HOUR = _DAY + rb"T(?:[01]\d|2[0-3]):00:00\.000000Z"
_CODE = rb"[a-z0-9._-]{1,64}"
_ACCOUNT = rb"[a-z0-9._-]{1,64}(?:/[a-z0-9._-]{1,64})*"
_METADATA = rb'metadata [a-z0-9._/-]{1,64} "(?:[^"\\\x00-\x1f\x7f]|\\["\\])*"\n'

_HEADER = re.compile(
    rb"watersmeet entry (?:1\nsequence ([1-9]\d*)\nrecorded_time (" + _TIME + rb")\n"
    rb"|2\nsequence ([1-9]\d*)\nrecorded_time (" + _TIME + rb")\n"
    rb"value_date (" + _DAY + rb")\nbook_date " + _DAY + rb"\n)"
    rb"entry_id [0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\n"
    rb"cause ([A-Z_]{1,64}) ([!-~]{1,128})\n"
    rb"value_time (?=(" + _DAY + rb"))" + _TIME + rb"\n"
    rb"(?:reverses [1-9]\d*\n)?"
    rb"((?:" + _METADATA + rb")*)"
)

_LINE = re.compile(
    rb"(?:(transfer)|(hold)|(commit|void|expire|reverse)) "
    rb"(" + _ACCOUNT + rb") (" + _ACCOUNT + rb") ([1-9]\d{0,18}) ([A-Z]{3}) "
    rb"(?:"
    + _CODE
    + rb"|~) (?:"
    + _CODE
    + rb"|~) (?:"
    + _DAY
    + rb"T(?:[01]\d|2[0-3]):00:00\.000000Z|~) "
    rb"(?:0|[1-9]\d{0,9})"
    rb"(?(2) (?:" + _TIME + rb"|~))(?(3) [1-9]\d*/(?:0|[1-9]\d*))\n"
)

_MOVING = frozenset({b"transfer", b"commit", b"reverse"})
"""The words of lines that move money. The others only reserve it, or free it."""


class Misread(Exception):
    """A text that is in no form of an entry; the message says where."""


class Movement(NamedTuple):
    """micros of currency go from the account credit to the account debit."""

    debit: bytes
    credit: bytes
    micros: bytes
    currency: bytes


class Read(NamedTuple):
    """What is read from an entry's text. day: when it counts. transfers: how many lines it has."""

    sequence: int
    recorded_time: bytes
    day: bytes
    cause: bytes
    movements: list[Movement]
    transfers: int


def read(text: bytes) -> Read:
    """Reads a whole text. Raises Misread."""
    header = _HEADER.match(text)
    if header is None:
        raise Misread(f"its {_where(text)} is not in the form of an entry")
    one, recorded_one, two, recorded_two, value_date, kind, cause_id, time_day, metadata = (
        header.groups()
    )
    day = value_date or time_day
    if not is_day(day):
        raise Misread(f"its day {day.decode()} is none of the calendar")
    if metadata.count(b"\n") > 1:
        _require_order(metadata)
    if not text.isascii():
        _require_text(text)
    at, end = header.end(), len(text)
    movements, transfers = [], 0
    match = _LINE.match
    while at < end:
        line = match(text, at)
        if line is None:
            number = text.count(b"\n", 0, at) + 1
            raise Misread(f"its line {number} is no transfer's")
        plain, _, step, debit, credit, micros, currency = line.groups()
        transfers += 1
        if plain or step in _MOVING:
            movements.append(Movement(debit, credit, micros, currency))
        at = line.end()
    return Read(
        int(one or two),
        recorded_one or recorded_two,
        day,
        kind + b" " + cause_id,
        movements,
        transfers,
    )


@lru_cache(maxsize=4_096)
def is_day(day: bytes) -> bool:
    """Whether a day in the right form is one of the calendar."""
    try:
        date.fromisoformat(day.decode())
    except ValueError:
        return False
    return True


def _require_order(metadata: bytes) -> None:
    keys = [line.split(b" ", 2)[1] for line in metadata.splitlines()]
    if any(later <= earlier for earlier, later in pairwise(keys)):
        raise Misread("its metadata is not in the order of the keys")


def _require_text(text: bytes) -> None:
    try:
        characters = text.decode()
    except UnicodeDecodeError as error:
        raise Misread(f"its byte {error.start} is not in UTF-8") from None
    if any("\x80" <= character <= "\x9f" for character in characters):
        raise Misread("it holds a control character")


_STARTS = (b"watersmeet entry ", b"sequence ", b"recorded_time ")


def _where(text: bytes) -> str:
    """Which line of a text that has no header's form is the first to blame, as far as is plain."""
    for number, start in enumerate(_STARTS):
        lines = text.split(b"\n")
        if len(lines) <= number or not lines[number].startswith(start):
            return f"line {number + 1}"
    return "head"
