"""Holds over mutual TLS, from a sponsor's pledge to its end."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest
from watersmeet.ledger.v1 import audit_service_pb2, audit_service_pb2_grpc
from watersmeet.ledger.v1 import hold_service_pb2 as pb
from watersmeet.ledger.v1 import hold_service_pb2_grpc as pb_grpc
from watersmeet.ledger.v1 import ledger_service_pb2 as ledger_pb

from services.ledger.wire.convert import stamp_of
from services.runtime.errors import Reason
from services.runtime.status import fault_from_rpc_error
from tests.integration.ledger.conftest import Connect
from tests.integration.ledger.messages import draft, fault_of, money, posting, transfer
from tests.support.clock import FixedClock
from tests.unit.ledger.drafts import NOON

POOL = {"code": "sponsor/acme/pool", "currency_code": "CNY"}


def pledge(micros: int) -> ledger_pb.Transfer:
    return transfer(
        None,
        debit_account="sponsor/acme/pledged",
        credit_account="sponsor/acme/pool",
        amount=money(micros),
        campaign="",
        project="",
        count=0,
    )


def held(micros: int, minutes: int | None = None) -> ledger_pb.Transfer:
    end = None if minutes is None else stamp_of(NOON + timedelta(minutes=minutes))
    return transfer(
        None,
        debit_account="sponsor/acme/pool",
        amount=money(micros),
        hold=ledger_pb.Hold(expire_time=end),
    )


def name(sequence: int, position: int = 0) -> ledger_pb.TransferName:
    return ledger_pb.TransferName(sequence=sequence, position=position)


def commit(sequence: int, micros: int | None = None, **fields: Any) -> pb.CommitHoldRequest:
    return pb.CommitHoldRequest(
        **{
            "request_id": str(uuid4()),
            "name": name(sequence),
            "amount": None if micros is None else money(micros),
            "value_time": stamp_of(NOON),
            **fields,
        }
    )


@pytest.fixture
def holds(connect: Connect) -> Any:
    """A stub with which finance calls."""
    return pb_grpc.HoldServiceStub(connect("finance", "local"))


@pytest.fixture
async def pledged(ledger: Any) -> Any:
    """The ledger, in which a sponsor has pledged 100 and 70 of it are held (entry 2)."""
    answer = await ledger.PostEntries(posting(draft(pledge(100)), draft(held(70))))
    assert [result.sequence for result in answer.results] == [1, 2]
    return ledger


async def pool(ledger: Any, as_of: ledger_pb.AsOf | None = None) -> tuple[int, int, int]:
    answer = await ledger.GetBalance(ledger_pb.GetBalanceRequest(**POOL, as_of=as_of))
    assert answer.balance.HasField("held")
    balance = answer.balance
    return balance.balance.micros, balance.held.micros, balance.available.micros


async def test_a_balance_shows_what_is_held_and_what_is_available(pledged: Any) -> None:
    assert await pool(pledged) == (100, 70, 30)
    trial = await pledged.GetTrialBalance(ledger_pb.GetTrialBalanceRequest())
    of_pool = [balance for balance in trial.balances if balance.code == POOL["code"]]
    assert [(b.held.micros, b.available.micros) for b in of_pool] == [(70, 30)]
    assert trial.sums[0].debits == trial.sums[0].credits == money(100)


async def test_a_balance_of_the_past_shows_what_was_held_then(pledged: Any, holds: Any) -> None:
    next_day = NOON + timedelta(days=1)
    await holds.CommitHold(commit(2, 40, value_time=stamp_of(next_day)))
    await pledged.PostEntries(posting(draft(held(5))))
    await holds.VoidHold(
        pb.VoidHoldRequest(request_id=str(uuid4()), name=name(4), value_time=stamp_of(NOON))
    )
    stood = [(100, 0, 100), (100, 70, 30), (60, 0, 60), (60, 5, 55), (60, 0, 60)]
    for sequence, expected in enumerate(stood, start=1):
        assert await pool(pledged, ledger_pb.AsOf(sequence=sequence)) == expected
    # By the day for which the commit counts, too: a hold is held until then.
    about = [await pool(pledged, ledger_pb.AsOf(value_date=f"2019-09-0{day}")) for day in (4, 5, 6)]
    assert about == [(0, 0, 0), (100, 70, 30), (60, 0, 60)]
    on_entry_4 = ledger_pb.AsOf(sequence=4, value_date="2019-09-05")
    assert await pool(pledged, on_entry_4) == (100, 75, 25)


async def test_of_a_hundred_commits_at_once_one_wins(pledged: Any, connect: Connect) -> None:
    stubs: list[Any] = [pb_grpc.HoldServiceStub(connect("finance", "local")) for _ in range(5)]

    async def end(number: int) -> Reason | None:
        stub = stubs[number % len(stubs)]
        request_id = str(uuid4())
        try:
            if number % 4:
                await stub.CommitHold(commit(2, 1 + number % 70, request_id=request_id))
            else:
                await stub.VoidHold(
                    pb.VoidHoldRequest(
                        request_id=request_id, name=name(2), value_time=stamp_of(NOON)
                    )
                )
        except grpc.aio.AioRpcError as error:
            return fault_from_rpc_error(error).reason
        return None

    outcomes = await asyncio.gather(*map(end, range(100)))
    assert outcomes.count(None) == 1
    assert set(outcomes) == {None, Reason.HOLD_ENDED}
    balance, still_held, available = await pool(pledged)
    assert still_held == 0
    assert balance == available
    assert len((await pledged.ListEntries(ledger_pb.ListEntriesRequest())).entries) == 3
    auditor: Any = audit_service_pb2_grpc.AuditServiceStub(connect("operator", "local"))
    messages = [m async for m in auditor.RunAudit(audit_service_pb2.RunAuditRequest())]
    assert messages[-1].report.ok, messages


async def test_a_commit_is_repeated_with_the_same_answer(pledged: Any, holds: Any) -> None:
    request = commit(2, 40)
    first = await holds.CommitHold(request)
    again = await holds.CommitHold(request)
    assert (first.sequence, first.replayed) == (3, False)
    assert (again.sequence, again.hash, again.replayed) == (3, first.hash, True)
    assert await pool(pledged) == (60, 0, 60)
    other = commit(2, 41, request_id=request.request_id)
    assert (await fault_of(holds.CommitHold(other))).reason is Reason.ENTRY_CONFLICT
    hold = (await holds.GetHold(pb.GetHoldRequest(name=name(2)))).hold
    assert hold == pb.HoldStatus(
        name=name(2), transfer=held(70), state=pb.HOLD_STATE_COMMITTED, end_sequence=3
    )
    entry = (await pledged.GetEntry(ledger_pb.GetEntryRequest(sequence=3))).entry
    assert entry.cause == ledger_pb.Cause(kind=ledger_pb.CAUSE_KIND_HOLD, id="2/0")
    assert entry.transfers[0].commits == name(2)
    assert entry.transfers[0].amount == money(40)


async def test_all_of_a_hold_takes_its_count_along(pledged: Any, holds: Any) -> None:
    await holds.CommitHold(commit(2))
    entry = (await pledged.GetEntry(ledger_pb.GetEntryRequest(sequence=3))).entry
    assert (entry.transfers[0].amount, entry.transfers[0].count) == (money(70), 1)


async def test_a_hold_that_is_over_ends_without_a_call(
    ledger: Any, holds: Any, clock: FixedClock
) -> None:
    await ledger.PostEntries(posting(draft(pledge(100), held(70, minutes=5))))
    assert await pool(ledger) == (100, 70, 30)
    clock.advance(300)
    feed = ledger.StreamEntries(ledger_pb.StreamEntriesRequest(after_sequence=1), timeout=20)
    while not (news := await feed.read()).HasField("posted"):
        pass
    feed.cancel()
    assert news.posted.entry.transfers[0].expires == name(1, 1)
    assert await pool(ledger) == (100, 0, 100)
    hold = (await holds.GetHold(pb.GetHoldRequest(name=name(1, 1)))).hold
    assert (hold.state, hold.end_sequence) == (pb.HOLD_STATE_EXPIRED, 2)
    fault = await fault_of(holds.CommitHold(commit(1, name=name(1, 1))))
    assert fault.reason is Reason.HOLD_ENDED
    assert fault.metadata["end"] == "EXPIRE"


async def test_holds_are_listed_by_page(ledger: Any, holds: Any) -> None:
    await ledger.PostEntries(posting(draft(pledge(100)), draft(*(held(n) for n in range(1, 6)))))
    await holds.VoidHold(
        pb.VoidHoldRequest(request_id=str(uuid4()), name=name(2, 1), value_time=stamp_of(NOON))
    )
    found: dict[bool, list[int]] = {}
    for open_only in (False, True):
        request = pb.ListHoldsRequest(**POOL, open_only=open_only, page_size=2)
        while True:
            page = await holds.ListHolds(request)
            found.setdefault(open_only, []).extend(hold.name.position for hold in page.holds)
            request.page_token = page.next_page_token
            if not page.next_page_token:
                break
    assert found == {False: [0, 1, 2, 3, 4], True: [0, 2, 3, 4]}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": name(0)}, Reason.FIELD_REQUIRED),
        ({"name": name(-1)}, Reason.FIELD_INVALID),
        ({"name": name(1)}, Reason.HOLD_NOT_FOUND),
        ({"name": name(9)}, Reason.HOLD_NOT_FOUND),
        ({"amount": money(71)}, Reason.HOLD_EXCEEDED),
        ({"amount": money(0)}, Reason.AMOUNT_NOT_POSITIVE),
        ({"amount": money(1, "USD")}, Reason.CURRENCY_MISMATCH),
        ({"value_time": None}, Reason.FIELD_REQUIRED),
        ({"request_id": "7"}, Reason.REQUEST_ID_INVALID),
    ],
)
async def test_what_cannot_be_committed(
    pledged: Any, holds: Any, change: dict[str, Any], reason: Reason
) -> None:
    assert (await fault_of(holds.CommitHold(commit(2, **change)))).reason is reason
    assert await pool(pledged) == (100, 70, 30)


async def test_holds_of_no_account(holds: Any) -> None:
    request = pb.ListHoldsRequest(code="sponsor/nobody/pool", currency_code="CNY")
    assert (await fault_of(holds.ListHolds(request))).reason is Reason.ACCOUNT_NOT_FOUND
    missing = await fault_of(holds.GetHold(pb.GetHoldRequest(name=name(3))))
    assert missing.reason is Reason.HOLD_NOT_FOUND


async def test_only_finance_ends_holds(pledged: Any, connect: Connect) -> None:
    for role, who in (("operator", "local"), ("service", "donations"), ("partner", "alipay")):
        stub: Any = pb_grpc.HoldServiceStub(connect(role, who))
        assert (await fault_of(stub.CommitHold(commit(2)))).reason is Reason.PERMISSION_DENIED


async def test_ends_count_in_the_calendar_of_their_hold(
    holds: Any, ledger: Any, intake: Any
) -> None:
    """At three in the morning UTC it is still the day before in New York."""
    there = {"time_zone": "America/New_York"}
    early = stamp_of(NOON.replace(hour=3))
    pledged = draft(pledge(100))
    await intake.PostEntries(posting(pledged, draft(held(7), held(8), metadata=there)))
    committed = await holds.CommitHold(commit(2, value_time=early))
    voided = await holds.VoidHold(
        pb.VoidHoldRequest(request_id=str(uuid4()), name=name(2, 1), value_time=early)
    )
    for answer in (committed, voided):
        request = ledger_pb.GetEntryRequest(sequence=answer.sequence)
        entry = (await ledger.GetEntry(request)).entry
        assert dict(entry.metadata) == there
        assert entry.value_date == "2019-09-04"
