"""Steps of transfers, between protobuf and the domain."""

from collections.abc import Callable
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from watersmeet.ledger.v1 import ledger_service_pb2 as pb

from services.ledger.domain import Step, StepKind, TransferName

_FIELDS = {
    StepKind.COMMIT: "commits",
    StepKind.VOID: "voids",
    StepKind.EXPIRE: "expires",
    StepKind.REVERSE: "reverses",
}
_KINDS = {field: kind for kind, field in _FIELDS.items()}


def step_of(
    message: pb.Transfer, time_of: Callable[[Timestamp, str], datetime], path: str
) -> Step | None:
    """What makes a transfer more than a plain movement; None for a plain one.

    path: what the transfer is called in errors. Raises Fault(FIELD_INVALID) of time_of.
    """
    field = message.WhichOneof("step")
    if field is None:
        return None
    if field == "hold":
        hold = message.hold
        end = hold.expire_time if hold.HasField("expire_time") else None
        return Step(
            StepKind.HOLD,
            expire_time=time_of(end, f"{path}.hold.expire_time") if end else None,
        )
    name: pb.TransferName = getattr(message, field)
    return Step(_KINDS[field], TransferName(name.sequence, name.position))


def put_step(message: pb.Transfer, step: Step, stamp_of: Callable[[datetime], Timestamp]) -> None:
    """Writes a step into a transfer's message."""
    if step.of is None:
        end = step.expire_time
        message.hold.CopyFrom(pb.Hold(expire_time=stamp_of(end) if end else None))
        return
    name = pb.TransferName(sequence=step.of.sequence, position=step.of.position)
    getattr(message, _FIELDS[step.kind]).CopyFrom(name)
