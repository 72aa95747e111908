"""The call being served: what the interceptors found out about it before its handler began."""

import re
from contextvars import ContextVar
from dataclasses import dataclass

from services.runtime.errors import Fault, Reason
from services.runtime.identity import Caller, Role


@dataclass(frozen=True)
class Call:
    """One call.

    method: full name, "/package.Service/Method".
    caller: who calls, as the certificate says.
    request_id: a UUID; the client's own where it sent one.
    """

    method: str
    caller: Caller
    request_id: str


_current: ContextVar[Call] = ContextVar("current_call")
UUID_PATTERN = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
"""Its usual form: 36 characters, with hyphens."""

_UUID = re.compile(UUID_PATTERN)


def current_call() -> Call:
    """The call that the running task serves. Raises LookupError outside of a handler."""
    return _current.get()


def enter_call(call: Call) -> None:
    """Makes call the running task's call, until the task ends. For interceptors, and for tests."""
    _current.set(call)


def is_uuid(text: str) -> bool:
    """Whether text is a UUID in its usual form: 36 characters, with hyphens."""
    return _UUID.fullmatch(text) is not None


def require_request_id(text: str) -> str:
    """Returns text if it is a UUID; raises Fault(REQUEST_ID_INVALID) otherwise.

    For ids that interceptors do not see, such as the one in a stream's opening message.
    """
    if not is_uuid(text):
        raise Fault(
            Reason.REQUEST_ID_INVALID,
            "request_id must be a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057; make one for "
            "the call and send the same one with each of its retries",
        )
    return text


def partner_of(call: Call, named: str) -> str:
    """The partner that a call is about.

    named: the partner in the request; may be empty where a partner itself calls.
    Raises Fault(PARTNER_MISMATCH) if a partner names another one, and Fault(FIELD_REQUIRED) if
    anyone else names none.
    """
    if call.caller.role is Role.PARTNER:
        if named and named != call.caller.name:
            raise Fault(
                Reason.PARTNER_MISMATCH,
                f"the certificate is {call.caller.name}'s and the request names another partner; "
                "leave the field empty or name yourself",
            )
        return call.caller.name
    if not named:
        raise Fault(Reason.FIELD_REQUIRED, "name the partner", field="partner")
    return named
