"""What the log answers: checkpoints, keys, and proofs against checkpoints."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.ledger.domain import EntryId
from services.ledger.log.note import Checkpoint
from services.ledger.log.stored_tree import path_of
from services.ledger.log.tree import consistency_path, inclusion_path
from services.ledger.reading.reader import Reader
from services.ledger.store.log import LogStore
from services.runtime.errors import Fault, Reason


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """An entry's leaf, the path from it to the root, and the checkpoint that has the root."""

    sequence: int
    entry_hash: bytes
    hashes: Sequence[bytes]
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """Two checkpoints and the path that shows the one's tree in the other's."""

    hashes: Sequence[bytes]
    first: Checkpoint
    second: Checkpoint


class Proofs:
    """Reads the log for callers."""

    def __init__(self, store: LogStore, reader: Reader, *, signs_every_s: float) -> None:
        self._store = store
        self._reader = reader
        self._signs_every_s = signs_every_s

    async def checkpoint(self, size: int) -> Checkpoint:
        """The checkpoint of a size; 0 for the latest. Raises Fault(CHECKPOINT_NOT_FOUND)."""
        found = await (self._store.at(size) if size else self._store.latest())
        if found is None:
            raise Fault(
                Reason.CHECKPOINT_NOT_FOUND,
                f"no checkpoint was signed at {size} entries; ListCheckpoints has those that were"
                if size
                else "no checkpoint has been signed yet; ask again when entries have been posted",
            )
        return found

    async def checkpoints(self, after: int, limit: int) -> list[Checkpoint]:
        """Checkpoints of more than after entries, by size."""
        return await self._store.after(after, 2**63 - 1, limit)

    async def keys(self) -> list[str]:
        """The verifier keys of all signatures there are."""
        return await self._store.keys()

    async def inclusion(self, name: int | EntryId, size: int) -> InclusionProof:
        """Proves that an entry is in the tree of a checkpoint; size 0 for the latest.

        Raises Fault(ENTRY_NOT_FOUND, CHECKPOINT_NOT_FOUND, ENTRY_NOT_IN_LOG).
        """
        entry = await self._reader.entry(name)
        checkpoint = await self.checkpoint(size)
        if entry.sequence > checkpoint.size:
            raise Fault(
                Reason.ENTRY_NOT_IN_LOG,
                f"entry {entry.sequence} is not among the {checkpoint.size} of this checkpoint; "
                + ("name a later one" if size else "ask again when the next one is signed"),
                retry_after=None if size else self._signs_every_s,
            )
        ranges = inclusion_path(entry.sequence - 1, checkpoint.size)
        hashes = await path_of(self._store, ranges)
        return InclusionProof(entry.sequence, entry.hash, hashes, checkpoint)

    async def consistency(self, first: int, second: int) -> ConsistencyProof:
        """Proves one checkpoint's tree to be the beginning of another's; second 0: the latest.

        Raises Fault(FIELD_REQUIRED, FIELD_INVALID, CHECKPOINT_NOT_FOUND).
        """
        if not first:
            raise Fault(
                Reason.FIELD_REQUIRED, "name the earlier checkpoint's size", field="first_size"
            )
        earlier, later = await self.checkpoint(first), await self.checkpoint(second)
        if earlier.size > later.size:
            raise Fault(
                Reason.FIELD_INVALID, "first_size must not be beyond the second", field="first_size"
            )
        hashes = await path_of(self._store, consistency_path(earlier.size, later.size))
        return ConsistencyProof(hashes, earlier, later)
