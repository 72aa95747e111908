"""Tables without their keys and indexes while many rows come, which makes that many times quicker.

The definitions are the database's own, so what is made again is what the product's migrations made.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import psycopg
from psycopg import sql

_FOUND = """
    SELECT c.relname, k.conname IS NOT NULL,
        COALESCE(pg_get_constraintdef(k.oid), pg_get_indexdef(i.indexrelid))
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u')
    WHERE i.indrelid = %s::regclass ORDER BY 1
"""
_SESSION = "SET maintenance_work_mem = '1GB'; SET max_parallel_maintenance_workers = 0"
_AT_ONCE = 2


class Index(NamedTuple):
    """A key or an index. definition: as the database tells it; of a key, without its name."""

    table: str
    name: str
    is_key: bool
    definition: str


@contextmanager
def bare(
    url: str, tables: Sequence[str], fillfactors: Mapping[str, int] | None = None
) -> Iterator[None]:
    """Takes keys and indexes away, and makes them again at the end, two at a time; also analyzes.

    url: as the tables' owner. fillfactors: by index, how full its pages shall be at first, in
    percent, where rows that had come one by one would have left them less than full.
    Raises ValueError for one that there is not.
    """
    found = [index for table in tables for index in indexes_of(url, table)]
    if unknown := set(fillfactors or ()) - {index.name for index in found}:
        raise ValueError(f"there is no index {', '.join(sorted(unknown))}")
    with psycopg.connect(url) as connection:
        for index in found:
            drop = "ALTER TABLE {} DROP CONSTRAINT {}" if index.is_key else "DROP INDEX {1}"
            connection.execute(sql.SQL(drop).format(*map(sql.Identifier, index[:2])))
    try:
        yield
    finally:
        fills = [(fillfactors or {}).get(index.name) for index in found]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(partial(_make, url), found, fills))
    with psycopg.connect(url, autocommit=True) as connection:
        for table in tables:
            connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(table)))


def indexes_of(url: str, table: str) -> list[Index]:
    """The keys and indexes of a table."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(_FOUND, (table,)).fetchall()
    return [Index(table, name, is_key, definition) for name, is_key, definition in rows]


def _make(url: str, index: Index, fillfactor: int | None) -> None:
    table, name = sql.Identifier(index.table), sql.Identifier(index.name)
    head = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} ") if index.is_key else sql.SQL("")
    tail = sql.SQL(" WITH (fillfactor = {})" if fillfactor else "")
    # The definition is the database's own text.
    statement = head.format(table, name) + sql.SQL(index.definition) + tail.format(fillfactor)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_SESSION)
        connection.execute(statement)
        if fillfactor:
            # Those that come later fill their pages as ever.
            connection.execute(sql.SQL("ALTER INDEX {} RESET (fillfactor)").format(name))
