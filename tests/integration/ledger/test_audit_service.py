"""AuditService over mutual TLS, with a donations service beside it."""

from typing import Any

from watersmeet.donations.v1 import position_service_pb2 as position_pb
from watersmeet.ledger.v1 import audit_service_pb2 as pb
from watersmeet.ledger.v1 import audit_service_pb2_grpc as pb_grpc
from watersmeet.ledger.v1 import ledger_service_pb2, ledger_service_pb2_grpc
from watersmeet.type.v1 import money_pb2

from services.ledger.domain import EntryDraft
from services.ledger.wire.convert import stamp_of
from services.runtime.errors import Reason
from tests.integration.ledger.batches import batch, entry_of
from tests.integration.ledger.conftest import Connect
from tests.integration.ledger.messages import draft, fault_of, posting, transfer
from tests.integration.ledger.stand_ins import Batches
from tests.unit.ledger.drafts import NOON


def message_of(entry: EntryDraft) -> ledger_service_pb2.EntryDraft:
    return draft(
        *(
            transfer(
                debit_account=t.debit,
                credit_account=t.credit,
                amount=money_pb2.Money(currency_code=t.currency, micros=t.micros),
                campaign=t.campaign,
                project=t.project,
                hour=t.hour,
                count=t.tally,
            )
            for t in entry.transfers
        ),
        entry_id=str(entry.entry_id),
        cause=ledger_service_pb2.Cause(
            kind=ledger_service_pb2.CAUSE_KIND_INTAKE_BATCH, id=entry.cause.id
        ),
        metadata=dict(entry.metadata),
    )


async def audit(connect: Connect) -> tuple[list[pb.AuditCheck], pb.AuditReport]:
    stub: Any = pb_grpc.AuditServiceStub(connect("operator", "local"))
    messages = [message async for message in stub.RunAudit(pb.RunAuditRequest(), timeout=20)]
    assert [m.WhichOneof("message") for m in messages] == [*["check"] * 11, "report"]
    return [message.check for message in messages[:-1]], messages[-1].report


async def test_an_audit_with_batches(connect: Connect, batches: Batches) -> None:
    stub: Any = ledger_service_pb2_grpc.LedgerServiceStub(connect("service", "donations"))
    batches.held = [batch(), batch(), batch(posted=False)]
    answer = await stub.PostEntries(posting(*(message_of(entry_of(b)) for b in batches.held[:2])))
    checks, report = await audit(connect)
    assert [check.name for check in checks] == [
        "chain",
        "log",
        "balances",
        "daily_balances",
        "trial_balance",
        "holds",
        "periods",
        "totals",
        "positions",
        "records",
        "batches",
    ]
    assert report.ok
    assert list(report.checks) == checks
    assert report.as_of_sequence == 2
    assert report.head_hash == answer.results[1].hash
    assert report.start_time == report.end_time == stamp_of(NOON)
    assert checks[10].covered == 2
    assert checks[9].covered == 6
    assert checks[8].covered == 4
    assert "1 more are not posted yet" in checks[10].detail


async def test_a_batch_that_the_ledger_was_not_told_of(connect: Connect, batches: Batches) -> None:
    batches.held = [batch()]
    checks, report = await audit(connect)
    assert not report.ok
    assert [check.ok for check in checks] == [*[True] * 10, False]


async def test_a_gift_whose_moves_are_not_what_its_reports_make_them(
    connect: Connect, batches: Batches
) -> None:
    difference = position_pb.PositionDifference(partner="weibo", external_id="7", detail="odd")
    batches.positions.differences.append(difference)
    checks, report = await audit(connect)
    assert not report.ok
    assert [check.ok for check in checks] == [*[True] * 8, False, True, True]
    assert checks[8].detail == "gift 7 of weibo: odd"


async def test_records_that_are_not_as_they_were_sealed(connect: Connect, batches: Batches) -> None:
    batches.records.unsealed = 2
    checks, report = await audit(connect)
    assert report.ok
    assert checks[9].detail.endswith("sealed, but for 2 from before there were seals")
    batches.records.differences.append("odd")
    checks, report = await audit(connect)
    assert not report.ok
    assert [check.ok for check in checks] == [*[True] * 9, False, True]
    assert checks[9].detail == "refunds: odd"


async def test_donations_that_are_away(connect: Connect, batches: Batches) -> None:
    await batches.go_away()
    checks, report = await audit(connect)
    assert not report.ok
    assert [check.ok for check in checks] == [*[True] * 8, False, False, False]
    for check in checks[8:]:
        assert "DEPENDENCY_UNAVAILABLE" in check.detail


async def test_partners_may_not_audit(connect: Connect) -> None:
    stub: Any = pb_grpc.AuditServiceStub(connect("partner", "alipay"))
    fault = await fault_of(stub.RunAudit(pb.RunAuditRequest(), timeout=20))
    assert fault.reason is Reason.PERMISSION_DENIED
