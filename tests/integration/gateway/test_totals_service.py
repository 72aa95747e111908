"""TotalsService over mTLS gRPC: what it answers, to whom, and how many may watch."""

import asyncio
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from watersmeet.gateway.v1 import totals_service_pb2 as pb
from watersmeet.ledger.v1 import ledger_service_pb2 as ledger_pb
from watersmeet.type.v1.purpose_pb2 import (
    PURPOSE_APPEAL,
    PURPOSE_CHARITY,
    PURPOSE_UNATTRIBUTED,
    PURPOSE_UNSPECIFIED,
)

from services.runtime.errors import Fault, Reason
from services.runtime.status import fault_from_rpc_error
from tests.integration.gateway.conftest import Mesh, StartMesh
from tests.integration.gateway.fakes import START, change

REFUNDED = ledger_pb.TOTAL_STATE_REFUNDED
SUSPENSE = ledger_pb.TOTAL_STATE_SUSPENSE
CLAIMED = ledger_pb.TOTAL_STATE_CLAIMED


@pytest.fixture
async def filled(mesh: Mesh) -> Mesh:
    mesh.ledger.post(
        change(10_000_000, 2),
        change(5_000_000, 1, project="forest", partner="tencent"),
        change(3_000_000, 1, partner="tencent", hour=START + timedelta(hours=1)),
        change(2_000_000, 1, state=REFUNDED),
        change(1_000_000, 1, project="", state=SUSPENSE, campaign=""),
        change(7_000_000, 1, currency="USD"),
    )
    await mesh.at(1)
    return mesh


def amounts(response: pb.GetTotalsResponse) -> list[tuple[object, ...]]:
    return [
        (row.state, row.amount.currency_code, row.campaign, row.project, row.amount.micros)
        for row in response.rows
    ]


async def test_states_and_currencies_stand_apart(filled: Mesh) -> None:
    response = await filled.at(1)
    assert amounts(response) == [
        (CLAIMED, "CNY", "", "", 18_000_000),
        (CLAIMED, "USD", "", "", 7_000_000),
        (REFUNDED, "CNY", "", "", 2_000_000),
        (SUSPENSE, "CNY", "", "", 1_000_000),
    ]
    assert [row.count for row in response.rows] == [4, 1, 1, 1]
    assert response.as_of.HasField("time")


async def test_a_sum_beyond_64_bits_is_said_to_be(mesh: Mesh) -> None:
    mesh.ledger.post(change(2**62, 1), change(2**62, 1, partner="tencent"))
    stub = await mesh.as_("operator", "local")
    by_partner = pb.GetTotalsRequest(group_by=[pb.DIMENSION_PARTNER])
    async with asyncio.timeout(10):
        while len((await stub.GetTotals(by_partner)).rows) < 2:
            await mesh.gateway.live.wake.wait()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetTotals(pb.GetTotalsRequest())
    assert fault_from_rpc_error(caught.value).reason is Reason.BALANCE_OVERFLOW


async def test_personal_appeals_stand_apart_from_charity(filled: Mesh) -> None:
    filled.ledger.post(
        change(4_000_000, 3, purpose=PURPOSE_APPEAL), change(1_000_000, 1, state=REFUNDED)
    )
    response = await filled.at(2)
    assert [(row.purpose, row.state, row.amount.micros) for row in response.rows] == [
        (PURPOSE_CHARITY, CLAIMED, 18_000_000),
        (PURPOSE_APPEAL, CLAIMED, 4_000_000),
        (PURPOSE_CHARITY, CLAIMED, 7_000_000),
        (PURPOSE_CHARITY, REFUNDED, 3_000_000),
        (PURPOSE_UNATTRIBUTED, SUSPENSE, 1_000_000),
    ]
    stub = await filled.as_("finance", "local")
    chosen = pb.TotalsFilter(purposes=[PURPOSE_APPEAL])
    [row] = (await stub.GetTotals(pb.GetTotalsRequest(filter=chosen), timeout=5)).rows
    assert (row.purpose, row.amount.micros, row.count) == (PURPOSE_APPEAL, 4_000_000, 3)
    async for update in stub.WatchTotals(pb.WatchTotalsRequest(filter=chosen), timeout=5):
        assert list(update.rows) == [row]
        break


async def test_a_ledger_that_does_not_say_the_purpose_means_charity(mesh: Mesh) -> None:
    """As the release before did, which knew no appeals."""
    mesh.ledger.post(
        change(1, purpose=PURPOSE_UNSPECIFIED),
        change(2, project="", state=SUSPENSE, purpose=PURPOSE_UNSPECIFIED),
    )
    response = await mesh.at(1)
    assert [(row.purpose, row.amount.micros) for row in response.rows] == [
        (PURPOSE_CHARITY, 1),
        (PURPOSE_UNATTRIBUTED, 2),
    ]


async def test_rows_are_told_apart_as_asked(filled: Mesh) -> None:
    stub = await filled.as_("finance", "local")
    response = await stub.GetTotals(
        pb.GetTotalsRequest(
            filter=pb.TotalsFilter(states=[CLAIMED], currency_codes=["CNY"]),
            group_by=[pb.DIMENSION_PARTNER, pb.DIMENSION_HOUR],
        ),
        timeout=5,
    )
    later = START + timedelta(hours=1)
    assert [
        (row.partner, row.hour.ToDatetime(UTC), row.amount.micros) for row in response.rows
    ] == [
        ("alipay", START, 10_000_000),
        ("tencent", START, 5_000_000),
        ("tencent", later, 3_000_000),
    ]
    assert not any(row.project or row.campaign for row in response.rows)


async def test_hours_are_filtered_from_start_to_before_end(filled: Mesh) -> None:
    stub = await filled.as_("partner", "weibo")
    chosen = pb.TotalsFilter(states=[CLAIMED], currency_codes=["CNY"])
    chosen.start_time.FromDatetime(START + timedelta(minutes=1))
    chosen.end_time.FromDatetime(START + timedelta(hours=1, seconds=1))
    response = await stub.GetTotals(pb.GetTotalsRequest(filter=chosen), timeout=5)
    assert [row.amount.micros for row in response.rows] == [3_000_000]


async def test_a_partner_sees_its_own_share_and_nobody_elses(filled: Mesh) -> None:
    stub = await filled.as_("partner", "tencent")
    own = pb.GetTotalsRequest(
        filter=pb.TotalsFilter(partners=["tencent"]), group_by=[pb.DIMENSION_PARTNER]
    )
    response = await stub.GetTotals(own, timeout=5)
    assert [(row.partner, row.amount.micros) for row in response.rows] == [("tencent", 8_000_000)]
    for partners, group_by in (
        (["alipay"], []),
        (["alipay", "tencent"], []),
        ([], [pb.DIMENSION_PARTNER]),
    ):
        chosen = pb.TotalsFilter(partners=partners)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetTotals(pb.GetTotalsRequest(filter=chosen, group_by=group_by), timeout=5)
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert fault_from_rpc_error(caught.value).reason is Reason.PARTNER_MISMATCH
        watch = stub.WatchTotals(pb.WatchTotalsRequest(filter=chosen, group_by=group_by), timeout=5)
        assert (await _fault(watch)).reason is Reason.PARTNER_MISMATCH


BAD_DIMENSION = pb.Dimension.ValueType(99)
BAD_STATE = ledger_pb.TOTAL_STATE_UNSPECIFIED
BEYOND = Timestamp(seconds=10**12)


async def test_an_impossible_question_names_its_field(mesh: Mesh) -> None:
    stub = await mesh.as_("operator", "local")
    for request, field in (
        (pb.GetTotalsRequest(group_by=[pb.DIMENSION_UNSPECIFIED]), "group_by"),
        (pb.GetTotalsRequest(group_by=[BAD_DIMENSION]), "group_by"),
        (pb.GetTotalsRequest(group_by=[pb.DIMENSION_HOUR] * 2), "group_by"),
        (pb.GetTotalsRequest(filter=pb.TotalsFilter(states=[BAD_STATE])), "filter.states"),
        (pb.GetTotalsRequest(filter=pb.TotalsFilter(projects=["Ä"])), "filter.projects"),
        (pb.GetTotalsRequest(filter=pb.TotalsFilter(start_time=BEYOND)), "filter.start_time"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetTotals(request, timeout=5)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        fault = fault_from_rpc_error(caught.value)
        assert (fault.reason, fault.metadata["field"]) == (Reason.FIELD_INVALID, field)


async def test_a_watch_is_resumed_with_what_changed(filled: Mesh) -> None:
    stub = await filled.as_("partner", "alipay")
    by_project = pb.WatchTotalsRequest(
        filter=pb.TotalsFilter(states=[CLAIMED], currency_codes=["CNY"]),
        group_by=[pb.DIMENSION_PROJECT],
    )
    watch = stub.WatchTotals(by_project, timeout=10)
    message = await _read(watch)
    assert message.reset
    assert {row.project: row.amount.micros for row in message.rows} == {
        "clean-water": 13_000_000,
        "forest": 5_000_000,
    }
    filled.ledger.post(change(1_000_000))
    message = await _read(watch)
    assert not message.reset
    assert [(row.project, row.amount.micros) for row in message.rows] == [
        ("clean-water", 14_000_000)
    ]
    assert message.as_of.sequence == 2
    watch.cancel()

    filled.ledger.post(change(4_000_000, project="forest"))
    filled.ledger.post(change(9_000_000, project="other", state=REFUNDED))
    await filled.at(4)
    by_project.resume_cursor = message.cursor
    watch = stub.WatchTotals(by_project, timeout=10)
    message = await _read(watch)
    assert not message.reset
    assert [(row.project, row.amount.micros) for row in message.rows] == [("forest", 9_000_000)]
    watch.cancel()


async def test_many_watchers_see_the_same_at_most_five_times_a_second(mesh: Mesh) -> None:
    stub = await mesh.as_("operator", "local")
    watches = [stub.WatchTotals(pb.WatchTotalsRequest(), timeout=20) for _ in range(20)]
    for watch in watches:
        assert (await _read(watch)).reset
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(100):
        mesh.ledger.post(change(1_000_000))
        await asyncio.sleep(0.005)

    async def until_all(watch: "Watch") -> int:
        messages = 0
        while True:
            message = await _read(watch)
            messages += 1
            if message.rows and message.rows[0].amount.micros == 100_000_000:
                return messages

    counts = await asyncio.gather(*(until_all(watch) for watch in watches))
    assert max(counts) <= (loop.time() - began) * 5 + 2
    for watch in watches:
        watch.cancel()


async def test_watchers_are_bounded_and_leave_room_when_they_go(start_mesh: StartMesh) -> None:
    mesh = await start_mesh(watchers_max=2)
    stub = await mesh.as_("operator", "local")
    watches = [stub.WatchTotals(pb.WatchTotalsRequest(), timeout=10) for _ in range(2)]
    for watch in watches:
        await _read(watch)
    fault = await _fault(stub.WatchTotals(pb.WatchTotalsRequest(), timeout=5))
    assert fault.reason is Reason.QUEUE_FULL
    assert fault.retry_after is not None
    watches[0].cancel()
    async with asyncio.timeout(5):
        while True:
            watch = stub.WatchTotals(pb.WatchTotalsRequest(), timeout=5)
            try:
                first = await _read(watch)
            except grpc.aio.AioRpcError:
                continue  # the server has not yet seen that one went
            assert first.reset
            break


async def test_one_who_watches_much_leaves_room_for_others(start_mesh: StartMesh) -> None:
    mesh = await start_mesh(watchers_each_max=1)
    alipay, tencent = await mesh.as_("partner", "alipay"), await mesh.as_("partner", "tencent")
    watch = alipay.WatchTotals(pb.WatchTotalsRequest(), timeout=10)
    await _read(watch)
    fault = await _fault(alipay.WatchTotals(pb.WatchTotalsRequest(), timeout=5))
    assert (fault.reason, fault.retry_after is not None) == (Reason.QUEUE_FULL, True)
    other = tencent.WatchTotals(pb.WatchTotalsRequest(), timeout=10)
    assert (await _read(other)).reset
    for one in (watch, other):
        one.cancel()


async def test_a_foreign_cursor_is_refused(mesh: Mesh) -> None:
    stub = await mesh.as_("operator", "local")
    fault = await _fault(stub.WatchTotals(pb.WatchTotalsRequest(resume_cursor="!"), timeout=5))
    assert (fault.reason, fault.metadata["field"]) == (Reason.FIELD_INVALID, "resume_cursor")


async def test_a_time_beyond_the_calendar_breaks_nothing(filled: Mesh) -> None:
    stub = await filled.as_("operator", "local")
    chosen = pb.TotalsFilter()
    chosen.end_time.FromDatetime(datetime(9999, 12, 31, tzinfo=UTC))
    response = await stub.GetTotals(pb.GetTotalsRequest(filter=chosen), timeout=5)
    assert len(response.rows) == 4


Watch = grpc.aio.UnaryStreamCall[pb.WatchTotalsRequest, pb.WatchTotalsResponse]


async def _read(watch: "Watch") -> pb.WatchTotalsResponse:
    message = await watch.read()
    assert isinstance(message, pb.WatchTotalsResponse), "a watch never ends by itself"
    return message


async def _fault(watch: "Watch") -> Fault:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _read(watch)
    return fault_from_rpc_error(caught.value)
