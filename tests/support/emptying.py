"""Emptying a database between tests, and between a property's examples.

Either way takes only what was written. Truncating a table makes new files for it and each of its
indexes, if it is empty, too; for all tables of a service that is half of what a small test costs.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql

# A table whose ids were taken from, too, though no row came of it.
_WRITTEN = """
    SELECT c.relname, s.relname
    FROM pg_class c LEFT JOIN (
        pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
    ) ON d.refobjid = c.oid AND d.deptype = 'i'
        AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
    WHERE c.relname = ANY(%s) AND c.relnamespace = 'public'::regnamespace
        AND (pg_relation_size(c.oid) > 0 OR pg_sequence_last_value(s.oid) IS NOT NULL)"""

_TRUNCATED_EVERY = 100


class Emptier:
    """Empties tables over a connection of their owner's, which it keeps.

    tables: each behind those that it refers to. then: statements that make the rest as new.
    """

    def __init__(
        self,
        owner: psycopg.Connection[tuple[str, str | None]],
        tables: Sequence[str],
        then: str = "",
    ) -> None:
        self._owner = owner
        self._tables = list(tables)
        self._then = then
        self._deleted = 0

    def truncate(self, *, but: Collection[str] = ()) -> None:
        """Everything is as behind the migrations, but for some tables."""
        if written := [name for name, _ in self._written(but)]:
            names = sql.SQL(", ").join(map(sql.Identifier, written))
            # Cascades to what was never written, and refers to what was.
            self._owner.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY CASCADE").format(names))
        self._execute(self._then)

    def delete(self, *, but: Collection[str] = ()) -> None:
        """Everything looks so, for a tenth of the time.

        What is deleted stays on its pages until they are cleaned, so that rows come in no order.
        """
        self._deleted += 1
        if self._deleted % _TRUNCATED_EVERY == 0:
            return self.truncate(but=but)
        written = dict(self._written(but))
        deletions = [f'DELETE FROM "{name}"' for name in reversed(self._tables) if name in written]
        restarts = [f"SELECT setval('{each}', 1, false)" for each in written.values() if each]
        return self._execute("; ".join([*deletions, *restarts, self._then]))

    def _written(self, but: Collection[str] = ()) -> list[tuple[str, str | None]]:
        """The tables that are not as new, each with the sequence of its ids if there is one."""
        names = [name for name in self._tables if name not in but]
        return self._owner.execute(_WRITTEN, [names]).fetchall()

    def _execute(self, statements: str) -> None:
        if statements:
            self._owner.execute(statements.encode())


@contextmanager
def emptying(owner_url: str, tables: Sequence[str], then: str = "") -> Iterator[Emptier]:
    """An emptier for as long as the block. Its parameters are the Emptier's."""
    with psycopg.connect(owner_url, autocommit=True) as owner:
        yield Emptier(owner, tables, then)
