"""Holds end in time while nobody posts."""

import asyncio
from contextlib import aclosing
from datetime import datetime, timedelta

import pytest

from services.ledger.reading.feed import Posted
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.ledger.parts import Parts, open_parts
from tests.support.clock import FixedClock
from tests.unit.ledger.books import assert_chain
from tests.unit.ledger.drafts import draft
from tests.unit.ledger.stepped import hold, pledge, void


async def assert_in_order(parts: Parts) -> None:
    assert_chain(await parts.entries())
    report = await parts.audit()
    assert report.ok, report.checks


async def test_a_hold_of_another_process_expires_here(
    urls: DatabaseUrls, clock: FixedClock
) -> None:
    async with (
        open_parts(urls.service, clock, name="one") as one,
        open_parts(urls.service, clock, name="two") as two,
    ):
        await one.post_all(draft(pledge(10)))
        await two.post_all(draft(hold(4, minutes=5)))
        clock.advance(timedelta(minutes=6))
        expiring = asyncio.create_task(one.writer.expire(0.01))
        async with asyncio.timeout(10), aclosing(one.feed.entries(2)) as news:
            async for item in news:
                if isinstance(item, Posted):
                    break
        expiring.cancel()
        await asyncio.wait({expiring})
        await assert_in_order(one)


async def test_where_no_hold_is_open_any_more_there_is_nothing_to_write(
    urls: DatabaseUrls, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended before its time, behind which the head has to look for the next one."""
    async with open_parts(urls.service, clock) as parts:
        await parts.post_all(draft(pledge(10)))
        await parts.post_all(draft(hold(4, minutes=5)))
        await parts.post_all(draft(void(4, 2)))
        look, none_is_left = parts.posting.next_expiry, asyncio.Event()

        async def noted() -> datetime | None:
            time = await look()
            if time is None:
                none_is_left.set()
            return time

        monkeypatch.setattr(parts.posting, "next_expiry", noted)
        clock.advance(timedelta(minutes=6))
        expiring = asyncio.create_task(parts.writer.expire(0.01))
        async with asyncio.timeout(10):
            await none_is_left.wait()
        expiring.cancel()
        await asyncio.wait({expiring})
        assert len(await parts.entries()) == 3
        await assert_in_order(parts)
