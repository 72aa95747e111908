"""A client of the ledger: calls built beforehand, so many in flight."""

import asyncio
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import grpc.aio
from google.protobuf.message import Message
from watersmeet.ledger.v1 import ledger_service_pb2 as pb

from bench.ledger.entries import CURRENCY, Entries, make_requests
from services.cli.simulator.wire import Access, open_channel

POST = "/watersmeet.ledger.v1.LedgerService/PostEntries"
BALANCE = "/watersmeet.ledger.v1.LedgerService/GetBalance"

_TIMEOUT_S = 60.0


class Calls(Protocol):
    """What to call, and how to know that it was answered well. It is pickled on the way."""

    @property
    def method(self) -> str:
        """The method's full name."""

    def requests(self) -> Sequence[Message]:
        """All requests, in their order."""

    def check(self, answer: bytes) -> None:
        """Raises RuntimeError if an answer is not what it must be."""


@dataclass(frozen=True, slots=True)
class Posts:
    """PostEntries, so many entries a call."""

    entries: Entries
    entries_a_call: int
    method: str = POST

    def requests(self) -> Sequence[Message]:
        """See Calls."""
        return make_requests(self.entries, self.entries_a_call)

    def check(self, answer: bytes) -> None:
        """See Calls."""
        for result in pb.PostEntriesResponse.FromString(answer).results:
            if not result.sequence or result.replayed:
                raise RuntimeError("a made-up entry was not posted")


@dataclass(frozen=True, slots=True)
class Balances:
    """GetBalance of these accounts in turn."""

    codes: tuple[str, ...]
    count: int
    method: str = BALANCE

    def requests(self) -> Sequence[Message]:
        """See Calls."""
        return [
            pb.GetBalanceRequest(code=self.codes[number % len(self.codes)], currency_code=CURRENCY)
            for number in range(self.count)
        ]

    def check(self, answer: bytes) -> None:
        """See Calls."""
        if not pb.GetBalanceResponse.FromString(answer).as_of_sequence:
            raise RuntimeError("a balance as of no entry")


@dataclass(frozen=True, slots=True)
class CallsJob:
    """Calls each request once, besides some to warm up.

    warm_up: so many calls before the clock starts. rounds: how often each is sent; more than once
    only to a server that does not mind, as the echo, whose answers are not checked.
    """

    access: Access
    calls: Calls
    in_flight: int
    warm_up: int
    echo: bool = False
    rounds: int = 1

    def run(self, go: Callable[[], None]) -> int:
        """See processes.Job. Returns the calls answered, without those to warm up."""
        encoded = [request.SerializeToString() for request in self.calls.requests()]
        return asyncio.run(self._run(encoded, go))

    async def _run(self, requests: list[bytes], go: Callable[[], None]) -> int:
        async with open_channel(self.access) as channel:
            # Bytes as they are: what a client spends on messages is not what is measured.
            method: Any = channel.unary_unary(self.calls.method)
            await self._send(method, iter(requests[: self.warm_up]))
            go()
            return await self._send(method, iter(requests[self.warm_up :] * self.rounds))

    async def _send(
        self, method: "grpc.aio.UnaryUnaryMultiCallable[Any, Any]", requests: Iterator[bytes]
    ) -> int:
        done = 0

        async def send_on() -> None:
            nonlocal done
            for request in requests:
                answer = await method(request, timeout=_TIMEOUT_S)
                if not self.echo:
                    self.calls.check(answer)
                done += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(self.in_flight):
                group.create_task(send_on())
        return done


def new_seed() -> int:
    """A seed that no other measurement has: entry ids must be new."""
    return uuid.uuid4().int
