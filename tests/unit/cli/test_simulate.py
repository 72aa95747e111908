"""Before `watersmeet simulate` reports gifts: the catalog, also while intake goes away."""

import asyncio
import itertools
from datetime import date
from pathlib import Path
from typing import Any

import grpc
import pytest
from watersmeet.donations.v1 import catalog_service_pb2 as pb
from watersmeet.donations.v1 import catalog_service_pb2_grpc as pb_grpc

from services.cli.demonstration import catalog
from services.cli.demonstration.catalog import open_occasion
from services.cli.demonstration.run import access
from services.cli.simulator.occasion import make_occasion
from services.cli.simulator.patience import Patience, UnansweredError
from services.runtime.supervisor.state import MeshState
from tests.unit.cli.conftest import ServeMesh

OCCASION = make_occasion(date(2026, 9, 5))


class FakeCatalog(pb_grpc.CatalogServiceServicer):
    """Breaks off every so many calls, after it has done what was asked. 0: it never does."""

    def __init__(self, breaks_every: int, code: grpc.StatusCode) -> None:
        self.asked: list[tuple[str, str]] = []
        self._calls = itertools.count(1)
        self._breaks_every = breaks_every
        self._code = code

    def _take(self, request: Any, context: grpc.ServicerContext) -> None:
        self.asked.append((type(request).__name__, request.request_id))
        if self._breaks_every and next(self._calls) % self._breaks_every == 0:
            context.abort(self._code, "killed")

    def CreateCharity(
        self, request: pb.CreateCharityRequest, context: grpc.ServicerContext
    ) -> pb.CreateCharityResponse:
        self._take(request, context)
        return pb.CreateCharityResponse()

    def AddCertificate(
        self, request: pb.AddCertificateRequest, context: grpc.ServicerContext
    ) -> pb.AddCertificateResponse:
        self._take(request, context)
        return pb.AddCertificateResponse()

    def CreateProject(
        self, request: pb.CreateProjectRequest, context: grpc.ServicerContext
    ) -> pb.CreateProjectResponse:
        self._take(request, context)
        return pb.CreateProjectResponse()

    def CreateCampaign(
        self, request: pb.CreateCampaignRequest, context: grpc.ServicerContext
    ) -> pb.CreateCampaignResponse:
        self._take(request, context)
        return pb.CreateCampaignResponse()


def opened(state: Path) -> None:
    asyncio.run(open_occasion(OCCASION, access(MeshState.load(state), "donations", "operator")))


def served(serve_mesh: ServeMesh, fake: FakeCatalog) -> Path:
    return serve_mesh(donations=(pb_grpc.add_CatalogServiceServicer_to_server, fake))


def test_all_is_opened_although_intake_goes_away_again_and_again(serve_mesh: ServeMesh) -> None:
    steady = FakeCatalog(0, grpc.StatusCode.OK)
    opened(served(serve_mesh, steady))
    fake = FakeCatalog(3, grpc.StatusCode.UNAVAILABLE)
    opened(served(serve_mesh, fake))
    repeated = [first for first, second in itertools.pairwise(fake.asked) if first == second]
    assert len(repeated) >= len(steady.asked) // 3
    # Each is told once more under the id that it had, and nothing else is.
    assert len(set(fake.asked)) == len(steady.asked)
    assert [name for name, _ in dict.fromkeys(fake.asked)] == [name for name, _ in steady.asked]


def test_it_gives_up_where_intake_stays_away(
    serve_mesh: ServeMesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "Patience", lambda: Patience(limit_s=0.2))
    state = served(serve_mesh, FakeCatalog(1, grpc.StatusCode.UNAVAILABLE))
    with pytest.raises(UnansweredError, match="killed"):
        opened(state)


def test_what_intake_refuses_is_not_tried_again(serve_mesh: ServeMesh) -> None:
    fake = FakeCatalog(1, grpc.StatusCode.PERMISSION_DENIED)
    with pytest.raises(grpc.aio.AioRpcError):
        opened(served(serve_mesh, fake))
    assert len(fake.asked) == 1
