"""A service's gRPC server: starts, says when it is ready, and stops without dropping a call.

A client without a certificate, or with one of another authority, is refused by TLS before any
call exists, so no status can reach it: gRPC offers a server either "require and verify" or "do not
ask" (grpcio 1.85: `ssl_server_credentials(require_client_auth=)`, the same in the dynamic form),
and nothing between that would let a call in to be answered with UNAUTHENTICATED. The client sees
UNAVAILABLE; `status.fault_from_rpc_error` tells it to look at its certificate. A certificate of the
right authority that names no identity is answered with UNAUTHENTICATED, IDENTITY_UNKNOWN.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc
from pydantic import ValidationError

from services.runtime import logs
from services.runtime.channel import TRANSPORT_BYTES_MAX
from services.runtime.collector import calm_collector
from services.runtime.denied import DENIED_CALLS, DeniedCertificates, denied
from services.runtime.interceptors import CallInterceptor
from services.runtime.live_calls import LiveCalls
from services.runtime.metrics import MetricsPort, open_metrics
from services.runtime.quotas.quotas import Quotas
from services.runtime.quotas.table import read_quotas
from services.runtime.settings import ServerSettings, split_address

_log = structlog.get_logger()

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

# For answers under way and health watchers, once no call is in flight.
_CLOSE_S = 0.5

_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_send_message_length", TRANSPORT_BYTES_MAX),
    ("grpc.max_receive_message_length", TRANSPORT_BYTES_MAX),
    ("grpc.max_concurrent_streams", 1_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Our clients ping an idle connection every 20 s (channel.py).
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    # Two servers on one port would each see half of the calls.
    ("grpc.so_reuseport", 0),
)


class _ByName:
    """Takes the handlers that generated code adds to a server, to be found by a call's method.

    That code adds each method a second time, "registered" for grpc's core. An aio server (grpcio
    1.85) then waits for the next call of each method apart, and each call pays for as many futures
    as there are methods; finding a handler by its name costs nothing, as the interceptor keeps it.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """The handlers of one service."""
        self._server.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(self, _service: str, _handlers: Mapping[str, Any]) -> None:
        """The same ones again."""


class ServiceFailed(Exception):
    """A part of the service that must run for ever ended; its process should be started anew."""


class Server:
    """One service's server: mutual TLS, health, reflection, /metrics, and its background tasks.

    In a `__main__`: construct, `add` each servicer, `add_background`, `run`. In tests `start` and
    `stop` stand for `run`.
    """

    def __init__(self, name: str, settings: ServerSettings) -> None:
        """name: the service's, for its logs. Must be made where an event loop runs.

        Raises OSError if a certificate file cannot be read, QuotaFileError and DeniedFileError.
        """
        self._name = name
        self._settings = settings
        self._live = LiveCalls(
            limit=settings.max_concurrent_calls, call_timeout_s=settings.call_timeout_s
        )
        self.quotas = Quotas(read_quotas(settings.quotas_file), pause=self._live.pause)
        self._denied = DeniedCertificates(settings.denied_certificates_file)
        self._server = grpc.aio.server(
            interceptors=[
                CallInterceptor(
                    trust_domain=settings.trust_domain,
                    denied=self._denied,
                    live=self._live,
                    quotas=self.quotas,
                )
            ],
            options=_OPTIONS,
        )
        self._by_name = _ByName(self._server)
        self._credentials = grpc.ssl_server_credentials(
            [(settings.key_file.read_bytes(), settings.certificate_file.read_bytes())],
            root_certificates=settings.ca_file.read_bytes(),
            require_client_auth=True,
        )
        self._health = health.aio.HealthServicer()
        self._service_names: list[str] = []
        self._background: list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._metrics: MetricsPort | None = None
        self._stopping = asyncio.Event()
        self._failure: BaseException | None = None
        self.port = 0
        if settings.denied_certificates_file is not None:
            self.add_background(lambda: self._denied.follow(self._end_denied), "denied")

    @property
    def metrics_port(self) -> int:
        """Where /metrics listens; 0 before the start."""
        return self._metrics.port if self._metrics else 0

    def add(
        self,
        add_to_server: Callable[[Any, Any], None],
        servicer: object,
        service_name: str,
    ) -> None:
        """Serves servicer, with the generated add_XServicer_to_server and its full proto name."""
        add_to_server(servicer, self._by_name)
        self._service_names.append(service_name)

    async def report(self, name: str, *, serving: bool) -> None:
        """Has health answer so for one more name, that of a part of the service, say."""
        await self._health.set(name, _SERVING if serving else _NOT_SERVING)

    def add_background(self, coroutine: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        """Runs a long task from the start to the stop, where it is cancelled.

        If it ends with an error the server stops and `run` raises ServiceFailed.
        """
        self._background.append((name, coroutine))

    async def run(self, ready: Callable[[], Awaitable[None]] | None = None) -> None:
        """Starts, serves until SIGTERM or SIGINT, and stops in order.

        Raises ServiceFailed if a background task or ready failed, after the stop.
        """
        logs.configure(self._name, self._settings.log_level)
        loop = asyncio.get_running_loop()
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signal_number, self._stopping.set)
        try:
            await self.start(ready)
            await self._stopping.wait()
        finally:
            await self.stop()
        if self._failure is not None:
            raise ServiceFailed(str(self._failure)) from self._failure

    async def start(self, ready: Callable[[], Awaitable[None]] | None = None) -> None:
        """Listens, and runs the background tasks. Health says SERVING once ready returned.

        Returns before that, as background tasks may be what ready waits for; without ready, health
        says SERVING on return. Raises OSError or RuntimeError if an address cannot be bound.
        """
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._by_name)
        names = [*self._service_names, health.SERVICE_NAME, reflection.SERVICE_NAME]
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(
            reflection.aio.ReflectionServicer(names), self._by_name
        )
        await self._set_health(_NOT_SERVING)
        self._metrics = open_metrics(self._settings.metrics_listen)
        self.port = self._server.add_secure_port(self._settings.listen, self._credentials)
        await self._server.start()
        for name, coroutine in self._background:
            self._spawn(name, coroutine())
        _log.info("started", address=self.address, metrics_port=self.metrics_port)
        if ready is None:
            await self._set_health(_SERVING)
        else:
            self._spawn("ready", self._become_ready(ready))

    @property
    def address(self) -> str:
        """host:port that it listens on."""
        return f"{split_address(self._settings.listen)[0]}:{self.port}"

    async def stop(self) -> None:
        """Says NOT_SERVING, lets calls in flight finish for at most drain_s, then ends everything.

        gRPC's own stop would cut off calls that are being answered with an error.
        """
        await self._health.enter_graceful_shutdown()
        left = await self._live.drain(self._settings.drain_s)
        if left:
            _log.warning("calls were cut off", calls=left, after_s=self._settings.drain_s)
        await self._server.stop(_CLOSE_S if not left else None)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._settings.drain_s)
        if self._metrics is not None:
            await asyncio.to_thread(self._metrics.close)
        _log.info("stopped")
        logs.flush()

    def _end_denied(self) -> None:
        """Streams that began before their certificate was withdrawn."""
        DENIED_CALLS.inc(self._live.end_streams(self._denied.holds, denied()))

    async def _become_ready(self, ready: Callable[[], Awaitable[None]]) -> None:
        await ready()
        await self._set_health(_SERVING)
        _log.info("ready")

    async def _set_health(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        for name in ("", *self._service_names):
            await self._health.set(name, status)

    def _spawn(self, name: str, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        _log.error("a background task failed", task=task.get_name(), exc_info=error)
        self._failure = self._failure or error
        self._stopping.set()


def run_service(main: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """Runs a service's main coroutine to its end; returns the process's exit code.

    0: told to stop and stopped. 1: failed; starting again may help. 2: its settings are wrong.
    """
    logs.configure("watersmeet")
    calm_collector()
    try:
        asyncio.run(main())
    except ValidationError as error:
        # Not error itself: it quotes values, and some are secrets.
        for problem in error.errors(include_input=False, include_url=False):
            setting = ".".join(map(str, problem["loc"]))
            _log.error("setting is wrong", setting=setting, problem=problem["msg"])
        return 2
    except Exception:  # noqa: BLE001  the process ends here, and says why
        _log.exception("service failed")
        return 1
    return 0
