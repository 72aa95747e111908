"""Drafts from the wire, and what became of them: what there are thousands of in a call."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from watersmeet.errors.v1 import errors_pb2
from watersmeet.ledger.v1 import ledger_service_pb2 as pb

from services.ledger.domain import EntryDraft, Transfer
from services.ledger.journal.movements import move_of
from services.ledger.journal.plan import Outcome
from services.ledger.journal.routes import Move, Movements
from services.ledger.journal.rules import of_transfer
from services.ledger.wire.convert import (
    cause_of,
    entry_id_of,
    moment,
    no_time,
    required_time,
    time_of,
)
from services.ledger.wire.convert_steps import step_of
from services.runtime.errors import Fault


def draft_of(message: pb.EntryDraft) -> EntryDraft | Fault:
    """A draft, or what keeps the message from being one: FIELD_REQUIRED or FIELD_INVALID."""
    metadata = message.metadata
    try:
        return EntryDraft(
            entry_id_of(message.entry_id, "entry_id"),
            cause_of(message.cause),
            required_time(message),
            dict(metadata) if metadata else {},
            _transfers_of(message),
            message.reverses or None,
        )
    except Fault as fault:
        return fault


def _transfers_of(message: pb.EntryDraft) -> Sequence[Transfer]:
    """Nearly always plain movements, and those without a Transfer of each."""
    moves: list[Move] = []
    for transfer in message.transfers:
        if transfer.WhichOneof("step") is not None:
            return [_transfer_of(one, place) for place, one in enumerate(message.transfers)]
        amount = transfer.amount
        try:
            moves.append(
                move_of(
                    transfer.debit_account,
                    transfer.credit_account,
                    amount.micros,
                    amount.currency_code,
                    transfer.campaign,
                    transfer.project,
                    _hour_of(transfer),
                    transfer.count,
                )
            )
        except Fault as fault:
            raise of_transfer(len(moves), fault) from None
    return Movements(moves)


def _transfer_of(message: pb.Transfer, place: int) -> Transfer:
    try:
        hour = _hour_of(message)
    except Fault as fault:
        raise of_transfer(place, fault) from None
    return Transfer(
        message.debit_account,
        message.credit_account,
        message.amount.micros,
        message.amount.currency_code,
        message.campaign,
        message.project,
        hour,
        message.count,
        step_of(message, time_of, f"transfers[{place}]"),
    )


def _hour_of(message: pb.Transfer) -> datetime | None:
    if not message.HasField("hour"):
        return None
    hour = message.hour
    try:
        return moment(hour.seconds, hour.nanos)
    except OverflowError:
        raise no_time("hour") from None


def response_of(
    drafts: Iterable[pb.EntryDraft], outcomes: Iterable[Outcome]
) -> pb.PostEntriesResponse:
    """What became of each draft."""
    response = pb.PostEntriesResponse()
    add = response.results.add
    # Field by field into a message that is there: a third of what a new one by its names takes.
    for draft, outcome in zip(drafts, outcomes, strict=True):
        result = add()
        result.entry_id = draft.entry_id
        if isinstance(outcome, Fault):
            _put_problem(result.problem, outcome)
        else:
            result.sequence, result.hash, replayed = outcome
            if replayed:
                result.replayed = True
    return response


def _put_problem(problem: errors_pb2.Problem, fault: Fault) -> None:
    problem.reason = errors_pb2.ErrorReason.Value(f"ERROR_REASON_{fault.reason}")
    problem.message = fault.message
    problem.metadata.update(fault.metadata)
