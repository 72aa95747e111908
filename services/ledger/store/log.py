"""The log's tables: checkpoints, the nodes of the tree that are kept, and the keys.

All three are only ever added to. What two processes add at once is the same, so whoever comes
second changes nothing.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.ledger.log.note import Checkpoint
from services.ledger.log.tree import HASH_BYTES, STRIDE, Base, KeptNode, hashes_in
from services.ledger.store.arrays import array
from services.ledger.store.entries import Unreadable
from services.runtime.database import transaction

_KEYS_MAX = 1_000


class Links(NamedTuple):
    """The hashes of entries one after the other, and the previous hash that each names.

    Each is 32 bytes for each entry, so that there is no Python object an entry.
    """

    previous: bytes
    hashes: bytes

    @property
    def entries(self) -> int:
        """How many entries."""
        return len(self.hashes) // HASH_BYTES


class LogStore:
    """Reads and adds to the log. Its methods raise the database's errors, and Unreadable."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def head_sequence(self) -> int:
        """The last entry's sequence."""
        async with self._engine.connect() as connection:
            return int((await connection.execute(_HEAD)).scalar_one())

    async def latest(self) -> Checkpoint | None:
        """The checkpoint of the most entries."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(_LATEST)).one_or_none()
        return None if row is None else Checkpoint(row.size, row.note)

    async def at(self, size: int) -> Checkpoint | None:
        """The checkpoint of so many entries."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(_AT, {"size": size})).one_or_none()
        return None if row is None else Checkpoint(row.size, row.note)

    async def after(self, size: int, until: int, limit: int) -> list[Checkpoint]:
        """Checkpoints of more than size and at most until entries, by size."""
        parameters = {"size": size, "until": until, "limit": limit}
        async with self._engine.connect() as connection:
            rows = await connection.execute(_BETWEEN, parameters)
            return [Checkpoint(row.size, row.note) for row in rows]

    async def keys(self) -> list[str]:
        """All verifier keys."""
        async with self._engine.connect() as connection:
            return list(await connection.scalars(_KEYS, {"limit": _KEYS_MAX}))

    async def add_keys(self, verifier_keys: Iterable[str]) -> None:
        """Adds keys that are not there yet."""
        async with transaction(self._engine) as connection:
            for key in verifier_keys:
                await connection.execute(_ADD_KEY, {"key": key})

    async def links(self, after: int, until: int) -> Links:
        """The hashes of the entries after a sequence, up to another."""
        async with self._engine.connect() as connection:
            return await links_between(connection, after, until)

    async def bases(self, bases: Sequence[Base]) -> list[list[bytes]]:
        """The stored hashes of each base: of entries at level 0, of nodes at the others."""
        found: list[list[bytes]] = [[] for _ in bases]
        async with self._engine.connect() as connection:
            for statement, chosen in (
                (_ENTRY_HASHES, [n for n, base in enumerate(bases) if base.level == 0]),
                (_NODE_HASHES, [n for n, base in enumerate(bases) if base.level != 0]),
            ):
                if not chosen:
                    continue
                rows = await connection.execute(
                    statement,
                    {
                        "numbers": array(chosen),
                        "levels": array(bases[n].level for n in chosen),
                        "begins": array(bases[n].begin for n in chosen),
                        "ends": array(bases[n].end for n in chosen),
                        "limit": 1 << STRIDE,
                    },
                )
                for row in rows:
                    found[row.number] = hashes_in(row.hashes)
        for base, hashes in zip(bases, found, strict=True):
            if len(hashes) != base.end - base.begin:
                raise Unreadable(f"level {base.level} of the tree has no {base.begin}-{base.end}")
        return found

    async def append(self, nodes: Sequence[KeptNode], checkpoint: Checkpoint) -> None:
        """Adds a checkpoint and the nodes that are complete with it; durable when it returns."""
        async with transaction(self._engine) as connection:
            if nodes:
                await connection.execute(
                    _ADD_NODES,
                    {
                        "levels": array(kept.node.level for kept in nodes),
                        "positions": array(kept.node.position for kept in nodes),
                        "hashes": array(kept.hash.hex() for kept in nodes),
                    },
                )
            await connection.execute(_ADD_CHECKPOINT, checkpoint._asdict())


async def links_between(connection: AsyncConnection, after: int, until: int) -> Links:
    """The hashes of the entries after a sequence, up to another. Raises Unreadable for others."""
    row = (await connection.execute(_LINKS, {"after": after, "until": until})).one()
    links = Links(row.previous or b"", row.hashes or b"")
    if not len(links.hashes) == len(links.previous) == row.entries * HASH_BYTES:
        raise Unreadable(f"an entry of {after + 1} to {until} has a hash that is not 32 bytes")
    return links


_HEAD = text("SELECT sequence FROM head")

_LATEST = text("SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1")

_AT = text("SELECT size, note FROM checkpoints WHERE size = :size")

_BETWEEN = text("""
    SELECT size, note FROM checkpoints WHERE size > :size AND size <= :until
    ORDER BY size LIMIT :limit
""")

_KEYS = text("SELECT verifier_key FROM log_keys ORDER BY verifier_key LIMIT :limit")

_ADD_KEY = text("INSERT INTO log_keys (verifier_key) VALUES (:key) ON CONFLICT DO NOTHING")

_LINKS = text("""
    SELECT count(*) AS entries, string_agg(previous_hash, ''::bytea ORDER BY sequence) AS previous,
           string_agg(hash, ''::bytea ORDER BY sequence) AS hashes
    FROM entries WHERE sequence > :after AND sequence <= :until
""")

# LATERAL with a limit: each range is one short walk through the primary key.
_ENTRY_HASHES = text("""
    SELECT r.number, string_agg(e.hash, ''::bytea ORDER BY e.sequence) AS hashes
    FROM unnest(
        CAST(:numbers AS integer[]), CAST(:begins AS bigint[]), CAST(:ends AS bigint[])
    ) AS r (number, "begin", "end") CROSS JOIN LATERAL (
        SELECT sequence, hash FROM entries WHERE sequence > r."begin" AND sequence <= r."end"
        ORDER BY sequence LIMIT :limit
    ) AS e
    GROUP BY r.number
""")

_NODE_HASHES = text("""
    SELECT r.number, string_agg(n.hash, ''::bytea ORDER BY n.position) AS hashes
    FROM unnest(
        CAST(:numbers AS integer[]), CAST(:levels AS smallint[]), CAST(:begins AS bigint[]),
        CAST(:ends AS bigint[])
    ) AS r (number, level, "begin", "end") CROSS JOIN LATERAL (
        SELECT position, hash FROM tree_nodes
        WHERE level = r.level AND position >= r."begin" AND position < r."end"
        ORDER BY position LIMIT :limit
    ) AS n
    GROUP BY r.number
""")

_ADD_NODES = text("""
    INSERT INTO tree_nodes (level, position, hash)
    SELECT level, position, decode(hash, 'hex')
    FROM unnest(
        CAST(:levels AS smallint[]), CAST(:positions AS bigint[]), CAST(:hashes AS text[])
    ) AS kept (level, position, hash)
    ON CONFLICT (level, position) DO NOTHING
""")

_ADD_CHECKPOINT = text("""
    INSERT INTO checkpoints (size, note) VALUES (:size, :note) ON CONFLICT (size) DO NOTHING
""")
