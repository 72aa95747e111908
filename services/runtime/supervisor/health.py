"""Asking a service, by gRPC, whether it is ready."""

import asyncio
import time

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.runtime.supervisor.certificates import CertificateFiles
from services.runtime.supervisor.process import Process, describe_exit, failure

_POLL_S = 0.1
_CALL_TIMEOUT_S = 2.0
# Each question has a connection of its own: no waiting until gRPC tries again by itself.
_OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))


class Health:
    """The health of the service at `address`, asked with the certificate of service/supervisor."""

    def __init__(self, address: str, certificate: CertificateFiles) -> None:
        self._address = address
        self._credentials = grpc.ssl_channel_credentials(
            root_certificates=certificate.ca_file.read_bytes(),
            private_key=certificate.key_file.read_bytes(),
            certificate_chain=certificate.certificate_file.read_bytes(),
        )

    async def is_serving(self) -> bool:
        """Whether it answers SERVING now; within two seconds."""
        async with grpc.aio.secure_channel(
            self._address, self._credentials, options=_OPTIONS
        ) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            try:
                answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_CALL_TIMEOUT_S)
            except grpc.aio.AioRpcError:
                return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def wait_serving(self, process: Process, timeout_s: float) -> None:
        """Waits until it is. Raises MeshError if its process ends before that, or time does."""
        give_up = time.monotonic() + timeout_s
        while not await self.is_serving():
            status = process.exit_status()
            if status is not None:
                raise failure(process, f"{process.name} {describe_exit(status)} while it started")
            if time.monotonic() > give_up:
                raise failure(process, f"{process.name} was not ready within {timeout_s:.0f} s")
            await asyncio.sleep(_POLL_S)
