"""The past, statements and long trial balances over mutual TLS."""

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from watersmeet.ledger.v1 import ledger_service_pb2 as pb
from watersmeet.ledger.v1 import statement_service_pb2 as statement_pb
from watersmeet.ledger.v1 import statement_service_pb2_grpc as statement_grpc

from services.ledger.domain import INT64_MAX
from services.ledger.wire.convert import stamp_of
from services.runtime.errors import Reason
from services.runtime.status import fault_from_rpc_error
from tests.integration.ledger.conftest import Connect
from tests.integration.ledger.messages import draft, fault_of, money, posting, transfer
from tests.support.clock import FixedClock
from tests.unit.ledger.drafts import NOON

HOUR = timedelta(hours=1)
CLAIMED = {"code": "partner/alipay/claimed", "currency_code": "CNY"}


@pytest.fixture
def statements(connect: Connect) -> Any:
    return statement_grpc.StatementServiceStub(connect("finance", "local"))


async def fill(ledger: Any, clock: FixedClock) -> None:
    """Five entries, an hour apart, of 1 to 5 micros."""
    clock.set(NOON)
    for micros in range(1, 6):
        await ledger.PostEntries(posting(draft(transfer(amount=money(micros)))))
        clock.advance(HOUR)


async def test_a_balance_as_of_then(ledger: Any, clock: FixedClock) -> None:
    await fill(ledger, clock)
    for as_of, expected in (
        (pb.AsOf(sequence=2), (3, 2)),
        (pb.AsOf(recorded_time=stamp_of(NOON + HOUR)), (3, 2)),
        (pb.AsOf(value_date="2019-09-05"), (15, 5)),
        (pb.AsOf(value_date="2019-09-04"), (0, 5)),
        (pb.AsOf(), (15, 5)),
    ):
        answer = await ledger.GetBalance(pb.GetBalanceRequest(**CLAIMED, as_of=as_of))
        assert (answer.balance.balance.micros, answer.as_of_sequence) == expected
    request = pb.GetTrialBalanceRequest(as_of=pb.AsOf(sequence=3))
    trial = await ledger.GetTrialBalance(request)
    assert [(b.code, b.balance.micros) for b in trial.balances] == [
        ("partner/alipay/claimed", 6),
        ("project/well/fund", 6),
    ]
    assert [(sums.debits.micros, sums.credits.micros) for sums in trial.sums] == [(6, 6)]
    assert trial.as_of_sequence == 3


@pytest.mark.parametrize(
    ("as_of", "reason", "field"),
    [
        (pb.AsOf(sequence=6), Reason.SEQUENCE_AHEAD, None),
        (pb.AsOf(sequence=-1), Reason.FIELD_INVALID, "as_of.sequence"),
        (pb.AsOf(value_date="5.9.2019"), Reason.FIELD_INVALID, "as_of.value_date"),
        (pb.AsOf(value_date="20190905"), Reason.FIELD_INVALID, "as_of.value_date"),
        (
            pb.AsOf(recorded_time=stamp_of(NOON + 9 * HOUR)),
            Reason.FIELD_INVALID,
            "as_of.recorded_time",
        ),
    ],
)
async def test_what_cannot_be_asked(
    ledger: Any, clock: FixedClock, as_of: pb.AsOf, reason: Reason, field: str | None
) -> None:
    await fill(ledger, clock)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ledger.GetBalance(pb.GetBalanceRequest(**CLAIMED, as_of=as_of))
    fault = fault_from_rpc_error(caught.value)
    assert (fault.reason, fault.metadata.get("field")) == (reason, field)


async def test_a_statement_in_pages(ledger: Any, statements: Any, clock: FixedClock) -> None:
    await fill(ledger, clock)
    request = statement_pb.GetStatementRequest(
        filter=statement_pb.StatementFilter(
            **CLAIMED, start_time=stamp_of(NOON + HOUR), end_time=stamp_of(NOON + 4 * HOUR)
        ),
        page_size=2,
    )
    first = await statements.GetStatement(request)
    assert first.opening_balance == money(1)
    assert [(line.sequence, line.debit, line.balance) for line in first.lines] == [
        (2, money(2), money(3)),
        (3, money(3), money(6)),
    ]
    assert not first.lines[0].HasField("credit")
    assert first.lines[0].counterpart == "project/well/fund"
    assert (first.lines[0].value_date, first.lines[0].campaign) == ("2019-09-05", "95week")
    assert (first.closing_balance, first.as_of_sequence) == (money(6), 4)
    request.page_token = first.next_page_token
    second = await statements.GetStatement(request)
    assert second.opening_balance == money(6)
    assert [line.balance for line in second.lines] == [money(10)]
    assert second.next_page_token == ""

    request.filter.code = "project/well/fund"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await statements.GetStatement(request)
    assert fault_from_rpc_error(caught.value).reason is Reason.PAGE_TOKEN_INVALID


async def test_a_statement_in_one_stream(ledger: Any, statements: Any, clock: FixedClock) -> None:
    await fill(ledger, clock)
    whole = statement_pb.StatementFilter(code="project/well/fund", currency_code="CNY")
    request = statement_pb.StreamStatementRequest(filter=whole)
    (part,) = [part async for part in statements.StreamStatement(request, timeout=10)]
    assert [line.credit.micros for line in part.lines] == [1, 2, 3, 4, 5]
    assert [line.balance.micros for line in part.lines] == [1, 3, 6, 10, 15]
    assert (part.opening_balance, part.closing_balance) == (money(0), money(15))


async def test_all_balances_in_one_stream(ledger: Any, statements: Any, clock: FixedClock) -> None:
    await fill(ledger, clock)
    await ledger.PostEntries(posting(draft(transfer(amount=money(7, "USD")))))
    request = statement_pb.StreamTrialBalanceRequest(as_of=pb.AsOf(sequence=6))
    messages = [m async for m in statements.StreamTrialBalance(request, timeout=10)]
    balances = [balance for message in messages for balance in message.balances]
    assert [(b.code, b.balance.currency_code, b.balance.micros) for b in balances] == [
        ("partner/alipay/claimed", "CNY", 15),
        ("partner/alipay/claimed", "USD", 7),
        ("project/well/fund", "CNY", 15),
        ("project/well/fund", "USD", 7),
    ]
    assert [(s.debits, s.credits) for s in messages[-1].sums] == [
        (money(15), money(15)),
        (money(7, "USD"), money(7, "USD")),
    ]
    assert {message.as_of_sequence for message in messages} == {6}


async def test_a_sum_beyond_64_bits_is_said_to_be(ledger: Any, statements: Any) -> None:
    most = money(INT64_MAX)
    await ledger.PostEntries(posting(draft(transfer(amount=most))))
    other = {"credit_account": "project/road/fund", "project": "road"}
    full = transfer(debit_account="partner/tencent/claimed", amount=most, **other)
    await ledger.PostEntries(posting(draft(full)))
    stream = statements.StreamTrialBalance(statement_pb.StreamTrialBalanceRequest(), timeout=10)
    assert (await fault_of(stream)).reason is Reason.BALANCE_OVERFLOW


async def test_entries_from_the_beginning_of_the_calendar(ledger: Any, clock: FixedClock) -> None:
    await fill(ledger, clock)
    first = stamp_of(datetime.min.replace(tzinfo=UTC))
    page = await ledger.ListEntries(pb.ListEntriesRequest(start_time=first))
    assert [entry.sequence for entry in page.entries] == [1, 2, 3, 4, 5]


async def test_entries_by_the_time_of_writing(ledger: Any, clock: FixedClock) -> None:
    await fill(ledger, clock)

    async def listed(**fields: Any) -> list[int]:
        found: list[int] = []
        request = pb.ListEntriesRequest(page_size=2, **fields)
        while True:
            page = await ledger.ListEntries(request)
            found += [entry.sequence for entry in page.entries]
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    start, end = stamp_of(NOON + HOUR), stamp_of(NOON + 4 * HOUR)
    assert await listed() == [1, 2, 3, 4, 5]
    assert await listed(start_time=start) == [2, 3, 4, 5]
    assert await listed(end_time=end) == [1, 2, 3, 4]
    assert await listed(start_time=start, end_time=end, account="project/well/fund") == [2, 3, 4]
    cause = pb.Cause(kind=pb.CAUSE_KIND_MANUAL, id="memo-1")
    assert await listed(start_time=start, end_time=end, cause=cause) == [2, 3, 4]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await listed(start_time=end, end_time=start)
    assert fault_from_rpc_error(caught.value).reason is Reason.FIELD_INVALID
