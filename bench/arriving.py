"""Partners whose calls arrive at a given rate, whatever became of those before."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from watersmeet.client import Client, Gift, WatersmeetError, connect

from bench.lots import CURRENCY, Lot, make_gifts
from services.cli.simulator.wire import Access

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK_S = 0.005
_WARM_UP = 100

# So many calls are begun without a look at answers, when their time is due or over.
_TOGETHER = 50


class Phase(NamedTuple):
    """So many calls a second, for so long."""

    rate: float
    seconds: float


class Arrival(NamedTuple):
    """One call: when it was due, from the start, and how long after that it was answered.

    took_s: None if it failed, or ran out of time.
    """

    due_s: float
    took_s: float | None


@dataclass(frozen=True, slots=True)
class ArrivalJob:
    """RecordDonation through the partners' own client.

    deadline_s: what a call may take, its repetitions included; later is as bad as never.
    """

    access: Access
    lot: Lot
    projects: tuple[str, ...]
    campaign: str
    phases: tuple[Phase, ...]
    deadline_s: float

    def run(self, go: Callable[[], None]) -> list[Arrival]:
        """See processes.Job. Returns every call but those to warm up."""
        return asyncio.run(self._arrive(list(self._gifts()), go))

    def _gifts(self) -> Iterator[Gift]:
        rows = make_gifts(self.lot, len(self.projects))
        for external_id, amount, micros, project in zip(
            rows.ids.tolist(),
            rows.amounts_micros.tolist(),
            rows.times_micros.tolist(),
            rows.projects.tolist(),
            strict=True,
        ):
            yield Gift(
                external_id.decode("ascii"),
                self.projects[project],
                amount,
                CURRENCY,
                _EPOCH + timedelta(microseconds=micros),
                campaign=self.campaign,
            )

    async def _arrive(self, gifts: Sequence[Gift], go: Callable[[], None]) -> list[Arrival]:
        loop = asyncio.get_running_loop()
        arrivals: list[Arrival] = []
        client = connect(
            self.access.address,
            ca=self.access.ca,
            certificate=self.access.certificate,
            key=self.access.key,
            timeout_s=self.deadline_s,
        )
        async with client, asyncio.TaskGroup() as group:
            for gift in gifts[:_WARM_UP]:
                await client.record_donation(gift)
            go()
            started = loop.time()

            async def call(gift: Gift, due_s: float) -> None:
                answered = await _is_answered(client, gift)
                took_s = loop.time() - started - due_s
                in_time = answered and took_s <= self.deadline_s
                arrivals.append(Arrival(due_s, took_s if in_time else None))

            for number, (gift, due_s) in enumerate(
                zip(gifts[_WARM_UP:], _moments(self.phases), strict=True)
            ):
                early_s = due_s - (loop.time() - started)
                if early_s > 0:
                    await asyncio.sleep(max(_TICK_S, early_s))
                group.create_task(call(gift, due_s))
                if number % _TOGETHER == 0:
                    await asyncio.sleep(0)
        return arrivals


async def _is_answered(client: Client, gift: Gift) -> bool:
    try:
        await client.record_donation(gift)
    except WatersmeetError:
        return False
    return True


def _moments(phases: Sequence[Phase]) -> Iterator[float]:
    """When each call is due, in seconds from the start."""
    begin = 0.0
    for rate, seconds in phases:
        yield from (begin + number / rate for number in range(round(rate * seconds)))
        begin += seconds


def gifts_of(phases: Sequence[Phase]) -> int:
    """The gifts that a lot needs for them and for the warming up."""
    return _WARM_UP + sum(round(rate * seconds) for rate, seconds in phases)
