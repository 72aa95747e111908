"""Stand-ins: the donations service's batches, and a network that breaks at the worst moment."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress

import psycopg
from sqlalchemy import make_url
from watersmeet.donations.v1 import batch_service_pb2 as pb
from watersmeet.donations.v1 import batch_service_pb2_grpc as pb_grpc
from watersmeet.donations.v1 import position_service_pb2 as position_pb
from watersmeet.donations.v1 import position_service_pb2_grpc as position_pb_grpc
from watersmeet.donations.v1 import record_service_pb2 as record_pb
from watersmeet.donations.v1 import record_service_pb2_grpc as record_pb_grpc
from watersmeet.type.v1 import purpose_pb2

from services.ledger.audit.batches import BatchLine, BatchSummary
from services.ledger.wire.convert import stamp_of


class Positions(position_pb_grpc.PositionServiceServicer):
    """Serves what it is told that differs."""

    def __init__(self) -> None:
        self.differences: list[position_pb.PositionDifference] = []

    async def CheckPositions(
        self, request: position_pb.CheckPositionsRequest, context: object
    ) -> AsyncIterator[position_pb.CheckPositionsResponse]:
        """Two parts of two gifts each, the second with the differences."""
        yield position_pb.CheckPositionsResponse(gifts=2)
        yield position_pb.CheckPositionsResponse(gifts=2, differences=self.differences)


class Records(record_pb_grpc.RecordServiceServicer):
    """Serves what it is told that differs."""

    def __init__(self) -> None:
        self.differences: list[str] = []
        self.unsealed = 0

    async def CheckRecords(
        self, request: record_pb.CheckRecordsRequest, context: object
    ) -> AsyncIterator[record_pb.CheckRecordsResponse]:
        """Two tables of three rows each, the second with the differences."""
        yield record_pb.CheckRecordsResponse(table="links", rows=3)
        yield record_pb.CheckRecordsResponse(
            table="refunds", rows=3, unsealed=self.unsealed, differences=self.differences
        )


class Batches(pb_grpc.BatchServiceServicer):
    """Serves the batches that it holds."""

    def __init__(self) -> None:
        self.held: list[BatchSummary] = []
        self.stop: Callable[[], Awaitable[None]] | None = None
        self.stopped = False
        self.positions = Positions()
        self.records = Records()

    async def go_away(self) -> None:
        """Stops the server."""
        assert self.stop is not None, "it was served"
        self.stopped = True
        await self.stop()

    async def SummarizeBatches(
        self, request: pb.SummarizeBatchesRequest, context: object
    ) -> AsyncIterator[pb.SummarizeBatchesResponse]:
        """All batches, as messages."""
        for batch in sorted(self.held, key=lambda batch: batch.batch_id):
            yield pb.SummarizeBatchesResponse(
                batch_id=batch.batch_id,
                gifts=batch.gifts,
                digest=batch.digest,
                posted=batch.posted,
                lines=_lines(batch.lines),
            )


def _lines(lines: Iterable[BatchLine]) -> list[pb.BatchLine]:
    return [
        pb.BatchLine(
            kind=pb.BatchLineKind.Name(line.kind),  # type: ignore[arg-type]  # names are taken too
            partner=line.partner,
            campaign=line.campaign,
            project=line.project,
            purpose=purpose_pb2.Purpose.ValueType(line.purpose),
            currency_code=line.currency,
            charity=line.charity,
            hour=stamp_of(line.hour),
            micros=line.micros,
            count=line.tally,
        )
        for line in lines
    ]


_COMMITTED = re.compile(rb"COMMIT\x00|INSERT 0 \d+\x00Z\x00\x00\x00\x05I")
"""How PostgreSQL says that a commit is done, or an INSERT that was a transaction of its own:
https://www.postgresql.org/docs/current/protocol-message-formats.html (CommandComplete,
ReadyForQuery)."""


class Breaker:
    """Between a client and its database; loses the answer to commits for as long as it is told.

    cuts: how many answers are still to be lost, each with its connection.
    """

    def __init__(self, url: str) -> None:
        self._target = make_url(url)
        self.cuts = 0
        self.lost = 0
        self.url = ""
        self._connections: set[asyncio.Task[object]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Breaker"]:
        """Listens; url leads to the database through here."""
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        own = self._target.set(host="127.0.0.1", port=port)
        self.url = own.render_as_string(hide_password=False)
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()
            if self._connections:
                await asyncio.wait(self._connections)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a connection is served by a task"
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        there_reader, there_writer = await asyncio.open_connection(
            self._target.host, self._target.port
        )
        forth = asyncio.ensure_future(_pump(reader, there_writer, lambda _: False))
        back = asyncio.ensure_future(_pump(there_reader, writer, self._breaks))
        await asyncio.wait({forth, back}, return_when=asyncio.FIRST_COMPLETED)
        for pump in (forth, back):
            pump.cancel()
        await asyncio.gather(forth, back, return_exceptions=True)
        for end in (there_writer, writer):
            end.close()
            with suppress(OSError):
                await end.wait_closed()

    def _breaks(self, data: bytes) -> bool:
        if self.cuts == 0 or not _COMMITTED.search(data):
            return False
        self.cuts -= 1
        self.lost += 1
        return True


async def _pump(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, breaks: Callable[[bytes], bool]
) -> None:
    while data := await source.read(65_536):
        if breaks(data):
            return
        sink.write(data)
        await sink.drain()


def kill_connections(url: str, name: str) -> int:
    """Ends the backends of an engine of that name, as the same role may. Returns how many."""
    with psycopg.connect(url, autocommit=True) as connection:
        killed = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = %s AND datname = current_database()",
            [f"watersmeet-{name}"],
        )
        return len(killed.fetchall())
