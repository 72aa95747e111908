"""The gateway stays at the ledger's end, whatever happens to the ledger."""

import asyncio
from datetime import UTC, datetime

import grpc
import pytest
from watersmeet.gateway.v1 import totals_service_pb2 as pb

from services.runtime.errors import Reason
from services.runtime.status import fault_from_rpc_error
from tests.integration.gateway.conftest import Fakes, Mesh, StartMesh
from tests.integration.gateway.fakes import change


def claimed(totals: pb.GetTotalsResponse) -> int:
    """The claimed sum, which these tests keep to one row."""
    return sum(row.amount.micros for row in totals.rows)


async def test_begins_with_the_snapshot_and_goes_on_with_the_feed(start_mesh: StartMesh) -> None:
    def before(fakes: Fakes) -> None:
        for number in range(5):
            fakes.ledger.post(change(1_000_000, project=f"p{number}"))

    mesh = await start_mesh(before)
    assert claimed(await mesh.at(5)) == 5_000_000
    assert mesh.ledger.streams == [5]
    mesh.ledger.post(change(2_000_000))
    totals = await mesh.at(6)
    assert (claimed(totals), totals.as_of.sequence) == (7_000_000, 6)
    assert mesh.ledger.snapshots == 1


async def test_an_empty_ledger_is_a_total_of_nothing(mesh: Mesh) -> None:
    totals = await mesh.at(0)
    assert list(totals.rows) == []
    assert totals.as_of.sequence == 0
    assert not totals.as_of.HasField("time")


async def test_watermarks_come_from_the_snapshot_and_from_entries(start_mesh: StartMesh) -> None:
    early, late = datetime(2019, 9, 5, 11, tzinfo=UTC), datetime(2019, 9, 5, 12, tzinfo=UTC)

    def before(fakes: Fakes) -> None:
        fakes.ledger.post(change(1), watermarks={"alipay": early, "weibo": late})

    mesh = await start_mesh(before)
    totals = await mesh.at(1)
    assert totals.as_of.watermarks["alipay"].ToDatetime(UTC) == early
    # An entry that states an earlier time than is known takes nothing back.
    mesh.ledger.post(change(1), watermarks={"alipay": late, "weibo": early})
    totals = await mesh.at(2)
    assert {p: t.ToDatetime(UTC) for p, t in totals.as_of.watermarks.items()} == {
        "alipay": late,
        "weibo": late,
    }


async def test_a_change_in_parts_counts_when_all_of_it_is_there(mesh: Mesh) -> None:
    mesh.ledger.cuts = {1}
    mesh.ledger.post(*(change(1_000_000, project=f"p{number}") for number in range(5)))
    assert claimed(await mesh.at(1)) == 5_000_000
    assert mesh.ledger.streams == [0, 0], "the feed went on where it was before the first part"
    assert mesh.ledger.snapshots == 1


async def test_without_a_ledger_there_is_no_answer_rather_than_zero(start_mesh: StartMesh) -> None:
    mesh = await start_mesh(Fakes.stop_ledger, ready=False)
    stub = await mesh.as_("operator", "local")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetTotals(pb.GetTotalsRequest(), timeout=5)
    assert fault_from_rpc_error(caught.value).reason is Reason.TOTALS_NOT_READY
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE

    http = await mesh.http()
    for path in ("/healthz", "/v1/totals"):
        async with http.get(path) as answer:
            assert answer.status == 503
            assert (await answer.json())["reason"] == "TOTALS_NOT_READY"
    # Notices need no totals.
    async with http.post("/callbacks/alipay", data=b"x") as answer:
        assert (answer.status, await answer.read()) == (200, b"success")

    mesh.ledger.post(change(3_000_000))
    await mesh.fakes.start_ledger()
    assert claimed(await asyncio.wait_for(_ready(mesh), 10)) == 3_000_000
    async with http.get("/healthz") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "ready"})


async def _ready(mesh: Mesh) -> pb.GetTotalsResponse:
    await mesh.gateway.live.wait_loaded()
    return await mesh.at(1)


async def test_a_ledger_that_goes_away_and_comes_back_is_followed_on(mesh: Mesh) -> None:
    mesh.ledger.post(change(1_000_000))
    await mesh.at(1)
    await mesh.fakes.stop_ledger()
    # What is known is still served.
    assert claimed(await mesh.at(1)) == 1_000_000
    mesh.ledger.post(change(2_000_000))
    await mesh.fakes.start_ledger()
    assert claimed(await mesh.at(2)) == 3_000_000
    assert mesh.ledger.snapshots == 1, "the feed goes on where it was"
    assert mesh.ledger.streams == [0, 1]


async def test_a_missing_entry_loads_everything_again(mesh: Mesh) -> None:
    mesh.ledger.lost = {2}
    for _ in range(3):
        mesh.ledger.post(change(1_000_000))
    assert claimed(await mesh.at(3)) == 3_000_000
    assert mesh.ledger.snapshots == 2


async def test_a_missing_last_entry_shows_by_the_checkpoint(mesh: Mesh) -> None:
    mesh.ledger.lost = {1}
    mesh.ledger.post(change(1_000_000))
    assert claimed(await mesh.at(1)) == 1_000_000
    assert mesh.ledger.snapshots == 2


async def test_a_ledger_with_another_past_is_loaded_again(mesh: Mesh) -> None:
    for _ in range(3):
        mesh.ledger.post(change(1_000_000))
    await mesh.at(3)
    await mesh.fakes.stop_ledger()
    del mesh.ledger.entries[1:]  # restored from a backup
    await mesh.fakes.start_ledger()
    async with asyncio.timeout(10):
        while (totals := await mesh.at(0)).as_of.sequence != 1:
            await mesh.gateway.live.wake.wait()
    assert claimed(totals) == 1_000_000


@pytest.mark.parametrize("after_restore", [2, 5])
async def test_a_ledger_that_was_restored_and_went_on_is_loaded_again(
    mesh: Mesh, after_restore: int
) -> None:
    for _ in range(3):
        mesh.ledger.post(change(1_000_000))
    await mesh.at(3)
    await mesh.fakes.stop_ledger()
    del mesh.ledger.entries[1:]
    for _ in range(after_restore):  # to where the gateway is, and beyond
        mesh.ledger.post(change(7_000_000))
    await mesh.fakes.start_ledger()
    expected = 1_000_000 + after_restore * 7_000_000
    async with asyncio.timeout(10):
        while claimed(await mesh.at(1 + after_restore)) != expected:
            await mesh.gateway.live.wake.wait()
    assert mesh.ledger.snapshots == 2


async def test_silence_ends_the_connection(start_mesh: StartMesh) -> None:
    mesh = await start_mesh(ledger_silence_s=0.5)
    await mesh.ledger.until_streams(1)
    mesh.ledger.is_silent = True
    await mesh.ledger.until_streams(3)
    mesh.ledger.is_silent = False
    mesh.ledger.post(change(1_000_000))
    assert claimed(await mesh.at(1)) == 1_000_000
    assert mesh.ledger.snapshots == 1
