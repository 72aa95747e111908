"""Follows the ledger: its totals at one sequence, then what all entries after it change."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import grpc
import structlog
from watersmeet.ledger.v1 import feed_service_pb2 as feed_pb
from watersmeet.ledger.v1 import feed_service_pb2_grpc as feed_grpc
from watersmeet.ledger.v1 import ledger_service_pb2 as pb
from watersmeet.ledger.v1 import ledger_service_pb2_grpc as pb_grpc

from services.gateway.domain import Amount, AsOf, FeedBroken, Snapshot
from services.gateway.live import LiveTotals
from services.gateway.metrics import ENTRIES, INTERRUPTIONS
from services.gateway.wire.convert import amount_of, ledger_time, watermarks_of
from services.gateway.wire.convert_feed import NUMBERED_CELLS, Listening
from services.runtime.alternatives import Alternatives
from services.runtime.errors import Reason
from services.runtime.status import fault_from_rpc_error

_log = structlog.get_logger()

_Message = TypeVar("_Message")

_SNAPSHOT_S_MAX = 120.0
_BACKOFF_S = (0.1, 2.0)


class Ledger:
    """What is asked of one ledger."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.totals: pb_grpc.LedgerServiceAsyncStub = pb_grpc.LedgerServiceStub(channel)
        self.feed: feed_grpc.FeedServiceAsyncStub = feed_grpc.FeedServiceStub(channel)


class Follower:
    """Keeps `LiveTotals` at the ledger's end, whatever happens to either of them.

    A connection that breaks or falls silent is made anew, and the feed goes on where it was. An
    entry that does not follow the one before is a defect: everything is loaded again.
    """

    def __init__(
        self,
        ledgers: Sequence[Ledger],
        live: LiveTotals,
        *,
        silence_s_max: float,
    ) -> None:
        """ledgers: on one database, so that it does not matter which of them is followed.
        silence_s_max: after hearing nothing for so long the connection is made anew.
        """
        self._ledgers = Alternatives(ledgers)
        self._live = live
        self._silence_s_max = silence_s_max
        self._failures = 0  # since the feed was last caught up with
        self._must_load = True

    async def run(self) -> None:
        """Runs until it is cancelled."""
        while True:
            try:
                if self._must_load:
                    self._live.load(await self._read_snapshot())
                    self._must_load = False
                await self._follow()
            except grpc.aio.AioRpcError as error:
                self._away(error)
            except TimeoutError:
                self._interrupted("silent", f"nothing was heard for {self._silence_s_max:g} s")
            except FeedBroken as error:
                self._broken(str(error))
            else:
                self._interrupted("away", "the ledger ended its feed")
            await self._pause()

    async def _read_snapshot(self) -> Snapshot:
        """All totals. Raises FeedBroken for what is none, or is of two sequences."""
        cells: list[Amount] = []
        as_of: AsOf | None = None
        ledger = self._ledgers.current.totals
        call = ledger.ReadTotals(pb.ReadTotalsRequest(), timeout=_SNAPSHOT_S_MAX)
        try:
            while (message := await self._read(call)) is not None:
                part = _as_of(message)
                if as_of is not None and part.sequence != as_of.sequence:
                    raise FeedBroken(
                        f"the snapshot is of entries {as_of.sequence} and {part.sequence}"
                    )
                as_of = AsOf(
                    part.sequence,
                    part.time,
                    {**(as_of.watermarks if as_of else {}), **part.watermarks},
                    part.hash,
                )
                cells.extend(map(amount_of, message.cells))
        finally:
            call.cancel()
        if as_of is None:
            # "No totals" is a message with sequence 0; no message at all is no answer.
            raise FeedBroken("the snapshot holds no message")
        _log.info("totals loaded", sequence=as_of.sequence, cells=len(cells))
        return Snapshot(as_of, cells)

    async def _follow(self) -> None:
        """Counts entries until something happens."""
        after = self._live.require().as_of.sequence
        request = feed_pb.StreamTotalsRequest(after_sequence=after, numbered_cells=NUMBERED_CELLS)
        call = self._ledgers.current.feed.StreamTotals(request)
        listening = Listening()
        try:
            while (message := await self._read(call)) is not None:
                for change in message.changes:
                    posting = listening.posting_of(change)
                    if posting is not None:
                        self._live.apply(posting)
                        ENTRIES.inc(posting.sequence - posting.after)
                if message.HasField("checkpoint"):
                    self._check(message.checkpoint)
        finally:
            call.cancel()

    def _check(self, checkpoint: pb.Checkpoint) -> None:
        totals = self._live.require()
        counted = totals.as_of.sequence
        if checkpoint.sequence != counted:
            raise FeedBroken(
                f"the ledger is at entry {checkpoint.sequence}, and entry {counted} came last"
            )
        totals.require_counted(checkpoint.hash)
        self._live.confirm(ledger_time(checkpoint.time))
        self._failures = 0

    async def _read(self, call: grpc.aio.UnaryStreamCall[Any, _Message]) -> _Message | None:
        """The next message; None at the end. Raises TimeoutError after too long a silence."""
        async with asyncio.timeout(self._silence_s_max):
            message = await call.read()
        return None if message is grpc.aio.EOF else cast("_Message", message)

    def _away(self, error: grpc.aio.AioRpcError) -> None:
        fault = fault_from_rpc_error(error)
        if fault.reason is Reason.SEQUENCE_AHEAD:
            self._broken(fault.message)
        else:
            self._interrupted("away", fault.message)

    def _broken(self, what: str) -> None:
        self._must_load = True
        INTERRUPTIONS.labels("broken").inc()
        _log.error("the feed is broken, loading the totals again", error=what)

    def _interrupted(self, cause: str, what: str) -> None:
        INTERRUPTIONS.labels(cause).inc()
        self._ledgers.give_up()
        _log.warning("the ledger is away", cause=cause, error=what)

    async def _pause(self) -> None:
        """Longer from failure to failure, and never in step with other gateways."""
        first, longest = _BACKOFF_S
        pause = min(longest, first * 2 ** min(self._failures, 10))
        self._failures += 1
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  no secret


def _as_of(message: pb.ReadTotalsResponse) -> AsOf:
    time = ledger_time(message.as_of_time) if message.HasField("as_of_time") else None
    watermarks = watermarks_of(message.watermarks)
    return AsOf(message.as_of_sequence, time, watermarks, message.as_of_hash)
