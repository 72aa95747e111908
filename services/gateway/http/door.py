"""The first protocol of every connection: notices that come whole are taken in right here.

aiohttp makes a task, a request, a route and an answer of whatever comes; for a notice all that
costs more than what the gateway itself does. So a notice that comes in one piece, with nothing
unusual about it, is passed on as aiohttp's parser reads it, and answered with bytes that are nearly
ready. With the first bytes that are anything else the connection is aiohttp's, for good.
"""

import asyncio
import re
import time
from collections.abc import Callable

import structlog
from aiohttp.http import (
    HttpProcessingError,
    HttpRequestParser,
    HttpVersion11,
    RawRequestMessage,
)
from uuid_utils import uuid4

from services.gateway.http.answers import fault_answer
from services.gateway.http.connection import HEADERS_MAX, LINE_BYTES_MAX
from services.gateway.http.exchange import CLIENT_WENT, record
from services.gateway.http.notices import ROUTE, Acknowledgement, Notice, Notices, for_the_world
from services.gateway.http.written import head_of, written
from services.runtime.deadlines import Deadlines
from services.runtime.errors import Fault, Reason
from services.runtime.waiting import wait_at_most

_log = structlog.get_logger()

# Whatever else there is in a target, a query that is not ASCII above all, is for aiohttp to judge.
_TARGET = re.compile(r'/callbacks/([a-z0-9._-]{1,64})(?:\?[ -"$-~]*)?')
_METHODS = frozenset({"GET", "POST"})

# More than comes in one piece: a body that is parsed whole is never held up half-way.
_PIECE_BYTES_MAX = 1 << 20

# Different acknowledgements whose heads are kept ready; there is about one a platform and outcome.
_HEADS_MAX = 64


class Doors:
    """All connections that are not aiohttp's."""

    def __init__(
        self,
        notices: Notices,
        hand_over: Callable[[], asyncio.Protocol],
        *,
        idle_s: float,
        answer_s: float,
    ) -> None:
        """hand_over: makes the protocol of a connection that becomes aiohttp's. idle_s: how long a
        client may take to send something. answer_s: how long it may take to take an answer.
        """
        self.notices = notices
        self.hand_over = hand_over
        self.idle: Deadlines[Door] = Deadlines(idle_s, Door.close_if_idle)
        self.sending: Deadlines[Door] = Deadlines(answer_s, Door.abort)
        self.is_closing = False
        self._heads: dict[Acknowledgement, bytes] = {}
        self._open: set[Door] = set()
        self._all_closed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, door: "Door") -> None:
        """A connection was made."""
        self._open.add(door)
        self.idle.add(door)

    def discard(self, door: "Door") -> None:
        """A connection is aiohttp's now, or lost."""
        self._open.discard(door)
        self.idle.discard(door)
        self.sending.discard(door)
        if not self._open:
            self._all_closed.set()

    def head_of(self, answer: Acknowledgement) -> bytes:
        """What an acknowledgement begins with."""
        head = self._heads.get(answer)
        if head is None:
            head = head_of(answer.http_status, answer.headers, answer.body)
            if len(self._heads) < _HEADS_MAX:
                self._heads[answer] = head
        return head

    async def close(self, seconds: float) -> None:
        """Lets notices under way be answered, for at most so long, and closes all connections."""
        self.is_closing = True
        for door in list(self._open):
            door.close_if_idle()
        if self._open:
            self._all_closed.clear()
            await wait_at_most(self._all_closed, seconds)
        for door in list(self._open):
            door.abort()


class Door(asyncio.Protocol):
    """One connection, as long as nothing but notices comes."""

    __slots__ = (
        "_begun",
        "_doors",
        "_early",
        "_is_stuck",
        "_method",
        "_parser",
        "_request_id",
        "_size",
        "_transport",
    )

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._parser = HttpRequestParser(
            self,  # type: ignore[arg-type]  # it asks for no more than there is
            asyncio.get_running_loop(),
            _PIECE_BYTES_MAX,
            max_line_size=LINE_BYTES_MAX,
            max_field_size=LINE_BYTES_MAX,
            max_headers=HEADERS_MAX,
            auto_decompress=False,
        )
        self._transport: asyncio.Transport | None = None
        self._begun: float | None = None  # when the notice under way came
        self._method = self._request_id = ""
        self._size = 0  # of the notice under way, as far as it entered
        self._early = b""
        self._is_stuck = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(0)  # to be told of every answer that is not taken
        self._transport = transport
        self._doors.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        """It is gone."""
        self._transport = None
        self._doors.discard(self)

    def data_received(self, data: bytes) -> None:
        """Something came: a notice, or what makes the connection aiohttp's."""
        assert self._transport is not None, "what comes, comes before the end"
        if self._begun is not None or self._is_stuck:  # one after the other
            self._early += data
            self._transport.pause_reading()
            return
        whole = self._whole(data)
        if whole is None:
            self._hand_over(data)
            return
        message, platform, body = whole
        self._doors.idle.discard(self)
        self._begun = time.perf_counter()
        self._method, self._request_id = message.method, str(uuid4())
        try:
            self._doors.notices.enter(platform, len(data))
        except Fault as fault:
            self._refuse(fault)
            return
        self._size = len(data)
        self._doors.notices.put(
            Notice(
                platform, self._request_id, message.method, message.path, message.raw_headers, body
            ),
            self._answered,
        )

    def pause_writing(self) -> None:
        """The client does not take its answer."""
        self._is_stuck = True
        self._doors.sending.add(self)

    def resume_writing(self) -> None:
        """It has taken it."""
        self._is_stuck = False
        self._doors.sending.discard(self)
        self._go_on()

    def pause_reading(self) -> None:
        """Of the parser's bodies, which are never that long."""

    def resume_reading(self, resume_parser: bool = True) -> None:
        """The same: nothing was held up."""

    def close_if_idle(self) -> None:
        """Closes the connection unless a notice is under way."""
        if self._begun is None and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Closes the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _whole(self, data: bytes) -> tuple[RawRequestMessage, str, bytes] | None:
        """The request, its platform and its body, if data is exactly one usual notice."""
        try:
            messages, upgraded, _ = self._parser.feed_data(data)
        except HttpProcessingError:
            return None  # aiohttp will say what is wrong
        if upgraded or len(messages) != 1:
            return None
        message, payload = messages[0]
        target = _TARGET.fullmatch(message.path)
        if (
            target is None
            or not payload.is_eof()
            or message.method not in _METHODS
            or message.version != HttpVersion11
            or message.should_close
            or message.chunked
            or "Expect" in message.headers
        ):
            return None
        body = payload.read_nowait()
        # What begins behind it would be lost to aiohttp.
        if data.find(b"\r\n\r\n") + 4 + len(body) != len(data):
            return None
        return message, target[1], body

    def _hand_over(self, data: bytes) -> None:
        transport = self._transport
        assert transport is not None
        self._transport = None
        self._doors.discard(self)
        transport.set_write_buffer_limits()
        protocol = self._doors.hand_over()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(data)

    def _answered(self, answer: Acknowledgement | BaseException) -> None:
        self._doors.notices.leave(self._size)
        if isinstance(answer, Acknowledgement):
            self._send(answer.http_status, self._doors.head_of(answer), answer.body, None)
        elif isinstance(answer, Fault):
            self._refuse(for_the_world(answer, self._request_id))
        elif isinstance(answer, Exception):
            _log.error("defect", exc_info=answer, request_id=self._request_id)
            self._refuse(Fault(Reason.INTERNAL, "defect"))
        else:  # the process ends
            self.abort()

    def _refuse(self, fault: Fault) -> None:
        answer = fault_answer(fault)
        assert isinstance(answer.body, bytes), "it is JSON"
        head = head_of(answer.status, dict(answer.headers), answer.body)
        self._send(answer.status, head, answer.body, fault)

    def _send(self, status: int, head: bytes, body: bytes, fault: Fault | None) -> None:
        begun, self._begun = self._begun, None
        assert begun is not None, "what is answered came"
        if self._transport is None or self._transport.is_closing():
            status = CLIENT_WENT
        else:
            self._transport.write(written(head, status, body, self._request_id))
            self._doors.idle.add(self)
        record(self._method, ROUTE, status, time.perf_counter() - begun, self._request_id, fault)
        self._go_on()

    def _go_on(self) -> None:
        """With what came too early; or not at all."""
        if self._transport is None or self._is_stuck or self._begun is not None:
            return
        if self._doors.is_closing:
            self._transport.close()
        elif self._early:
            data, self._early = self._early, b""
            self._transport.resume_reading()
            self.data_received(data)
