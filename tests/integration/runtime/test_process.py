"""A service as a process: its exit codes, and what it says when it goes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.identities import Certificates

ROOT = Path(__file__).resolve().parents[3]

SERVICE = """
import asyncio, sys
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict
from services.runtime.server import Server, run_service
from services.runtime.settings import DatabaseSettings, ServerSettings

class Settings(ServerSettings, DatabaseSettings):
    model_config = SettingsConfigDict(env_prefix="WATERSMEET_TEST_")

async def fail():
    await asyncio.sleep(0.1)
    raise ValueError("the feed is broken")

async def main():
    settings = Settings.from_environment()
    server = Server("test", settings)
    if "fail" in sys.argv:
        server.add_background(fail, "feed")
    async def ready():
        print("ready", flush=True)
    await server.run(ready)

sys.exit(run_service(main))
"""


@pytest.fixture
def environment(certificates: Certificates) -> dict[str, str]:
    files = certificates.settings_for("service", "gateway")
    settings = {f"WATERSMEET_TEST_{name.upper()}": str(file) for name, file in files.items()}
    settings["WATERSMEET_TEST_DATABASE_URL"] = "postgresql://test:hunter2@localhost/test"
    return {**os.environ, **settings}


def started(environment: dict[str, str], *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", SERVICE, *arguments],
        env=environment,
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def lines(said: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.splitlines()]


def test_told_to_stop(environment: dict[str, str]) -> None:
    with started(environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 0
    assert [line["event"] for line in lines(said)] == ["started", "ready", "stopped"]
    assert {line["service"] for line in lines(said)} == {"test"}


def test_failed(environment: dict[str, str]) -> None:
    with started(environment, "fail") as process:
        _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "service failed" in [line["event"] for line in lines(said)]
    assert "the feed is broken" in said


def test_settings_that_are_wrong(environment: dict[str, str]) -> None:
    environment["WATERSMEET_TEST_POOL_SIZE"] = "hunter2"
    del environment["WATERSMEET_TEST_KEY_FILE"]
    with started(environment) as process:
        _, said = process.communicate(timeout=20)
    assert process.returncode == 2
    assert {line["setting"] for line in lines(said)} == {"pool_size", "key_file"}
    assert "hunter2" not in said
