"""A stand-in server, and a client that is connected to it."""

from collections.abc import AsyncIterator

import pytest
from watersmeet.client import Client, connect

from .certificates import Authority, Pair
from .intake import Intake, Server


@pytest.fixture(scope="package")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="package")
def partner(authority: Authority) -> Pair:
    return authority.partner()


@pytest.fixture
async def server(authority: Authority) -> AsyncIterator[Server]:
    server = Server(Intake(), authority)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def intake(server: Server) -> Intake:
    return server.intake


@pytest.fixture
async def client(server: Server, authority: Authority, partner: Pair) -> AsyncIterator[Client]:
    async with connect(
        server.target, ca=authority.pem, certificate=partner.certificate, key=partner.key
    ) as client:
        yield client
