"""health.py as a container runs it, against a real server with mTLS."""

import asyncio
import os
import sys
from collections.abc import Mapping

import pytest

from services.runtime.server import Server
from services.runtime.settings import ServerSettings
from tests.support.identities import Certificates
from tests.unit.deploy.files import DEPLOY


async def run_check(environment: Mapping[str, str]) -> tuple[int | None, str]:
    """Its exit code and what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(DEPLOY / "health.py"),
        env={"PATH": os.defpath, **environment},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await asyncio.wait_for(process.communicate(), timeout=20)
    return process.returncode, said.decode()


def environment_of(certificates: Certificates, port: int) -> dict[str, str]:
    files = certificates.settings_for("service", "ledger")
    return {
        "WATERSMEET_LEDGER_LISTEN": f"0.0.0.0:{port}",
        **{f"WATERSMEET_LEDGER_{name.upper()}": str(file) for name, file in files.items()},
    }


async def test_it_follows_the_servers_life(certificates: Certificates) -> None:
    server = Server(
        "ledger", ServerSettings.model_validate(certificates.settings_for("service", "ledger"))
    )
    is_ready = asyncio.Event()

    async def ready() -> None:
        await is_ready.wait()

    await server.start(ready)
    environment = environment_of(certificates, server.port)
    try:
        assert await run_check(environment) == (1, "NOT_SERVING\n")
        is_ready.set()
        assert await run_check(environment) == (0, "")
    finally:
        await server.stop()
    code, said = await run_check(environment)
    assert code == 1
    # gRPC itself may say more, before.
    assert said.splitlines()[-1].startswith("no answer: UNAVAILABLE")


async def test_a_server_that_others_vouch_for_is_not_healthy(
    certificates: Certificates, foreign_certificates: Certificates
) -> None:
    settings = ServerSettings.model_validate(foreign_certificates.settings_for("service", "ledger"))
    server = Server("ledger", settings)
    await server.start()
    try:
        code, said = await run_check(environment_of(certificates, server.port))
    finally:
        await server.stop()
    assert code == 1
    # gRPC itself may say more, before.
    assert said.splitlines()[-1].startswith("no answer: UNAVAILABLE")


@pytest.mark.parametrize(
    "environment",
    [{}, {"WATERSMEET_LEDGER_LISTEN": "0.0.0.0:1", "WATERSMEET_GATEWAY_LISTEN": "0.0.0.0:1"}],
    ids=["none", "two"],
)
async def test_it_says_what_is_not_set(environment: dict[str, str]) -> None:
    code, said = await run_check(environment)
    assert code == 1
    assert said.startswith("cannot ask: ")
    assert "WATERSMEET_<SERVICE>_LISTEN" in said


async def test_it_says_which_setting_is_missing() -> None:
    code, said = await run_check({"WATERSMEET_LEDGER_LISTEN": "0.0.0.0:1"})
    assert (code, said) == (1, "cannot ask: 'WATERSMEET_LEDGER_CA_FILE'\n")
