"""The log as it stood at the moment of a snapshot."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import TextClause

from services.ledger.log.note import Checkpoint
from services.ledger.log.tree import KeptNode, Node
from services.ledger.store.log import Links, links_between


class Stream(Protocol):
    """Reads a statement's rows a chunk at a time."""

    def __call__(
        self, statement: TextClause, chunk: int = ..., **parameters: object
    ) -> AsyncIterator[Sequence[Row[Any]]]:
        """chunk: the most rows at a time. parameters: the statement's own."""


class LogSnapshot:
    """Reads on a snapshot's connection, for as long as the snapshot is there."""

    def __init__(self, connection: AsyncConnection, stream: Stream) -> None:
        self._connection = connection
        self._stream = stream

    async def links(self, after: int, until: int) -> Links:
        """The hashes of the entries after a sequence, up to another. Raises Unreadable."""
        return await links_between(self._connection, after, until)

    async def checkpoints(self) -> AsyncIterator[Checkpoint]:
        """All checkpoints by size."""
        async for rows in self._stream(_CHECKPOINTS):
            for row in rows:
                yield Checkpoint(row.size, row.note)

    async def tree_nodes(self) -> AsyncIterator[KeptNode]:
        """All nodes of the tree that are kept, in the order in which they become complete."""
        async for rows in self._stream(_TREE_NODES):
            for row in rows:
                yield KeptNode(Node(row.level, row.position), row.hash)

    async def keys(self) -> list[str]:
        """All verifier keys."""
        return list(await self._connection.scalars(_KEYS))


_CHECKPOINTS = text("SELECT size, note FROM checkpoints ORDER BY size")

# Numeric, so that no stored value makes it overflow.
_TREE_NODES = text("""
    SELECT level, position, hash FROM tree_nodes
    ORDER BY (position + 1)::numeric * 2::numeric ^ level, level
""")

_KEYS = text("SELECT verifier_key FROM log_keys ORDER BY verifier_key")
