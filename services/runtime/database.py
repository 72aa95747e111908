"""PostgreSQL: the engine, the transaction, and what its errors mean to a caller."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import psycopg
import sqlalchemy
from pydantic import SecretStr
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.runtime.database_url import database_url
from services.runtime.errors import Fault, Reason
from services.runtime.migrations import upgrade

__all__ = [
    "NAMING_CONVENTION",
    "OutcomeUnknown",
    "application_name",
    "commit",
    "committing",
    "database_url",
    "fault_of",
    "open_blocking_engine",
    "open_engine",
    "to_its_end",
    "transaction",
    "upgrade",
]

NAMING_CONVENTION: Mapping[str, str] = {
    "pk": "%(table_name)s_pkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
}
"""For every service's `MetaData(naming_convention=...)`: the names PostgreSQL itself would give."""

# What is acknowledged is durable, whatever a role or a database has for a default. A server that
# waits for a standby as well keeps its setting.
_DURABLE = """
    SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') = 'off'"""

Value = TypeVar("Value")

_CONNECT_TIMEOUT_S = 5
_POOL_TIMEOUT_S = 5.0


class OutcomeUnknown(Exception):
    """The connection broke while a transaction was being committed.

    It is committed or it is not; only repeating the work under the same ids tells.
    """


# A database whose machine is gone says nothing, not even that: its connections are given up.
_SILENCE: Mapping[str, int] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


def open_engine(
    url: str | SecretStr, *, name: str, pool_size: int, statement_timeout_s: float = 30.0
) -> AsyncEngine:
    """An engine of at most pool_size connections. Connects on first use; dispose of it when done.

    name: what pg_stat_activity shows as application_name.
    statement_timeout_s: the server ends longer statements; long reads say SET LOCAL
    statement_timeout for themselves.
    """
    engine = create_async_engine(
        database_url(url), **_options(name, pool_size, statement_timeout_s)
    )
    sqlalchemy.event.listen(engine.sync_engine, "connect", _make_durable)
    return engine


def open_blocking_engine(
    url: str | SecretStr, *, name: str, pool_size: int, statement_timeout_s: float = 30.0
) -> Engine:
    """As `open_engine`, for a thread that waits for the database."""
    engine = create_engine(database_url(url), **_options(name, pool_size, statement_timeout_s))
    sqlalchemy.event.listen(engine, "connect", _make_durable)
    return engine


def _options(name: str, pool_size: int, statement_timeout_s: float) -> dict[str, Any]:
    options = f"-c timezone=UTC -c statement_timeout={int(statement_timeout_s * 1000)}"
    return {
        "pool_size": pool_size,
        "max_overflow": 0,
        "hide_parameters": True,  # an error that is logged must not quote a row
        "pool_timeout": _POOL_TIMEOUT_S,
        # After the database restarted, the first user of a pooled connection does not pay for it.
        "pool_pre_ping": True,
        "connect_args": {
            "application_name": application_name(name),
            "connect_timeout": _CONNECT_TIMEOUT_S,
            "options": options,
            **_SILENCE,
        },
    }


def _make_durable(connection: Any, _: object) -> None:
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute(_DURABLE)
    cursor.close()
    connection.autocommit = False


def application_name(name: str) -> str:
    """What pg_stat_activity calls the connections of the engine of this name."""
    return f"watersmeet-{name}"


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction on a pooled connection: committed at the end, rolled back on any error.

    Raises OutcomeUnknown if the connection breaks during the commit; other errors of the database
    come as they are (`fault_of` reads them), and nothing is committed then.
    """
    async with engine.connect() as connection:
        yield connection
        await commit(connection.commit())


async def commit(committing: Coroutine[Any, Any, Value]) -> Value:
    """Commits, and lets nothing come between: a cancelled caller is told after the commit ended.

    committing: a connection's commit, or a statement that is a transaction of its own; what it
    returns is returned. Raises OutcomeUnknown if the connection breaks on the way.
    """
    return await to_its_end(_known(committing))


async def to_its_end(work: Awaitable[Value]) -> Value:
    """What the work returns. A caller who is cancelled is told after it ended."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


async def _known(work: Coroutine[Any, Any, Value]) -> Value:
    with committing():
        return await work


@contextmanager
def committing() -> Iterator[None]:
    """Around a commit that blocks. Raises OutcomeUnknown if the connection breaks on the way."""
    try:
        yield
    except (DBAPIError, psycopg.Error) as error:
        if _connection_is_lost(error):
            raise OutcomeUnknown("the connection broke during the commit") from error
        raise


def fault_of(error: BaseException) -> Fault | None:
    """What a database error means to the caller; None for a defect of ours.

    OUTCOME_UNKNOWN for OutcomeUnknown. DEPENDENCY_UNAVAILABLE, nothing was committed, for a
    connection that was refused or lost, a pool or statement timeout, a lost race (serialization,
    deadlock, lock timeout) and a server that is starting, stopping, full or read-only.
    """
    if isinstance(error, OutcomeUnknown):
        return Fault(
            Reason.OUTCOME_UNKNOWN,
            "the connection to the database broke during the commit; "
            "repeat the call with the same ids to learn its outcome",
        )
    if isinstance(error, sqlalchemy.exc.TimeoutError):
        return _unavailable("all connections to the database are in use", retry_after=1.0)
    if _connection_is_lost(error):
        return _unavailable("the database is away")
    state = _sqlstate(error)
    if state is not None and (state in _TRANSIENT_STATES or state[:2] in _TRANSIENT_CLASSES):
        return _unavailable("the database could not finish the work")
    return None


# https://www.postgresql.org/docs/current/errcodes-appendix.html
_TRANSIENT_CLASSES = frozenset({"53"})  # insufficient resources
_TRANSIENT_STATES = frozenset(
    {
        "25006",  # read_only_sql_transaction: a standby, until it is promoted
        "40001",  # serialization_failure
        "40P01",  # deadlock_detected
        "55P03",  # lock_not_available
        "57014",  # query_canceled: statement_timeout
    }
)
_LOST_STATES = frozenset(
    {
        "40003",  # statement_completion_unknown
        "57P01",  # admin_shutdown
        "57P02",  # crash_shutdown
        "57P03",  # cannot_connect_now
        "57P05",  # idle_session_timeout
        "25P03",  # idle_in_transaction_session_timeout
    }
)


def _connection_is_lost(error: BaseException) -> bool:
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    driver_error = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(driver_error, psycopg.OperationalError):
        return False
    # libpq's own errors (refused, reset, timed out) come without a state.
    state = driver_error.sqlstate
    return state is None or state in _LOST_STATES or state.startswith("08")


def _sqlstate(error: BaseException) -> str | None:
    driver_error = error.orig if isinstance(error, DBAPIError) else error
    return driver_error.sqlstate if isinstance(driver_error, psycopg.Error) else None


def _unavailable(what: str, retry_after: float | None = None) -> Fault:
    return Fault(
        Reason.DEPENDENCY_UNAVAILABLE,
        f"{what}; nothing was committed, retry with the same ids",
        retry_after=retry_after,
    )
