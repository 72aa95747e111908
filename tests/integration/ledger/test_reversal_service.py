"""ReversalService over mutual TLS."""

import asyncio
from typing import Any
from uuid import uuid4

import grpc
import pytest
from watersmeet.ledger.v1 import ledger_service_pb2 as ledger_pb
from watersmeet.ledger.v1 import reversal_service_pb2 as pb
from watersmeet.ledger.v1 import reversal_service_pb2_grpc as pb_grpc

from services.ledger.wire.convert import stamp_of
from services.runtime.errors import Reason
from services.runtime.status import fault_from_rpc_error
from tests.integration.ledger.conftest import Connect
from tests.integration.ledger.messages import draft, fault_of, money, posting, transfer
from tests.unit.ledger.drafts import NOON


def reversal(*parts: pb.ReversalPart, **fields: Any) -> pb.ReverseEntryRequest:
    return pb.ReverseEntryRequest(
        **{
            "request_id": str(uuid4()),
            "sequence": 1,
            "parts": parts,
            "value_time": stamp_of(NOON),
            "document": "memo-9",
            **fields,
        }
    )


def part(micros: int, count: int = 0, position: int = 0, currency: str = "CNY") -> pb.ReversalPart:
    return pb.ReversalPart(position=position, amount=money(micros, currency), count=count)


@pytest.fixture
def reversals(connect: Connect) -> Any:
    """A stub with which finance calls."""
    return pb_grpc.ReversalServiceStub(connect("finance", "local"))


@pytest.fixture
async def given(ledger: Any) -> Any:
    """The ledger, in which 10 in 3 gifts and 5 in one were given (entry 1)."""
    gifts = draft(
        transfer(amount=money(10), count=3), transfer(amount=money(5), campaign="", count=1)
    )
    await ledger.PostEntries(posting(gifts))
    return ledger


async def totals(ledger: Any) -> dict[str, tuple[int, int]]:
    pages = [page async for page in ledger.ReadTotals(ledger_pb.ReadTotalsRequest())]
    assert {cell.state for page in pages for cell in page.cells} == {ledger_pb.TOTAL_STATE_CLAIMED}
    return {
        cell.campaign: (cell.amount.micros, cell.count) for page in pages for cell in page.cells
    }


async def test_an_entry_is_reversed_in_parts_and_then_for_the_rest(
    given: Any, reversals: Any
) -> None:
    assert await totals(given) == {"95week": (10, 3), "": (5, 1)}
    await reversals.ReverseEntry(reversal(part(4, 1)))
    assert await totals(given) == {"95week": (6, 2), "": (5, 1)}
    rest = reversal()
    first = await reversals.ReverseEntry(rest)
    again = await reversals.ReverseEntry(rest)
    assert (first.sequence, first.replayed) == (3, False)
    assert (again.sequence, again.hash, again.replayed) == (3, first.hash, True)
    assert await totals(given) == {"95week": (0, 0), "": (0, 0)}
    fund = ledger_pb.GetBalanceRequest(code="project/well/fund", currency_code="CNY")
    assert (await given.GetBalance(fund)).balance.balance == money(0)
    entry = (await given.GetEntry(ledger_pb.GetEntryRequest(sequence=3))).entry
    assert entry.reverses == 1
    assert entry.cause == ledger_pb.Cause(kind=ledger_pb.CAUSE_KIND_REVERSAL, id="memo-9")
    assert [t.reverses.position for t in entry.transfers] == [0, 1]
    assert [(t.amount, t.count) for t in entry.transfers] == [(money(6), 2), (money(5), 1)]
    fault = await fault_of(reversals.ReverseEntry(reversal()))
    assert fault.reason is Reason.REVERSAL_EXCEEDED


async def test_what_is_reversed_stands_in_the_order_of_what_it_reverses(
    ledger: Any, reversals: Any
) -> None:
    gifts = draft(*(transfer(amount=money(n), campaign=f"week-{n}") for n in range(1, 11)))
    await ledger.PostEntries(posting(gifts))
    await reversals.ReverseEntry(reversal(part(1, 1)))
    answer = await reversals.ReverseEntry(reversal())
    entry = (await ledger.GetEntry(ledger_pb.GetEntryRequest(sequence=answer.sequence))).entry
    assert [t.reverses.position for t in entry.transfers] == list(range(1, 10))


async def test_many_reversals_at_once_take_back_no_more_than_was_moved(
    given: Any, reversals: Any
) -> None:
    async def reverse(number: int) -> Reason | None:
        request = reversal() if number % 5 == 0 else reversal(part(1))
        try:
            await reversals.ReverseEntry(request)
        except grpc.aio.AioRpcError as error:
            return fault_from_rpc_error(error).reason
        return None

    outcomes = await asyncio.gather(*map(reverse, range(40)))
    assert set(outcomes) <= {None, Reason.REVERSAL_EXCEEDED}
    assert await reverse(0) in (None, Reason.REVERSAL_EXCEEDED)
    assert await totals(given) == {"95week": (0, 0), "": (0, 0)}


async def test_the_same_reversal_from_many_callers_is_one(given: Any, reversals: Any) -> None:
    request = reversal()
    answers = await asyncio.gather(*(reversals.ReverseEntry(request) for _ in range(10)))
    assert {answer.sequence for answer in answers} == {2}
    assert await totals(given) == {"95week": (0, 0), "": (0, 0)}


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (reversal(sequence=0), Reason.FIELD_REQUIRED),
        (reversal(sequence=7), Reason.ENTRY_NOT_FOUND),
        (reversal(part(1), sequence=7), Reason.ENTRY_NOT_FOUND),
        (reversal(part(1, position=2)), Reason.ENTRY_NOT_FOUND),
        (reversal(part(11)), Reason.REVERSAL_EXCEEDED),
        (reversal(part(6), part(6)), Reason.REVERSAL_EXCEEDED),
        (reversal(part(10, 2)), Reason.REVERSAL_EXCEEDED),
        (reversal(part(0)), Reason.AMOUNT_NOT_POSITIVE),
        (reversal(part(1, -1)), Reason.FIELD_INVALID),
        (reversal(part(1, currency="USD")), Reason.CURRENCY_MISMATCH),
        (reversal(document=""), Reason.FIELD_INVALID),
        (reversal(value_time=None), Reason.FIELD_REQUIRED),
        (reversal(request_id=""), Reason.REQUEST_ID_INVALID),
    ],
)
async def test_what_cannot_be_reversed(
    given: Any, reversals: Any, request_: pb.ReverseEntryRequest, reason: Reason
) -> None:
    assert (await fault_of(reversals.ReverseEntry(request_))).reason is reason
    assert await totals(given) == {"95week": (10, 3), "": (5, 1)}


async def test_only_finance_reverses(given: Any, connect: Connect) -> None:
    for role, who in (("operator", "local"), ("service", "donations"), ("partner", "alipay")):
        stub: Any = pb_grpc.ReversalServiceStub(connect(role, who))
        fault = await fault_of(stub.ReverseEntry(reversal()))
        assert fault.reason is Reason.PERMISSION_DENIED


async def test_what_takes_back_counts_in_the_same_calendar(
    reversals: Any, ledger: Any, intake: Any
) -> None:
    """At noon UTC it is the same day nearly everywhere; at three in the morning it is not."""
    there = draft(transfer(amount=money(10), count=1), metadata={"time_zone": "America/New_York"})
    await intake.PostEntries(posting(there))
    early = NOON.replace(hour=3)
    answer = await reversals.ReverseEntry(reversal(value_time=stamp_of(early)))
    entry = (await ledger.GetEntry(ledger_pb.GetEntryRequest(sequence=answer.sequence))).entry
    assert dict(entry.metadata) == {"time_zone": "America/New_York"}
    assert entry.value_date == "2019-09-04"
