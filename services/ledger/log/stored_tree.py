"""Hashes of any part of the tree, from what is kept: two statements, however large the tree is."""

from collections.abc import Sequence

from services.ledger.log.tree import (
    STRIDE,
    Node,
    Range,
    base_of,
    folded,
    hash_of,
    leaf_hash,
    subtrees_of,
)
from services.ledger.store.log import LogStore


async def hashes_of(store: LogStore, nodes: Sequence[Node]) -> dict[Node, bytes]:
    """The hashes of complete subtrees.

    Raises Unreadable if something is missing, and the database's errors.
    """
    bases = await store.bases([base_of(node) for node in nodes])
    return {
        node: hash_of(node, base if node.level >= STRIDE else [leaf_hash(entry) for entry in base])
        for node, base in zip(nodes, bases, strict=True)
    }


async def path_of(store: LogStore, ranges: Sequence[Range]) -> list[bytes]:
    """The hashes of the ranges of a proof. Raises as `hashes_of`."""
    parts = [subtrees_of(leaves) for leaves in ranges]
    hashes = await hashes_of(store, sorted({node for part in parts for node in part}))
    return [folded([hashes[node] for node in part]) for part in parts]
