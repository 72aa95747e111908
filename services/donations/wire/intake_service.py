"""DonationIntakeService: convert, call, convert."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from watersmeet.donations.v1 import donation_intake_service_pb2 as pb
from watersmeet.donations.v1 import donation_intake_service_pb2_grpc as pb_grpc

from services.donations.catalog.memory import Catalog
from services.donations.commit.committer import Committer
from services.donations.commit.measuring import count_gifts
from services.donations.commit.submission import Submission
from services.donations.desks.notices import NoticeDesk
from services.donations.desks.stream import BulkStream, IncomingBatch
from services.donations.domain import Outcome
from services.donations.gifts.tokens import DonorTokens
from services.donations.gifts.validation import (
    require_code,
    require_donor_reference,
    require_external_id,
    require_gift,
    require_refund,
)
from services.donations.life.recorded import RecordedGift, RecordedRefund
from services.donations.store.reading import GiftReader
from services.donations.wire import convert, convert_life
from services.donations.wire.gift_pages import gift_page
from services.runtime.call import current_call, partner_of, require_request_id
from services.runtime.clock import Clock
from services.runtime.errors import Fault, Reason
from services.runtime.identity import Role
from services.runtime.quotas.quotas import Quota, Quotas

_Read = Callable[[str, int, str], Awaitable[RecordedGift | None]]


class DonationIntakeService(pb_grpc.DonationIntakeServiceServicer):
    """The handlers. What each does and which errors it has stands in the proto."""

    def __init__(
        self,
        committer: Committer,
        catalog: Catalog,
        reader: GiftReader,
        desk: NoticeDesk,
        tokens: DonorTokens,
        clock: Clock,
        quotas: Quotas,
        *,
        stream_in_flight: int,
    ) -> None:
        self._committer = committer
        self._catalog = catalog
        self._reader = reader
        self._desk = desk
        self._tokens = tokens
        self._clock = clock
        self._quotas = quotas
        self._stream_in_flight = stream_in_flight

    async def RecordDonation(
        self, request: pb.RecordDonationRequest, _context: Any
    ) -> pb.RecordDonationResponse:
        partner = partner_of(current_call(), request.partner)
        self._quotas.of(partner).take(gifts=1)
        try:
            reference = require_donor_reference(request.donor_reference)
            token = self._tokens.token(partner, reference)
            gift = require_gift(convert.gift_of(request, partner, token), self._clock())
        except Fault:
            count_gifts(partner, Outcome.REFUSED, 1)
            raise
        committed = await self._committer.commit(Submission(gifts=(gift,)))
        outcome = Outcome(int(committed.outcomes[0]))
        if outcome is Outcome.CONFLICTING:
            raise Fault(Reason.DONATION_CONFLICT, convert.GIFT_CONFLICT)
        if outcome is Outcome.REPLAYED:
            recorded = await self._recorded(partner, gift.external_id, self._reader.gift)
        else:
            assert committed.batch_id is not None, "what is accepted is in a batch"
            recorded = RecordedGift(
                gift,
                committed.recorded_time,
                committed.batch_id,
                outcome is Outcome.SUSPENDED,
                gift.currency,
            )
        return pb.RecordDonationResponse(
            outcome=convert.outcome_value(outcome), donation=_message(recorded)
        )

    async def StreamDonations(
        self, request_iterator: AsyncIterator[pb.StreamDonationsRequest], _context: Any
    ) -> AsyncIterator[pb.StreamDonationsResponse]:
        partner = partner_of(current_call(), "")
        opening = await _opening(request_iterator)
        require_request_id(opening.request_id)
        stream_id = require_code(opening.stream_id, "stream_id")
        partner_id = await self._catalog.partner_id(partner)
        next_offset = await self._reader.next_offset(partner_id, stream_id)
        yield pb.StreamDonationsResponse(opened=pb.StreamOpened(next_offset=next_offset))
        with self._committer.stream() as lane:
            stream = BulkStream(
                partner,
                stream_id,
                next_offset,
                lane,
                self._tokens,
                self._clock,
                in_flight=self._stream_in_flight,
            )
            async for done in stream.acknowledgements(self._batches(partner, request_iterator)):
                yield pb.StreamDonationsResponse(
                    acknowledgement=convert.acknowledgement_message(done)
                )

    async def _batches(
        self, partner: str, requests: AsyncIterator[pb.StreamDonationsRequest]
    ) -> AsyncIterator[IncomingBatch]:
        quotas = self._quotas.of(partner)
        async for request in requests:
            if request.WhichOneof("message") != "batch":
                raise Fault(
                    Reason.STREAM_NOT_OPENED, "a stream is opened once; send batches from then on"
                )
            batch = convert.incoming_batch(request.batch)
            await quotas.pace(Quota.GIFTS, len(batch.gifts))
            yield batch

    async def AcceptNotification(
        self, request: pb.AcceptNotificationRequest, _context: Any
    ) -> pb.AcceptNotificationResponse:
        answer, outcomes = await self._desk.accept(request.platform, convert.notice_of(request))
        return convert.acknowledged(answer, outcomes)

    async def RecordRefund(
        self, request: pb.RecordRefundRequest, _context: Any
    ) -> pb.RecordRefundResponse:
        partner = partner_of(current_call(), request.partner)
        self._quotas.of(partner).take(gifts=1)
        refund = require_refund(convert.refund_of(request, partner), self._clock())
        committed = await self._committer.commit(Submission(refunds=(refund,)))
        fate = committed.refunds[0]
        if fate.reason is not None:
            raise Fault(fate.reason, convert_life.CONFLICTS[fate.reason])
        recorded = RecordedRefund(
            refund.refund_id,
            refund.amount_micros,
            refund.currency,
            refund.cumulative,
            refund.event_time_micros,
            fate.batch_id,
            partner,
        )
        return pb.RecordRefundResponse(
            outcome=convert.outcome_value(fate.outcome),
            refund=convert_life.refund_message(recorded),
        )

    async def GetDonation(
        self, request: pb.GetDonationRequest, _context: Any
    ) -> pb.GetDonationResponse:
        partner = partner_of(current_call(), request.partner)
        external_id = require_external_id(request.external_id)
        recorded = await self._recorded(partner, external_id, self._reader.life)
        return pb.GetDonationResponse(donation=_message(recorded))

    async def ListDonations(
        self, request: pb.ListDonationsRequest, _context: Any
    ) -> pb.ListDonationsResponse:
        found, token = await gift_page("ListDonations", request, self._catalog, self._reader.page)
        return pb.ListDonationsResponse(donations=map(_message, found), next_page_token=token)

    async def _recorded(self, partner: str, external_id: str, read: _Read) -> RecordedGift:
        partner_id = await self._catalog.known_partner_id(partner)
        recorded = None
        if partner_id is not None:
            recorded = await read(partner, partner_id, external_id)
        if recorded is None:
            raise Fault(Reason.DONATION_NOT_FOUND, f"{partner} has reported no such gift")
        return recorded


async def _opening(requests: AsyncIterator[pb.StreamDonationsRequest]) -> pb.StreamOpening:
    first = await anext(requests, None)
    if first is None or first.WhichOneof("message") != "opening":
        raise Fault(Reason.STREAM_NOT_OPENED, "the first message of a stream must open it")
    return first.opening


def _message(recorded: RecordedGift) -> pb.Donation:
    """A gift, as its caller may see it: which of its people decided something is finance's own."""
    is_partner = current_call().caller.role is Role.PARTNER
    return convert_life.donation_message(recorded, names_decider=not is_partner)
