"""StreamDonations over mutual TLS: reconnecting anywhere, bad batches, and slow clients."""

import asyncio
from typing import Any

import grpc
import pytest
from watersmeet.donations.v1 import donation_intake_service_pb2 as pb
from watersmeet.donations.v1.donation_intake_service_pb2_grpc import DonationIntakeServiceStub
from watersmeet.errors.v1 import errors_pb2

from services.donations.domain import Gift
from services.runtime.errors import Fault, Reason
from services.runtime.status import fault_from_rpc_error
from tests.integration.donations.conftest import Connect, eventually
from tests.integration.donations.ledgers import LedgerProcess
from tests.integration.donations.messages import batch, opening, stamp
from tests.unit.donations.gifts import NOW_MICROS, a_gift

_ROWS = 100
GIFTS = [a_gift(f"g{number:04}", project=("water", "books")[number % 2]) for number in range(1000)]
TOTAL = sum(gift.amount_micros for gift in GIFTS)


@pytest.fixture
def weibo(connect: Connect) -> Any:
    return DonationIntakeServiceStub(connect("partner", "weibo"))


async def open_call(stub: Any, stream_id: str = "s", timeout: float = 30) -> tuple[Any, int]:
    call = stub.StreamDonations(timeout=timeout)
    await call.write(opening(stream_id))
    return call, (await call.read()).opened.next_offset


def slices(start: int = 0) -> list[tuple[int, list[Gift]]]:
    return [(at, GIFTS[at : at + _ROWS]) for at in range(start, len(GIFTS), _ROWS)]


async def send_all(stub: Any, start: int | None = None) -> list[pb.BatchAcknowledgement]:
    """Sends the gifts from where the server says, or from start."""
    call, next_offset = await open_call(stub)

    async def send() -> None:
        for at, gifts in slices(next_offset if start is None else start):
            await call.write(batch(at, gifts))
        await call.done_writing()

    sending = asyncio.create_task(send())
    found = []
    while (message := await call.read()) is not grpc.aio.EOF:
        found.append(message.acknowledgement)
    await sending
    return found


async def fault_after(call: Any) -> Fault:
    """The fault that ends a call, read to its end."""
    try:
        while await call.read() is not grpc.aio.EOF:
            pass
    except grpc.aio.AioRpcError as error:
        return fault_from_rpc_error(error)
    code, details = await call.code(), await call.details()
    assert code is not grpc.StatusCode.OK, "the call should have failed"
    trailing = await call.trailing_metadata()
    return fault_from_rpc_error(grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, details))


async def test_batches_are_acknowledged_in_order_and_reach_the_ledger(
    weibo: Any, ledger: LedgerProcess
) -> None:
    found = await send_all(weibo)
    assert [a.offset for a in found] == [at for at, _ in slices()]
    assert {(a.accepted, a.replayed, len(a.rows)) for a in found} == {(_ROWS, 0, 0)}
    batches = {a.batch_id for a in found}
    await eventually(lambda: set(ledger.ledger.entries) == batches)
    moved = ledger.ledger.micros()
    assert sum(moved.values()) == TOTAL
    assert set(moved) == {
        ("partner/weibo/claimed", "project/water/fund"),
        ("partner/weibo/claimed", "project/books/fund"),
    }


@pytest.mark.parametrize("broken_after", [0, 1, 4, 9])
async def test_a_broken_connection_goes_on_where_it_was_durable(
    weibo: Any, ledger: LedgerProcess, broken_after: int
) -> None:
    call, next_offset = await open_call(weibo)
    assert next_offset == 0
    for at, gifts in slices()[: broken_after + 1]:
        await call.write(batch(at, gifts))
        if at // _ROWS < broken_after:
            await call.read()
    call.cancel()  # the last batch is on its way, and nobody knows how far it came
    found = await send_all(weibo)
    assert found[0].offset in (broken_after * _ROWS, (broken_after + 1) * _ROWS) if found else True
    assert all(a.accepted + a.replayed == _ROWS for a in found)
    await eventually(lambda: sum(ledger.ledger.micros().values()) == TOTAL)
    assert {a.replayed for a in await send_all(weibo, start=0)} == {_ROWS}
    _, after = await open_call(weibo)
    assert after == len(GIFTS)
    assert sum(ledger.ledger.micros().values()) == TOTAL


async def test_everything_may_be_sent_again_on_another_stream(
    weibo: Any, ledger: LedgerProcess
) -> None:
    await send_all(weibo)
    call, next_offset = await open_call(weibo, "other")
    assert next_offset == 0
    await call.write(batch(0, GIFTS))
    await call.done_writing()
    answer = (await call.read()).acknowledgement
    assert (answer.accepted, answer.replayed, answer.batch_id) == (0, len(GIFTS), "")
    await eventually(lambda: sum(ledger.ledger.micros().values()) == TOTAL)


async def test_each_row_has_its_outcome(weibo: Any) -> None:
    call, _ = await open_call(weibo)
    first, changed = a_gift("known"), a_gift("known", amount_micros=1)
    await call.write(batch(0, [first]))
    await call.read()
    rows = [
        a_gift("new"),
        first,
        changed,
        a_gift("lost", project="unheard-of"),
        a_gift("zero", amount_micros=0),
        a_gift("a b"),
        a_gift("new"),
    ]
    await call.write(batch(1, rows))
    answer = (await call.read()).acknowledgement
    await call.done_writing()
    assert (answer.accepted, answer.replayed, answer.conflicting) == (2, 2, 1)
    assert (answer.suspended, answer.refused) == (1, 2)
    assert [(row.index, row.outcome, row.problem.reason) for row in answer.rows] == [
        (2, pb.OUTCOME_CONFLICTING, errors_pb2.ERROR_REASON_DONATION_CONFLICT),
        (3, pb.OUTCOME_SUSPENDED, errors_pb2.ERROR_REASON_UNSPECIFIED),
        (4, pb.OUTCOME_REFUSED, errors_pb2.ERROR_REASON_AMOUNT_NOT_POSITIVE),
        (5, pb.OUTCOME_REFUSED, errors_pb2.ERROR_REASON_FIELD_INVALID),
    ]
    assert answer.rows[0].problem.message
    assert answer.rows[3].problem.metadata == {"field": "external_id"}
    assert not answer.rows[1].HasField("problem")


async def test_a_batch_of_an_unknown_currency_is_refused_row_by_row(weibo: Any) -> None:
    call, _ = await open_call(weibo)
    await call.write(batch(0, GIFTS[:3], currency_code="RMB"))
    answer = (await call.read()).acknowledgement
    assert (answer.refused, answer.accepted) == (3, 0)
    unknown = errors_pb2.ERROR_REASON_CURRENCY_UNKNOWN
    assert {row.problem.reason for row in answer.rows} == {unknown}
    await call.write(batch(3, GIFTS[:3]))
    assert (await call.read()).acknowledgement.accepted == 3
    await call.done_writing()


_TWO = GIFTS[:2]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (batch(_ROWS, _TWO, amounts_micros=[1]), Reason.BATCH_COLUMNS_UNEQUAL),
        (batch(_ROWS, _TWO, event_times_micros=[]), Reason.BATCH_COLUMNS_UNEQUAL),
        (batch(_ROWS, _TWO, project_indexes=[0, 9]), Reason.BATCH_COLUMNS_UNEQUAL),
        (batch(_ROWS, _TWO, donor_references=["x"]), Reason.BATCH_COLUMNS_UNEQUAL),
        (
            batch(_ROWS, _TWO, control_totals=pb.ControlTotals(count=2, micros=1)),
            Reason.CONTROL_TOTALS_MISMATCH,
        ),
        (batch(_ROWS, _TWO, control_totals=None), Reason.FIELD_REQUIRED),
        (batch(_ROWS, []), Reason.BATCH_SIZE_INVALID),
        (batch(_ROWS, [a_gift(str(n)) for n in range(10_001)]), Reason.BATCH_SIZE_INVALID),
        (batch(_ROWS + 1, _TWO), Reason.STREAM_OFFSET_GAP),
        (batch(-1, _TWO), Reason.FIELD_INVALID),
        (opening(), Reason.STREAM_NOT_OPENED),
        (pb.StreamDonationsRequest(), Reason.STREAM_NOT_OPENED),
    ],
)
async def test_a_bad_batch_ends_the_stream_and_nothing_of_it_is_recorded(
    weibo: Any, ledger: LedgerProcess, message: pb.StreamDonationsRequest, reason: Reason
) -> None:
    call, _ = await open_call(weibo)
    await call.write(batch(0, GIFTS[:_ROWS]))
    assert (await call.read()).acknowledgement.accepted == _ROWS
    await call.write(message)
    fault = await fault_after(call)
    assert fault.reason is reason
    if reason is Reason.STREAM_OFFSET_GAP:
        assert fault.metadata["expected_offset"] == str(_ROWS)
    _, next_offset = await open_call(weibo)
    assert next_offset == _ROWS
    await eventually(lambda: bool(ledger.ledger.entries))
    recorded = sum(gift.amount_micros for gift in GIFTS[:_ROWS])
    assert sum(ledger.ledger.micros().values()) == recorded


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (batch(0, _TWO), Reason.STREAM_NOT_OPENED),
        (opening(request_id="x"), Reason.REQUEST_ID_INVALID),
        (opening(""), Reason.FIELD_REQUIRED),
        (opening("A B"), Reason.FIELD_INVALID),
    ],
)
async def test_a_stream_must_be_opened_well(
    weibo: Any, message: pb.StreamDonationsRequest, reason: Reason
) -> None:
    call = weibo.StreamDonations(timeout=10)
    await call.write(message)
    assert (await fault_after(call)).reason is reason


async def test_a_client_that_does_not_read_holds_up_nobody_else(
    weibo: Any, connect: Connect, ledger: LedgerProcess
) -> None:
    stuck, _ = await open_call(weibo, "stuck", timeout=120)  # a busy machine takes its time
    # Every row is refused, so each answer is as long as its batch: the way back fills up.
    refused = [a_gift(f"x{number}", amount_micros=0) for number in range(5_000)]
    sent, enough = 0, False

    async def flood() -> None:
        nonlocal sent
        while sent < 200 and not enough:
            await stuck.write(batch(sent * 5_000, refused))
            sent += 1
        await stuck.done_writing()

    flooding = asyncio.create_task(flood())
    await asyncio.sleep(1.0)
    xiaomi = DonationIntakeServiceStub(connect("partner", "xiaomi"))
    async with asyncio.timeout(20):
        found = await send_all(xiaomi)
    assert sum(a.accepted for a in found) == len(GIFTS)
    before = -1
    async with asyncio.timeout(30):
        while sent != before:  # on a busy machine it takes longer to fill the way up
            before = sent
            await asyncio.sleep(0.5)
    assert sent < 200  # it is read no further, however long it goes on
    # Once it reads, it gets every answer, in order.
    enough = True
    offsets = []
    while (message := await stuck.read()) is not grpc.aio.EOF:
        offsets.append(message.acknowledgement.offset)
    await flooding
    assert offsets == [number * 5_000 for number in range(sent)]


async def test_a_watermark_reaches_the_ledger_after_its_gifts(
    weibo: Any, ledger: LedgerProcess
) -> None:
    call, _ = await open_call(weibo)
    await call.write(batch(0, _TWO, complete_until_time=stamp(NOW_MICROS - 3_600_000_000)))
    answer = (await call.read()).acknowledgement
    await call.done_writing()
    await eventually(lambda: len(ledger.ledger.entries) == 2)
    entry, after = ledger.ledger.entries.values()
    assert after.metadata["complete_until/weibo"] == "2019-09-05T11:00:00Z"
    assert (entry.entry_id, entry.metadata["gifts"]) == (answer.batch_id, "2")
    assert len(bytes.fromhex(entry.metadata["digest"])) == 32
    assert (entry.cause.id, entry.value_time) == (
        answer.batch_id,
        stamp(_TWO[0].event_time_micros),
    )
    assert [t.count for t in entry.transfers] == [1, 1]


async def test_a_client_that_only_opens_is_let_go(weibo: Any) -> None:
    call, _ = await open_call(weibo)
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK
