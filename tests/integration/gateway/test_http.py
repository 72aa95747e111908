"""What anyone may see over HTTP: the totals, the page, and the limits of both."""

import asyncio
import json
from datetime import timedelta
from importlib.resources import files

import pytest
from prometheus_client import REGISTRY
from watersmeet.ledger.v1 import log_service_pb2 as log_pb
from watersmeet.ledger.v1 import log_service_pb2_grpc as log_grpc
from watersmeet.type.v1.purpose_pb2 import PURPOSE_APPEAL

from services.runtime import logs
from tests.integration.gateway.conftest import Mesh, StartMesh, until
from tests.integration.gateway.fakes import START, change
from tests.integration.gateway.test_totals_service import REFUNDED, SUSPENSE

CLAIMED = ("claimed", "15500001")
PAGE = {
    "/": "index.html",
    "/page.css": "page.css",
    "/page.js": "page.js",
    "/icon.svg": "icon.svg",
}


@pytest.fixture
async def filled(mesh: Mesh) -> Mesh:
    mesh.ledger.post(
        change(10_000_001, 2),
        change(5_500_000, 1, project="forest", partner="tencent"),
        change(-250_000, 0, currency="USD"),
        change(9_000_000, 4, project="surgery", purpose=PURPOSE_APPEAL),
        change(2_000_000, 1, state=REFUNDED, hour=START + timedelta(hours=1)),
        change(1_000_000, 1, project="", state=SUSPENSE, campaign=""),
        watermarks={"alipay": START, "tencent": START + timedelta(hours=2)},
    )
    await mesh.at(1)
    return mesh


async def get(mesh: Mesh, path: str) -> tuple[int, dict[str, object]]:
    http = await mesh.http()
    async with http.get(path) as answer:
        return answer.status, await answer.json()


async def test_totals_are_exact_text(filled: Mesh) -> None:
    status, body = await get(filled, "/v1/totals")
    assert status == 200
    as_of = body["as_of"]
    assert isinstance(as_of, dict)
    assert as_of.pop("time").endswith("Z")
    assert as_of == {
        "sequence": 1,
        # The earliest of the partners' watermarks; which partner's is not said.
        "complete_until": "2019-09-05T12:00:00Z",
        "live": True,
    }
    assert body["group_by"] == []
    charity = {"purpose": "charity", "state": "claimed", "currency": "CNY"}
    row = {**charity, "micros": "15500001", "amount": "15.500001"}
    appeal, unattributed = {**row, "purpose": "appeal"}, {**row, "purpose": "unattributed"}
    assert body["rows"] == [
        {**row, "count": 3},
        {**appeal, "micros": "9000000", "amount": "9.00", "count": 4},
        {**row, "currency": "USD", "micros": "-250000", "amount": "-0.25", "count": 0},
        {**row, "state": "refunded", "micros": "2000000", "amount": "2.00", "count": 1},
        {**unattributed, "state": "suspense", "micros": "1000000", "amount": "1.00", "count": 1},
    ]


async def test_totals_are_filtered(filled: Mesh) -> None:
    for query, rows in (
        ("project=forest", [("claimed", "5500000")]),
        ("project=forest&project=clean-water&currency=CNY&state=claimed", [CLAIMED]),
        ("project=", [("suspense", "1000000")]),
        ("campaign=week-2026&state=refunded&state=suspense", [("refunded", "2000000")]),
        ("project=nobody", []),
        ("purpose=appeal", [("claimed", "9000000")]),
        ("purpose=charity&state=claimed&currency=CNY", [CLAIMED]),
        ("purpose=appeal&purpose=unattributed&project=", [("suspense", "1000000")]),
    ):
        _, body = await get(filled, f"/v1/totals?{query}")
        found = body["rows"]
        assert isinstance(found, list)
        assert [(row["state"], row["micros"]) for row in found] == rows, query


async def test_totals_are_grouped(filled: Mesh) -> None:
    _, body = await get(filled, "/v1/totals?currency=CNY&group_by=project&group_by=hour")
    found = body["rows"]
    assert isinstance(found, list)
    assert body["group_by"] == ["project", "hour"]
    assert [(row["state"], row["project"], row["hour"]) for row in found] == [
        ("claimed", "clean-water", "2019-09-05T12:00:00Z"),
        ("claimed", "forest", "2019-09-05T12:00:00Z"),
        ("claimed", "surgery", "2019-09-05T12:00:00Z"),
        ("refunded", "clean-water", "2019-09-05T13:00:00Z"),
        ("suspense", "", "2019-09-05T12:00:00Z"),
    ]


async def test_an_impossible_question_is_refused(filled: Mesh) -> None:
    for query in (
        "partner=alipay",
        "group_by=partner",
        "projct=forest",
        "project=%C3%84",
        "project=%ff",
        "%ff=1",
        "state=given",
        "state=CLAIMED",
        "purpose=person",
        "currency=cny",
        "group_by=",
        "group_by=project&group_by=project",
    ):
        status, body = await get(filled, f"/v1/totals?{query}")
        assert (status, body["code"], body["reason"]) == (400, "FAIL", "FIELD_INVALID"), query


async def test_what_did_not_change_is_not_sent_again(filled: Mesh) -> None:
    http = await filled.http()
    async with http.get("/v1/totals") as answer:
        tag = answer.headers["ETag"]
        assert answer.headers["Cache-Control"] == "public, max-age=1"
    same = {"If-None-Match": tag}
    async with http.get("/v1/totals", headers=same) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
    async with http.get("/v1/totals?state=claimed", headers=same) as answer:
        assert answer.status == 200
    filled.ledger.post(change(1))
    await filled.at(2)
    async with http.get("/v1/totals", headers=same) as answer:
        assert (answer.status, (await answer.json())["as_of"]["sequence"]) == (200, 2)


async def test_the_page_comes_from_the_package_with_strict_headers(mesh: Mesh) -> None:
    http = await mesh.http()
    for path, name in PAGE.items():
        body = (files("services.gateway") / "web" / name).read_bytes()
        async with http.get(path) as answer:
            assert answer.status == 200
            assert await answer.read() == body
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "script-src 'self';" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["X-Frame-Options"] == "DENY"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Server"] == "watersmeet"
            tag = answer.headers["ETag"]
        async with http.get(path, headers={"If-None-Match": tag}) as answer:
            assert answer.status == 304
        async with http.head(path) as answer:
            assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(body)))


def test_the_page_needs_nothing_from_anywhere_else() -> None:
    """Nor does it do what its own policy forbids: inline script or style."""
    for name in ("index.html", "page.css", "page.js"):
        text = (files("services.gateway") / "web" / name).read_text("utf-8")
        assert "://" not in text
        assert "innerHTML" not in text
    page = (files("services.gateway") / "web" / "index.html").read_text("utf-8")
    assert " style=" not in page
    assert "<style" not in page
    assert page.count("<script") == page.count("<script src=")
    for lang in ("zh", "en"):
        assert f'lang="{lang}"' in page


async def test_what_is_not_there_is_said_in_the_same_form(mesh: Mesh) -> None:
    http = await mesh.http()
    for method, path, status in (
        ("GET", "/nothing", 404),
        ("GET", "/callbacks/", 404),
        ("GET", "/callbacks/a/b", 404),
        ("GET", "/../pyproject.toml", 404),
        ("GET", "/page.css/../../__main__.py", 404),
        ("POST", "/v1/totals", 405),
        ("PUT", "/callbacks/alipay", 405),
        ("HEAD", "/callbacks/alipay", 405),
        ("TRACE", "/", 405),
    ):
        async with http.request(method, path) as answer:
            assert answer.status == status, (method, path)
            assert answer.headers["X-Frame-Options"] == "DENY"
            assert ("Allow" in answer.headers) == (status == 405)
            if method != "HEAD":
                assert (await answer.json())["reason"] == "FIELD_INVALID"
    assert mesh.intake.notices == []


async def test_the_access_log_has_no_query_no_body_and_no_address(
    mesh: Mesh, capsys: pytest.CaptureFixture[str]
) -> None:
    http = await mesh.http()
    async with http.post("/callbacks/alipay?openid=canary-1", data=b"canary-2"):
        pass
    async with http.get("/v1/totals?project=canary-3"):
        pass
    async with http.get("/canary-4"):
        pass
    await _raw(mesh, b"GET /canary-5 NONSENSE\r\n\r\n")
    await _raw(mesh, b"GET / HTTP/1.1\r\nHost: x\r\ncanary-6\r\n\r\n")
    logs.flush()
    captured = capsys.readouterr()
    written = captured.out + captured.err
    assert "/callbacks/{platform}" in written
    assert "canary" not in written


async def test_requests_that_are_none_get_an_answer_that_quotes_nothing(mesh: Mesh) -> None:
    for request in (
        b"canary\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"canary" * 2_000 + b"\r\n\r\n",
        b"GET /?" + b"canary" * 2_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"canary: 1\r\n" * 200 + b"\r\n",
    ):
        response = await _raw(mesh, request)
        head, _, body = response.partition(b"\r\n\r\n")
        assert b" 400 " in head.partition(b"\r\n")[0]
        assert b"X-Frame-Options: DENY" in head
        assert b"canary" not in response
        assert json.loads(body)["reason"] == "FIELD_INVALID"


async def test_connections_are_bounded_and_slow_ones_closed(start_mesh: StartMesh) -> None:
    mesh = await start_mesh(http_connections_max=2, http_idle_s=0.5)
    port = mesh.gateway.http.port
    slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
    for _, writer in slow:
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")  # and no end of the headers
    # Connections are accepted in their order, so both are known before this one.
    third, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await _end_of(third) == b""
    writer.close()
    loop = asyncio.get_running_loop()
    began = loop.time()
    for reader, writer in slow:
        assert await _end_of(reader) == b""
        writer.close()
    assert loop.time() - began > 0.3
    assert (await get(mesh, "/healthz"))[0] == 200


class SlowLog(log_grpc.LogServiceServicer):
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.is_asked, self.answers = asyncio.Event(), asyncio.Event()

    async def ListLogKeys(
        self, request: log_pb.ListLogKeysRequest, context: object
    ) -> log_pb.ListLogKeysResponse:
        self.is_asked.set()
        await self.answers.wait()
        return log_pb.ListLogKeysResponse()


async def test_requests_at_once_are_bounded_and_notices_apart(start_mesh: StartMesh) -> None:
    log = SlowLog()  # type: ignore[abstract]  # the rest is UNIMPLEMENTED
    mesh = await start_mesh(http_requests_max=1, http_body_s=5, log=log)
    http = await mesh.http()
    reader, writer = await asyncio.open_connection("127.0.0.1", mesh.gateway.http.port)
    writer.write(b"POST /callbacks/alipay HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
    await until(lambda: mesh.gateway.notices.under_way == 1)  # it waits for its body
    async with http.get("/v1/totals") as answer:
        assert answer.status == 200

    async def keys() -> int:
        async with http.get("/v1/log/keys") as answer:
            return answer.status

    slow = asyncio.create_task(keys())
    await log.is_asked.wait()
    async with http.get("/v1/totals") as answer:
        assert (answer.status, (await answer.json())["reason"]) == (429, "QUEUE_FULL")
        assert answer.headers["Retry-After"] == "1"
    async with http.post("/callbacks/alipay", data=b"hello") as answer:
        assert answer.status == 200
    log.answers.set()
    assert await slow == 200
    async with http.get("/v1/totals") as answer:
        assert answer.status == 200  # the refused one is not counted any more
    writer.write(b"hello")
    assert (await asyncio.wait_for(reader.readuntil(b"\r\n"), 5)).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_a_client_that_takes_no_answer_is_cut_off(start_mesh: StartMesh) -> None:
    mesh = await start_mesh(http_answer_s=0.3)
    many = (change(1, project=f"project-{number:05}{'x' * 40}") for number in range(14_000))
    mesh.ledger.post(*many)
    await mesh.at(1)
    went = {"route": "/v1/totals", "method": "GET", "code": "499"}
    before = _counted(went)
    _, writer = await asyncio.open_connection("127.0.0.1", mesh.gateway.http.port, limit=1)
    # More than the sockets' buffers hold, and nobody reads.
    writer.write(b"GET /v1/totals?group_by=project HTTP/1.1\r\nHost: x\r\n\r\n" * 8)
    await until(lambda: _counted(went) > before)
    writer.transport.abort()
    assert (await get(mesh, "/healthz"))[0] == 200


async def test_what_prometheus_sees(filled: Mesh) -> None:
    await get(filled, "/v1/totals")
    sequence = "watersmeet_totals_as_of_sequence"
    await until(lambda: REGISTRY.get_sample_value(sequence) == 1)
    http = await filled.http()
    url = f"http://127.0.0.1:{filled.gateway.server.metrics_port}/metrics"
    async with http.get(url, headers={"Accept-Encoding": "identity"}) as answer:
        lines = (await answer.text()).splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert values[sequence] == "1.0"
    assert values["watersmeet_totals_cells"] == "6.0"
    for purpose, micros in (("charity", 15_500_001), ("appeal", 9_000_000)):
        labels = f'currency="CNY",purpose="{purpose}",state="claimed"'
        assert float(values[f"watersmeet_total_micros{{{labels}}}"]) == micros
    assert 0 <= float(values["watersmeet_totals_lag_seconds"]) < 5
    requests = 'watersmeet_http_requests_total{code="200",method="GET",route="/v1/totals"}'
    assert float(values[requests]) >= 1


def _counted(labels: dict[str, str]) -> float:
    return REGISTRY.get_sample_value("watersmeet_http_requests_total", labels) or 0


async def _raw(mesh: Mesh, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", mesh.gateway.http.port)
    writer.write(request)
    response = await _end_of(reader)
    writer.close()
    return response


async def _end_of(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the connection is closed, by whatever means."""
    try:
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionResetError:
        return b""
