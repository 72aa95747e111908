"""Requests as they come off the wire: small enough and well formed, or a Fault that says so.

gRPC gives a server no way to answer well where a deserializer raises, so ours returns a `Refused`
in the message's place, and `accepted` raises it once the call is in good hands.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from services.runtime.channel import MESSAGE_BYTES_MAX
from services.runtime.errors import Fault, Reason


@dataclass(frozen=True)
class Refused:
    """Stands in the place of a message that was not read, with what its caller is told."""

    fault: Fault


def limited(deserialize: Callable[[bytes], Any] | None) -> Callable[[bytes], Any]:
    """The deserializer, with our limit before it. Its result is for `accepted`."""

    def read(data: bytes) -> Any:
        if len(data) > MESSAGE_BYTES_MAX:
            return Refused(
                Fault(
                    Reason.MESSAGE_TOO_LARGE,
                    f"the message has {len(data)} bytes and the limit is {MESSAGE_BYTES_MAX}; "
                    "send smaller ones",
                )
            )
        try:
            return deserialize(data) if deserialize else data
        except DecodeError:
            return Refused(
                Fault(
                    Reason.FIELD_INVALID,
                    "the message is not of the method's request type; "
                    "generate the client from the published protos",
                    field="request",
                )
            )

    return read


def accepted(message: Any) -> Any:
    """The message itself; raises Fault(MESSAGE_TOO_LARGE or FIELD_INVALID) if it was refused."""
    if isinstance(message, Refused):
        raise message.fault
    return message
