"""The lease in a real database, and the term that fences whoever lost it."""

import asyncio
from contextlib import AsyncExitStack, suppress
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ledger.domain import AccountName
from services.ledger.posting.leadership import Leadership
from services.ledger.store.lease import LeaseStore
from services.ledger.store.posting import PostingStore
from services.runtime.database import OutcomeUnknown, open_blocking_engine, open_engine
from services.runtime.errors import Fault, Reason
from services.runtime.supervisor.databases import DatabaseUrls
from tests.integration.ledger.parts import FixedTenure, Parts, open_parts
from tests.support.clock import FixedClock
from tests.unit.ledger.books import assert_chain
from tests.unit.ledger.drafts import draft, new_id


@pytest.fixture
async def engine(urls: DatabaseUrls) -> AsyncEngine:
    return open_engine(urls.service, name="lease", pool_size=20)


@pytest.fixture
async def leases(engine: AsyncEngine):  # type: ignore[no-untyped-def]
    yield LeaseStore(engine)
    await engine.dispose()


def lapse(urls: DatabaseUrls) -> None:
    with psycopg.connect(urls.owner) as connection:
        connection.execute("UPDATE lease SET until = clock_timestamp()")


async def test_of_many_one_takes_it(leases: LeaseStore) -> None:
    terms = await asyncio.gather(*(leases.take(uuid4(), 60) for _ in range(20)))
    assert sorted(term for term in terms if term is not None) == [1]


async def test_it_is_kept_by_renewing_and_lost_to_whoever_takes_it_lapsed(
    leases: LeaseStore, urls: DatabaseUrls
) -> None:
    one, two = uuid4(), uuid4()
    assert await leases.take(one, 60) == 1
    assert await leases.take(two, 60) is None
    lapse(urls)
    assert await leases.renew(one, 60)
    assert await leases.take(two, 60) is None
    lapse(urls)
    assert await leases.take(two, 60) == 2
    assert not await leases.renew(one, 60)
    await leases.release(one)
    assert await leases.take(one, 60) is None
    await leases.release(two)
    assert await leases.take(one, 60) == 3


async def test_a_writer_of_an_old_term_writes_nothing(
    leases: LeaseStore, urls: DatabaseUrls, clock: FixedClock
) -> None:
    first = await leases.take(uuid4(), 60)
    assert first is not None
    async with open_parts(urls.service, clock, name="old", tenure=FixedTenure(first)) as old:
        await old.post_all(draft())
        lapse(urls)
        second = await leases.take(uuid4(), 60)
        assert second is not None
        async with open_parts(urls.service, clock, name="new", tenure=FixedTenure(second)) as new:
            await new.post_all(draft())
            await assert_refused(old)
            await new.post_all(draft())
            assert_chain(await new.entries())
            assert len(await old.entries()) == 3


async def assert_refused(parts: Parts) -> None:
    with pytest.raises(Fault) as caught:
        await parts.post(draft())
    assert caught.value.reason is Reason.LEDGER_STANDBY
    with pytest.raises(Fault) as caught:
        await parts.writer.open_account(
            AccountName("charity/amity/bank", "CNY"), new_id(), "finance/a"
        )
    assert caught.value.reason is Reason.LEDGER_STANDBY
    with pytest.raises(Fault) as caught:
        await parts.reader.account(AccountName("charity/amity/bank", "CNY"))
    assert caught.value.reason is Reason.ACCOUNT_NOT_FOUND


async def test_a_writer_that_froze_under_way_keeps_nobody_from_a_new_term(
    engine: AsyncEngine, leases: LeaseStore, urls: DatabaseUrls
) -> None:
    first = await leases.take(uuid4(), 60)
    assert first is not None
    frozen_engine = open_engine(urls.service, name="frozen", pool_size=1)
    large = open_blocking_engine(urls.service, name="frozen", pool_size=1)
    frozen = PostingStore(frozen_engine, large)
    leads = asyncio.Event()

    async def changed(is_leading: bool) -> None:
        if is_leading:
            leads.set()

    other = Leadership(LeaseStore(engine, locking=["frozen"]), lease_s=0.3, changed=changed)
    running = asyncio.create_task(other.run())
    async with AsyncExitStack() as stack:
        stack.push_async_callback(frozen_engine.dispose)
        stack.push_async_callback(frozen.close)
        transaction = await stack.enter_async_context(frozen.begin())
        assert await transaction.lock_head(first, [], []) is not None
        await asyncio.wait({running}, timeout=0.5)
        assert not leads.is_set(), "whoever holds the lease is left alone"
        lapse(urls)
        async with asyncio.timeout(10):
            await leads.wait()
        assert other.term == first + 1
        with pytest.raises(OperationalError):  # awake again, too late
            await transaction.periods()
        stack.callback(running.cancel)
        with suppress(OperationalError, OutcomeUnknown):
            await stack.aclose()
    await asyncio.wait({running})


async def test_a_new_term_waits_for_what_the_old_one_has_under_way(
    leases: LeaseStore, urls: DatabaseUrls
) -> None:
    await leases.take(uuid4(), 60)
    lapse(urls)
    async with await psycopg.AsyncConnection.connect(urls.owner) as writer:
        await writer.execute("SELECT term FROM head FOR UPDATE")
        taking = asyncio.create_task(leases.take(uuid4(), 60))
        done, _ = await asyncio.wait({taking}, timeout=0.3)
        assert not done
        await writer.commit()
        assert await taking == 2
