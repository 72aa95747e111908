"""The Merkle tree over the entries' hashes, as RFC 9162 (section 2.1) and RFC 6962 define it.

Leaf i is the hash of entry i + 1. A complete subtree is named by its level (0: a leaf) and its
position among those of its level. Of all complete subtrees those of every eighth level are kept
(tables), so that any other costs at most 128 of these or of the entries' hashes.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

STRIDE = 8
"""Nodes of the levels 8, 16, 24, … are kept."""

HASH_BYTES = 32
"""Of each hash."""


class Node(NamedTuple):
    """A complete subtree: the leaves from position << level to (position + 1) << level."""

    level: int
    position: int


class KeptNode(NamedTuple):
    """A complete subtree that is kept, and its hash."""

    node: Node
    hash: bytes


class Range(NamedTuple):
    """The leaves from begin up to, and without, end."""

    begin: int
    end: int


class Base(NamedTuple):
    """Where a node's hash is made from: the nodes from begin to end of a level that is kept."""

    level: int
    begin: int
    end: int


def leaf_hash(entry_hash: bytes) -> bytes:
    """The hash of a leaf."""
    return sha256(b"\x00" + entry_hash).digest()


def leaf_hashes(entry_hashes: Iterable[bytes]) -> list[bytes]:
    """The `leaf_hash` of each."""
    return [sha256(b"\x00" + entry_hash).digest() for entry_hash in entry_hashes]


def hashes_in(joined: bytes) -> list[bytes]:
    """The hashes that were joined."""
    return [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of the two subtrees together."""
    return sha256(b"\x01" + left + right).digest()


def subtrees_of(leaves: Range) -> list[Node]:
    """The largest complete subtrees that the leaves of a proof's range make up, left to right."""
    nodes = []
    begin, end = leaves
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        nodes.append(Node(level, begin >> level))
        begin += 1 << level
    return nodes


def folded(hashes: Sequence[bytes]) -> bytes:
    """The hash of a range from those of its `subtrees_of`; of no leaves, SHA-256 of nothing."""
    if not hashes:
        return sha256(b"").digest()
    whole = hashes[-1]
    for left in reversed(hashes[:-1]):
        whole = node_hash(left, whole)
    return whole


def inclusion_path(index: int, size: int) -> list[Range]:
    """The ranges whose hashes prove that leaf index is in the tree of size leaves, nearest first.

    RFC 9162, section 2.1.3.1.
    """
    assert 0 <= index < size, "a leaf of the tree"
    path = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(Range(middle, end))
            end = middle
        else:
            path.append(Range(begin, middle))
            begin = middle
    return path[::-1]


def consistency_path(first: int, second: int) -> list[Range]:
    """The ranges whose hashes prove that the tree of second leaves begins with that of first.

    RFC 9162, section 2.1.4.1.
    """
    assert 0 < first <= second, "a tree and a larger one"
    path = []
    begin, end = 0, second
    while first != end:
        middle = begin + _split(end - begin)
        if first <= middle:
            path.append(Range(middle, end))
            end = middle
        else:
            path.append(Range(begin, middle))
            begin = middle
    if begin:  # otherwise it is the first tree itself, which the verifier has
        path.append(Range(begin, end))
    return path[::-1]


def base_of(node: Node) -> Base:
    """What a node's hash is made from."""
    height = node.level % STRIDE
    begin = node.position << height
    return Base(node.level - height, begin, begin + (1 << height))


def hash_of(node: Node, base: Sequence[bytes]) -> bytes:
    """A node's hash from the hashes of its base. Those of level 0 are leaves' hashes."""
    assert len(base) == 1 << node.level % STRIDE, "all of the base"
    hashes = list(base)
    while len(hashes) > 1:
        pairs = zip(hashes[::2], hashes[1::2], strict=True)
        hashes = [node_hash(left, right) for left, right in pairs]
    return hashes[0]


class Frontier:
    """A growing tree: what of it is needed to add leaves and to say the root."""

    def __init__(self, size: int, hashes: Mapping[Node, bytes]) -> None:
        """hashes: of `subtrees_of` the leaves 0 to size."""
        self.size = size
        self._hashes = [hashes[node] for node in subtrees_of(Range(0, size))]

    def extend(self, leaves: Sequence[bytes]) -> list[KeptNode]:
        """Adds leaves' hashes; returns the nodes that are complete with them and must be kept, in
        the order in which they became so.
        """
        kept: list[KeptNode] = []
        left: list[bytes] = []  # the new ends of the levels that have one, lowest first
        level, begin, hashes = 0, self.size, list(leaves)
        while hashes:
            if begin & 1:  # its left sibling waits for it
                hashes.insert(0, self._hashes.pop())
            if len(hashes) & 1:
                left.append(hashes.pop())
            level, begin = level + 1, begin >> 1
            hashes = [
                sha256(b"\x01" + both).digest()
                for both in map(bytes.__add__, hashes[::2], hashes[1::2])
            ]
            if level % STRIDE == 0:
                kept += [KeptNode(Node(level, begin + at), one) for at, one in enumerate(hashes)]
        self._hashes += reversed(left)
        self.size += len(leaves)
        return sorted(kept, key=_end)

    def root(self) -> bytes:
        """The hash of the whole tree."""
        return folded(self._hashes)


def _end(kept: KeptNode) -> tuple[int, int]:
    level, position = kept.node
    return (position + 1) << level, level


def _split(leaves: int) -> int:
    """The largest power of two that is smaller than a number of leaves beyond 1."""
    return 1 << (leaves - 1).bit_length() - 1
