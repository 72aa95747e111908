"""Decisions on accounts, from protobuf to the domain."""

from watersmeet.ledger.v1 import account_service_pb2 as pb

from services.ledger.domain import AccountLimit, AccountState, EntryDraft
from services.ledger.journal.decisions import AccountDecision, draft_of_account
from services.ledger.wire.convert import entry_id_of, name_of, required_time
from services.runtime.errors import Fault, Reason


def decision_of(request: pb.ChangeAccountRequest, by: str) -> EntryDraft:
    """A decision on an account, as the entry that it becomes. by: who decides.

    Raises Fault(FIELD_REQUIRED or FIELD_INVALID).
    """
    if not request.state and not request.limit:
        raise Fault(Reason.FIELD_REQUIRED, "say which state or which limit it gets", field="state")
    decision = AccountDecision(
        name_of(request.code, request.currency_code), _state_of(request), _limit_of(request)
    )
    return draft_of_account(
        entry_id_of(request.request_id, "request_id"),
        decision,
        value_time=required_time(request),
        by=by,
        document=request.document,
    )


def _state_of(request: pb.ChangeAccountRequest) -> AccountState | None:
    try:
        return AccountState(request.state) if request.state else None
    except ValueError:
        raise Fault(
            Reason.FIELD_INVALID, "state is none of those that there are", field="state"
        ) from None


def _limit_of(request: pb.ChangeAccountRequest) -> AccountLimit | None:
    try:
        return AccountLimit(request.limit) if request.limit else None
    except ValueError:
        raise Fault(
            Reason.FIELD_INVALID, "limit is none of those that there are", field="limit"
        ) from None
