"""The log over the wire: anyone of the mesh may ask for proofs, the office alone for everything."""

from typing import Any

import pytest
from watersmeet.ledger.v1 import log_service_pb2 as pb
from watersmeet.ledger.v1 import log_service_pb2_grpc as pb_grpc

from services.cli.verifying.merkle import continues, includes, leaf_of
from services.ledger.log.note import keys_of, opened
from services.runtime.errors import Reason
from tests.integration.ledger.conftest import Connect
from tests.integration.ledger.log_parts import SIGNER, LogParts
from tests.integration.ledger.messages import draft, fault_of, posting


@pytest.fixture
async def log_stub(connect: Connect) -> Any:
    """With which a partner asks."""
    return pb_grpc.LogServiceStub(connect("partner", "alipay"))


async def signed_at(ledger: Any, log: LogParts, *sizes: int) -> None:
    """Posts entries and signs at these sizes."""
    before = 0
    for size in sizes:
        await ledger.PostEntries(posting(*(draft() for _ in range(size - before))))
        await log.sign(size)
        before = size


async def test_a_partner_checks_an_entry(ledger: Any, log: LogParts, log_stub: Any) -> None:
    await signed_at(ledger, log, 3, 9)
    keys = (await log_stub.ListLogKeys(pb.ListLogKeysRequest())).verifier_keys
    assert list(keys) == [SIGNER.verifier_key]
    latest = (await log_stub.GetCheckpoint(pb.GetCheckpointRequest())).checkpoint
    assert latest.size == 9
    head = opened(latest.note, keys_of(keys))
    proof = await log_stub.GetInclusionProof(pb.GetInclusionProofRequest(sequence=2))
    assert proof.checkpoint == latest
    assert includes(head.root, 9, proof.sequence - 1, leaf_of(proof.entry_hash), proof.hashes)
    between = await log_stub.GetConsistencyProof(pb.GetConsistencyProofRequest(first_size=3))
    first = opened(between.first.note, keys_of(keys))
    assert (between.first.size, between.second) == (3, latest)
    assert continues(3, first.root, 9, head.root, between.hashes)


async def test_checkpoints_are_listed_by_page(ledger: Any, log: LogParts, log_stub: Any) -> None:
    await signed_at(ledger, log, 1, 2, 4, 7)
    found = []
    token = ""
    while True:
        page = await log_stub.ListCheckpoints(
            pb.ListCheckpointsRequest(after_size=1, page_size=2, page_token=token)
        )
        found += [checkpoint.size for checkpoint in page.checkpoints]
        token = page.next_page_token
        if not token:
            break
    assert found == [2, 4, 7]


async def test_what_is_asked_wrongly(ledger: Any, log: LogParts, log_stub: Any) -> None:
    for call, reason in (
        (log_stub.GetCheckpoint(pb.GetCheckpointRequest()), Reason.CHECKPOINT_NOT_FOUND),
        (log_stub.GetCheckpoint(pb.GetCheckpointRequest(size=-1)), Reason.FIELD_INVALID),
        (log_stub.ListCheckpoints(pb.ListCheckpointsRequest(after_size=-1)), Reason.FIELD_INVALID),
        (log_stub.GetInclusionProof(pb.GetInclusionProofRequest()), Reason.FIELD_REQUIRED),
        (
            log_stub.GetInclusionProof(pb.GetInclusionProofRequest(entry_id="7")),
            Reason.FIELD_INVALID,
        ),
        (log_stub.GetConsistencyProof(pb.GetConsistencyProofRequest()), Reason.FIELD_REQUIRED),
        (log_stub.StreamArchive(pb.StreamArchiveRequest()), Reason.PERMISSION_DENIED),
    ):
        assert (await fault_of(call)).reason is reason


async def test_an_archive_has_everything_in_order(
    ledger: Any, log: LogParts, connect: Connect
) -> None:
    await signed_at(ledger, log, 2, 5)
    await ledger.PostEntries(posting(draft()))
    stub = pb_grpc.LogServiceStub(connect("finance", "local"))
    parts = [part async for part in stub.StreamArchive(pb.StreamArchiveRequest())]
    kinds = [part.WhichOneof("part") for part in parts]
    assert kinds == ["head", "accounts", "entries", "checkpoints"]
    head, accounts, entries, checkpoints = parts
    assert head.head.sequence == 6
    assert list(head.head.verifier_keys) == [SIGNER.verifier_key]
    held = accounts.accounts.accounts
    assert [(one.account.code, one.debits_micros, one.credits_micros) for one in held] == [
        ("partner/alipay/claimed", 6_000_000, 0),
        ("project/well/fund", 0, 6_000_000),
    ]
    assert [entry.text.split(b"\n")[1] for entry in entries.entries.entries] == [
        b"sequence %d" % number for number in range(1, 7)
    ]
    assert entries.entries.entries[-1].hash == head.head.hash
    assert [one.size for one in checkpoints.checkpoints.checkpoints] == [2, 5]


async def test_an_empty_ledger_has_an_archive(connect: Connect) -> None:
    stub = pb_grpc.LogServiceStub(connect("operator", "local"))
    [part] = [part async for part in stub.StreamArchive(pb.StreamArchiveRequest())]
    assert (part.head.sequence, part.head.hash) == (0, bytes(32))
