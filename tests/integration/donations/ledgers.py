"""A stand-in for the ledger service."""

from typing import Any

from watersmeet.errors.v1 import errors_pb2
from watersmeet.ledger.v1 import ledger_service_pb2 as pb
from watersmeet.ledger.v1 import ledger_service_pb2_grpc as pb_grpc

from services.runtime.errors import Fault, Reason
from services.runtime.server import Server
from services.runtime.settings import ServerSettings
from tests.support.identities import Certificates


class Ledger(pb_grpc.LedgerServiceServicer):
    """Keeps what is posted, by entry id, as the real one does: once.

    calls: how many entries each had. refuses: entry ids that it answers with a problem.
    forgets: how many more answers get lost.
    """

    def __init__(self) -> None:
        self.entries: dict[str, pb.EntryDraft] = {}
        self.posted = 0
        self.calls: list[int] = []
        self.refuses: set[str] = set()
        self.forgets = 0

    async def PostEntries(
        self, request: pb.PostEntriesRequest, context: Any
    ) -> pb.PostEntriesResponse:
        """Posts, and answers for each."""
        results = []
        self.calls.append(len(request.entries))
        for draft in request.entries:
            self.posted += 1
            if draft.entry_id in self.refuses:
                reason = errors_pb2.ERROR_REASON_ENTRY_CONFLICT
                problem = errors_pb2.Problem(reason=reason, message="other content")
                results.append(pb.PostResult(entry_id=draft.entry_id, problem=problem))
                continue
            known = self.entries.setdefault(draft.entry_id, draft)
            assert known == draft, "one id has one content"
            sequence = list(self.entries).index(draft.entry_id) + 1
            results.append(pb.PostResult(entry_id=draft.entry_id, sequence=sequence))
        if self.forgets:
            self.forgets -= 1
            raise Fault(Reason.DEPENDENCY_UNAVAILABLE, "the answer gets lost")
        return pb.PostEntriesResponse(results=results)

    def micros(self) -> dict[tuple[str, str], int]:
        """What was moved, by debited and credited account."""
        moved: dict[tuple[str, str], int] = {}
        for entry in self.entries.values():
            for transfer in entry.transfers:
                key = transfer.debit_account, transfer.credit_account
                moved[key] = moved.get(key, 0) + transfer.amount.micros
        return moved


class StandbyLedger(Ledger):
    """Stands by."""

    async def PostEntries(
        self, request: pb.PostEntriesRequest, context: Any
    ) -> pb.PostEntriesResponse:
        """Refuses."""
        raise Fault(Reason.LEDGER_STANDBY, "another ledger writes", retry_after=1.0)


class LedgerProcess:
    """Serves a ledger at one address, and can be away."""

    def __init__(self, ledger: Ledger, certificates: Certificates) -> None:
        self.ledger = ledger
        self._files: dict[str, Any] = dict(certificates.settings_for("service", "ledger"))
        self._server: Server | None = None
        self.address = "127.0.0.1:0"

    async def start(self) -> None:
        """Serves, at the same address as before."""
        self._server = Server("ledger", ServerSettings(**self._files, listen=self.address))
        self._server.add(
            pb_grpc.add_LedgerServiceServicer_to_server,
            self.ledger,
            "watersmeet.ledger.v1.LedgerService",
        )
        await self._server.start()
        self.address = self._server.address

    async def stop(self) -> None:
        """Is away."""
        if self._server is not None:
            await self._server.stop()
            self._server = None
