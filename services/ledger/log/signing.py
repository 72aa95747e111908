"""The log: follows the books, and signs how they stand every so many entries or seconds.

Off the path of posting: it takes the hashes of what this process has committed, and reads those of
all other entries. Several processes may run it on one database, as all of them make the same tree,
and the same checkpoint of the same size. It signs only what continues the latest checkpoint: where
the books behind it were changed, it stops.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

import structlog

from services.ledger import metrics
from services.ledger.domain import NO_HASH
from services.ledger.journal.entries import Entries
from services.ledger.log.fresh import Fresh
from services.ledger.log.note import Checkpoint, Signer, Unsigned, keys_of, opened, signed
from services.ledger.log.stored_tree import hashes_of
from services.ledger.log.tree import (
    HASH_BYTES,
    Frontier,
    KeptNode,
    Range,
    hashes_in,
    leaf_hashes,
    subtrees_of,
)
from services.ledger.store.entries import Unreadable
from services.ledger.store.log import LogStore
from services.runtime.clock import Clock
from services.runtime.database import fault_of
from services.runtime.waiting import wait_at_most

_log = structlog.get_logger()

_PAUSE_S = 1.0


class Broken(Exception):
    """The books do not continue what was signed; its message says where."""


@dataclass(frozen=True)
class LogPace:
    """entries, seconds: a checkpoint is due when so many entries wait, or one for so long.

    page_entries: taken or read at once. tree_entries: of one checkpoint at most, when many wait.
    """

    entries: int = 10_000
    seconds: float = 10.0
    page_entries: int = 4_096
    tree_entries: int = 1_048_576


@dataclass
class _End:
    """How far the log has come: the tree, and the hash of its last entry."""

    tree: Frontier
    last_hash: bytes

    def add(self, hashes: Sequence[bytes]) -> list[KeptNode]:
        """Adds entries, at least one, to the end; returns the nodes to keep."""
        kept = self.tree.extend(leaf_hashes(hashes))
        self.last_hash = hashes[-1]
        return kept


class Log:
    """Signs. `run` must be running; tell it of commits through `committed`."""

    def __init__(
        self, store: LogStore, signers: Sequence[Signer], clock: Clock, pace: LogPace | None = None
    ) -> None:
        """signers: the first is the log's; a second one while the key is being changed."""
        self._store = store
        self._signers = signers
        self._clock = clock
        self._pace = pace or LogPace()
        self._news = asyncio.Event()
        self._fresh = Fresh()
        self._head = 0
        self._size = 0
        self._waits = False

    def committed(self, entries: Entries) -> None:
        """The writer of this process has committed entries; or none, and knows where they end."""
        self._head = entries.head.sequence
        if self._signers:
            self._fresh.add(entries.before, entries.hashes)
        # One that waits already is waited for; only when enough have come the log is woken earlier.
        if not self._waits or self._head - self._size >= self._pace.entries:
            self._news.set()

    async def run(self) -> None:
        """Signs until cancelled; ends by itself where nothing can be signed, and says so."""
        if not self._signers:
            _log.warning("nothing is signed: WATERSMEET_LEDGER_LOG_KEY_FILE is not set")
            return
        while True:
            try:
                await self._store.add_keys(signer.verifier_key for signer in self._signers)
                await self._follow(await self._resume())
            except (Broken, Unreadable) as error:
                metrics.LOG_BROKEN.set(1)
                _log.error("the log signs no more: run the audit", error=str(error))
                return
            except Exception as error:
                if fault_of(error) is None:
                    raise
                _log.warning("the log is tried again", error=repr(error)[:200])
            await asyncio.sleep(_PAUSE_S)

    async def _follow(self, end: _End) -> None:
        waits_since: float | None = None
        while True:
            self._news.clear()
            head = max(self._head, await self._store.head_sequence())
            waiting, now = head - end.tree.size, monotonic()
            if waiting < 0:
                raise Broken(f"the books end at entry {head}, and {end.tree.size} were signed")
            if waiting and waits_since is None:
                waits_since = now
            due = waits_since is not None and now - waits_since >= self._pace.seconds
            if waiting and (due or waiting >= self._pace.entries):
                until = min(head, end.tree.size + self._pace.tree_entries)
                await self._extend(end, until)
                waits_since = None
                continue
            self._waits = waits_since is not None
            # Then it is time to sign, or to look for what another process has written.
            await wait_at_most(self._news, self._pace.seconds - (now - (waits_since or now)))

    async def _resume(self) -> _End:
        """Where the latest checkpoint left off, made again from the books. Raises Broken."""
        latest = await self._store.latest()
        size = latest.size if latest else 0
        tree = Frontier(size, await hashes_of(self._store, subtrees_of(Range(0, size))))
        last = await self._store.links(size - 1, size) if size else None
        if latest:
            _require_same(latest, tree.root(), await self._store.keys())
            metrics.CHECKPOINT_SIZE.set(size)
        self._size = size
        return _End(tree, last.hashes if last else NO_HASH)

    async def _extend(self, end: _End, until: int) -> None:
        kept: list[KeptNode] = []
        while end.tree.size < until:
            size = end.tree.size
            most = min(until - size, self._pace.page_entries)
            if hashes := self._fresh.take(size, end.last_hash, most):
                kept += end.add(hashes)
                await asyncio.sleep(0)  # others have their turn, as while hashes are read
                continue
            links = await self._store.links(size, size + most)
            if not links.entries:
                raise Broken(f"entry {size + 1} is missing")
            if links.previous != end.last_hash + links.hashes[:-HASH_BYTES]:
                raise Broken(f"an entry behind {size} does not link to the one before it")
            kept += end.add(hashes_in(links.hashes))
        checkpoint = signed(until, end.tree.root(), self._signers)
        await self._store.append(kept, checkpoint)
        self._size = until
        metrics.CHECKPOINT_SIZE.set(until)
        metrics.CHECKPOINT_TIME.set(self._clock().timestamp())


def _require_same(latest: Checkpoint, root: bytes, verifier_keys: Sequence[str]) -> None:
    try:
        head = opened(latest.note, keys_of(verifier_keys))
    except Unsigned as error:
        raise Broken(f"of the checkpoint at {latest.size}, {error}") from error
    if (head.size, head.root) != (latest.size, root):
        raise Broken(f"the first {latest.size} entries are not those that were signed")
