"""Holds, between protobuf and the domain."""

from watersmeet.ledger.v1 import hold_service_pb2 as pb
from watersmeet.ledger.v1 import ledger_service_pb2 as ledger_pb
from watersmeet.type.v1 import money_pb2

from services.ledger.domain import StepKind, Transfer, TransferName
from services.ledger.posting.holds import Hold
from services.ledger.wire.convert import transfer_message
from services.runtime.errors import Fault, Reason

_STATES = {
    StepKind.COMMIT: pb.HOLD_STATE_COMMITTED,
    StepKind.VOID: pb.HOLD_STATE_VOIDED,
    StepKind.EXPIRE: pb.HOLD_STATE_EXPIRED,
}


def transfer_name_of(name: ledger_pb.TransferName) -> TransferName:
    """Names a transfer. Raises Fault(FIELD_REQUIRED or FIELD_INVALID)."""
    if not name.sequence:
        raise Fault(Reason.FIELD_REQUIRED, "name the hold", field="name")
    if name.sequence < 0 or name.position < 0:
        raise Fault(Reason.FIELD_INVALID, "sequences begin at 1, and positions at 0", field="name")
    return TransferName(name.sequence, name.position)


def amount_of(amount: money_pb2.Money, held: Transfer) -> int:
    """Micros of a hold's currency. Raises Fault(CURRENCY_MISMATCH or AMOUNT_NOT_POSITIVE)."""
    if amount.currency_code != held.currency:
        raise Fault(
            Reason.CURRENCY_MISMATCH,
            f"the hold is in {held.currency}; commit an amount of that",
            field="amount",
        )
    if amount.micros <= 0:
        raise Fault(Reason.AMOUNT_NOT_POSITIVE, "commit a positive amount", field="amount")
    return amount.micros


def hold_message(hold: Hold) -> pb.HoldStatus:
    """A hold, and what became of it."""
    end = hold.status.end
    return pb.HoldStatus(
        name=ledger_pb.TransferName(sequence=hold.name.sequence, position=hold.name.position),
        transfer=transfer_message(hold.status.transfer),
        state=_STATES[end.kind] if end else pb.HOLD_STATE_OPEN,
        end_sequence=end.sequence if end else 0,
    )
