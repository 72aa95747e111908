"""The log check: the tree is made again from the entries' hashes, and every checkpoint is of it."""

from collections.abc import AsyncIterator, Sequence

from services.ledger.audit.check import Check, Findings
from services.ledger.log.note import Checkpoint, Unsigned, VerifierKeys, keys_of, opened, signed_by
from services.ledger.log.tree import Frontier, KeptNode, hashes_in, leaf_hashes
from services.ledger.store.log_snapshot import LogSnapshot
from services.ledger.store.snapshot import Snapshot

_PAGE_ENTRIES = 4_096


async def check_log(books: Snapshot, own_keys: Sequence[str]) -> Check:
    """Derives the tree's kept nodes and roots, and verifies every signature.

    own_keys: the verifier keys that this ledger signs with now. From the first checkpoint that one
    of them signed, all are: a key that somebody put on the list in the database signs nothing.
    """
    return await _Walk(books.log, keys_of(own_keys)).check()


class _Walk:
    """One pass over the entries, with the checkpoints and the kept nodes in step beside it."""

    def __init__(self, log: LogSnapshot, own_keys: VerifierKeys) -> None:
        self._log = log
        self._own_keys = own_keys
        self._is_own = False  # whether an own key has signed a checkpoint
        self._tree = Frontier(0, {})
        self._findings = Findings()
        self._keys: VerifierKeys = {}
        self._checkpoints = 0
        self._good_until = 0  # the largest checkpoint that agrees

    async def check(self) -> Check:
        try:
            self._keys = keys_of(await self._log.keys())
        except Unsigned as error:
            self._findings.add(str(error))
        checkpoints, nodes = self._log.checkpoints(), self._log.tree_nodes()
        due = await anext(checkpoints, None)
        while due is not None:
            if not await self._grow(due, nodes):
                break
            self._compare(due)
            due = await anext(checkpoints, None)
        while (stray := await anext(nodes, None)) is not None:
            self._findings.add(f"node {_named(stray)} stands behind all checkpoints")
        return self._findings.check(
            "log",
            self._checkpoints,
            f"all {self._checkpoints:,} checkpoints are signed and are of the tree of the entries",
        )

    async def _grow(self, due: Checkpoint, nodes: AsyncIterator[KeptNode]) -> bool:
        """Adds the entries up to a checkpoint; False if they are not there."""
        while self._tree.size < due.size:
            size = self._tree.size
            links = await self._log.links(size, min(due.size, size + _PAGE_ENTRIES))
            for made in self._tree.extend(leaf_hashes(hashes_in(links.hashes))):
                await self._compare_node(made, nodes)
            if self._tree.size == size:
                self._findings.add(
                    f"a checkpoint is of {due.size} entries, and the books end at entry {size}"
                )
                return False
        return True

    async def _compare_node(self, made: KeptNode, nodes: AsyncIterator[KeptNode]) -> None:
        kept = await anext(nodes, None)
        if kept is None or kept.node != made.node:
            self._findings.add(f"node {_named(made)} is not kept where it should be")
        elif kept.hash != made.hash:
            level, position = made.node
            self._findings.add(
                f"node {_named(made)} is not what entries {(position << level) + 1} to "
                f"{(position + 1) << level} make it"
            )

    def _compare(self, due: Checkpoint) -> None:
        self._checkpoints += 1
        try:
            head = opened(due.note, self._keys)
        except Unsigned as error:
            self._findings.add(f"of the checkpoint at {due.size}, {error}")
            return
        if head.size != due.size:
            self._findings.add(f"the checkpoint at {due.size} was signed at {head.size}")
        elif head.root != self._tree.root():
            self._findings.add(
                f"the checkpoint at {due.size} has another root: an entry of "
                f"{self._good_until + 1} to {due.size} was changed after it was signed"
            )
        else:
            self._good_until = due.size
            self._require_own(due)

    def _require_own(self, due: Checkpoint) -> None:
        if signed_by(due.note, self._own_keys):
            self._is_own = True
        elif self._is_own:
            self._findings.add(
                f"the checkpoint at {due.size} is signed by no key that this ledger signs with, "
                "and an earlier one is"
            )


def _named(kept: KeptNode) -> str:
    return f"{kept.node.position} of level {kept.node.level}"
