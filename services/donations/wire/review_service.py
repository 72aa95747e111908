"""ReviewService: convert, call, convert."""

from typing import Any

from watersmeet.donations.v1 import review_service_pb2 as pb
from watersmeet.donations.v1 import review_service_pb2_grpc as pb_grpc

from services.donations.catalog.memory import Catalog
from services.donations.desks.review import ReviewDesk
from services.donations.domain import BUCKETS, Key, micros_of, moment_of
from services.donations.gifts.validation import require_code
from services.donations.review.reviewed import Window, require_notice_id, require_window
from services.donations.store.conflicts import LAST, ConflictPlace, ConflictStore
from services.donations.store.review import NoticePlace, ReviewStore
from services.donations.wire import convert_review
from services.runtime.call import current_call, partner_of
from services.runtime.identity import Role
from services.runtime.paging import SMALLINT_MAX, page_size, position_of, token_after

_LAST_MICROS = micros_of(LAST)


class ReviewService(pb_grpc.ReviewServiceServicer):
    """The handlers. What each does and which errors it has stands in the proto."""

    def __init__(
        self, conflicts: ConflictStore, store: ReviewStore, desk: ReviewDesk, catalog: Catalog
    ) -> None:
        self._conflicts = conflicts
        self._store = store
        self._desk = desk
        self._catalog = catalog

    async def ListConflicts(
        self, request: pb.ListConflictsRequest, _context: Any
    ) -> pb.ListConflictsResponse:
        call = current_call()
        partner = ""
        if request.partner or call.caller.role is Role.PARTNER:
            partner = partner_of(call, request.partner)
        window = require_window(convert_review.window_of(request))
        scope = ("ListConflicts", partner, *_told(window))
        size = page_size(request.page_size)
        after = _conflict_place(request.page_token, scope) if request.page_token else None
        partner_id = None
        if partner:
            partner_id = await self._catalog.known_partner_id(partner)
            if partner_id is None:
                return pb.ListConflictsResponse()
        # One more than asked for says whether there is another page.
        found = await self._conflicts.conflicts(partner_id, window, after, size + 1)
        token = ""
        if len(found) > size:
            token = token_after(_parts(found[size - 1][0]), *scope)
        return pb.ListConflictsResponse(
            conflicts=[convert_review.conflict_message(conflict) for _, conflict in found[:size]],
            next_page_token=token,
        )

    async def ListQuarantine(
        self, request: pb.ListQuarantineRequest, _context: Any
    ) -> pb.ListQuarantineResponse:
        if request.platform:
            require_code(request.platform, "platform")
        window = require_window(convert_review.window_of(request))
        everything = "all" if request.include_resolved else "open"
        scope = ("ListQuarantine", request.platform, everything, *_told(window))
        size = page_size(request.page_size)
        after = None
        if request.page_token:
            ended = position_of(request.page_token, *scope)
            after = NoticePlace(moment_of(ended.number(_LAST_MICROS)), ended.digest())
        found = await self._store.notices(
            request.platform,
            window,
            include_resolved=request.include_resolved,
            after=after,
            limit=size + 1,
        )
        token = ""
        if len(found) > size:
            last = found[size - 1]
            token = token_after([micros_of(last.received_time), last.digest.hex()], *scope)
        return pb.ListQuarantineResponse(
            notices=map(convert_review.notice_message, found[:size]), next_page_token=token
        )

    async def GetQuarantined(
        self, request: pb.GetQuarantinedRequest, _context: Any
    ) -> pb.GetQuarantinedResponse:
        notice = await self._desk.notice(require_notice_id(request.id))
        return convert_review.whole_message(notice)

    async def ReplayQuarantine(
        self, request: pb.ReplayQuarantineRequest, _context: Any
    ) -> pb.ReplayQuarantineResponse:
        call = current_call()
        digest = require_notice_id(request.id)
        replay = await self._desk.replay(digest, call.request_id, str(call.caller))
        return pb.ReplayQuarantineResponse(replay=convert_review.replay_message(replay))


def _told(window: Window) -> tuple[str, str]:
    """A list's bounds, for the scope of its page tokens."""
    start, end = window.start, window.end
    return (start.isoformat() if start else "", end.isoformat() if end else "")


def _parts(place: ConflictPlace) -> list[str | int]:
    micros = micros_of(place.received_time)
    return [micros, *place.key, place.refund_id, place.claim_hash.hex()]


def _conflict_place(token: str, scope: tuple[str, ...]) -> ConflictPlace:
    ended = position_of(token, *scope)
    return ConflictPlace(
        moment_of(ended.number(_LAST_MICROS)),
        Key(ended.number(BUCKETS - 1), ended.number(SMALLINT_MAX), ended.text()),
        ended.text(),
        ended.digest(),
    )
