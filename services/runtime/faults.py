"""Any exception that leaves a handler, as the Fault that its client is told."""

import grpc
import structlog

from services.runtime import database
from services.runtime.errors import Fault, Reason
from services.runtime.status import fault_from_rpc_error

_log = structlog.get_logger()


def fault_of(error: BaseException) -> Fault:
    """A Fault as it is; a dependency that is away as such; anything else as INTERNAL.

    What is not the caller's doing is logged, with its traceback if it is a defect; the answer shows
    nothing of it.
    """
    if isinstance(error, Fault):
        return error
    fault = database.fault_of(error) or _of_another_service(error)
    if fault is not None:
        _log.warning("dependency failed", reason=fault.reason, error=repr(error)[:500])
        return fault
    _log.error("defect", exc_info=error)
    return Fault(
        Reason.INTERNAL,
        "the server failed on this call; give its request id to the mesh's operator",
    )


def _of_another_service(error: BaseException) -> Fault | None:
    """What a call of ours to another service failed with is told only if a retry may help."""
    if not isinstance(error, grpc.RpcError):
        return None
    fault = fault_from_rpc_error(error)
    if fault.reason in (Reason.DEPENDENCY_UNAVAILABLE, Reason.DEADLINE_EXCEEDED):
        return Fault(
            Reason.DEPENDENCY_UNAVAILABLE,
            "another service of the mesh is away; retry with the same ids",
            retry_after=fault.retry_after,
        )
    return None
