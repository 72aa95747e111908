"""A service that does nothing but run, and starts fast: `python stand_in.py NAME [FAULT]`.

It takes its settings from the environment and answers health checks with mutual TLS, as the service
of that name does. FAULT "at-start" ends with status 3 before it serves, "soon" shortly after.
"""

import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import HealthServicer

SOON_S = 0.3


def main(name: str, fault: str) -> int:
    if fault == "at-start":
        print("the stand-in cannot go on", flush=True)
        return 3
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: stop.set())
    server = serve(f"WATERSMEET_{name.upper()}_")
    stop.wait(SOON_S if fault == "soon" else None)
    server.stop(0).wait()
    return 0 if stop.is_set() else 4


def serve(prefix: str) -> grpc.Server:
    def content(setting: str) -> bytes:
        return Path(os.environ[prefix + setting]).read_bytes()

    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
    servicer = HealthServicer()
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    credentials = grpc.ssl_server_credentials(
        [(content("KEY_FILE"), content("CERTIFICATE_FILE"))],
        root_certificates=content("CA_FILE"),
        require_client_auth=True,
    )
    server.add_secure_port(os.environ[prefix + "LISTEN"], credentials)
    server.start()
    return server


if __name__ == "__main__":
    sys.exit(main(*(*sys.argv[1:3], "")[:2]))
