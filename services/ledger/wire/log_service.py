"""LogService: convert, call, convert."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from watersmeet.ledger.v1 import log_service_pb2 as pb
from watersmeet.ledger.v1 import log_service_pb2_grpc as pb_grpc

from services.ledger.domain import EntryId
from services.ledger.log.archive import Archive
from services.ledger.log.proofs import Proofs
from services.ledger.wire.convert import entry_id_of
from services.ledger.wire.convert_log import archive_message, checkpoint_message
from services.runtime.errors import Fault, Reason
from services.runtime.paging import page_size, position_of, token_after
from services.runtime.served import Context


class LogService(pb_grpc.LogServiceServicer):
    """Serves watersmeet.ledger.v1.LogService."""

    def __init__(self, proofs: Proofs, archive: Archive) -> None:
        self._proofs = proofs
        self._archive = archive

    async def GetCheckpoint(
        self, request: pb.GetCheckpointRequest, _context: Context
    ) -> pb.GetCheckpointResponse:
        """Returns a checkpoint."""
        found = await self._proofs.checkpoint(_size(request.size, "size"))
        return pb.GetCheckpointResponse(checkpoint=checkpoint_message(found))

    async def ListCheckpoints(
        self, request: pb.ListCheckpointsRequest, _context: Context
    ) -> pb.ListCheckpointsResponse:
        """Lists checkpoints."""
        scope = ("ListCheckpoints", str(request.after_size))
        after = _size(request.after_size, "after_size")
        if request.page_token:
            after = position_of(request.page_token, *scope).number()
        size = page_size(request.page_size)
        found = await self._proofs.checkpoints(after, size + 1)
        response = pb.ListCheckpointsResponse(checkpoints=map(checkpoint_message, found[:size]))
        if len(found) > size:
            response.next_page_token = token_after([found[size - 1].size], *scope)
        return response

    async def ListLogKeys(
        self, _request: pb.ListLogKeysRequest, _context: Context
    ) -> pb.ListLogKeysResponse:
        """Lists the log's public keys."""
        return pb.ListLogKeysResponse(verifier_keys=await self._proofs.keys())

    async def GetInclusionProof(
        self, request: pb.GetInclusionProofRequest, _context: Context
    ) -> pb.GetInclusionProofResponse:
        """Proves that an entry is in the tree of a checkpoint."""
        name: int | EntryId
        match request.WhichOneof("entry"):
            case "sequence":
                name = request.sequence
            case "entry_id":
                name = entry_id_of(request.entry_id, "entry_id")
            case _:
                raise Fault(
                    Reason.FIELD_REQUIRED, "name the entry by sequence or entry_id", field="entry"
                )
        proof = await self._proofs.inclusion(name, _size(request.size, "size"))
        return pb.GetInclusionProofResponse(
            sequence=proof.sequence,
            entry_hash=proof.entry_hash,
            hashes=proof.hashes,
            checkpoint=checkpoint_message(proof.checkpoint),
        )

    async def GetConsistencyProof(
        self, request: pb.GetConsistencyProofRequest, _context: Context
    ) -> pb.GetConsistencyProofResponse:
        """Proves that one checkpoint's tree begins with another's."""
        proof = await self._proofs.consistency(
            _size(request.first_size, "first_size"), _size(request.second_size, "second_size")
        )
        return pb.GetConsistencyProofResponse(
            hashes=proof.hashes,
            first=checkpoint_message(proof.first),
            second=checkpoint_message(proof.second),
        )

    async def StreamArchive(
        self, _request: pb.StreamArchiveRequest, _context: Context
    ) -> AsyncIterator[pb.StreamArchiveResponse]:
        """Streams all that an archive holds."""
        async with aclosing(self._archive.parts()) as parts:
            async for part in parts:
                yield archive_message(part)


def _size(size: int, field: str) -> int:
    if size < 0:
        raise Fault(Reason.FIELD_INVALID, f"{field} must be 0 or more", field=field)
    return size
