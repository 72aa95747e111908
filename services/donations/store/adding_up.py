"""Kept sums, added up again from all rows by stretches, for the audit.

However many rows there are, no statement reads more than a stretch of them, and no more than so
many sums are in memory: of more the rows are gone through once more for each part of the sums.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import add
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donations.store.fragments import allocated
from services.donations.store.pledge_sums import ADDED_UP, ALL_SLOTS

STRETCH = 100_000
"""Rows that one statement adds up."""

SUMS_MAX = 50_000
"""Sums that are compared in one go."""

_TOLD_MAX = 100

_Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Kept:
    """table: of the sums. of: what they are the sums of, in the order of key, which is a bucket, a
    partner's id and an id of its own. names: what tells sums apart; lowest: is below all of them.
    kept: all slots' sums, with those that `has` says are worth keeping. made: the sums of the rows
    `part`; adds: of each column behind the names, how those of two stretches make one. told: what
    to say of the names of a sum that does not fit.
    """

    table: str
    of: str
    key: str
    names: str
    lowest: _Row
    kept: str
    has: str
    made: str
    adds: Sequence[Callable[[Any, Any], Any]]
    told: Callable[[_Row], str]


_PLEDGES = _Kept(
    table="pledge_sums",
    of="pledged_orders",
    key="bucket, partner_id, order_id",
    names="pledge_id",
    lowest=(-(2**31),),
    kept=ALL_SLOTS,
    has="true",
    made=f"""
    SELECT o.pledge_id, {ADDED_UP}
    FROM part o LEFT JOIN pledges p ON p.id = o.pledge_id GROUP BY 1""",  # noqa: S608
    adds=(add, add, add, add, add, max),
    told=lambda names: f"pledge id {names[0]} is kept with other sums than its orders come to",
)

# Of the suspended what was allocated, counts elsewhere or was refunded stands there no more.
_SUSPENSE = _Kept(
    table="suspense_sums",
    of="suspended",
    key="bucket, partner_id, external_id",
    names="partner_id, project, reason, currency",
    lowest=(-1, "", 0, ""),
    kept="sum(gifts) AS gifts, sum(micros) AS micros",
    has="sum(gifts) <> 0 OR sum(micros) <> 0",
    made=f"""
    SELECT s.partner_id, s.project, s.reason, d.currency, count(*) AS gifts,
           sum(d.amount_micros - coalesce(t.refunded_micros, 0)) AS micros
    FROM part s
    JOIN donations d USING (bucket, partner_id, external_id)
    LEFT JOIN positions t USING (bucket, partner_id, external_id)
    {allocated("true", "s.bucket, s.partner_id, s.external_id")}
    WHERE q.id IS NULL AND t.joined IS NOT TRUE
      AND coalesce(t.refunded_micros, 0) < d.amount_micros
    GROUP BY 1, 2, 3, 4""",  # noqa: S608
    adds=(add, add),
    told=lambda names: (
        f"what stands in suspense of partner id {names[0]} for project '{names[1]}', reason "
        f"{names[2]}, in {names[3]}, is kept with other sums than its gifts come to"
    ),
)

_BEFORE_ALL: _Row = (-1, 0, "")
"""A key of whatever the sums are of."""


async def misfits(connection: AsyncConnection) -> AsyncIterator[tuple[str, Sequence[str]]]:
    """Says table by table, stretch by stretch, which kept sums are not those of their rows. What
    is told of a stretch is empty but at the end of a part of the sums.

    The connection's transaction sees one moment. Raises the database's errors.
    """
    for sums in (_PLEDGES, _SUSPENSE):
        low: _Row | None = sums.lowest
        while low is not None:
            kept, high = await _kept(connection, sums, low)
            made: dict[_Row, _Row] = {}
            async for stretch in _stretches(connection, sums, low, high):
                _add(sums, made, kept, stretch)
                yield sums.table, []
            wrong = [
                names for names in kept.keys() | made.keys() if kept.get(names) != made.get(names)
            ]
            yield sums.table, [sums.told(names) for names in sorted(wrong)[:_TOLD_MAX]]
            low = high


def _add(
    sums: _Kept, made: dict[_Row, _Row], kept: Mapping[_Row, _Row], stretch: Sequence[_Row]
) -> None:
    """Of those that are not kept at all no more are added up than are told of."""
    width = len(sums.lowest)
    for row in stretch:
        names, values = row[:width], row[width:]
        if names in made:
            before = made[names]
            made[names] = tuple(
                adds(*both) for adds, *both in zip(sums.adds, before, values, strict=True)
            )
        elif names in kept or len(made) < SUMS_MAX + _TOLD_MAX:
            made[names] = values


async def _kept(
    connection: AsyncConnection, sums: _Kept, low: _Row
) -> tuple[Mapping[_Row, _Row], _Row | None]:
    """The next of the sums, and the last of their names; None if no more come behind it."""
    found = await connection.execute(
        text(
            f"SELECT {sums.names}, {sums.kept} FROM {sums.table} "  # noqa: S608  constants
            f"WHERE ({sums.names}) > ({_named('low', low)}) GROUP BY {sums.names} "
            f"HAVING {sums.has} ORDER BY {sums.names} LIMIT {SUMS_MAX}"
        ),
        _values("low", low),
    )
    width = len(sums.lowest)
    rows = [tuple(row) for row in found]
    kept = {row[:width]: row[width:] for row in rows}
    return kept, rows[-1][:width] if len(rows) == SUMS_MAX else None


async def _stretches(
    connection: AsyncConnection, sums: _Kept, low: _Row, high: _Row | None
) -> AsyncIterator[Sequence[_Row]]:
    """What each stretch of the rows comes to, of the names behind low and up to high."""
    after: _Row | None = _BEFORE_ALL
    while after is not None:
        found = await connection.execute(
            text(
                f"SELECT {sums.key} FROM {sums.of} "  # noqa: S608  constants
                f"WHERE ({sums.key}) > ({_named('after', after)}) "
                f"ORDER BY {sums.key} OFFSET {STRETCH - 1} LIMIT 1"
            ),
            _values("after", after),
        )
        row = found.one_or_none()
        end = None if row is None else tuple(row)
        until = "" if end is None else f" AND ({sums.key}) <= ({_named('end', end)})"
        within = "" if high is None else f" AND ({sums.names}) <= ({_named('high', high)})"
        made = await connection.execute(
            text(
                f"WITH part AS MATERIALIZED (SELECT * FROM {sums.of} "  # noqa: S608  constants
                f"WHERE ({sums.key}) > ({_named('after', after)}){until}) "
                f"SELECT * FROM ({sums.made}) made "
                f"WHERE ({sums.names}) > ({_named('low', low)}){within}"
            ),
            _values("after", after)
            | _values("end", end)
            | _values("low", low)
            | _values("high", high),
        )
        yield [tuple(row) for row in made]
        after = end


def _named(name: str, row: _Row) -> str:
    return ", ".join(f":{name}_{place}" for place in range(len(row)))


def _values(name: str, row: _Row | None) -> dict[str, object]:
    return {f"{name}_{place}": value for place, value in enumerate(row or ())}
