"""A notice that comes whole is answered without aiohttp; nobody can tell, however it comes."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest
from prometheus_client import REGISTRY
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake_pb
from watersmeet.donations.v1 import notification_service_pb2 as pb

from services.runtime.errors import Fault, Reason
from tests.integration.gateway.conftest import Mesh, StartMesh, until


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire:
    """One connection, at the level of bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> Answer:
        async with asyncio.timeout(5):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("ascii")
            first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            body = await self._reader.readexactly(int(headers.get("Content-Length", 0)))
        return Answer(int(first.split(" ")[1]), headers, body)

    async def end(self) -> bytes:
        try:
            return await asyncio.wait_for(self._reader.read(), 5)
        except ConnectionResetError:
            return b""


@asynccontextmanager
async def wire(mesh: Mesh) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", mesh.gateway.http.port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


def notice(body: bytes, *headers: str, target: str = "/callbacks/alipay") -> bytes:
    lines = [f"POST {target} HTTP/1.1", "Host: x", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join((*lines, "", "")).encode() + body


async def echo(told: pb.Notification) -> pb.NotificationAcknowledgement:
    if told.body == b"forged":
        raise Fault(Reason.SIGNATURE_INVALID, "forged")
    outcomes = (intake_pb.OUTCOME_ACCEPTED,)
    return pb.NotificationAcknowledgement(
        http_status=200, content_type="text/plain", body=told.body, outcomes=outcomes
    )


async def test_both_ways_say_the_same(mesh: Mesh) -> None:
    mesh.intake.answer = echo
    for body in (b"genuine", b"forged", b""):
        answers = []
        for pieces in ([notice(body)], [notice(body)[:30], notice(body)[30:]]):
            async with wire(mesh) as connection:
                for piece in pieces:
                    connection.send(piece)
                    await asyncio.sleep(0.05)  # so that they are pieces
                answers.append(await connection.answer())
        told = [
            (
                a.status,
                {k: v for k, v in a.headers.items() if k not in ("Date", "X-Request-Id")},
                a.body,
            )
            for a in answers
        ]
        assert told[0] == told[1]
        assert all({"Date", "X-Request-Id"} <= a.headers.keys() for a in answers)
    assert [told.body for told in mesh.intake.notices] == [b"genuine"] * 2 + [b"forged"] * 2 + [
        b""
    ] * 2
    assert len({(told.http_method, told.query) for told in mesh.intake.notices}) == 1


async def test_notices_of_one_connection_are_answered_in_their_order(mesh: Mesh) -> None:
    """However they are cut: whole, several at once, or one and a piece of the next."""
    mesh.intake.answer = echo
    sent = [b"%d" % number * (number + 1) for number in range(6)]
    whole = [notice(body) for body in sent]
    for pieces in (
        whole,
        [b"".join(whole)],
        [whole[0] + whole[1][:20], whole[1][20:], *whole[2:]],
        [whole[0], whole[1] + whole[2], b"".join(whole[3:])[:70], b"".join(whole[3:])[70:]],
    ):
        async with wire(mesh) as connection:
            for piece in pieces:
                connection.send(piece)
                await asyncio.sleep(0.02)
            assert [(await connection.answer()).body for _ in sent] == sent


async def test_what_comes_before_its_turn_waits(mesh: Mesh) -> None:
    go_on, arrived = asyncio.Event(), asyncio.Event()

    async def held(told: pb.Notification) -> pb.NotificationAcknowledgement:
        arrived.set()
        await go_on.wait()
        return await echo(told)

    mesh.intake.answer = held
    async with wire(mesh) as connection:
        connection.send(notice(b"first"))
        await asyncio.wait_for(arrived.wait(), 5)
        connection.send(notice(b"second") + notice(b"third"))
        await asyncio.sleep(0.05)
        connection.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(0.05)
        assert [told.body for told in mesh.intake.notices] == [b"first"]
        go_on.set()
        bodies = [(await connection.answer()).body for _ in range(4)]
        assert bodies == [b"first", b"second", b"third", b'{"status":"ready"}']


async def test_unusual_requests_are_aiohttps(mesh: Mesh) -> None:
    mesh.intake.answer = echo
    chunked = b"POST /callbacks/alipay HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    for request, body in (
        (notice(b"hello", "Connection: close"), b"hello"),
        (notice(b"hello").replace(b"HTTP/1.1", b"HTTP/1.0"), b"hello"),
        (chunked + b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"\r\n" + notice(b"hello"), b"hello"),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b'{"status":"ready"}'),
    ):
        async with wire(mesh) as connection:
            connection.send(notice(b"usual"))
            assert (await connection.answer()).body == b"usual"
            connection.send(request)
            answer = await connection.answer()
            assert (answer.status, answer.body) == (200, body)
            if b"/1.0" in request or b"close" in request:
                assert await connection.end() == b""
            else:
                connection.send(notice(b"again"))
                assert (await connection.answer()).body == b"again"
    async with wire(mesh) as connection:
        connection.send(notice(b"usual", "Expect: 100-continue"))
        assert (await connection.answer()).status == 100
        assert (await connection.answer()).body == b"usual"


async def test_what_is_no_request_is_answered_once_notices_were(mesh: Mesh) -> None:
    mesh.intake.answer = echo
    for nonsense in (b"canary\r\n\r\n", notice(b"x").replace(b"Host: x\r\n", b"")):
        async with wire(mesh) as connection:
            connection.send(notice(b"usual"))
            await connection.answer()
            connection.send(nonsense)
            assert (await connection.answer()).status == 400
            assert await connection.end() == b""


async def test_an_answer_that_would_end_its_header_is_a_defect_of_that_notice_alone(
    mesh: Mesh,
) -> None:
    async def splitting(told: pb.Notification) -> pb.NotificationAcknowledgement:
        ending = "\r\nX-Split: yes" if told.body == b"odd" else ""
        return pb.NotificationAcknowledgement(http_status=200, content_type=f"text/plain{ending}")

    mesh.intake.answer = splitting
    async with wire(mesh) as odd, wire(mesh) as usual:
        odd.send(notice(b"odd"))
        usual.send(notice(b"usual"))
        assert (await usual.answer()).status == 200
        answer = await odd.answer()
    assert (answer.status, "X-Split" in answer.headers) == (500, False)


async def test_a_platform_that_went_is_recorded_as_gone(mesh: Mesh) -> None:
    go_on, arrived = asyncio.Event(), asyncio.Event()

    async def held(told: pb.Notification) -> pb.NotificationAcknowledgement:
        arrived.set()
        await go_on.wait()
        return await echo(told)

    mesh.intake.answer = held
    before = _counted("499")
    async with wire(mesh) as connection:
        connection.send(notice(b"x"))
        await asyncio.wait_for(arrived.wait(), 5)
    await until(lambda: not len(mesh.gateway.http._doors))
    go_on.set()
    await until(lambda: _counted("499") > before)
    assert mesh.gateway.notices.under_way == 0


async def test_a_notice_under_way_is_answered_before_the_gateway_stops(mesh: Mesh) -> None:
    go_on, arrived = asyncio.Event(), asyncio.Event()

    async def held(told: pb.Notification) -> pb.NotificationAcknowledgement:
        arrived.set()
        await go_on.wait()
        return await echo(told)

    mesh.intake.answer = held
    async with wire(mesh) as busy, wire(mesh) as idle:
        idle.send(notice(b"forged"))
        busy.send(notice(b"x"))
        await asyncio.wait_for(arrived.wait(), 5)
        stopping = asyncio.create_task(mesh.gateway.http.stop())
        go_on.set()
        assert (await busy.answer()).body == b"x"
        assert await busy.end() == b""
        assert (await idle.answer()).status == 401
        assert await idle.end() == b""
        await stopping


async def test_idle_connections_are_closed(start_mesh: StartMesh) -> None:
    mesh = await start_mesh(http_idle_s=0.2)
    mesh.intake.answer = echo
    async with wire(mesh) as silent, wire(mesh) as spoke:
        spoke.send(notice(b"x"))
        assert (await spoke.answer()).body == b"x"
        assert await silent.end() == b""
        assert await spoke.end() == b""


@pytest.mark.parametrize("pipelined", [False, True])
async def test_a_platform_that_takes_no_answer_is_cut_off(
    start_mesh: StartMesh, *, pipelined: bool
) -> None:
    mesh = await start_mesh(http_answer_s=0.3)
    large = bytes(900_000)

    async def answer(_: pb.Notification) -> pb.NotificationAcknowledgement:
        return pb.NotificationAcknowledgement(http_status=200, body=large)

    mesh.intake.answer = answer
    _, writer = await asyncio.open_connection("127.0.0.1", mesh.gateway.http.port, limit=1)
    lost = asyncio.create_task(_lost(writer))
    for _ in range(40):  # more than the sockets' buffers hold, and nobody reads
        if writer.transport.is_closing():
            break
        writer.write(notice(b"x") * (2 if pipelined else 1))
        await asyncio.sleep(0.05)
    await asyncio.wait_for(lost, 5)
    assert mesh.gateway.notices.under_way == 0


async def _lost(writer: asyncio.StreamWriter) -> None:
    try:
        await writer.wait_closed()
    except ConnectionError:
        return


def _counted(code: str) -> float:
    labels = {"route": "/callbacks/{platform}", "method": "POST", "code": code}
    return REGISTRY.get_sample_value("watersmeet_http_requests_total", labels) or 0
