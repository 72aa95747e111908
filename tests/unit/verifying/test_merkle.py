"""The verifier's tree, against the published vectors, and against the ledger's own on others."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.verifying.merkle import Roots, continues, includes, leaf_of, subtrees_of
from services.ledger.log.tree import Frontier, Range, consistency_path, inclusion_path
from tests.support import rfc6962

LEAVES = [leaf_of(data) for data in rfc6962.LEAVES]


def root_of(leaves: list[bytes]) -> bytes:
    roots = Roots()
    roots.add(subtrees_of(leaves, 0))
    return roots.root()


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_published_ones(size: int) -> None:
    assert root_of(LEAVES[:size]) == rfc6962.ROOTS[size]


@pytest.mark.parametrize("proof", rfc6962.INCLUSIONS)
def test_published_inclusion_proofs_hold(proof: rfc6962.Inclusion) -> None:
    index, size, path = proof
    root = rfc6962.ROOTS[size]
    assert includes(root, size, index, LEAVES[index], path)
    # And nothing near them does.
    for other in range(-1, 10):
        assert other == index or not includes(root, size, other, LEAVES[index], path)
    assert not includes(root, 0, 0, LEAVES[0], [])
    assert not includes(root, size, index, LEAVES[index - 1] if size > 1 else b"", path)
    assert not includes(root, size, index, LEAVES[index], [*path, root])
    assert not includes(root, size, index, LEAVES[index], [root, *path])
    if path:
        assert not includes(root, size, index, LEAVES[index], path[:-1])
        assert not includes(root, size, index, LEAVES[index], [*path[:-1], bytes(32)])
        assert not includes(rfc6962.ROOTS[size - 1], size, index, LEAVES[index], path)


@pytest.mark.parametrize("proof", rfc6962.CONSISTENCIES)
def test_published_consistency_proofs_hold(proof: rfc6962.Consistency) -> None:
    first, second, path = proof
    old, new = rfc6962.ROOTS[first], rfc6962.ROOTS[second]
    assert continues(first, old, second, new, path)
    assert not continues(first, new if old != new else bytes(32), second, new, path)
    assert not continues(first, old, second, bytes(32), path)
    assert not continues(first, old, second, new, [*path, new])
    assert not continues(0, rfc6962.ROOTS[0], second, new, path)
    assert not continues(second + 1, old, second, new, path)
    if path:
        assert not continues(first, old, second, new, path[:-1])
        assert not continues(first, old, second, new, [bytes(32), *path[1:]])
        assert not continues(first, old, second, new, [])


@given(st.integers(1, 400), st.data())
def test_the_ledgers_proofs_hold(size: int, data: st.DataObject) -> None:
    leaves = [sha256(str(n).encode()).digest() for n in range(size)]
    index = data.draw(st.integers(0, size - 1))
    first = data.draw(st.integers(1, size))

    def path_of(ranges: list[Range]) -> list[bytes]:
        return [root_of(leaves[begin:end]) for begin, end in ranges]

    root = root_of(leaves)
    path = path_of(inclusion_path(index, size))
    assert includes(root, size, index, leaves[index], path)
    assert size == 1 or not includes(root, size, (index + 1) % size, leaves[index], path)
    longer = path_of(consistency_path(first, size))
    assert continues(first, root_of(leaves[:first]), size, root, longer)


@given(st.lists(st.integers(0, 70), max_size=12))
def test_runs_of_any_length_make_the_same_tree(runs: list[int]) -> None:
    roots, tree = Roots(), Frontier(0, {})
    for run in runs:
        leaves = [sha256(str(tree.size + n).encode()).digest() for n in range(run)]
        roots.add(subtrees_of(leaves, roots.size))
        tree.extend(leaves)
        assert (roots.size, roots.root()) == (tree.size, tree.root())
