"""Fixtures that all tests share.

WATERSMEET_TEST_DATABASE_URL, a superuser's postgresql:// URL, names a real server to test on;
without it the tests start a private one and remove it.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import is_hypothesis_test, settings

from services.runtime.supervisor.certificates import Authority
from services.runtime.supervisor.postgres import PostgresServer
from tests.support.clock import FixedClock
from tests.support.databases import DatabaseFactory, fresh_databases
from tests.support.identities import Certificates

# `--hypothesis-profile=fuzz` looks harder; `make fuzz` says how hard. No deadline: a shared machine
# stalls now and then.
settings.register_profile("default", max_examples=50, deadline=None)
settings.register_profile(
    "fuzz",
    max_examples=int(os.environ.get("WATERSMEET_FUZZ_EXAMPLES", "2000")),
    deadline=None,
)

# Only a property that hangs takes so long. `make fuzz` gives more, and a test may have its own.
_PROPERTY_LIMIT_S = 600

# What a test's data is worth. Crash safety does not depend on it while the machine stays up.
_FORGETFUL = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
    # Half of what a connection costs is to make its password hard to guess.
    "scram_iterations": "1",
}


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The superuser's URL of the server that this session tests on."""
    if url := os.environ.get("WATERSMEET_TEST_DATABASE_URL"):
        yield url
        return
    server = PostgresServer(tmp_path_factory.mktemp("postgres"), settings=_FORGETFUL)
    server.start()
    try:
        yield server.url()
    finally:
        server.stop()


@pytest.fixture
def database(postgres: str) -> Iterator[DatabaseFactory]:
    """`database("ledger")` makes an empty database and its roles: `.owner` and `.service` are URLs.

    It is gone after the test.
    """
    with fresh_databases(postgres) as factory:
        yield factory


@pytest.fixture(scope="session")
def shared_database(postgres: str) -> Iterator[DatabaseFactory]:
    """As `database`, for fixtures that outlive a test: gone after the session."""
    with fresh_databases(postgres) as factory:
        yield factory


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A development authority of the trust domain "watersmeet"."""
    return Authority(tmp_path_factory.mktemp("certs"))


@pytest.fixture(scope="session")
def certificates(authority: Authority) -> Certificates:
    """What the authority issues: `settings_for(role, name)`, `channel_credentials(role, name)`."""
    return Certificates(authority)


@pytest.fixture
def foreign_certificates(tmp_path: Path) -> Certificates:
    """The same names, issued by an authority that nobody here trusts."""
    return Certificates(Authority(tmp_path / "foreign-certs"))


@pytest.fixture
def clock() -> FixedClock:
    """Stands at noon (UTC) of the first day of the week of giving, 2019."""
    return FixedClock(datetime(2019, 9, 5, 12, tzinfo=UTC))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Every Hypothesis test is a property, for `-m property`, and has a limit of its own.

    What runs out of time ends the whole run and shows where everything stood. The usual limit
    raises an exception wherever the test is, mostly in its event loop: Hypothesis would take that
    for a failure and run more examples, while the one that was cut off goes on beside them and
    writes into their books.
    """
    for item in items:
        if isinstance(item, pytest.Function) and is_hypothesis_test(item.obj):
            item.add_marker("property")
            own = item.get_closest_marker("timeout")
            limit_s = (
                own.args[0] if own else max(_PROPERTY_LIMIT_S, config.getoption("timeout") or 0)
            )
            item.add_marker(pytest.mark.timeout(limit_s, method="thread"), append=False)
