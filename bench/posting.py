"""WeChat Pay in the callback row: posts notices over HTTP, so many connections at once.

It writes and reads HTTP by hand, because a client library costs as much as the server measured.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.lots import Lot, make_gifts
from services.cli.simulator.keys import load_keys
from services.cli.simulator.reports import Gift, Kind, Report, Way
from services.cli.simulator.tencent import Tencent

_HOST = "127.0.0.1"
_WARM_UP = 200
_TIMEOUT_S = 30.0
_ANSWER = b'"SUCCESS"'


@dataclass(frozen=True, slots=True)
class PostJob:
    """Posts one notice for each gift of a lot, besides some to warm up. All are signed before the
    clock starts.

    keys: the folder of the platforms' keys. rounds: how often each is posted; more than once only
    to a server that does not mind.
    """

    port: int
    keys: Path
    lot: Lot
    projects: tuple[str, ...]
    campaign: str
    connections: int
    rounds: int = 1

    def run(self, go: Callable[[], None]) -> int:
        """See processes.Job. Returns the notices acknowledged, without those to warm up.

        Raises RuntimeError if one is not.
        """
        return asyncio.run(self._post(self._requests(), go))

    def _requests(self) -> list[bytes]:
        keys = load_keys(self.keys)
        platform, now = Tencent(keys.tencent, keys.forger), datetime.now(UTC)
        gifts = make_gifts(self.lot, len(self.projects))
        requests = []
        for external_id, amount, micros, project in zip(
            gifts.ids.tolist(),
            gifts.amounts_micros.tolist(),
            gifts.times_micros.tolist(),
            gifts.projects.tolist(),
            strict=True,
        ):
            gift = Gift(
                partner=platform.partner,
                external_id=external_id.decode("ascii"),
                project=self.projects[project],
                campaign=self.campaign,
                amount_micros=amount,
                event_time=datetime.fromtimestamp(micros // 1_000_000, UTC),
                donor=f"o{external_id.decode('ascii')[:27]}",
            )
            notice = platform.notice(Report(gift, Kind.FIRST, Way.NOTICE), now)
            headers = {
                "Host": f"{_HOST}:{self.port}",
                **notice.headers,
                "Content-Length": str(len(notice.body)),
            }
            lines = [
                "POST /callbacks/tencent HTTP/1.1",
                *(": ".join(header) for header in headers.items()),
            ]
            requests.append("\r\n".join((*lines, "", "")).encode("ascii") + notice.body)
        return requests

    async def _post(self, requests: list[bytes], go: Callable[[], None]) -> int:
        async with asyncio.timeout(_TIMEOUT_S):
            connections = [
                await asyncio.open_connection(_HOST, self.port) for _ in range(self.connections)
            ]
        try:
            await _send(connections, iter(requests[:_WARM_UP]))
            go()
            return await _send(connections, iter(requests[_WARM_UP:] * self.rounds))
        finally:
            for _, writer in connections:
                writer.close()


def warmed(calls: int) -> int:
    """The gifts that a lot needs for so many notices and the warming up."""
    return calls + _WARM_UP


async def _send(
    connections: Sequence[tuple[asyncio.StreamReader, asyncio.StreamWriter]],
    requests: Iterator[bytes],
) -> int:
    done = 0

    async def send_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal done
        for request in requests:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(_length(head))
            if not head.startswith(b"HTTP/1.1 20") or (body and _ANSWER not in body):
                status = head.split(b"\r\n", 1)[0].decode("latin-1")
                raise RuntimeError(f"a genuine notice was answered with {status}")
            done += 1

    async with asyncio.TaskGroup() as group:
        for reader, writer in connections:
            group.create_task(send_on(reader, writer))
    return done


def _length(head: bytes) -> int:
    """The Content-Length of a response's head; 0 without one."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
