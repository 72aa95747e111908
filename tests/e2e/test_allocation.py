"""Out of suspense in a whole mesh: a project that is registered after its first gifts."""

import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from watersmeet.donations.v1 import catalog_service_pb2 as catalog_pb
from watersmeet.donations.v1 import donation_intake_service_pb2 as intake_pb
from watersmeet.donations.v1.catalog_service_pb2_grpc import CatalogServiceStub
from watersmeet.donations.v1.donation_intake_service_pb2_grpc import DonationIntakeServiceStub
from watersmeet.type.v1.money_pb2 import Money

from services.runtime.supervisor.state import MeshState
from tests.e2e.conftest import finish, running_mesh, starter

GIFTS = """external_id,project,amount,currency,time
a-1,well,12.50,CNY,2019-09-05T12:00:00+08:00
a-2,well,7.50,CNY,2019-09-05T13:00:07+08:00
a-3,wel,1.00,CNY,2019-09-05T13:00:08+08:00
"""
# What was sent or decided is in the totals a moment later.
_WAIT_S = 20.0


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshState]:
    folder = tmp_path_factory.mktemp("allocation")
    with running_mesh(folder) as state:
        does(state, "certs", "issue", "partner", "weibo")
        (folder / "gifts.csv").write_text(GIFTS, encoding="utf-8")
        does(state, "send", "gifts.csv", "--partner", "weibo")
        yield state


def does(mesh: MeshState, *arguments: str, fails: bool = False) -> str:
    """What a command prints."""
    command = (*arguments, "--state", mesh.directory)
    status, output = finish(starter(mesh.directory.parent)(*command))
    assert bool(status) == fails, output
    return output


def channel(mesh: MeshState, role: str, name: str) -> grpc.Channel:
    ca, certificate, key = mesh.credentials(role, name)
    credentials = grpc.ssl_channel_credentials(ca, key, certificate)
    return grpc.secure_channel(mesh.address("donations"), credentials)


def totals(mesh: MeshState) -> dict[tuple[str, str], tuple[str, int]]:
    """Amount and number by project and state, as the gateway has them."""
    command = ("totals", "--by", "project", "--json", "--state", mesh.directory)
    _, output = finish(starter(mesh.directory.parent)(*command))
    return {
        (row["project"], row["state"]): (row["micros"], int(row["count"]))
        for row in json.loads(output)["rows"]
    }


def become(mesh: MeshState, expected: dict[tuple[str, str], tuple[str, int]]) -> None:
    give_up = time.monotonic() + _WAIT_S
    while (found := totals(mesh)) != expected:
        assert time.monotonic() < give_up, found
        time.sleep(0.2)


def register(mesh: MeshState) -> None:
    with channel(mesh, "finance", "local") as opened:
        stub = CatalogServiceStub(opened)
        charity = catalog_pb.Charity(code="aid", name="Aid")
        project = catalog_pb.Project(code="well", name="A well", charity="aid")
        id_ = str(uuid.uuid4())
        stub.CreateCharity(catalog_pb.CreateCharityRequest(request_id=id_, charity=charity))
        stub.CreateProject(catalog_pb.CreateProjectRequest(request_id=id_, project=project))
        other = catalog_pb.Project(code="pond", name="A pond", charity="aid")
        stub.CreateProject(catalog_pb.CreateProjectRequest(request_id=id_, project=other))


def refund(mesh: MeshState, external_id: str, micros: int) -> None:
    now = Timestamp()
    now.FromDatetime(datetime.now(UTC))
    request = intake_pb.RecordRefundRequest(
        request_id=str(uuid.uuid4()),
        external_id=external_id,
        refund_id="r-1",
        amount=Money(currency_code="CNY", micros=micros),
        event_time=now,
    )
    with channel(mesh, "partner", "weibo") as opened:
        DonationIntakeServiceStub(opened).RecordRefund(request)


def test_from_suspense_to_a_project_and_on(mesh: MeshState) -> None:
    refund(mesh, "a-1", 2_500_000)
    become(mesh, {("", "suspense"): ("18500000", 3), ("", "refunded"): ("2500000", 1)})
    listed = does(mesh, "review", "suspense", "--csv").splitlines()
    assert listed[1:] == [
        "weibo,wel,project unknown,1,1.00,CNY",
        "weibo,well,project unknown,2,17.50,CNY",
    ]
    kind = ("allocate", "well", "--partner", "weibo", "--named")
    assert "PROJECT_NOT_FOUND" in does(mesh, *kind, "well", "--preview", fails=True)
    register(mesh)
    assert "would be allocated CNY: 17.50" in does(mesh, *kind, "well", "--preview")
    done = does(mesh, *kind, "well", "--yes")
    assert "allocated CNY: 17.50" in done
    become(
        mesh,
        {
            ("", "suspense"): ("1000000", 1),
            ("well", "claimed"): ("17500000", 2),
            ("well", "refunded"): ("2500000", 1),
        },
    )
    # A code that was mistyped; and the same once more changes nothing.
    _, _, request = done.partition("request id: ")
    again = does(mesh, *kind, "well", "--yes", "--request", request.strip())
    assert "allocated CNY: 17.50" in again
    does(mesh, "allocate", "well", "weibo/a-3", "--yes")
    refund(mesh, "a-2", 7_500_000)
    become(
        mesh,
        {
            ("well", "claimed"): ("11000000", 3),
            ("well", "refunded"): ("10000000", 2),
        },
    )
    shown = json.loads(does(mesh, "donation", "weibo", "a-3", "--json"))
    assert (shown["project"], shown["stands_in"], shown["allocated_to"]) == ("wel", "fund", "well")
    assert shown["allocated_by"] == "finance/local"
    assert [event["moved"] for event in shown["events"]] == ["release", "allocation"]
    # That was the wrong project for one of them, and for another it is not known yet.
    done = does(mesh, "allocate", "pond", "weibo/a-3", "--again", "--yes")
    assert "allocated CNY: 1.00" in done
    does(mesh, "allocate", "--to-suspense", "weibo/a-1", "--yes")
    become(
        mesh,
        {
            ("", "suspense"): ("10000000", 1),
            ("", "refunded"): ("2500000", 1),
            ("pond", "claimed"): ("1000000", 1),
            ("well", "claimed"): ("0", 1),
            ("well", "refunded"): ("7500000", 1),
        },
    )
    shown = json.loads(does(mesh, "donation", "weibo", "a-3", "--json"))
    assert (shown["allocated_to"], shown["state"]) == ("pond", "claimed")
    assert [one["allocated_to"] for one in shown["allocations"]] == ["well", "pond"]
    does(mesh, "allocate", "well", "--partner", "weibo", "--named", "well", "--yes")
    give_up = time.monotonic() + _WAIT_S
    while "10.00" not in (balance := does(mesh, "balance", "project/well/fund", "--csv")):
        assert time.monotonic() < give_up, balance
        time.sleep(0.2)
    for empty in ("suspense", "allocated", "elsewhere"):
        assert ",0.00" in does(mesh, "balance", f"partner/weibo/{empty}", "--csv")
    assert '"ok": true' in does(mesh, "audit", "--json")
    does(mesh, "export", "ledger", "archive")
    status, output = finish(starter(mesh.directory.parent)("verify", "archive"))
    assert status == 0, output
