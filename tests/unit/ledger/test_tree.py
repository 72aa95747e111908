"""The tree, against the published vectors of RFC 6962, and against its definition."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.log.tree import (
    STRIDE,
    Frontier,
    Node,
    Range,
    base_of,
    consistency_path,
    folded,
    hash_of,
    hashes_in,
    inclusion_path,
    leaf_hash,
    leaf_hashes,
    subtrees_of,
)
from tests.support import rfc6962

LEAVES = [leaf_hash(data) for data in rfc6962.LEAVES]


def root_of(leaves: list[bytes]) -> bytes:
    """The tree's hash by the words of RFC 9162, section 2.1.1. leaves: their hashes."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    return sha256(b"\1" + root_of(leaves[:split]) + root_of(leaves[split:])).digest()


def grown(leaves: list[bytes]) -> Frontier:
    tree = Frontier(0, {})
    for leaf in leaves:
        tree.extend([leaf])
    return tree


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_published_ones(size: int) -> None:
    assert grown(LEAVES[:size]).root() == rfc6962.ROOTS[size] == root_of(LEAVES[:size])


@pytest.mark.parametrize("proof", rfc6962.INCLUSIONS)
def test_inclusion_paths_are_the_published_ones(proof: rfc6962.Inclusion) -> None:
    ranges = inclusion_path(proof.index, proof.size)
    assert [root_of(LEAVES[begin:end]) for begin, end in ranges] == proof.path


@pytest.mark.parametrize("proof", rfc6962.CONSISTENCIES)
def test_consistency_paths_are_the_published_ones(proof: rfc6962.Consistency) -> None:
    ranges = consistency_path(proof.first, proof.second)
    assert [root_of(LEAVES[begin:end]) for begin, end in ranges] == proof.path


def test_nodes_of_every_eighth_level_are_kept() -> None:
    leaves = [leaf_hash(str(n).encode()) for n in range((1 << 2 * STRIDE) + 300)]
    tree = Frontier(0, {})
    kept = [node for leaf in leaves for node in tree.extend([leaf])]
    assert [node for node, _ in kept] == [
        *(Node(STRIDE, position) for position in range(256)),
        Node(2 * STRIDE, 0),
        Node(STRIDE, 256),
    ]
    hashes = dict(kept)
    assert hashes[Node(STRIDE, 3)] == root_of(leaves[3 * 256 : 4 * 256])
    assert hashes[Node(2 * STRIDE, 0)] == root_of(leaves[: 1 << 2 * STRIDE])
    # Anything else is made from them, or from the leaves.
    node = Node(12, 5)
    assert base_of(node) == (STRIDE, 80, 96)
    made = hash_of(node, [hashes[Node(STRIDE, position)] for position in range(80, 96)])
    assert made == root_of(leaves[5 << 12 : 6 << 12])
    assert base_of(Node(3, 7)) == (0, 56, 64)
    assert hash_of(Node(3, 7), leaves[56:64]) == root_of(leaves[56:64])
    assert base_of(Node(16, 0)) == (16, 0, 1)


@given(st.data(), st.integers(1, 600))
def test_paths_are_made_of_complete_subtrees(data: st.DataObject, size: int) -> None:
    """Every range of a path is what its subtrees fold to."""
    leaves = [sha256(str(n).encode()).digest() for n in range(size)]
    index = data.draw(st.integers(0, size - 1))
    first = data.draw(st.integers(1, size))
    for leaves_of in (*inclusion_path(index, size), *consistency_path(first, size)):
        nodes = subtrees_of(leaves_of)
        ends = [(position + 1) << level for level, position in nodes]
        begins = [position << level for level, position in nodes]
        assert begins == [leaves_of.begin, *ends[:-1]]
        assert ends[-1] == leaves_of.end
        hashes = [root_of(leaves[b:e]) for b, e in zip(begins, ends, strict=True)]
        assert folded(hashes) == root_of(leaves[leaves_of.begin : leaves_of.end])


@given(st.integers(0, 600), st.integers(0, 40))
def test_a_tree_goes_on_from_where_it_was_left(size: int, more: int) -> None:
    leaves = [sha256(str(n).encode()).digest() for n in range(size + more)]
    hashes = {
        node: root_of(leaves[node.position << node.level : (node.position + 1) << node.level])
        for node in subtrees_of(Range(0, size))
    }
    tree = Frontier(size, hashes)
    assert tree.root() == root_of(leaves[:size])
    tree.extend(leaves[size:])
    assert (tree.size, tree.root()) == (size + more, root_of(leaves))


@given(st.integers(0, 600), st.lists(st.integers(0, 900), max_size=4))
def test_leaves_make_one_tree_however_they_come(size: int, runs: list[int]) -> None:
    at_once, one_by_one = grown(LEAVES[:1] * size), grown(LEAVES[:1] * size)
    for run in runs:
        leaves = [leaf_hash(str(n).encode()) for n in range(run)]
        kept = [node for leaf in leaves for node in one_by_one.extend([leaf])]
        assert at_once.extend(leaves) == kept
        assert (at_once.size, at_once.root()) == (one_by_one.size, one_by_one.root())


def test_leaves_hashes_are_made_as_each_is() -> None:
    hashes = [sha256(str(n).encode()).digest() for n in range(5)]
    assert leaf_hashes(hashes_in(b"".join(hashes))) == list(map(leaf_hash, hashes))
