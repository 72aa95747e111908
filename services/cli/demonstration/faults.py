"""From whatever stops a campaign to the one fault that a user can act on."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from services.cli.simulator.patience import UnansweredError
from services.runtime.errors import Fault, Reason
from services.runtime.status import fault_from_rpc_error


@contextmanager
def one_fault() -> Iterator[None]:
    """Raises Fault in place of a failed call or an unanswered report, also from within a group."""
    try:
        yield
    except (ExceptionGroup, grpc.aio.AioRpcError) as error:
        cause = _first(error)
        if isinstance(cause, grpc.aio.AioRpcError):
            raise fault_from_rpc_error(cause) from error
        if isinstance(cause, UnansweredError):
            raise Fault(Reason.DEPENDENCY_UNAVAILABLE, str(cause)) from error
        raise


def _first(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
