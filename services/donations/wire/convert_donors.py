"""Donors' contacts on the wire."""

from datetime import datetime

from watersmeet.donations.v1 import donor_service_pb2 as pb

from services.donations.domain import moment_of
from services.donations.donors.donor import Contact, PutOutcome, Sealed
from services.donations.wire.convert import required_micros, timestamp_of
from services.runtime.errors import Fault, Reason


def contact_of(request: pb.PutDonorRequest) -> Contact:
    """The contact, not yet checked. Raises Fault(FIELD_REQUIRED)."""
    if not request.HasField("contact"):
        raise Fault(Reason.FIELD_REQUIRED, "contact is required", field="contact")
    contact = request.contact
    return Contact(contact.name, contact.phone, contact.email, contact.address)


def update_time_of(request: pb.PutDonorRequest) -> datetime:
    """When the partner learned of it. Raises Fault(FIELD_REQUIRED or FIELD_INVALID)."""
    return moment_of(required_micros(request, "update_time"))


def outcome_value(outcome: PutOutcome) -> pb.PutDonorOutcome.ValueType:
    """The domain's numbers are the proto's."""
    return pb.PutDonorOutcome.ValueType(outcome)


def donor_message(contact: Contact, kept: Sealed) -> pb.GetDonorResponse:
    """A contact as it was sent, with its times."""
    return pb.GetDonorResponse(
        contact=pb.DonorContact(
            name=contact.name, phone=contact.phone, email=contact.email, address=contact.address
        ),
        update_time=timestamp_of(kept.update_time),
        recorded_time=timestamp_of(kept.recorded_time),
    )
