"""Where protobuf meets suspense and allocations, in both directions."""

from collections.abc import Iterable
from uuid import UUID

from watersmeet.donations.v1 import allocation_service_pb2 as pb
from watersmeet.type.v1 import money_pb2

from services.donations.allocation.allocation import (
    Allocated,
    Allocation,
    GiftName,
    Progress,
    Standing,
    Suspended,
)
from services.donations.domain import SuspenseReason
from services.donations.wire.convert import money
from services.runtime.call import is_uuid
from services.runtime.errors import Fault, Reason

_MICROS_MAX = 2**63 - 1


def allocation_of(request: pb.AllocateDonationsRequest) -> Allocation:
    """What is to be allocated, not yet checked. Raises Fault(FIELD_REQUIRED or FIELD_INVALID)."""
    match request.WhichOneof("what"):
        case "gifts":
            what: list[GiftName] | Suspended | Allocated = [
                GiftName(gift.partner, gift.external_id) for gift in request.gifts.gifts
            ]
        case "suspended":
            what = _suspended_of(request.suspended)
        case "allocated":
            what = _allocated_of(request.allocated)
        case _:
            raise Fault(
                Reason.FIELD_REQUIRED,
                "say which gifts: gifts, suspended or allocated",
                field="suspended",
            )
    if request.to_suspense and request.project:
        raise Fault(
            Reason.FIELD_INVALID,
            "gifts go to a project or back into suspense: leave one of project and to_suspense out",
            field="to_suspense",
        )
    again = request.again or request.to_suspense or isinstance(what, Allocated)
    if not (request.project or request.to_suspense):
        raise Fault(Reason.FIELD_REQUIRED, "project is required", field="project")
    return Allocation(request.project, what, request.without_campaign, again)


def _allocated_of(message: pb.AllocatedGifts) -> Allocated:
    if not message.request_id:
        return Allocated(message.partner, message.project)
    if not is_uuid(message.request_id):
        raise Fault(
            Reason.FIELD_INVALID,
            "the request that allocated them is named by its UUID",
            field="allocated.request_id",
        )
    return Allocated(message.partner, message.project, UUID(message.request_id))


def _suspended_of(message: pb.SuspendedGifts) -> Suspended:
    return Suspended(
        message.partner,
        message.project if message.HasField("project") else None,
        _reason_of(message.reason) if message.reason else None,
    )


def _reason_of(number: int) -> SuspenseReason:
    try:
        return SuspenseReason(number)
    except ValueError:
        raise Fault(
            Reason.FIELD_INVALID,
            "reason is none that a gift is suspended for",
            field="suspended.reason",
        ) from None


def progress_message(progress: Progress) -> pb.AllocateDonationsResponse:
    """How far an allocation has come."""
    return pb.AllocateDonationsResponse(
        counts=[
            pb.AllocationCount(outcome=pb.AllocationOutcome.ValueType(outcome), count=count)
            for outcome, count in sorted(progress.counts.items())
        ],
        allocated=[_sum(currency, micros) for currency, micros in sorted(progress.sums.items())],
        outcomes=map(pb.AllocationOutcome.ValueType, progress.outcomes),
        done=progress.is_done,
    )


def suspense_messages(standing: Iterable[Standing]) -> Iterable[pb.Suspense]:
    """What stands in suspense."""
    return (
        pb.Suspense(
            partner=one.partner,
            project=one.project,
            reason=pb.SuspenseReason.ValueType(one.reason),
            count=one.gifts,
            amount=_sum(one.currency, one.micros),
        )
        for one in standing
    )


def _sum(currency: str, micros: int) -> money_pb2.Money:
    """Of many gifts, whose sum may exceed what the wire can hold."""
    return money(currency, min(micros, _MICROS_MAX))
