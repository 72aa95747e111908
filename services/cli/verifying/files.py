"""The small files of an archive: facts, accounts, checkpoints, keys; each held to its one form."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from services.cli.verifying.layout import (
    ACCOUNTS,
    CHECKPOINTS,
    FACTS,
    FORM,
    KEYS,
    KINDS,
    MICROS_MAX,
)
from services.cli.verifying.notes import NotValid, parse_key
from services.cli.verifying.report import Finding

_CODE = re.compile(r"[a-z0-9._-]{1,64}(/[a-z0-9._-]{1,64})*")
_CURRENCY = re.compile(r"[A-Z]{3}")


class Chart(NamedTuple):
    """A row of the chart of accounts: what codes of a pattern are."""

    pattern: str
    kind: str


class Facts(NamedTuple):
    """What archive.json says."""

    entries: int
    head_hash: str
    chart: list[Chart]


class Account(NamedTuple):
    """A line of accounts.jsonl. debits and credits are in micros."""

    code: str
    currency: str
    kind: str
    owner: str
    debits: int
    credits: int


class Checkpoint(NamedTuple):
    """A line of checkpoints.jsonl."""

    size: int
    note: str


def encode(row: object) -> str:
    """JSON in the one form: keys in order, no blanks, nothing escaped that need not be."""
    return json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def account_line(account: Account) -> str:
    """A line of accounts.jsonl. Sums are text, as many readers take JSON's numbers for floats."""
    row = account._asdict()
    return encode(row | {"debits": str(account.debits), "credits": str(account.credits)}) + "\n"


def checkpoint_line(checkpoint: Checkpoint) -> str:
    """A line of checkpoints.jsonl."""
    return encode(checkpoint._asdict()) + "\n"


def facts_line(facts: Facts) -> str:
    """archive.json."""
    chart = [row._asdict() for row in facts.chart]
    return encode(facts._asdict() | {"chart": chart, "form": FORM}) + "\n"


Row = TypeVar("Row")


class SmallFiles:
    """Reads them; what is wrong goes to `findings`, and is left out of what is read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.findings: list[Finding] = []

    def facts(self) -> Facts:
        """archive.json."""
        found = list(self._rows(FACTS, _facts_of, facts_line))
        if len(found) != 1:
            self.findings.append(Finding(FACTS, "it is not one line"))
        return found[0] if found else Facts(0, "", [])

    def accounts(self, chart: list[Chart]) -> list[Account]:
        """accounts.jsonl: by code and currency, none twice, each of its kind in the chart."""
        accounts = []
        last = ("", "")
        rows = [(_codes_of(row.pattern), row.kind) for row in chart]
        for number, account in self._numbered(ACCOUNTS, _account_of, account_line):
            if (account.code, account.currency) <= last:
                self._add(ACCOUNTS, number, "it is not in the order of codes and currencies")
            last = (account.code, account.currency)
            if problem := _out_of_chart(account, rows):
                self._add(ACCOUNTS, number, problem)
            accounts.append(account)
        return accounts

    def checkpoints(self) -> list[tuple[int, Checkpoint]]:
        """checkpoints.jsonl, each with its line's number: by size."""
        found = []
        last = 0
        for number, checkpoint in self._numbered(CHECKPOINTS, _checkpoint_of, checkpoint_line):
            if checkpoint.size <= last:
                self._add(CHECKPOINTS, number, "it is not in the order of sizes")
            else:
                found.append((number, checkpoint))
                last = checkpoint.size
        return found

    def keys(self) -> list[str]:
        """keys.txt: verifier keys."""
        keys: list[str] = []
        for number, line in enumerate(self._lines(KEYS), start=1):
            try:
                parse_key(line)
            except NotValid as error:
                self._add(KEYS, number, str(error))
                continue
            if keys and line <= keys[-1]:
                self._add(KEYS, number, "it is not in the order of keys")
            keys.append(line)
        return keys

    def _rows(
        self, name: str, parse: Callable[[object], Row], write: Callable[[Row], str]
    ) -> Iterator[Row]:
        return (row for _, row in self._numbered(name, parse, write))

    def _numbered(
        self, name: str, parse: Callable[[object], Row], write: Callable[[Row], str]
    ) -> Iterator[tuple[int, Row]]:
        for number, line in enumerate(self._lines(name), start=1):
            try:
                row = parse(json.loads(line))
            except (ValueError, TypeError, KeyError, RecursionError):
                self._add(name, number, "it is not in the form of its file")
                continue
            if write(row) != line + "\n":
                self._add(name, number, "it is not in the one form that it can have")
            yield number, row

    def _lines(self, name: str) -> Iterator[str]:
        text = ""
        try:
            text = (self._folder / name).read_bytes().decode()
        except UnicodeDecodeError as error:
            before = error.object[: error.start].count(b"\n") + 1
            self._add(name, before, "it is not in UTF-8")
        lines = text.split("\n")
        if lines.pop():
            self._add(name, text.count("\n") + 1, "the file does not end with a line's end")
        return iter(lines)

    def _add(self, name: str, line: int, what: str) -> None:
        self.findings.append(Finding(name, what, line=line))


def _facts_of(row: object) -> Facts:
    fields = _fields(row, "chart", "entries", "form", "head_hash")
    if fields["form"] != FORM or not re.fullmatch("[0-9a-f]{64}", fields["head_hash"]):
        raise ValueError
    chart = [Chart(**_fields(one, "kind", "pattern")) for one in fields["chart"]]
    if not all(isinstance(part, str) for row in chart for part in row):
        raise TypeError
    return Facts(_count(fields["entries"]), fields["head_hash"], chart)


def _account_of(row: object) -> Account:
    fields = _fields(row, "code", "credits", "currency", "debits", "kind", "owner")
    sums = {name: int(fields[name]) for name in ("debits", "credits")}
    account = Account(**fields | sums)
    if (
        not _CODE.fullmatch(account.code)
        or not _CURRENCY.fullmatch(account.currency)
        or account.kind not in KINDS
        or not 0 <= account.debits <= MICROS_MAX
        or not 0 <= account.credits <= MICROS_MAX
    ):
        raise ValueError
    return account


def _checkpoint_of(row: object) -> Checkpoint:
    fields = _fields(row, "note", "size")
    if not isinstance(fields["note"], str):
        raise TypeError
    return Checkpoint(_count(fields["size"]), fields["note"])


def _fields(row: object, *names: str) -> dict[str, Any]:
    if not isinstance(row, dict) or sorted(row) != list(names):
        raise TypeError
    return row


def _count(number: object) -> int:
    if type(number) is not int or not 0 <= number <= MICROS_MAX:
        raise ValueError
    return number


def _out_of_chart(account: Account, chart: Iterable[tuple[re.Pattern[str], str]]) -> str | None:
    for pattern, kind in chart:
        match = pattern.fullmatch(account.code)
        if match:
            if kind != account.kind:
                return f"{account.code} is {kind} in the chart, and {account.kind} here"
            if match.groups() != (account.owner,):
                return f"{account.code} is not {account.owner!r}'s"
            return None
    return f"{account.code} is in no row of the chart"


def _codes_of(pattern: str) -> re.Pattern[str]:
    """What the codes of a pattern in the chart match, each name in braces being a part."""
    form = re.escape(pattern).replace(r"\{", "{").replace(r"\}", "}")
    return re.compile(re.sub(r"\{\w+\}", "([a-z0-9._-]{1,64})", form))
