"""What PostgreSQL's failures mean to a caller, on a real one."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.runtime.database import (
    OutcomeUnknown,
    commit,
    fault_of,
    open_engine,
    transaction,
)
from services.runtime.database_url import database_url
from services.runtime.errors import Reason
from services.runtime.supervisor.databases import DatabaseUrls
from tests.support.databases import DatabaseFactory

Open = Callable[..., AsyncEngine]


@pytest.fixture(scope="module")
def urls(shared_database: DatabaseFactory) -> DatabaseUrls:
    urls = shared_database("runtime")
    with psycopg.connect(urls.owner) as connection:
        connection.execute("CREATE TABLE gifts (id integer PRIMARY KEY)")
        # Does what its row says when the transaction commits.
        connection.execute("""
            CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF NEW.id = 500 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
                IF NEW.id = 501 THEN PERFORM pg_sleep(0.4); END IF;
                IF NEW.id = 502 THEN RAISE EXCEPTION 'not this one'; END IF;
                RETURN NULL;
            END $$
        """)
        connection.execute("""
            CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON gifts
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit()
        """)
    return urls


@pytest.fixture
async def opened(urls: DatabaseUrls) -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        def open_one(url: str = urls.owner, **settings: Any) -> AsyncEngine:
            engine = open_engine(url, **{"name": "test", "pool_size": 2, **settings})
            stack.push_async_callback(engine.dispose)
            return engine

        yield open_one


async def do(engine: AsyncEngine, *statements: str) -> None:
    async with transaction(engine) as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def failure(engine: AsyncEngine, *statements: str) -> BaseException:
    with pytest.raises(DBAPIError) as caught:
        await do(engine, *statements)
    return caught.value


def reason_of(error: BaseException) -> Reason | None:
    fault = fault_of(error)
    return fault.reason if fault else None


async def ids(engine: AsyncEngine) -> list[int]:
    async with engine.connect() as connection:
        return list((await connection.execute(text("SELECT id FROM gifts ORDER BY 1"))).scalars())


async def test_a_session_is_in_utc_and_has_a_name_and_a_limit(opened: Open) -> None:
    async with transaction(opened(statement_timeout_s=7.5)) as connection:
        for setting, value in {
            "timezone": "UTC",
            "application_name": "watersmeet-test",
            "statement_timeout": "7500ms",
        }.items():
            assert (await connection.execute(text(f"SHOW {setting}"))).scalar_one() == value


@pytest.mark.parametrize(("default", "ours"), [("off", "on"), ("remote_apply", "remote_apply")])
async def test_what_is_committed_is_durable_whatever_the_default(
    opened: Open, urls: DatabaseUrls, default: str, ours: str
) -> None:
    asking = text("SHOW synchronous_commit")
    role = database_url(urls.owner).username
    with psycopg.connect(urls.owner, autocommit=True) as connection:
        connection.execute(f"ALTER ROLE {role} SET synchronous_commit = {default}".encode())
        try:
            async with transaction(opened()) as asked:
                assert (await asked.execute(asking)).scalar_one() == ours
        finally:
            connection.execute(f"ALTER ROLE {role} RESET synchronous_commit".encode())


async def test_a_transaction_is_all_or_nothing(opened: Open) -> None:
    engine = opened()
    await failure(engine, "INSERT INTO gifts VALUES (1)", "SELECT 1 / 0")
    assert 1 not in await ids(engine)
    await do(engine, "INSERT INTO gifts VALUES (1)")
    assert 1 in await ids(engine)


async def test_a_server_that_is_away(opened: Open) -> None:
    error = await failure(opened("postgresql://nobody@127.0.0.1:1/nothing"), "SELECT 1")
    assert reason_of(error) is Reason.DEPENDENCY_UNAVAILABLE


async def test_a_statement_that_takes_too_long(opened: Open) -> None:
    error = await failure(opened(statement_timeout_s=0.05), "SELECT pg_sleep(5)")
    assert reason_of(error) is Reason.DEPENDENCY_UNAVAILABLE


async def test_a_pool_that_is_empty(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.runtime.database._POOL_TIMEOUT_S", 0.05)
    engine = opened(pool_size=1)
    async with engine.connect():
        with pytest.raises(Exception, match="QueuePool limit") as caught:
            await ids(engine)
    fault = fault_of(caught.value)
    assert fault is not None
    assert fault.reason is Reason.DEPENDENCY_UNAVAILABLE
    assert fault.retry_after is not None


async def test_a_connection_that_is_lost_and_the_next_one(opened: Open) -> None:
    engine = opened(pool_size=1)
    error = await failure(engine, "SELECT pg_terminate_backend(pg_backend_pid())")
    assert reason_of(error) is Reason.DEPENDENCY_UNAVAILABLE
    await ids(engine)


async def test_a_pooled_connection_that_died_meanwhile_is_not_noticed(
    opened: Open, urls: DatabaseUrls
) -> None:
    engine = opened(pool_size=1)
    async with engine.connect() as connection:
        pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    with psycopg.connect(urls.owner) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    await ids(engine)


async def test_the_drivers_own_errors_are_read_too(opened: Open) -> None:
    """COPY goes through the driver's connection, past SQLAlchemy."""
    engine = opened(pool_size=1)
    async with engine.connect() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        with pytest.raises(psycopg.OperationalError) as caught:
            await raw.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert reason_of(caught.value) is Reason.DEPENDENCY_UNAVAILABLE
    await ids(engine)


async def test_races_are_no_defects(opened: Open) -> None:
    engine = opened()
    await do(engine, "INSERT INTO gifts VALUES (100)")
    lock = "SELECT * FROM gifts WHERE id = 100 FOR UPDATE"
    async with transaction(engine) as holder:
        await holder.execute(text(lock))
        error = await failure(engine, "SET LOCAL lock_timeout = '20ms'", lock)
    assert reason_of(error) is Reason.DEPENDENCY_UNAVAILABLE


async def test_defects_are_nobodys_fault(opened: Open) -> None:
    engine = opened()
    for statement in (
        "SELECT nothing FROM nowhere",
        "INSERT INTO gifts VALUES (7), (7)",
        "SELECT 1 / 0",
    ):
        assert fault_of(await failure(engine, statement)) is None
    assert fault_of(ValueError("ours")) is None
    assert fault_of(TimeoutError()) is None


async def test_an_error_does_not_quote_rows(opened: Open) -> None:
    with pytest.raises(DBAPIError) as caught:
        async with transaction(opened()) as connection:
            await connection.execute(text("SELECT 1 / (:donor)::int"), {"donor": "hunter2"})
    assert "hunter2" not in str(caught.value.statement)
    assert "[parameters" not in str(caught.value)


async def test_a_connection_that_breaks_during_the_commit(opened: Open) -> None:
    engine = opened()
    with pytest.raises(OutcomeUnknown) as caught:
        await do(engine, "INSERT INTO gifts VALUES (500)")
    assert reason_of(caught.value) is Reason.OUTCOME_UNKNOWN
    await ids(engine)


async def test_a_commit_that_is_refused_is_known_to_have_failed(opened: Open) -> None:
    engine = opened()
    error = await failure(engine, "INSERT INTO gifts VALUES (502)")
    assert "not this one" in str(error)
    assert fault_of(error) is None
    assert 502 not in await ids(engine)


async def test_a_commit_whose_answer_is_lost(opened: Open, urls: DatabaseUrls) -> None:
    """The worst case: it is committed, and the client cannot know."""
    async with cutting_proxy(urls.owner, after=b"COMMIT") as proxied:
        with pytest.raises(OutcomeUnknown):
            await do(opened(proxied), "INSERT INTO gifts VALUES (600)")
    assert 600 in await ids(opened())


async def test_a_cancelled_commit_is_finished_first(opened: Open) -> None:
    engine = opened(pool_size=1)
    async with engine.connect() as connection:
        await connection.execute(text("INSERT INTO gifts VALUES (501)"))
        committing = asyncio.create_task(commit(connection.commit()))
        await asyncio.sleep(0.1)
        committing.cancel()
        await asyncio.wait({committing})
        assert committing.cancelled()
    assert 501 in await ids(engine)
    await do(engine, "DELETE FROM gifts WHERE id = 501")


async def test_a_cancelled_query_gives_its_connection_back(opened: Open) -> None:
    engine = opened(pool_size=1)
    querying = asyncio.create_task(failure(engine, "SELECT pg_sleep(60)"))
    await asyncio.sleep(0.2)
    querying.cancel()
    await asyncio.wait({querying})
    await asyncio.wait_for(ids(engine), 5)


class cutting_proxy:  # noqa: N801  used as a context manager
    """Stands before PostgreSQL; breaks the connection once the client has said `after`, which
    PostgreSQL still hears."""

    def __init__(self, url: str, after: bytes) -> None:
        self._url = database_url(url)
        self._after = after
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        url = self._url.set(host="127.0.0.1", port=port)
        return url.render_as_string(hide_password=False)

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        assert self._url.host is not None
        back, front = await asyncio.open_connection(self._url.host, self._url.port)
        answering = asyncio.create_task(_pump(back, answers))
        while data := await client.read(65_536):
            is_last = self._after in data
            if is_last:
                answering.cancel()
                await asyncio.wait({answering})
            front.write(data)
            await front.drain()
            if is_last:
                await back.read(1)  # it has heard, and done it
                break
        for writer in (answers, front):
            writer.close()
            await writer.wait_closed()
        answering.cancel()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65_536):
        sink.write(data)
        await sink.drain()


async def test_a_database_whose_machine_is_gone_is_given_up(opened: Open) -> None:
    async with opened().connect() as connection:
        raw = await connection.get_raw_connection()
        fd: int = raw.driver_connection.pgconn.socket  # type: ignore[union-attr]
        with socket.socket(fileno=os.dup(fd)) as tcp:
            assert tcp.family in (socket.AF_INET, socket.AF_INET6)
            silence_ms = tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            assert 0 < silence_ms <= 30_000
            assert tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) <= 30
