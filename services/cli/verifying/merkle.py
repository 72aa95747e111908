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


class Roots:
    """Adds leaves a run at a time, and says the root of any number of leaves that it passes.

    Keeps one hash for each level. A run is hashed level by level, in whole lists, which costs half
    of what leaf by leaf costs.
    """

    def __init__(self) -> None:
        self.size = 0
        self._levels: list[bytes | None] = []

    def add(self, leaves: list[bytes]) -> None:
        """Adds leaves' hashes to the right."""
        self.size += len(leaves)
        level = 0
        hashes = leaves
        while hashes:
            if level == len(self._levels):
                self._levels.append(None)
            waiting = self._levels[level]
            if waiting is not None:
                hashes = [waiting, *hashes]
            self._levels[level] = hashes[-1] if len(hashes) & 1 else None
            one = b"\x01"
            hashes = [
                sha256(one + left + right).digest()
                for left, right in zip(hashes[::2], hashes[1::2], strict=False)
            ]
            level += 1

    def root(self) -> bytes:
        """The root of the leaves so far."""
        made: bytes | None = None
        for waiting in self._levels:
            if waiting is not None:
                made = waiting if made is None else parent_of(waiting, made)
        return sha256(b"").digest() if made is None else made
