"""A partner of the unary row: RecordDonation, so many calls in flight."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc.aio
from google.protobuf.timestamp_pb2 import Timestamp
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake
from watersmeet.type.v1.money_pb2 import Money

from bench.lots import CURRENCY, Lot, make_gifts
from services.cli.simulator.wire import Access, open_channel

if TYPE_CHECKING:
    Method = grpc.aio.UnaryUnaryMultiCallable[Any, Any]

METHOD = "/watersmeet.donations.v1.DonationIntakeService/RecordDonation"

_TIMEOUT_S = 30.0
_WARM_UP = 200


@dataclass(frozen=True, slots=True)
class CallJob:
    """Calls RecordDonation once for each gift of a lot, besides some to warm up.

    echo: the server answers with the request itself, as bench.echo does.
    rounds: how often each is told; more than once only to a server that does not mind.
    """

    access: Access
    lot: Lot
    projects: tuple[str, ...]
    campaign: str
    in_flight: int
    echo: bool = False
    rounds: int = 1

    def run(self, go: Callable[[], None]) -> int:
        """See processes.Job. Returns the calls answered, without those to warm up.

        Raises AioRpcError, and RuntimeError if a gift was not accepted.
        """
        requests = make_requests(self.lot, self.projects, self.campaign)
        return asyncio.run(self._call(requests, go))

    async def _call(
        self, requests: list[intake.RecordDonationRequest], go: Callable[[], None]
    ) -> int:
        answer = intake.RecordDonationRequest if self.echo else intake.RecordDonationResponse
        async with open_channel(self.access) as channel:
            method: Method = channel.unary_unary(
                METHOD,
                request_serializer=intake.RecordDonationRequest.SerializeToString,
                response_deserializer=answer.FromString,
            )
            await self._send(method, iter(requests[:_WARM_UP]))
            go()
            return await self._send(method, iter(requests[_WARM_UP:] * self.rounds))

    async def _send(
        self,
        method: "Method",
        requests: Iterator[intake.RecordDonationRequest],
    ) -> int:
        done = 0

        async def send_on() -> None:
            nonlocal done
            for request in requests:
                answer = await method(request, timeout=_TIMEOUT_S)
                if not self.echo:
                    assert isinstance(answer, intake.RecordDonationResponse)
                    if answer.outcome != intake.OUTCOME_ACCEPTED:
                        raise RuntimeError("a made-up gift was not accepted")
                done += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(self.in_flight):
                group.create_task(send_on())
        return done


def warmed(calls: int) -> int:
    """The gifts that a lot needs for so many calls and the warming up."""
    return calls + _WARM_UP


def make_requests(
    lot: Lot, projects: tuple[str, ...], campaign: str
) -> list[intake.RecordDonationRequest]:
    """One request a gift."""
    gifts = make_gifts(lot, len(projects))
    return [
        intake.RecordDonationRequest(
            request_id=str(uuid.uuid4()),
            external_id=external_id.decode("ascii"),
            project=projects[project],
            campaign=campaign,
            amount=Money(currency_code=CURRENCY, micros=amount),
            event_time=Timestamp(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1_000),
        )
        for external_id, amount, micros, project in zip(
            gifts.ids.tolist(),
            gifts.amounts_micros.tolist(),
            gifts.times_micros.tolist(),
            gifts.projects.tolist(),
            strict=True,
        )
    ]
