"""Changes one value of one row by hand, or takes a row away, and puts it back."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy import (
    ARRAY,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

_OTHER_JSON = (
    "CASE jsonb_typeof({0}) WHEN 'array' THEN {0} || '[1]' "
    "ELSE {0} || jsonb_build_object('x', 'y') END"
)

# Other values of the same type; of no value, some value.
_OTHERS: Sequence[tuple[type[Any], Sequence[str]]] = (
    (Boolean, ["NOT coalesce({0}, false)"]),
    # A neighbour, which may stand for something else; and one that stands for nothing.
    (Integer, ["coalesce({0}, 0) + 1", "coalesce({0}, 0) + 7777"]),
    (Numeric, ["coalesce({0}, 0) + 1"]),
    (Date, ["coalesce({0}, '2019-09-05') + 1"]),
    (DateTime, ["coalesce({0}, '2019-09-05T12:00:00Z') + interval '1 microsecond'"]),
    (Uuid, ["gen_random_uuid()"]),
    (LargeBinary, ["coalesce({0}, '') || '\\x01'"]),
    (ARRAY, ["{0} || 1::smallint"]),
    (JSONB, [_OTHER_JSON]),
    (
        String,
        ["CASE pg_typeof({0})::text WHEN 'character' THEN 'XTS' ELSE coalesce({0}, '') || 'x' END"],
    ),
)


class Place(NamedTuple):
    """A column of a table."""

    table: str
    column: str

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"


class Tampered(NamedTuple):
    """What was done. names: words of which whoever tells of it uses one."""

    what: str
    names: Sequence[str]


def places(metadata: MetaData) -> list[Place]:
    """Every column of every table."""
    return [
        Place(table.name, column.name)
        for table in metadata.sorted_tables
        for column in table.columns
    ]


def drop_guards(connection: psycopg.Connection[Any], metadata: MetaData) -> None:
    """Drops what the database itself would refuse changes for, as its owner may."""
    for table in metadata.sorted_tables:
        for constraint in table.constraints:
            if isinstance(constraint, CheckConstraint | ForeignKeyConstraint):
                drop = sql.SQL("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}").format(
                    sql.Identifier(table.name), sql.Identifier(str(constraint.name))
                )
                connection.execute(drop)


def others_of(metadata: MetaData, place: Place) -> Sequence[str]:
    """The expressions of a column's other values."""
    column = metadata.tables[place.table].columns[place.column]
    return next(others for kind, others in _OTHERS if isinstance(column.type, kind))


@contextmanager
def changed(url: str, metadata: MetaData, place: Place, other: str) -> Iterator[Tampered | None]:
    """One row has another value in a column until the block ends; None if a unique key refuses it.

    Of the rows one that is sealed and has a value there, with as many others as possible.
    """
    table = metadata.tables[place.table]
    with psycopg.connect(url, autocommit=True) as connection:
        row, values = _picked(connection, table, table.columns[place.column])
        before = values[place.column]
        try:
            [(changed_row, after)] = connection.execute(
                f"UPDATE {table.name} SET {place.column} = {other.format(place.column)} "
                f"WHERE ctid = %s RETURNING ctid::text, {place.column}".encode(),
                [row],
            ).fetchall()
        except psycopg.errors.UniqueViolation:
            yield None
            return
        assert after != before, place
        try:
            yield Tampered(f"{place} = {after!r}", _names(table, [*values.values(), after]))
        finally:
            connection.execute(
                f"UPDATE {table.name} SET {place.column} = %s WHERE ctid = %s".encode(),
                [_given(table.columns[place.column], before), changed_row],
            )


def each_changed(
    url: str, metadata: MetaData, proved: Mapping[Place, frozenset[str]]
) -> Iterator[tuple[Tampered, frozenset[str]]]:
    """Every column that checks prove, with those checks, while one row has another value there."""
    for place, checks in proved.items():
        if not checks:
            continue
        tried = 0
        for other in others_of(metadata, place):
            with changed(url, metadata, place, other) as tampered:
                if tampered is not None:
                    tried += 1
                    yield tampered, checks
        assert tried, place


def checks_of(proved: Mapping[Place, frozenset[str]], table: str) -> frozenset[str]:
    """All checks that prove a column of a table."""
    return frozenset[str]().union(*(proved[place] for place in proved if place.table == table))


@contextmanager
def removed(url: str, metadata: MetaData, name: str) -> Iterator[Tampered]:
    """A table lacks such a row until the block ends."""
    table = metadata.tables[name]
    with psycopg.connect(url, autocommit=True) as connection:
        row, values = _picked(connection, table, table.columns[0])
        connection.execute(f"DELETE FROM {name} WHERE ctid = %s".encode(), [row])
        try:
            yield Tampered(f"a row of {name} less", _names(table, list(values.values())))
        finally:
            marks = ", ".join(["%s"] * len(values))
            connection.execute(
                f"INSERT INTO {name} ({', '.join(values)}) VALUES ({marks})".encode(),
                [_given(table.columns[column], value) for column, value in values.items()],
            )


def _picked(
    connection: psycopg.Connection[Any], table: Table, column: Column[Any]
) -> tuple[str, dict[str, Any]]:
    """Where a row is, and its values by column."""
    names = [each.name for each in table.columns]
    sealed = "seal_id IS NULL, " if "seal_id" in names else ""
    filled = " + ".join(f"({name} IS NOT NULL)::int" for name in names)
    keys = ", ".join(key.name for key in table.primary_key)
    found = connection.execute(
        f"SELECT ctid::text, {', '.join(names)} FROM {table.name} "
        f"ORDER BY {sealed}{column.name} IS NULL, {filled} DESC, {keys} LIMIT 1".encode()
    ).fetchone()
    assert found is not None, f"the example has a row of {table.name}"
    return found[0], dict(zip(names, found[1:], strict=True))


def _given(column: Column[Any], value: Any) -> Any:
    return Jsonb(value) if isinstance(column.type, JSONB) and value is not None else value


def _names(table: Table, values: Sequence[Any]) -> Sequence[str]:
    codes = [value for value in values if isinstance(value, str) and len(value) > 3]
    ids = [str(value) for value in values if isinstance(value, UUID)]
    return (table.name, *codes, *ids)
