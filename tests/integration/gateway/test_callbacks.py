"""Platforms' notices go to intake byte for byte, and intake's answer goes back the same way."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from io import BytesIO

from multidict import CIMultiDict
from watersmeet.donations.v1 import notification_service_pb2 as pb
from yarl import URL

from services.gateway.http.notices import BODY_BYTES_MAX
from services.runtime.errors import Fault, Reason
from tests.integration.gateway.conftest import Mesh, StartMesh, until

EVERY_BYTE = bytes(range(256)) * 4


def answering(
    status: int, content_type: str, body: bytes
) -> Callable[[pb.Notification], Awaitable[pb.NotificationAcknowledgement]]:
    async def answer(_notice: pb.Notification) -> pb.NotificationAcknowledgement:
        return pb.NotificationAcknowledgement(
            http_status=status, content_type=content_type, body=body
        )

    return answer


def failing(
    fault: Fault,
) -> Callable[[pb.Notification], Awaitable[pb.NotificationAcknowledgement]]:
    async def answer(_notice: pb.Notification) -> pb.NotificationAcknowledgement:
        raise fault

    return answer


async def test_a_notice_arrives_as_it_was_sent(mesh: Mesh) -> None:
    mesh.intake.answer = answering(200, "text/plain; charset=utf-8", b"success")
    http = await mesh.http()
    headers = [
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Wechatpay-Signature", "AbC+/=="),
        ("X-Twice", "one"),
        ("X-Twice", "two"),
    ]
    async with http.post(
        "/callbacks/tencent", data=EVERY_BYTE, headers=CIMultiDict(headers)
    ) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert await answer.read() == b"success"
        request_id = answer.headers["X-Request-Id"]
    (notice,) = mesh.intake.notices
    assert (notice.platform, notice.http_method, notice.query) == ("tencent", "POST", "")
    assert notice.body == EVERY_BYTE
    sent = list(zip(notice.header_names, notice.header_values, strict=True))
    assert [pair for pair in sent if pair in headers] == headers
    # If intake refuses it, the same id is in both services' logs.
    assert notice.request_id == request_id


async def test_a_notice_in_the_query_arrives_undecoded(mesh: Mesh) -> None:
    query = "appId=1&payTime=2026-09-05%2012%3a00&x=%E8%9E%8D+%2B&&y=&z=a'b~"
    response = await _raw(mesh, f"GET /callbacks/xiaomi?{query} HTTP/1.1\r\nHost: x\r\n\r\n")
    assert response.startswith(b"HTTP/1.1 200 ")
    (notice,) = mesh.intake.notices
    assert (notice.http_method, notice.query, notice.body) == ("GET", query, b"")


async def test_odd_bytes_in_headers_and_query_are_no_defect(mesh: Mesh) -> None:
    response = await _raw(
        mesh, "GET /callbacks/xiaomi HTTP/1.1\r\nHost: x\r\nX-Name: \xe9\xff\r\n\r\n"
    )
    assert response.startswith(b"HTTP/1.1 200 ")
    (notice,) = mesh.intake.notices
    assert ("X-Name", "\xe9\xff") in zip(notice.header_names, notice.header_values, strict=True)
    response = await _raw(mesh, "GET /callbacks/xiaomi?x=\xe9\xff HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b" 400 " in response.partition(b"\r\n")[0]
    assert len(mesh.intake.notices) == 1


async def test_a_compressed_body_is_not_unpacked(mesh: Mesh) -> None:
    packed = gzip.compress(b"0" * 10_000_000)
    http = await mesh.http()
    async with http.post(
        "/callbacks/alipay", data=packed, headers={"Content-Encoding": "gzip"}
    ) as answer:
        assert answer.status == 200
    assert mesh.intake.notices[0].body == packed


async def test_the_native_acknowledgement_goes_back_as_it_is(mesh: Mesh) -> None:
    http = await mesh.http()
    for status, content_type, body in (
        (200, "text/plain", b"success"),
        (200, "application/json", b'{"code":"SUCCESS","message":"\xe6\x88\x90\xe5\x8a\x9f"}'),
        (204, "", b""),
        (500, "application/json", b'{"code":"FAIL"}'),
    ):
        mesh.intake.answer = answering(status, content_type, body)
        async with http.post("/callbacks/tencent", data=b"{}") as answer:
            assert answer.status == status
            assert await answer.read() == body
            if content_type:
                assert answer.headers["Content-Type"] == content_type


async def test_each_fault_has_its_status(mesh: Mesh) -> None:
    http = await mesh.http()
    for reason, status in (
        (Reason.NOTIFICATION_MALFORMED, 400),
        (Reason.FIELD_INVALID, 400),
        (Reason.SIGNATURE_INVALID, 401),
        (Reason.TIMESTAMP_STALE, 401),
        (Reason.RECIPIENT_MISMATCH, 403),
        (Reason.PLATFORM_UNKNOWN, 404),
        (Reason.MESSAGE_TOO_LARGE, 413),
        (Reason.QUEUE_FULL, 429),
        (Reason.RATE_LIMITED, 429),
        (Reason.DEPENDENCY_UNAVAILABLE, 503),
        (Reason.OUTCOME_UNKNOWN, 503),
        (Reason.SHUTTING_DOWN, 503),
    ):
        mesh.intake.answer = failing(Fault(reason, "what is wrong", retry_after=2.5))
        async with http.post("/callbacks/alipay", data=b"x") as answer:
            assert answer.status == status, reason
            body = json.loads(await answer.read())
            assert (body["code"], body["reason"]) == ("FAIL", reason)
            assert set(body) == {"code", "reason", "message"}
            assert answer.headers.get("Retry-After") == ("3" if status in (429, 503) else None)
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_defect_inside_is_not_the_platforms_doing(mesh: Mesh) -> None:
    http = await mesh.http()
    for reason in (Reason.INTERNAL, Reason.PERMISSION_DENIED, Reason.IDENTITY_UNKNOWN):
        mesh.intake.answer = failing(Fault(reason, "service/gateway on 10.0.0.7 may not"))
        async with http.post("/callbacks/alipay", data=b"x") as answer:
            assert answer.status == 500, reason
            text = await answer.text()
            assert json.loads(text)["reason"] == "INTERNAL"
            assert "10.0.0.7" not in text


async def test_intake_away_is_a_503_that_shows_nothing_of_the_inside(mesh: Mesh) -> None:
    await mesh.fakes.stop_intake()
    http = await mesh.http()
    async with http.post("/callbacks/alipay", data=b"x") as answer:
        assert answer.status == 503
        text = await answer.text()
        assert json.loads(text)["reason"] == "DEPENDENCY_UNAVAILABLE"
        assert "127.0.0.1" not in text
        assert int(answer.headers["Retry-After"]) >= 1
    await mesh.fakes.start_intake()
    async with asyncio.timeout(10):
        while True:
            async with http.post("/callbacks/alipay", data=b"x") as answer:
                if answer.status == 200:
                    break


async def test_a_slow_intake_is_given_up_before_the_platform_gives_up(
    start_mesh: StartMesh,
) -> None:
    mesh = await start_mesh(callback_timeout_s=0.3)

    async def late(_notice: pb.Notification) -> pb.NotificationAcknowledgement:
        await asyncio.sleep(5)
        raise AssertionError("the deadline came first")

    mesh.intake.answer = late
    http = await mesh.http()
    async with http.post("/callbacks/alipay", data=b"x") as answer:
        assert (answer.status, (await answer.json())["reason"]) == (503, "DEADLINE_EXCEEDED")


async def test_what_can_be_no_platform_does_not_reach_intake(mesh: Mesh) -> None:
    http = await mesh.http()
    for name in ("Alipay", "a%20b", "a%2Fb", "a" * 65):
        url = URL(f"/callbacks/{name}", encoded=True)
        async with http.post(url, data=b"x") as answer:
            assert (answer.status, (await answer.json())["reason"]) == (404, "PLATFORM_UNKNOWN")
    assert mesh.intake.notices == []


async def test_a_body_of_the_limit_passes_and_one_byte_more_does_not(mesh: Mesh) -> None:
    http = await mesh.http()
    async with http.post("/callbacks/alipay", data=BytesIO(bytes(BODY_BYTES_MAX))) as answer:
        assert answer.status == 200
    assert len(mesh.intake.notices[0].body) == BODY_BYTES_MAX

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(BODY_BYTES_MAX // 65536):
            yield bytes(65536)
        yield b"x"

    for body in (BytesIO(bytes(BODY_BYTES_MAX + 1)), chunks()):  # with a length, and without
        async with http.post("/callbacks/alipay", data=body) as answer:
            assert (answer.status, (await answer.json())["reason"]) == (413, "MESSAGE_TOO_LARGE")
    assert len(mesh.intake.notices) == 1


async def test_a_body_that_dribbles_is_cut_off(start_mesh: StartMesh) -> None:
    mesh = await start_mesh(http_body_s=0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", mesh.gateway.http.port)
    writer.write(b"POST /callbacks/alipay HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nab")
    response = await asyncio.wait_for(reader.readuntil(b"\r\n"), 5)
    assert response.startswith(b"HTTP/1.1 408 ")
    writer.close()
    assert mesh.intake.notices == []


async def test_notices_under_way_are_bounded(start_mesh: StartMesh) -> None:
    mesh = await start_mesh(callbacks_max=1)
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def wait(_notice: pb.Notification) -> pb.NotificationAcknowledgement:
        arrived.set()
        await go_on.wait()
        return pb.NotificationAcknowledgement(http_status=200, body=b"success")

    mesh.intake.answer = wait
    http = await mesh.http()
    under_way = asyncio.create_task(http.post("/callbacks/alipay", data=b"1"))
    await asyncio.wait_for(arrived.wait(), 5)
    async with http.post("/callbacks/alipay", data=b"2") as answer:
        assert (answer.status, (await answer.json())["reason"]) == (429, "QUEUE_FULL")
        assert answer.headers["Retry-After"] == "1"
    async with http.get("/v1/totals") as answer:  # others are not in its way
        assert answer.status == 200
    go_on.set()
    async with await under_way as answer:
        assert answer.status == 200
    async with http.post("/callbacks/alipay", data=b"3") as answer:
        assert answer.status == 200


async def test_what_notices_under_way_hold_is_bounded(start_mesh: StartMesh) -> None:
    mesh = await start_mesh(callbacks_bytes_max=2 * BODY_BYTES_MAX)
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def wait(_notice: pb.Notification) -> pb.NotificationAcknowledgement:
        arrived.set()
        await go_on.wait()
        return pb.NotificationAcknowledgement(http_status=200, body=b"success")

    async def piecemeal() -> AsyncIterator[bytes]:
        yield b"x"  # it says nothing of its length

    mesh.intake.answer = wait
    http = await mesh.http()
    large = bytes(BODY_BYTES_MAX)
    under_way = asyncio.create_task(http.post("/callbacks/alipay", data=BytesIO(large)))
    await asyncio.wait_for(arrived.wait(), 5)
    small = asyncio.create_task(http.post("/callbacks/alipay", data=b"small"))
    await until(lambda: mesh.gateway.notices.under_way == 2)
    for body in (BytesIO(large), piecemeal()):
        async with http.post("/callbacks/alipay", data=body) as answer:
            assert (answer.status, (await answer.json())["reason"]) == (429, "QUEUE_FULL")
    go_on.set()
    for task in (under_way, small):
        async with await task as answer:
            assert answer.status == 200
    for body in (BytesIO(large), piecemeal()):  # nothing is held any more
        async with http.post("/callbacks/alipay", data=body) as answer:
            assert answer.status == 200


async def test_notices_that_wait_share_a_call_and_each_has_its_own_answer(mesh: Mesh) -> None:
    first, go_on = asyncio.Event(), asyncio.Event()

    async def by_body(notice: pb.Notification) -> pb.NotificationAcknowledgement:
        if notice.body.startswith(b"slow"):
            first.set()
            await go_on.wait()
        if notice.body == b"forged":
            raise Fault(Reason.SIGNATURE_INVALID, "forged")
        return pb.NotificationAcknowledgement(http_status=200, body=notice.body)

    mesh.intake.answer = by_body
    http = await mesh.http()

    async def post(body: bytes) -> tuple[int, bytes]:
        async with http.post("/callbacks/alipay", data=body) as answer:
            return answer.status, await answer.read()

    under_way = []
    for number in range(3):  # as many calls as there are at once
        first.clear()
        under_way.append(asyncio.create_task(post(b"slow %d" % number)))
        await asyncio.wait_for(first.wait(), 5)
    bodies = [b"forged" if n % 3 == 1 else b"%d" % n for n in range(9)]
    rest = [asyncio.create_task(post(body)) for body in bodies]
    async with asyncio.timeout(5):
        while mesh.gateway.notices.under_way < 12:  # noqa: ASYNC110  nothing else tells
            await asyncio.sleep(0.01)
    go_on.set()
    for body, (status, answer) in zip(bodies, await asyncio.gather(*rest), strict=True):
        assert (status, answer) == (200, body) if body != b"forged" else status == 401
    assert await asyncio.gather(*under_way) == [(200, b"slow %d" % n) for n in range(3)]
    assert mesh.intake.calls == [1, 1, 1, 9]


async def test_a_call_that_is_refused_is_a_defect_to_all_that_it_carried(mesh: Mesh) -> None:
    mesh.intake.refusal = Fault(Reason.PERMISSION_DENIED, "service/gateway may not")
    http = await mesh.http()
    async with http.post("/callbacks/alipay", data=b"x") as answer:
        assert (answer.status, (await answer.json())["reason"]) == (500, "INTERNAL")


async def _raw(mesh: Mesh, request: str) -> bytes:
    """What comes back for these bytes; a client library would tidy them up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", mesh.gateway.http.port)
    writer.write(request.encode("latin-1"))
    response = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    writer.close()
    await writer.wait_closed()
    return response
