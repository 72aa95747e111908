"""Quarantined notices, read again."""

from services.donations import metrics
from services.donations.desks.notices import NoticeDesk, RefusedAgain
from services.donations.platforms.protocol import Notice
from services.donations.review.reviewed import Replay, WholeNotice, not_found
from services.donations.store.review import ReviewStore
from services.runtime.clock import Clock


class ReviewDesk:
    """Methods raise the database's errors besides those they name."""

    def __init__(self, store: ReviewStore, notices: NoticeDesk, clock: Clock) -> None:
        self._store = store
        self._notices = notices
        self._clock = clock

    async def notice(self, digest: bytes) -> WholeNotice:
        """A notice, whole. Raises Fault(NOTICE_NOT_FOUND)."""
        found = await self._store.notice(digest)
        if found is None:
            raise not_found()
        return found

    async def replay(self, digest: bytes, request_id: str, caller: str) -> Replay:
        """Reads a notice again and records what it reports; what came of it is kept.

        A notice that is refused again is an outcome like others. If this process ends between the
        gifts' commit and that of the outcome, the same request again finds the gifts recorded.
        Raises Fault(NOTICE_NOT_FOUND or QUEUE_FULL).
        """
        known = await self._store.replay(digest, request_id)
        if known is not None:
            return known
        found = await self.notice(digest)
        summary = found.summary
        notice = Notice(found.http_method, found.query, found.headers, found.body)
        try:
            outcomes = await self._notices.accept_again(
                summary.platform, notice, summary.received_time
            )
        except RefusedAgain as refused:
            fault = refused.fault
            now = self._clock()
            replay = Replay(request_id, caller, now, reason=fault.reason, message=fault.message)
        else:
            replay = Replay(request_id, caller, self._clock(), outcomes)
        came_to = "recorded" if replay.reason is None else "refused"
        metrics.REPLAYS.labels(summary.platform, came_to).inc()
        return await self._store.keep_replay(digest, replay)
