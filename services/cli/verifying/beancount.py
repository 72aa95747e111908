"""An archive's entries as a beancount file: https://beancount.github.io/docs

Debits are positive. An account is named by what its code says, a capital first in each part:
partner/alipay/claimed, an asset, is Assets:Partner:Alipay:Claimed. What beancount's names cannot
hold is spelled out with a capital, which no code has, so that two codes never share a name.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from services.cli.verifying.files import Account
from services.cli.verifying.text import Movement, Read

ROOTS: Mapping[str, str] = {
    "ASSET": "Assets",
    "LIABILITY": "Liabilities",
    "INCOME": "Income",
    "EXPENSE": "Expenses",
    "EQUITY": "Equity",
}
_SPELLED = {".": "Dot", "_": "Low"}
# Behind a 0, and never what _SPELLED makes: "0_" is not "_".
_FIRST = {".": "Point", "_": "Line", "-": "Dash"}

HEAD = (
    b'option "title" "Watersmeet ledger"\n'
    b"; Made from the entries' sealed texts. Debits are positive; sequence is an entry's number."
    b"\n\n"
)
_OPENED = b"1970-01-01"


def name_of(code: str, kind: str) -> bytes:
    """An account's name in beancount."""
    return ":".join([ROOTS[kind], *map(_part, code.split("/"))]).encode()


def openings(accounts: Iterable[Account], names: Mapping[str, bytes]) -> bytes:
    """The lines that open accounts, each for all its currencies. accounts: by code and currency."""
    currencies: dict[str, list[str]] = {}
    for account in accounts:
        currencies.setdefault(account.code, []).append(account.currency)
    lines = [
        b"%b open %b %b\n" % (_OPENED, names[code], ",".join(units).encode())
        for code, units in currencies.items()
    ]
    return b"".join(lines) + b"\n"


def transaction(entry: Read, names: Mapping[bytes, bytes]) -> bytes:
    """An entry. names: by account code. One that moves nothing is a comment.

    Raises KeyError for an account that is not named.
    """
    if not entry.movements:
        return b"; entry %d of %b moves nothing\n\n" % (entry.sequence, entry.day)
    cause = entry.cause.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    head = b'%b * "%b"\n  sequence: %d\n' % (entry.day, cause, entry.sequence)
    return head + b"".join([_postings(movement, names) for movement in entry.movements]) + b"\n"


def assertions(accounts: Iterable[Account], names: Mapping[str, bytes], last_day: bytes) -> bytes:
    """What accounts hold on the day behind the last one, for bean-check to compare.

    last_day: the latest day of an entry; empty if there is none, and then nothing is said.
    """
    if not last_day:
        return b""
    day = (date.fromisoformat(last_day.decode()) + timedelta(days=1)).isoformat().encode()
    return b"".join(
        b"%b balance %b  %b %b\n"
        % (
            day,
            names[account.code],
            _signed(account.debits - account.credits),
            account.currency.encode(),
        )
        for account in accounts
    )


def _postings(movement: Movement, names: Mapping[bytes, bytes]) -> bytes:
    debit, credit, micros, currency = movement
    amount = _decimal(micros)
    return b"  %b  %b %b\n  %b  -%b %b\n" % (
        names[debit],
        amount,
        currency,
        names[credit],
        amount,
        currency,
    )


def _signed(micros: int) -> bytes:
    decimal = _decimal(b"%d" % abs(micros))
    return b"-" + decimal if micros < 0 else decimal


def _decimal(micros: bytes) -> bytes:
    """Micros as an exact decimal with six places."""
    digits = micros.zfill(7)
    return digits[:-6] + b"." + digits[-6:]


def _part(part: str) -> str:
    first = _FIRST.get(part[0])
    begin = f"0{first}" if first else part[0].upper()
    return begin + "".join(_SPELLED.get(character, character) for character in part[1:])
