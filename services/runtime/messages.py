"""Requests as they come off the wire: small enough and well formed, or a Fault that says so.

gRPC hands us the bytes, and they are read only once the call is in good hands: a call that is
refused costs no parsing, and gRPC has no way to answer well where a deserializer of its own raises.
"""

from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError

from services.runtime.channel import MESSAGE_BYTES_MAX
from services.runtime.errors import Fault, Reason


def limited(deserialize: Callable[[bytes], Any] | None) -> Callable[[bytes], Any]:
    """The deserializer, with our limit before it.

    It raises Fault(MESSAGE_TOO_LARGE or FIELD_INVALID).
    """

    def read(data: bytes) -> Any:
        if len(data) > MESSAGE_BYTES_MAX:
            raise Fault(
                Reason.MESSAGE_TOO_LARGE,
                f"the message has {len(data)} bytes and the limit is {MESSAGE_BYTES_MAX}; "
                "send smaller ones",
            )
        try:
            return deserialize(data) if deserialize else data
        except DecodeError as error:
            raise Fault(
                Reason.FIELD_INVALID,
                "the message is not of the method's request type; "
                "generate the client from the published protos",
                field="request",
            ) from error

    return read
