"""Prometheus: what every server counts, and the port where it is read.

The names are go-grpc-prometheus', so that existing dashboards and rules apply. Labels are bounded:
methods and codes, never a partner's or donor's data. Calls are counted in plain numbers that are
put into Prometheus' form when somebody looks: five of its counters would cost a call 20 µs.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import grpc
from prometheus_client import REGISTRY, disable_created_metrics, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import ThreadingWSGIServer
from prometheus_client.registry import Collector

from services.runtime.settings import split_address

disable_created_metrics()  # type: ignore[no-untyped-call]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class MethodMetrics:
    """The counters of one method. For the event loop's thread alone."""

    def __init__(self, method: str, grpc_type: str) -> None:
        """method: "/package.Service/Method"; grpc_type: "unary", "server_stream", …"""
        service, _, name = method.removeprefix("/").partition("/")
        self.labels = (grpc_type, service, name)
        self.started = 0
        self.received = 0
        self.sent = 0
        self.handled: dict[grpc.StatusCode, int] = {}
        self.seconds = 0.0
        self.buckets = [0] * (len(_SECONDS) + 1)

    def ended(self, code: grpc.StatusCode, seconds: float) -> None:
        """A call ended."""
        self.handled[code] = self.handled.get(code, 0) + 1
        self.seconds += seconds
        self.buckets[bisect_left(_SECONDS, seconds)] += 1


class _CallMetrics(Collector):
    """Every method's counters, as Prometheus reads them."""

    def __init__(self) -> None:
        self._methods: dict[str, MethodMetrics] = {}

    def of(self, method: str, grpc_type: str) -> MethodMetrics:
        if method not in self._methods:
            self._methods[method] = MethodMetrics(method, grpc_type)
        return self._methods[method]

    def collect(self) -> Iterator[CounterMetricFamily | HistogramMetricFamily]:
        names = ("grpc_type", "grpc_service", "grpc_method")
        started = CounterMetricFamily("grpc_server_started", "Calls begun.", labels=names)
        handled = CounterMetricFamily(
            "grpc_server_handled", "Calls ended, by code.", labels=(*names, "grpc_code")
        )
        received = CounterMetricFamily("grpc_server_msg_received", "Messages in.", labels=names)
        sent = CounterMetricFamily("grpc_server_msg_sent", "Messages out.", labels=names)
        seconds = HistogramMetricFamily(
            "grpc_server_handling_seconds", "Seconds from a call's begin to its end.", labels=names
        )
        bounds = (*map(str, _SECONDS), "+Inf")
        for method in list(self._methods.values()):
            started.add_metric(method.labels, method.started)
            received.add_metric(method.labels, method.received)
            sent.add_metric(method.labels, method.sent)
            for code, count in list(method.handled.items()):
                handled.add_metric((*method.labels, _go_name(code)), count)
            buckets = list(zip(bounds, accumulate(method.buckets), strict=True))
            seconds.add_metric(method.labels, buckets, sum_value=method.seconds)
        yield from (started, handled, received, sent, seconds)


_CALLS = _CallMetrics()
REGISTRY.register(_CALLS)


def metrics_of(method: str, grpc_type: str) -> MethodMetrics:
    """The process's counters of a method; the same ones each time."""
    return _CALLS.of(method, grpc_type)


def _go_name(code: grpc.StatusCode) -> str:
    """As go-grpc-prometheus writes codes: "NotFound", and two in their own way."""
    name = "".join(word.capitalize() for word in code.name.split("_"))
    return {"Ok": "OK", "Cancelled": "Canceled"}.get(name, name)


@dataclass(frozen=True)
class MetricsPort:
    """A listening /metrics port, served by a thread of its own."""

    server: WSGIServer
    thread: Thread

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server.server_port

    def close(self) -> None:
        """Stops listening and waits for the thread."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def open_metrics(address: str) -> MetricsPort:
    """Serves /metrics of this process on host:port. Raises OSError if the port is taken."""
    host, port = split_address(address)
    server = make_server(host, port, make_wsgi_app(), ThreadingWSGIServer, _SilentHandler)
    # How often it looks whether it should end: not as rarely as the standard library would.
    thread = Thread(target=server.serve_forever, args=(0.1,), name="metrics", daemon=True)
    thread.start()
    return MetricsPort(server, thread)


class _SilentHandler(WSGIRequestHandler):
    """Leaves stderr to the log."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name there
        """Says nothing."""
