"""DonorService: convert, call, convert."""

from typing import Any

from watersmeet.donations.v1 import donor_service_pb2 as pb
from watersmeet.donations.v1 import donor_service_pb2_grpc as pb_grpc

from services.donations.desks.donors import DonorDesk
from services.donations.donors.donor import (
    require_contact,
    require_reading,
    require_reference,
    require_update_time,
)
from services.donations.wire import convert, convert_donors
from services.runtime.call import current_call, partner_of
from services.runtime.clock import Clock
from services.runtime.identity import Role


class DonorService(pb_grpc.DonorServiceServicer):
    """The handlers. What each does and which errors it has stands in the proto."""

    def __init__(self, desk: DonorDesk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock

    async def PutDonor(self, request: pb.PutDonorRequest, _context: Any) -> pb.PutDonorResponse:
        partner = partner_of(current_call(), request.partner)
        reference = require_reference(request.donor_reference)
        contact = require_contact(convert_donors.contact_of(request))
        learned = require_update_time(convert_donors.update_time_of(request), self._clock())
        outcome = await self._desk.put(partner, reference, contact, learned)
        return pb.PutDonorResponse(outcome=convert_donors.outcome_value(outcome))

    async def GetDonor(self, request: pb.GetDonorRequest, _context: Any) -> pb.GetDonorResponse:
        call = current_call()
        partner = partner_of(call, request.partner)
        reference = require_reference(request.donor_reference)
        reading = None
        if call.caller.role is not Role.PARTNER:
            reading = require_reading(
                str(call.caller), request.purpose, request.case_reference, call.request_id
            )
        contact, kept = await self._desk.get(partner, reference, reading)
        return convert_donors.donor_message(contact, kept)

    async def EraseDonor(
        self, request: pb.EraseDonorRequest, _context: Any
    ) -> pb.EraseDonorResponse:
        caller = current_call().caller
        partner = partner_of(current_call(), request.partner)
        reference = require_reference(request.donor_reference)
        erased = await self._desk.erase(
            partner, reference, str(caller), is_own=caller.role is Role.PARTNER
        )
        return pb.EraseDonorResponse(erase_time=convert.timestamp_of(erased))
