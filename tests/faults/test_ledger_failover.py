"""Two ledgers on one database, and the one that writes is killed with -9."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from watersmeet.ledger.v1 import ledger_service_pb2 as pb
from watersmeet.ledger.v1 import ledger_service_pb2_grpc as pb_grpc

from services.ledger.__main__ import WRITER
from services.runtime.channel import open_channel
from services.runtime.errors import Reason
from services.runtime.settings import TlsSettings
from services.runtime.status import fault_from_rpc_error
from services.runtime.supervisor.databases import DatabaseUrls
from services.runtime.supervisor.ports import ReservedPort
from tests.integration.ledger.messages import draft, posting
from tests.support.databases import DatabaseFactory
from tests.support.identities import Certificates

ROOT = Path(__file__).resolve().parents[2]
TAKEOVER_S = 5.0


class LedgerProcess:
    """One `python -m services.ledger`."""

    def __init__(self, urls: DatabaseUrls, certificates: Certificates, port: ReservedPort) -> None:
        settings = {
            **certificates.settings_for("service", "ledger"),
            "listen": port.address,
            "database_url": urls.service,
            "migration_database_url": urls.owner,
            "donations_address": "127.0.0.1:1",
        }
        told = {f"WATERSMEET_LEDGER_{key.upper()}": str(value) for key, value in settings.items()}
        self.address = port.address
        self.process = subprocess.Popen(
            (sys.executable, "-m", "services.ledger"),
            cwd=ROOT,
            env={**os.environ, **told},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        """With -9, and waits for its end."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def ledgers(
    database: DatabaseFactory, certificates: Certificates
) -> Iterator[tuple[LedgerProcess, LedgerProcess]]:
    urls = database("ledger")
    with ExitStack() as stack:
        started = []
        for _ in range(2):
            port = stack.enter_context(ReservedPort())
            started.append(LedgerProcess(urls, certificates, port))
            stack.callback(started[-1].kill)
        yield started[0], started[1]


async def is_writer(channel: grpc.aio.Channel) -> bool | None:
    """What the ledger's health says; None while it cannot be asked."""
    health: Any = health_pb2_grpc.HealthStub(channel)
    try:
        request = health_pb2.HealthCheckRequest(service=WRITER)
        answer = await health.Check(request, timeout=1, wait_for_ready=True)
    except grpc.aio.AioRpcError:
        return None
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def one_writes(channels: Sequence[grpc.aio.Channel]) -> bool:
    """Whether both answer, and one of them writes."""
    return sorted([str(await is_writer(channel)) for channel in channels]) == ["False", "True"]


async def test_the_other_takes_over_and_nothing_is_lost_or_doubled(
    ledgers: tuple[LedgerProcess, LedgerProcess], certificates: Certificates
) -> None:
    files: Any = certificates.settings_for("service", "donations")
    finance: Any = certificates.settings_for("finance", "local")
    channels = [open_channel(ledger.address, TlsSettings(**files)) for ledger in ledgers]
    books = [
        pb_grpc.LedgerServiceStub(open_channel(ledger.address, TlsSettings(**finance)))
        for ledger in ledgers
    ]
    posters = [pb_grpc.LedgerServiceStub(channel) for channel in channels]
    async with asyncio.timeout(60):
        while not await one_writes(channels):  # noqa: ASYNC110  processes, which cannot tell us
            await asyncio.sleep(0.05)
    writer, standby = (0, 1) if await is_writer(channels[0]) else (1, 0)

    # The standby refuses to write, and serves readings.
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await posters[standby].PostEntries(posting(draft()), timeout=5)
    assert fault_from_rpc_error(caught.value).reason is Reason.LEDGER_STANDBY

    acknowledged: dict[str, int] = {}
    drafts = [draft() for _ in range(400)]
    is_busy = asyncio.Event()
    killed_at = 0.0
    taken_over_s: list[float] = []

    async def post(one: pb.EntryDraft) -> None:
        """Posts until it is acknowledged, to whichever of the two takes it."""
        number = writer
        while True:
            try:
                answer = await posters[number].PostEntries(posting(one), timeout=2)
            except grpc.aio.AioRpcError:
                number = 1 - number
                await asyncio.sleep(0.02)
                continue
            acknowledged[one.entry_id] = answer.results[0].sequence
            if len(acknowledged) == 100:
                is_busy.set()
            if killed_at and not answer.results[0].replayed:
                taken_over_s.append(time.monotonic() - killed_at)
            return

    waiting = iter(drafts)

    async def work() -> None:
        for one in waiting:
            await post(one)

    async with asyncio.TaskGroup() as group:
        for _ in range(16):
            group.create_task(work())
        await is_busy.wait()
        killed_at = time.monotonic()
        ledgers[writer].kill()

    assert min(taken_over_s) < TAKEOVER_S
    page = await books[standby].ListEntries(pb.ListEntriesRequest(page_size=1000), timeout=10)
    assert [entry.sequence for entry in page.entries] == list(range(1, len(drafts) + 1))
    assert {entry.entry_id: entry.sequence for entry in page.entries} == acknowledged
    balance = await books[standby].GetBalance(
        pb.GetBalanceRequest(code="project/well/fund", currency_code="CNY"), timeout=10
    )
    assert balance.balance.balance.micros == len(drafts) * 1_000_000
