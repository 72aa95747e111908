"""What a plan adds to the tables, as arrays that a statement turns into rows."""

from collections.abc import Mapping
from json import JSONEncoder
from typing import NamedTuple

from services.ledger.domain import AccountName, Changes, Purpose
from services.ledger.journal.entries import Entries
from services.ledger.journal.plan import Plan
from services.ledger.journal.seal import VERSION, rfc3339
from services.ledger.journal.standing import NOTHING
from services.ledger.store.arrays import array, bytes_array, optional_array, text_array

Ids = Mapping[AccountName, int]
"""Of accounts."""

Parameters = dict[str, str]


class Table(NamedTuple):
    """A table to which rows are added. columns: with their types. conflict: what becomes of a row
    whose key is there.
    """

    name: str
    columns: Mapping[str, str]
    conflict: str = ""

    def insert(self, behind: str = "") -> str:
        """The statement. behind: a relation of one row or none; without a row nothing is added."""
        columns = ", ".join(self.columns)
        arrays = [f"CAST(%({self.name}_{c})s AS {type_}[])" for c, type_ in self.columns.items()]
        rows = f"unnest({', '.join(arrays)}) AS r ({columns})"
        source = f"{behind}, {rows}" if behind else rows
        into = f"INSERT INTO {self.name} AS t ({columns})"
        return f"{into} SELECT r.* FROM {source} {self.conflict}"  # noqa: S608  made of constants

    def parameters(self, *arrays: str) -> Parameters:
        """The statement's parameters. arrays: of its columns, in their order."""
        return {f"{self.name}_{column}": a for column, a in zip(self.columns, arrays, strict=True)}


class Addition(NamedTuple):
    """Rows for a table."""

    table: Table
    parameters: Parameters


ENTRIES = Table(
    "entries",
    {
        "sequence": "bigint",
        "entry_id": "uuid",
        "content_hash": "bytea",
        "cause_kind": "smallint",
        "cause_id": "text",
        "value_time": "timestamptz",
        "recorded_time": "timestamptz",
        "metadata": "jsonb",
        "previous_hash": "bytea",
        "hash": "bytea",
        "version": "smallint",
        "value_date": "date",
        "book_date": "date",
    },
)
TRANSFERS = Table(
    "transfers",
    {
        "sequence": "bigint",
        "position": "integer",
        "debit_account_id": "integer",
        "credit_account_id": "integer",
        "amount_micros": "bigint",
        "campaign": "text",
        "project": "text",
        "hour": "timestamptz",
        "count": "bigint",
    },
)
BALANCES = Table(
    "balances",
    {"account_id": "integer", "debits": "bigint", "credits": "bigint"},
    "ON CONFLICT (account_id) DO UPDATE"
    " SET debits = t.debits + excluded.debits, credits = t.credits + excluded.credits",
)


def _totals(name: str) -> Table:
    return Table(
        name,
        {
            "campaign": "text",
            "project": "text",
            "hour": "timestamptz",
            "partner": "text",
            "state": "smallint",
            "currency": "text",
            "micros": "bigint",
            "count": "bigint",
        },
        "ON CONFLICT (campaign, project, hour, partner, state, currency)"
        " DO UPDATE SET micros = t.micros + excluded.micros, count = t.count + excluded.count",
    )


TOTALS = _totals("totals")
APPEAL_TOTALS = _totals("appeal_totals")
WATERMARKS = Table(
    "watermarks",
    {"partner": "text", "complete_until": "timestamptz"},
    "ON CONFLICT (partner) DO UPDATE"
    " SET complete_until = greatest(t.complete_until, excluded.complete_until)",
)

TABLES: Mapping[str, Table] = {
    table.name: table for table in (ENTRIES, TRANSFERS, BALANCES, TOTALS, APPEAL_TOTALS, WATERMARKS)
}
INSERTS = {name: table.insert().encode() for name, table in TABLES.items()}
"""The statement of each."""


def sums_of(plan: Plan, ids: Ids) -> list[Addition]:
    """What a plan adds to balances, totals and watermarks; nothing where it adds no row."""
    cells = plan.counted
    appeals = {c: sums for c, sums in cells.items() if c.purpose is Purpose.APPEAL}
    others = {c: sums for c, sums in cells.items() if c not in appeals} if appeals else cells
    return [
        *_balances(plan, ids),
        *_cells(TOTALS, others),
        *_cells(APPEAL_TOTALS, appeals),
        *_watermarks(plan),
    ]


def head_of(plan: Plan) -> dict[str, object]:
    """What the head says behind a plan."""
    assert plan.uncounted is not None, "it is decided what of it is counted"
    return {
        **plan.head._asdict(),
        "uncounted_after": plan.uncounted.after,
        "uncounted_through": plan.uncounted.through,
    }


def entries_of(plan: Plan, ids: Ids) -> list[Addition]:
    """The transfers of a plan's entries, all of them plain movements, and the entries."""
    entries = plan.entries
    drafts = entries.drafts
    count = len(entries)
    parameters = ENTRIES.parameters(
        array(entries.sequences),
        array(drafts.entry_ids),
        bytes_array(drafts.content_hashes),
        array([int(cause.kind) for cause in drafts.causes]),
        text_array([cause.id for cause in drafts.causes]),
        array(map(rfc3339, drafts.value_times)),
        array([rfc3339(entries.recorded_time)] * count),
        text_array(map(_json, drafts.metadata)),
        bytes_array(entries.previous_hashes),
        bytes_array(entries.hashes),
        array([VERSION] * count),
        array([day.value.isoformat() for day in entries.dates]),
        array([day.book.isoformat() for day in entries.dates]),
    )
    return [_transfers(entries, ids), Addition(ENTRIES, parameters)]


def _transfers(entries: Entries, ids: Ids) -> Addition:
    rows = [
        (
            sequence,
            position,
            ids[route.debit],
            ids[route.credit],
            micros,
            route.campaign,
            route.project,
            route.hour_text or None,
            tally,
        )
        for sequence, moves in zip(entries.sequences, entries.drafts.moves, strict=True)
        for position, (route, micros, tally) in enumerate(moves)
    ]
    *before, hours, tallies = zip(*rows, strict=True)
    columns = [array(column) for column in before]
    return Addition(
        TRANSFERS, TRANSFERS.parameters(*columns, optional_array(hours), array(tallies))
    )


def _balances(plan: Plan, ids: Ids) -> list[Addition]:
    if not plan.turnovers:
        return []
    # In one order always, as whoever reads them does; and as differences, so that what stands
    # there is added to and never replaced.
    rows = [
        (ids[name], debits - debited, credits_ - credited)
        for name, (debits, credits_, _, _) in plan.turnovers.items()
        for debited, credited, _, _ in (plan.before.get(name, NOTHING),)
    ]
    return [Addition(BALANCES, BALANCES.parameters(*map(array, zip(*sorted(rows), strict=True))))]


def _cells(table: Table, totals: Changes) -> list[Addition]:
    if not totals:
        return []
    for cell in totals:
        assert (cell.purpose is Purpose.UNATTRIBUTED) == (not cell.project), (
            "what is attributed has a project"
        )
    campaigns, projects, partners, hours, states, currencies, _ = zip(*totals, strict=True)
    micros, counts = zip(*totals.values(), strict=True)
    parameters = table.parameters(
        array(campaigns),
        array(projects),
        array(map(rfc3339, hours)),
        array(partners),
        array(map(int, states)),
        array(currencies),
        array(micros),
        array(counts),
    )
    return [Addition(table, parameters)]


def _watermarks(plan: Plan) -> list[Addition]:
    if not plan.watermarks:
        return []
    partners, times = zip(*plan.watermarks.items(), strict=True)
    return [Addition(WATERMARKS, WATERMARKS.parameters(array(partners), array(times)))]


_json = JSONEncoder(ensure_ascii=False).encode
