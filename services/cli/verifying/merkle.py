"""Merkle trees as a reader checks them: RFC 9162, sections 2.1.3.2 and 2.1.4.2, and roots.

Shares no code with the ledger, so that a defect of the one does not hide in the other.
"""

from collections.abc import Sequence
from hashlib import sha256


def leaf_of(data: bytes) -> bytes:
    """A leaf's hash."""
    return sha256(b"\x00" + data).digest()


def parent_of(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees."""
    return sha256(b"\x01" + left + right).digest()


def includes(root: bytes, size: int, index: int, leaf: bytes, path: Sequence[bytes]) -> bool:
    """Whether the path shows that the tree of a root has a leaf's hash at an index."""
    if not 0 <= index < size:
        return False
    here, last, made = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if here & 1 or here == last:
            made = parent_of(sibling, made)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            made = parent_of(made, sibling)
        here, last = here >> 1, last >> 1
    return last == 0 and made == root


def continues(
    first: int, first_root: bytes, second: int, root: bytes, path: Sequence[bytes]
) -> bool:
    """Whether the path shows that the tree of the second root begins with that of the first."""
    if not 0 < first <= second:
        return False
    if first == second:
        return not path and first_root == root
    nodes = list(path)
    if first & (first - 1) == 0:
        nodes.insert(0, first_root)
    if not nodes:
        return False
    here, last = first - 1, second - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    old = new = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return False
        if here & 1 or here == last:
            old, new = parent_of(node, old), parent_of(node, new)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            new = parent_of(new, node)
        here, last = here >> 1, last >> 1
    return last == 0 and old == first_root and new == root


Subtree = tuple[int, bytes]
"""A complete subtree: its level (0: a leaf) and its hash."""


def leaves_of(hashes: list[bytes]) -> list[bytes]:
    """The leaves' hashes of entries' hashes."""
    zero = b"\x00"
    return [sha256(zero + made).digest() for made in hashes]


def subtrees_of(leaves: list[bytes], begin: int) -> list[Subtree]:
    """The largest complete subtrees that leaves' hashes make up, the first being leaf begin.

    Level by level in whole lists, which costs half of what leaf by leaf costs.
    """
    left: list[Subtree] = []
    right: list[Subtree] = []
    level, hashes = 0, leaves
    one = b"\x01"
    while hashes:
        if begin & 1:
            left.append((level, hashes[0]))
            hashes = hashes[1:]
            begin += 1
        if len(hashes) & 1:
            right.append((level, hashes[-1]))
        # An odd one at the end finds no partner, and is left out.
        hashes = [
            sha256(one + first + second).digest()
            for first, second in zip(hashes[::2], hashes[1::2], strict=False)
        ]
        level, begin = level + 1, begin >> 1
    return left + right[::-1]


class Roots:
    """A growing tree, of which it keeps one hash for each level."""

    def __init__(self) -> None:
        self.size = 0
        self._stack: list[bytes] = []

    def add(self, subtrees: list[Subtree]) -> None:
        """Adds the subtrees of the next leaves, left to right."""
        for level, subtree in subtrees:
            made = subtree
            position = self.size >> level
            self.size += 1 << level
            while position & 1:
                made = parent_of(self._stack.pop(), made)
                position >>= 1
            self._stack.append(made)

    def root(self) -> bytes:
        """The root of the leaves so far."""
        if not self._stack:
            return sha256(b"").digest()
        made = self._stack[-1]
        for left in reversed(self._stack[:-1]):
            made = parent_of(left, made)
        return made
