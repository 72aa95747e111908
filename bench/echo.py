"""The reference of the unary row: what gRPC in Python does when the handler does nothing."""

from dataclasses import dataclass, field

import grpc
import grpc.aio
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake

from bench.calling import METHOD


@dataclass(slots=True)
class EchoServer:
    """Answers RecordDonation with its request, over mutual TLS. PEM texts as in Access."""

    ca: bytes
    certificate: bytes
    key: bytes = field(repr=False)
    _server: grpc.aio.Server | None = None

    async def start(self) -> int:
        """See processes.Server."""
        _, service, name = METHOD.split("/")
        self._server = grpc.aio.server()
        handler = grpc.unary_unary_rpc_method_handler(
            _echo,
            request_deserializer=intake.RecordDonationRequest.FromString,
            response_serializer=intake.RecordDonationRequest.SerializeToString,
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


async def _echo(
    request: intake.RecordDonationRequest, _context: object
) -> intake.RecordDonationRequest:
    return request
