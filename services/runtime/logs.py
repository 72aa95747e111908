"""Structured logs: one JSON object a line, to stderr.

`structlog.get_logger()` anywhere; key-value pairs, never personal data or secrets. What libraries
say through the standard library's logging comes out in the same form.
"""

import asyncio
import atexit
import json
import logging
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from services.runtime.call import current_call

_GATHER_S = 0.1
_GATHER_MAX = 256


def configure(service: str, level: str = "INFO") -> None:
    """Sets the process's logging up. May be called again with another level.

    level: DEBUG, INFO, WARNING or ERROR; what is below it is dropped.
    """

    common: list[Processor] = [
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.add_log_level,
        _add_service,
        _add_request_id,
        structlog.processors.format_exc_info,
    ]
    flush()
    threshold = logging.getLevelNamesMapping()[level]
    _OUTPUT.service = service
    _OUTPUT.says_calls = threshold <= logging.INFO
    structlog.configure(
        processors=[*common, _render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_: _OUTPUT,
    )
    handler = _Handler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=common,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _render],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.WARNING), force=True)


def flush() -> None:
    """Writes out what was gathered."""
    _OUTPUT.flush()


def log_call(
    method: str,
    caller: str | None,
    request_id: str | None,
    code: str,
    reason: str | None,
    seconds: float,
    messages: tuple[int, int] | None,
) -> None:
    """The one line of a call that was served. messages: received and sent, for streams.

    Written out by hand, because every call pays for it: the general way costs three times as much.
    No value needs escaping; each comes from a table, an enum or a strict pattern.
    """
    if not _OUTPUT.says_calls:
        return
    who = f'"{caller}"' if caller else "null"
    why = f',"reason":"{reason}"' if reason else ""
    counts = f',"received":{messages[0]},"sent":{messages[1]}' if messages else ""
    _OUTPUT.info(
        f'{{"event":"call","method":"{method}","caller":{who},"request_id":"{request_id}",'
        f'"code":"{code}"{why},"ms":{seconds * 1000:.2f}{counts},{_ending()}'
    )


def log_request(
    method: str, route: str, status: int, reason: str, seconds: float, request_id: str
) -> None:
    """The one line of an HTTP request that was served, in the same way and for the same reason."""
    if _OUTPUT.says_calls:
        _OUTPUT.info(
            f'{{"event":"request","method":"{method}","route":"{route}","status":{status},'
            f'"reason":"{reason}","ms":{seconds * 1000:.3f},"request_id":"{request_id}",{_ending()}'
        )


def _ending() -> str:
    second, micros = divmod(time.time_ns() // 1_000, 1_000_000)
    moment = f"{_second(second)}.{micros:06}"
    return f'"timestamp":"{moment}Z","level":"info","service":"{_OUTPUT.service}"}}'


@lru_cache(maxsize=2)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat().removesuffix("+00:00")


class _Output:
    """Lines on their way to stderr: warnings and errors at once, others gathered for a moment.

    A write for each line would cost a call as much as its identity and permission together. A
    process that is killed outright loses what it said in its last tenth of a second.
    """

    def __init__(self) -> None:
        self.service = "watersmeet"
        self.says_calls = True
        self._gathered: list[str] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def info(self, line: str) -> None:
        self._gathered.append(line)
        if len(self._gathered) >= _GATHER_MAX:
            self.flush()
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        if self._loop is not loop:
            self._loop = loop
            loop.call_later(_GATHER_S, self.flush)

    debug = info

    def error(self, line: str) -> None:
        self._gathered.append(line)
        self.flush()

    warning = critical = exception = error

    def flush(self) -> None:
        self._loop = None
        if self._gathered:
            text = "\n".join(self._gathered) + "\n"
            self._gathered.clear()
            sys.stderr.write(text)
            sys.stderr.flush()


_OUTPUT = _Output()
atexit.register(_OUTPUT.flush)


class _Handler(logging.Handler):
    """What the standard library's logging hands over."""

    def emit(self, record: logging.LogRecord) -> None:
        _OUTPUT.error(self.format(record))


def _add_service(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    event["service"] = _OUTPUT.service
    return event


def _add_request_id(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """What is said while a call is served says which call."""
    if "request_id" not in event:
        with suppress(LookupError):  # nothing to add outside of a call
            event["request_id"] = current_call().request_id
    return event


_encode = json.JSONEncoder(ensure_ascii=False, default=str, separators=(",", ":")).encode


def _render(_logger: WrappedLogger, _name: str, event: EventDict) -> str:
    return _encode(event)
