"""A log on a ledger's database, and who reads it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.ledger.log.note import Signer
from services.ledger.log.proofs import Proofs
from services.ledger.log.signing import Log, LogPace
from services.ledger.store.log import LogStore
from services.runtime.database import open_engine
from tests.integration.ledger.parts import Parts
from tests.support.clock import FixedClock

SIGNER = Signer("example.com/ledger", Ed25519PrivateKey.from_private_bytes(bytes(32)))
NEXT = Signer("example.com/ledger", Ed25519PrivateKey.from_private_bytes(bytes([1] * 32)))
EAGER = LogPace(entries=1, seconds=0.05, page_entries=70)


class LogParts:
    """A log on a ledger's database, and who reads it."""

    def __init__(self, store: LogStore, proofs: Proofs, clock: FixedClock) -> None:
        self.store = store
        self.proofs = proofs
        self._clock = clock

    @asynccontextmanager
    async def running(
        self, pace: LogPace = EAGER, *signers: Signer
    ) -> AsyncIterator[tuple[Log, asyncio.Task[None]]]:
        """A log that signs until the block ends."""
        log = Log(self.store, signers or [SIGNER], self._clock, pace)
        task = asyncio.create_task(log.run())
        try:
            yield log, task
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def signed(self, size: int) -> None:
        """Returns once a checkpoint of so many entries is there."""
        async with asyncio.timeout(20):
            while await self.store.at(size) is None:  # noqa: ASYNC110  nobody announces it
                await asyncio.sleep(0.01)

    async def sign(self, size: int, *signers: Signer) -> None:
        """Lets a log run until it has signed at a size."""
        async with self.running(EAGER, *signers):
            await self.signed(size)

    async def sizes(self) -> list[int]:
        return [checkpoint.size for checkpoint in await self.store.after(0, 2**62, 1_000)]


@asynccontextmanager
async def open_log(parts: Parts, url: str, clock: FixedClock) -> AsyncIterator[LogParts]:
    """A log that signs when it is told to."""
    engine = open_engine(url, name="test-log", pool_size=2)
    store = LogStore(engine)
    yield LogParts(store, Proofs(store, parts.reader, signs_every_s=3.0), clock)
    await engine.dispose()
