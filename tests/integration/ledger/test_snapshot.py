"""A snapshot's rows come a chunk at a time, and whoever stops in the middle leaves nothing open."""

import asyncio
import gc

import pytest
from sqlalchemy import text

from services.ledger.store.snapshot import SnapshotStore
from services.runtime.database import open_engine
from services.runtime.supervisor.databases import DatabaseUrls

_SLOW = text("SELECT pg_sleep(:seconds)::text AS slept, g FROM generate_series(1, 4) g")


@pytest.mark.parametrize("begun_s", [0.05, 0.5])
async def test_a_reader_that_is_cut_off_leaves_nothing_open(
    urls: DatabaseUrls, begun_s: float
) -> None:
    engine = open_engine(urls.service, name="test", pool_size=1)
    store = SnapshotStore(engine, statement_timeout_s=30)

    async def read(seconds: float) -> list[int]:
        async with store.take() as snapshot:
            return [
                row.g async for rows in snapshot._stream(_SLOW, 1, seconds=seconds) for row in rows
            ]

    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(begun_s):
                await read(0.3)
        gc.collect()  # a cursor that is still open says so, which fails the test
        assert await read(0) == [1, 2, 3, 4]
    finally:
        await engine.dispose()
