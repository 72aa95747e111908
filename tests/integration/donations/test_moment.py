"""Long readings: all at one moment, and not for ever."""

import asyncio

import pytest

from services.donations.commit.submission import Submission
from services.runtime.database import fault_of
from services.runtime.errors import Reason
from tests.integration.donations.parts import Parts
from tests.unit.donations.gifts import a_gift


@pytest.fixture
async def batches(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three batches, read one by one."""
    monkeypatch.setattr("services.donations.store.summary._BATCHES_AT_ONCE", 1)
    for name in "abc":
        await parts.committer.commit(Submission(gifts=[a_gift(name)]))


@pytest.mark.usefixtures("batches")
async def test_what_is_recorded_meanwhile_is_not_seen(parts: Parts) -> None:
    reading = parts.batches.summaries(None)
    first = await anext(reading)
    await parts.committer.commit(Submission(gifts=[a_gift("d")]))
    assert len([first, *[summary async for summary in reading]]) == 3


@pytest.mark.usefixtures("batches")
async def test_a_reader_that_stops_reading_holds_no_connection(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.donations.store.moment._IDLE_MAX", "100ms")
    reading = parts.batches.summaries(None)
    await anext(reading)
    async with asyncio.timeout(10):
        while await parts.query(  # noqa: ASYNC110  the database tells nobody
            "SELECT FROM pg_stat_activity WHERE state = 'idle in transaction'"
        ):
            await asyncio.sleep(0.05)
    with pytest.raises(Exception) as raised:  # noqa: PT011  read by fault_of
        await anext(reading)
    fault = fault_of(raised.value)
    assert fault is not None
    assert fault.reason is Reason.DEPENDENCY_UNAVAILABLE
    assert len(await parts.summaries()) == 3
