"""The reference of rows of single calls: what gRPC in Python does when the handler does nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake
from watersmeet.ledger.v1 import ledger_service_pb2 as ledger

from bench.calling import METHOD
from bench.ledger.calls import BALANCE, POST


@dataclass(slots=True)
class EchoServer:
    """Answers a method with its request, over mutual TLS. PEM texts as in Access."""

    ca: bytes
    certificate: bytes
    key: bytes = field(repr=False)
    method: str = METHOD
    _server: grpc.aio.Server | None = None

    async def start(self) -> int:
        """See processes.Server."""
        _, service, name = self.method.split("/")
        message = _MESSAGES[self.method]
        self._server = grpc.aio.server()
        handler = grpc.unary_unary_rpc_method_handler(
            _echo,
            request_deserializer=message.FromString,
            response_serializer=message.SerializeToString,
        )
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {name: handler}),)
        )
        credentials = grpc.ssl_server_credentials(
            [(self.key, self.certificate)], root_certificates=self.ca, require_client_auth=True
        )
        port = self._server.add_secure_port("127.0.0.1:0", credentials)
        await self._server.start()
        return port

    async def stop(self) -> None:
        """See processes.Server."""
        if self._server is not None:
            await self._server.stop(None)


async def _echo(request: Message, _context: object) -> Message:
    return request


_MESSAGES: Mapping[str, Any] = {
    METHOD: intake.RecordDonationRequest,
    POST: ledger.PostEntriesRequest,
    BALANCE: ledger.GetBalanceRequest,
}
