"""Where protobuf meets the log and the archive."""

from watersmeet.ledger.v1 import log_service_pb2 as pb

from services.ledger.journal.chart import CHART
from services.ledger.log.archive import HoldingAccount, Part, SealedEntry, Start
from services.ledger.log.note import Checkpoint
from services.ledger.wire.convert import ACCOUNT_KINDS, account_message


def checkpoint_message(checkpoint: Checkpoint) -> pb.SignedCheckpoint:
    """A checkpoint."""
    return pb.SignedCheckpoint(size=checkpoint.size, note=checkpoint.note)


def archive_message(part: Part) -> pb.StreamArchiveResponse:
    """One part of an archive."""
    if isinstance(part, Start):
        return pb.StreamArchiveResponse(
            head=pb.ArchiveHead(
                sequence=part.head.sequence,
                hash=part.head.hash,
                verifier_keys=part.verifier_keys,
                chart=[
                    pb.ChartRow(pattern=row.pattern, kind=ACCOUNT_KINDS[row.kind]) for row in CHART
                ],
            )
        )
    message = pb.StreamArchiveResponse()
    for item in part:
        if isinstance(item, HoldingAccount):
            message.accounts.accounts.add(
                account=account_message(item.account),
                debits_micros=item.debits,
                credits_micros=item.credits,
            )
        elif isinstance(item, SealedEntry):
            message.entries.entries.add(text=item.text, hash=item.hash)
        else:
            message.checkpoints.checkpoints.append(checkpoint_message(item))
    return message
