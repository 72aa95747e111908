"""AuditService: convert, call, convert."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from watersmeet.ledger.v1 import audit_service_pb2 as pb
from watersmeet.ledger.v1 import audit_service_pb2_grpc as pb_grpc

from services.ledger.audit.auditor import Auditor
from services.ledger.audit.check import Check
from services.ledger.wire import convert
from services.runtime.served import Context


class AuditService(pb_grpc.AuditServiceServicer):
    """Serves watersmeet.ledger.v1.AuditService."""

    def __init__(self, auditor: Auditor) -> None:
        self._auditor = auditor

    async def RunAudit(
        self, _request: pb.RunAuditRequest, _context: Context
    ) -> AsyncIterator[pb.RunAuditResponse]:
        """Audits the books."""
        async with aclosing(self._auditor.run()) as results:
            async for result in results:
                if isinstance(result, Check):
                    yield pb.RunAuditResponse(check=convert.check_message(result))
                else:
                    yield pb.RunAuditResponse(report=convert.report_message(result))
