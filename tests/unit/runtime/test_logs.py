"""Whatever is logged comes out as one JSON object a line."""

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from services.runtime import logs
from services.runtime.call import Call, enter_call
from services.runtime.identity import Caller, Role


@pytest.fixture(autouse=True)
def configured(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    logs.configure("test")
    capsys.readouterr()
    yield
    structlog.reset_defaults()
    logging.basicConfig(force=True)


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    logs.flush()
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_ours_and_libraries_lines_look_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    structlog.get_logger().warning("queue is full", rows=7, text='融汇 "quoted"\n')
    logging.getLogger("library").warning("it says %s", "so")
    ours, theirs = written(capsys)
    assert (ours["event"], ours["rows"], ours["text"]) == ("queue is full", 7, '融汇 "quoted"\n')
    assert theirs["event"] == "it says so"
    for line in (ours, theirs):
        assert (line["level"], line["service"]) == ("warning", "test")
        assert line["timestamp"].endswith("Z")


def test_a_level_drops_what_is_below(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("test", "WARNING")
    structlog.get_logger().info("not this")
    logs.log_call("/a.B/C", None, None, "OK", None, 0.001, None)
    structlog.get_logger().error("this")
    assert [line["event"] for line in written(capsys)] == ["this"]


def test_a_calls_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.log_call("/a.B/C", "partner/alipay", "an-id", "OK", None, 0.001234, None)
    logs.log_call("/a.B/D", None, "an-id", "UNAUTHENTICATED", "IDENTITY_UNKNOWN", 1.5, (3, 4))
    first, second = written(capsys)
    for line in (first, second):
        del line["timestamp"]
    common = {"event": "call", "request_id": "an-id", "level": "info", "service": "test"}
    assert first == {
        **common, "method": "/a.B/C", "caller": "partner/alipay", "code": "OK", "ms": 1.23,
    }  # fmt: skip
    assert second == {
        **common, "method": "/a.B/D", "caller": None, "code": "UNAUTHENTICATED",
        "reason": "IDENTITY_UNKNOWN", "ms": 1500.0, "received": 3, "sent": 4,
    }  # fmt: skip


async def test_what_is_said_during_a_call_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    async def serve() -> None:
        enter_call(Call("/a.B/C", Caller(Role.PARTNER, "alipay"), "an-id"))
        structlog.get_logger().warning("inside")

    await asyncio.create_task(serve())
    structlog.get_logger().warning("outside")
    inside, outside = written(capsys)
    assert inside["request_id"] == "an-id"
    assert "request_id" not in outside


async def test_lines_are_gathered_but_not_for_long(capsys: pytest.CaptureFixture[str]) -> None:
    structlog.get_logger().info("first")
    assert capsys.readouterr().err == ""
    await asyncio.sleep(0.2)
    assert "first" in capsys.readouterr().err
    structlog.get_logger().info("second")
    structlog.get_logger().error("third")
    events = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert events == ["second", "third"]


def test_a_traceback_shows_no_values(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(donor: str) -> None:
        raise ValueError(f"a reference of {len(donor)} characters")

    try:
        fail("hunter" + str(2))
    except ValueError:
        structlog.get_logger().exception("defect")
    (line,) = written(capsys)
    assert "in fail" in line["exception"]
    assert "hunter2" not in line["exception"]
