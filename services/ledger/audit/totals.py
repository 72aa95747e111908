"""The check of totals: each cell is what the transfers make it, by the rule of totals.py; what the
head says the tables do not count yet is added to them.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import NamedTuple

from services.ledger.audit.check import Check, Findings
from services.ledger.domain import Cell, Sums
from services.ledger.journal.totals import UNMOVED, changes_of
from services.ledger.store.snapshot import Snapshot
from services.runtime.errors import Fault


class _Group(NamedTuple):
    """The cells of one campaign, project and hour: few, however many there are in all."""

    key: tuple[str, str, datetime]
    cells: dict[Cell, Sums]


async def check_totals(books: Snapshot, watermarks: Mapping[str, datetime]) -> Check:
    """Makes all cells again from the transfers, and compares; and so with the watermarks.

    watermarks: what the entries state.
    """
    findings = Findings()
    covered = 0
    after, through = books.uncounted
    if not 0 <= after <= through <= books.head.sequence:
        findings.add(
            f"the head names the entries from {after + 1} to {through} as uncounted, and the last "
            f"is entry {books.head.sequence}"
        )
    stored_groups = _stored(books)
    derived_groups = _derived(books, findings)
    stored = await anext(stored_groups, None)
    derived = await anext(derived_groups, None)
    while stored or derived:
        key = min(group.key for group in (stored, derived) if group)
        kept: dict[Cell, Sums] = {}
        made: dict[Cell, Sums] = {}
        if stored and stored.key == key:
            kept, stored = stored.cells, await anext(stored_groups, None)
        if derived and derived.key == key:
            made, derived = derived.cells, await anext(derived_groups, None)
        covered += len(kept.keys() | made.keys())
        _compare(kept, made, findings)
    if await books.watermarks() != watermarks:
        findings.add("the watermarks are not those that the entries state")
    return findings.check(
        "totals", covered, f"all {covered:,} cells are what the transfers make them"
    )


def _compare(kept: Mapping[Cell, Sums], made: Mapping[Cell, Sums], findings: Findings) -> None:
    for cell in sorted(kept.keys() | made.keys()):
        stored, derived = kept.get(cell, UNMOVED), made.get(cell, UNMOVED)
        if stored != derived:
            findings.add(
                f"{cell.state.name} of campaign {cell.campaign!r}, project {cell.project!r} "
                f"({cell.purpose.name}), "
                f"partner {cell.partner!r}, hour {cell.hour:%Y-%m-%dT%HZ} in {cell.currency} is "
                f"kept as {stored.micros:,} ({stored.tally:,}), and the transfers make it "
                f"{derived.micros:,} ({derived.tally:,})"
            )


async def _stored(books: Snapshot) -> AsyncIterator[_Group]:
    group: _Group | None = None
    async for rows in books.totals():
        for row in rows:
            key = _key(row.cell)
            if group is None or group.key != key:
                if group:
                    yield group
                group = _Group(key, {})
            group.cells[row.cell] = row.sums
    if group:
        yield group


async def _derived(books: Snapshot, findings: Findings) -> AsyncIterator[_Group]:
    group: _Group | None = None
    async for transfer in books.summed_transfers():
        try:
            changes = changes_of((transfer,))
        except Fault as fault:
            findings.add(fault.message)
            continue
        for cell, (micros, tally) in changes.items():
            key = _key(cell)
            if group is None or group.key != key:
                if group:
                    yield group
                group = _Group(key, {})
            before = group.cells.get(cell, UNMOVED)
            group.cells[cell] = Sums(before.micros + micros, before.tally + tally)
    if group:
        yield group


def _key(cell: Cell) -> tuple[str, str, datetime]:
    return cell.campaign, cell.project, cell.hour
