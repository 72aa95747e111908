"""The calls being served: how many, for how long, and how they end when the server stops."""

import asyncio
from collections.abc import Callable

from services.runtime.deadlines import Deadlines
from services.runtime.errors import Fault, Reason
from services.runtime.waiting import wait_at_most


class LiveCall:
    """One call. `ended_by` says why its task was cancelled, if we did it."""

    __slots__ = ("_task", "certificate", "ended_by", "is_endless")

    def __init__(
        self,
        task: asyncio.Task[object],
        *,
        is_endless: bool,
        certificate: bytes | None,
    ) -> None:
        self._task = task
        self.certificate = certificate
        self.is_endless = is_endless
        self.ended_by: Fault | None = None

    def end(self, fault: Fault) -> None:
        """Cancels the call's task, at whatever it awaits, so that it is answered with fault."""
        self.ended_by = fault
        self._task.cancel()


class LiveCalls:
    """Counts calls in, counts them out, and ends those that must end.

    A unary call has a deadline, and is waited for when the server stops. Streams may last for ever,
    so they are told: one that only sends is cancelled (its reader resumes elsewhere by its cursor);
    one that receives sees no further request, answers those it has, and ends.
    """

    def __init__(self, *, limit: int, call_timeout_s: float) -> None:
        """limit: calls at once, streams included; and as many watches of health.

        Needs a running event loop.
        """
        self._limit = limit
        self._call_timeout_s = call_timeout_s
        self._calls: set[LiveCall] = set()
        self._health_watches: set[LiveCall] = set()
        self._deadlines: Deadlines[LiveCall] = Deadlines(call_timeout_s, self._end_overdue)
        # Done when the server begins to stop.
        self.draining: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._idle = asyncio.Event()
        self._idle.set()

    def enter(self, *, is_endless: bool, certificate: bytes | None) -> LiveCall:
        """Counts the running task's call in; `leave` counts it out.

        is_endless: a stream that only sends. certificate: of a stream's client; None for a unary
        call, which has a deadline.
        Raises Fault(SHUTTING_DOWN) while draining and Fault(QUEUE_FULL) at the limit.
        """
        if self.draining.done():
            raise shutting_down()
        call = self._add(self._calls, is_endless=is_endless, certificate=certificate)
        self._idle.clear()
        if certificate is None:
            self._deadlines.add(call)
        return call

    def enter_health_watch(self, certificate: bytes) -> LiveCall:
        """Counts the running task's watch of health in. It is bounded and can be ended as any other
        stream is, but keeps no other call out, and goes on while the server stops, to say so.

        certificate: of its client. Raises Fault(QUEUE_FULL) at the limit, which is its own.
        """
        return self._add(self._health_watches, is_endless=True, certificate=certificate)

    def leave(self, call: LiveCall) -> None:
        """The call is over, however it went."""
        self._health_watches.discard(call)
        self._calls.discard(call)
        self._deadlines.discard(call)
        if not self._calls:
            self._idle.set()

    def end_streams(self, of: Callable[[bytes], bool], fault: Fault) -> int:
        """Ends the streams of the clients whose certificates are meant; returns how many."""
        meant = [
            call
            for call in self._calls | self._health_watches
            if call.ended_by is None and call.certificate and of(call.certificate)
        ]
        for call in meant:
            call.end(fault)
        return len(meant)

    async def pause(self, seconds: float) -> None:
        """Waits; raises Fault(SHUTTING_DOWN) at once if the server begins to stop meanwhile."""
        await asyncio.wait({self.draining}, timeout=seconds)
        if self.draining.done():
            raise shutting_down()

    async def drain(self, seconds: float) -> int:
        """Admits no more calls, ends streams, and waits for the rest at most so long.

        Returns how many calls are left, which is 0 if all went well.
        """
        if not self.draining.done():
            self.draining.set_result(None)
        for call in self._calls:
            if call.is_endless:
                call.end(shutting_down())
        await wait_at_most(self._idle, seconds)
        return len(self._calls)

    def _add(
        self, calls: set[LiveCall], *, is_endless: bool, certificate: bytes | None
    ) -> LiveCall:
        if len(calls) >= self._limit:
            raise Fault(
                Reason.QUEUE_FULL,
                f"this server serves {self._limit} calls already; try again in a moment",
                retry_after=0.5,
            )
        task = asyncio.current_task()
        assert task is not None, "a handler runs in a task"
        call = LiveCall(task, is_endless=is_endless, certificate=certificate)
        calls.add(call)
        return call

    def _end_overdue(self, call: LiveCall) -> None:
        call.end(
            Fault(
                Reason.DEADLINE_EXCEEDED,
                f"the call was given up after {self._call_timeout_s:g} s; "
                "repeat it with the same ids to learn its outcome",
            )
        )


def shutting_down() -> Fault:
    """What a call ends with because its server stops."""
    return Fault(Reason.SHUTTING_DOWN, "this server is stopping; retry, another takes over")
