"""Asks the service in this container whether it serves.

    python /opt/watersmeet/health.py

The gRPC health check over mTLS with the service's own certificate, found through the service's own
settings in the environment. Exits 0 if the answer is SERVING; else 1, with a line that says why.
"""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

TIMEOUT_S = 4.0
_LISTEN = re.compile(r"(WATERSMEET_(?:DONATIONS|LEDGER|GATEWAY)_)LISTEN")


def settings_prefix(environment: Mapping[str, str]) -> str:
    """The settings prefix of the one service that this environment configures.

    Raises LookupError if it configures none, or several.
    """
    found = [match[1] for name in environment if (match := _LISTEN.fullmatch(name))]
    if len(found) != 1:
        raise LookupError(
            f"{len(found)} services are configured here; set WATERSMEET_<SERVICE>_LISTEN for one"
        )
    return found[0]


def check(environment: Mapping[str, str]) -> str:
    """The health status that the service answers, for example "SERVING".

    Raises LookupError for a missing setting, OSError for an unreadable certificate, grpc.RpcError
    if the service does not answer within TIMEOUT_S.
    """
    prefix = settings_prefix(environment)
    port = environment[f"{prefix}LISTEN"].rpartition(":")[2]
    ca, key, certificate = (
        Path(environment[f"{prefix}{name}"]).read_bytes()
        for name in ("CA_FILE", "KEY_FILE", "CERTIFICATE_FILE")
    )
    credentials = grpc.ssl_channel_credentials(ca, key, certificate)
    options = (("grpc.enable_http_proxy", 0),)
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials, options) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def main() -> int:
    """The exit code: 0 for SERVING."""
    try:
        status = check(os.environ)
    except grpc.RpcError as error:
        # A failed call is also a grpc.Call; its details name no secret.
        status = f"no answer: {error.code().name}: {error.details()}"
    except (LookupError, OSError) as error:
        status = f"cannot ask: {error}"
    if status == "SERVING":
        return 0
    print(status, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
