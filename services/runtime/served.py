"""One call while it is served: what is known of it, its answer when it fails, its record."""

import time
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Never
from uuid import uuid4

import grpc

from services.runtime.call import Call, enter_call, is_uuid, require_request_id
from services.runtime.denied import DeniedCertificates
from services.runtime.errors import Fault, Reason
from services.runtime.identity import Caller, parse_spiffe
from services.runtime.live_calls import LiveCall
from services.runtime.logs import log_call
from services.runtime.messages import limited
from services.runtime.metrics import metrics_of
from services.runtime.permissions import require_permission
from services.runtime.status import DETAILS_KEY, code_of, rich_status

REQUEST_ID_KEY = "x-request-id"
"""The metadata key of a call's request id. It is read, and echoed in trailing metadata, where the
request itself has no such field; errors carry it always.
"""

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]
    Handler = grpc.RpcMethodHandler[Any, Any]
else:  # grpc's own classes have no parameters
    Context = grpc.aio.ServicerContext
    Handler = grpc.RpcMethodHandler

_TYPES = {
    (False, False): "unary",
    (True, False): "client_stream",
    (False, True): "server_stream",
    (True, True): "bidi_stream",
}


@lru_cache(maxsize=1024)
def _caller(uri: bytes, trust_domain: str) -> Caller:
    return parse_spiffe(uri.decode(errors="replace"), trust_domain)


class Method:
    """What is known of a method before any call of it."""

    def __init__(self, name: str, handler: Handler) -> None:
        self.name = name
        self.receives_stream = handler.request_streaming
        self.sends_stream = handler.response_streaming
        self.is_unary = not handler.request_streaming and not handler.response_streaming
        self.only_sends = handler.response_streaming and not handler.request_streaming
        # Asked every second by everybody: no log line but of what is refused, and no limit but of
        # its watches.
        self.is_health = name.startswith("/grpc.health.v1.Health/")
        behavior = (
            handler.unary_unary
            or handler.unary_stream
            or handler.stream_unary
            or handler.stream_stream
        )
        self.read = limited(handler.request_deserializer)
        assert behavior is not None, "a handler has the one that its arity says"
        self.behavior: Callable[..., Any] = behavior
        self.metrics = metrics_of(
            name, _TYPES[handler.request_streaming, handler.response_streaming]
        )


class Served:
    """One call."""

    def __init__(self, method: Method, context: Context) -> None:
        self.method = method
        self.context = context
        self.caller: Caller | None = None
        self.live: LiveCall | None = None
        self.request_id: str | None = None
        self.code = grpc.StatusCode.UNKNOWN
        self.reason: Reason | None = None
        self.received = 0
        self.sent = 0
        self._start = time.perf_counter()
        method.metrics.started += 1

    def admit(self, trust_domain: str, denied: DeniedCertificates) -> Caller:
        """Finds out and says who calls.

        Raises Fault(IDENTITY_UNKNOWN, CERTIFICATE_DENIED or PERMISSION_DENIED).

        gRPC states peer_spiffe_id only if the certificate has exactly one URI, as SPIFFE demands;
        the URI is never looked for among the other names, where a host may be called anything.
        """
        uris = tuple(self.context.auth_context().get("peer_spiffe_id", ()))
        self.caller = _caller(uris[0] if uris else b"", trust_domain)
        if denied:
            denied.refuse(self.certificate)
        require_permission(self.method.name, self.caller)
        return self.caller

    @property
    def certificate(self) -> bytes:
        """The client's, as PEM."""
        return next(iter(self.context.auth_context().get("x509_pem_cert", ())), b"")

    def identify(self, request: object) -> None:
        """Settles the request id and makes this the current call.

        request: the message of a unary request, None for a stream. Raises Fault(REQUEST_ID_INVALID)
        if its type has a request_id and its value is no UUID.
        """
        assert self.caller is not None, "admit comes first"
        stated = getattr(request, "request_id", None)
        if stated is not None:
            self.request_id = require_request_id(stated)
        else:
            self.request_id = self._metadata_request_id()
            self.context.set_trailing_metadata(((REQUEST_ID_KEY, self.request_id),))
        enter_call(Call(self.method.name, self.caller, self.request_id))

    def take(self, data: bytes) -> Any:
        """A message came. Raises Fault if it is none that we accept (messages)."""
        self.received += 1
        self.method.metrics.received += 1
        return self.method.read(data)

    def gave(self) -> None:
        """A message went."""
        self.sent += 1
        self.method.metrics.sent += 1

    async def abort(self, fault: Fault) -> Never:
        """Ends the call with the fault, by raising gRPC's AbortError."""
        self.code, self.reason = code_of(fault.reason), fault.reason
        if self.request_id is None:
            self.request_id = self._metadata_request_id()
        status = rich_status(fault, self.request_id)
        await self.context.abort(
            self.code,
            status.message,
            ((DETAILS_KEY, status.SerializeToString()), (REQUEST_ID_KEY, self.request_id)),
        )

    def record(self) -> None:
        """The call's one log line and its metrics."""
        seconds = time.perf_counter() - self._start
        self.method.metrics.ended(self.code, seconds)
        if self.method.is_health and self.reason is None:
            return
        streams = self.method.receives_stream or self.method.sends_stream
        log_call(
            self.method.name,
            str(self.caller) if self.caller else None,
            self.request_id,
            self.code.name,
            self.reason,
            seconds,
            (self.received, self.sent) if streams else None,
        )

    def _metadata_request_id(self) -> str:
        for key, value in self.context.invocation_metadata() or ():
            if key == REQUEST_ID_KEY and isinstance(value, str) and is_uuid(value):
                return value
        return str(uuid4())
