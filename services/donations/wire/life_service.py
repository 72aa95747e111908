"""LifeService: convert, call, convert."""

from typing import Any

from watersmeet.donations.v1 import life_service_pb2 as pb
from watersmeet.donations.v1 import life_service_pb2_grpc as pb_grpc

from services.donations.catalog.memory import Catalog
from services.donations.commit.committer import Committer
from services.donations.commit.submission import Submission
from services.donations.gifts.validation import require_code, require_dispute, require_stage
from services.donations.store.reading import GiftReader
from services.donations.wire import convert, convert_life
from services.donations.wire.gift_pages import gift_page
from services.runtime.call import current_call, partner_of
from services.runtime.clock import Clock
from services.runtime.errors import Fault, Reason
from services.runtime.quotas.quotas import Quotas

STAGES_MAX = 1_000
"""Events in one call."""


class LifeService(pb_grpc.LifeServiceServicer):
    """The handlers. What each does and which errors it has stands in the proto."""

    def __init__(
        self,
        committer: Committer,
        catalog: Catalog,
        reader: GiftReader,
        clock: Clock,
        quotas: Quotas,
    ) -> None:
        self._committer = committer
        self._catalog = catalog
        self._reader = reader
        self._clock = clock
        self._quotas = quotas

    async def RecordDispute(
        self, request: pb.RecordDisputeRequest, _context: Any
    ) -> pb.RecordDisputeResponse:
        partner = partner_of(current_call(), request.partner)
        self._quotas.of(partner).take(gifts=1)
        dispute = require_dispute(convert_life.dispute_of(request, partner), self._clock())
        committed = await self._committer.commit(Submission(disputes=(dispute,)))
        fate = committed.disputes[0]
        if fate.reason is not None:
            raise Fault(fate.reason, convert_life.CONFLICTS[fate.reason])
        return pb.RecordDisputeResponse(outcome=convert.outcome_value(fate.outcome))

    async def RecordStages(
        self, request: pb.RecordStagesRequest, _context: Any
    ) -> pb.RecordStagesResponse:
        if not 1 <= len(request.events) <= STAGES_MAX:
            raise Fault(Reason.BATCH_SIZE_INVALID, f"send 1 to {STAGES_MAX:,} events")
        now = self._clock()
        events = [require_stage(convert_life.stage_of(event), now) for event in request.events]
        for partner in {require_code(event.partner, "events.partner") for event in events}:
            if await self._catalog.known_partner_id(partner) is None:
                raise Fault(
                    Reason.FIELD_INVALID,
                    "a partner is named that has reported nothing; check its code",
                    field="events.partner",
                )
        committed = await self._committer.commit(Submission(stages=events))
        return pb.RecordStagesResponse(
            results=map(convert_life.stage_result_message, committed.stages)
        )

    async def ListReports(
        self, request: pb.ListReportsRequest, _context: Any
    ) -> pb.ListReportsResponse:
        found, token = await gift_page("ListReports", request, self._catalog, self._reader.reports)
        return pb.ListReportsResponse(
            reports=map(convert_life.report_message, found), next_page_token=token
        )
