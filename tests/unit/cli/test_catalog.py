"""`watersmeet catalog apply`: what a file says becomes calls, and what it cannot say is told."""

import json
import uuid
from pathlib import Path

import grpc
import pytest
from typer.testing import Result
from watersmeet.donations.v1 import catalog_service_pb2 as pb
from watersmeet.donations.v1 import catalog_service_pb2_grpc as pb_grpc
from watersmeet.type.v1 import purpose_pb2

from services.runtime.errors import Fault, Reason
from tests.unit.cli.conftest import ServeMesh, caller_of, run

ROOT = Path(__file__).resolve().parents[3]


class FakeCatalog(pb_grpc.CatalogServiceServicer):
    """Keeps what it is told, in order."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.callers: set[str] = set()

    def CreateCharity(
        self, request: pb.CreateCharityRequest, context: grpc.ServicerContext
    ) -> pb.CreateCharityResponse:
        self.callers.add(caller_of(context))
        self.told.append(request.charity)
        return pb.CreateCharityResponse(charity=request.charity)

    def AddCertificate(
        self, request: pb.AddCertificateRequest, context: grpc.ServicerContext
    ) -> pb.AddCertificateResponse:
        self.told.append((request.charity, request.certificate))
        return pb.AddCertificateResponse()

    def CreateProject(
        self, request: pb.CreateProjectRequest, context: grpc.ServicerContext
    ) -> pb.CreateProjectResponse:
        self.told.append(request.project)
        return pb.CreateProjectResponse(project=request.project)

    def CreateCampaign(
        self, request: pb.CreateCampaignRequest, context: grpc.ServicerContext
    ) -> pb.CreateCampaignResponse:
        self.told.append(request.campaign)
        return pb.CreateCampaignResponse(campaign=request.campaign)

    def CloseProject(
        self, request: pb.CloseProjectRequest, context: grpc.ServicerContext
    ) -> pb.CloseProjectResponse:
        uuid.UUID(request.request_id)
        self.told.append((request.code, request.close_time.ToJsonString()))
        project = pb.Project(
            code=request.code,
            purpose=purpose_pb2.PURPOSE_CHARITY,
            charity="springs",
            close_time=request.close_time,
        )
        return pb.CloseProjectResponse(project=project)

    def GetProject(
        self, request: pb.GetProjectRequest, context: grpc.ServicerContext
    ) -> pb.GetProjectResponse:
        project = pb.Project(
            code=request.code,
            purpose=purpose_pb2.PURPOSE_CHARITY,
            closures=[
                pb.ProjectClosure(),
                pb.ProjectClosure(caller="finance/anna", request_id="q"),
            ],
        )
        for one in (project, *project.closures):
            one.close_time.FromJsonString("2026-12-31T00:00:00Z")
        for one in project.closures:
            one.decide_time.FromJsonString("2026-12-01T00:00:00Z")
        return pb.GetProjectResponse(project=project)

    def ListCharities(
        self, request: pb.ListCharitiesRequest, context: grpc.ServicerContext
    ) -> pb.ListCharitiesResponse:
        certificate = pb.Certificate(number="7", valid_from="2026-01-01", valid_until="2028-12-31")
        charity = pb.Charity(code="springs", name="甘泉", certificates=[certificate])
        return pb.ListCharitiesResponse(charities=[charity])

    def ListProjects(
        self, request: pb.ListProjectsRequest, context: grpc.ServicerContext
    ) -> pb.ListProjectsResponse:
        if request.page_token:
            appeal = pb.Project(
                code="help-lin", purpose=purpose_pb2.PURPOSE_APPEAL, organiser="qingsongchou"
            )
            appeal.close_time.FromJsonString("2026-09-01T00:00:00Z")
            return pb.ListProjectsResponse(projects=[appeal])
        project = pb.Project(
            code="water", name="=Water", purpose=purpose_pb2.PURPOSE_CHARITY, charity="springs"
        )
        return pb.ListProjectsResponse(projects=[project], next_page_token="more")

    def ListCampaigns(
        self, request: pb.ListCampaignsRequest, context: grpc.ServicerContext
    ) -> pb.ListCampaignsResponse:
        campaign = pb.Campaign(code="95week", name="95", time_zone="Asia/Shanghai")
        campaign.end_time.FromJsonString("2026-09-06T16:00:00Z")
        return pb.ListCampaignsResponse(campaigns=[campaign])


@pytest.mark.parametrize(
    ("what", "rows"),
    [
        (
            "charities",
            [
                "charity,name,credit_code,certificates",
                "springs,甘泉,,7 (2026-01-01 to 2028-12-31)",
            ],
        ),
        (
            "projects",
            [
                "project,name,purpose,charity,organiser,closed",
                "water,'=Water,charity,springs,,",
                "help-lin,,appeal,,qingsongchou,2026-09-01T00:00:00Z",
            ],
        ),
        (
            "campaigns",
            [
                "campaign,name,starts,ends,time_zone",
                "95week,95,1970-01-01T00:00:00Z,2026-09-06T16:00:00Z,Asia/Shanghai",
            ],
        ),
    ],
)
def test_what_is_there_is_listed(serve_mesh: ServeMesh, what: str, rows: list[str]) -> None:
    state = serve_mesh(donations=(pb_grpc.add_CatalogServiceServicer_to_server, FakeCatalog()))
    result = run(state, "catalog", what, "--csv")
    assert result.exit_code == 0, result.exception
    assert result.stdout.splitlines() == rows


def apply(serve_mesh: ServeMesh, fake: FakeCatalog, file: Path) -> Result:
    state = serve_mesh(donations=(pb_grpc.add_CatalogServiceServicer_to_server, fake))
    return run(state, "catalog", "apply", str(file))


def written(folder: Path, text: str) -> Path:
    file = folder / "catalog.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_documents_example(serve_mesh: ServeMesh, tmp_path: Path) -> None:
    document = (ROOT / "docs/catalog.md").read_text(encoding="utf-8")
    fake = FakeCatalog()
    result = apply(
        serve_mesh, fake, written(tmp_path, document.split("```toml\n")[1].split("```")[0])
    )
    assert result.exit_code == 0, result.exception
    assert result.output == "In the catalog: charities 1, projects 2, campaigns 1.\n"
    campaign = pb.Campaign(code="95week", name="95 Philanthropy Week", time_zone="Asia/Shanghai")
    campaign.start_time.FromJsonString("2025-12-31T16:00:00Z")
    campaign.end_time.FromJsonString("2026-12-31T16:00:00Z")
    charity = pb.Charity(
        code="springs",
        name="Springs Foundation",
        unified_social_credit_code="531000005000201571",
    )
    certificate = pb.Certificate(
        number="2026-0001", valid_from="2026-01-01", valid_until="2028-12-31"
    )
    assert fake.told == [
        charity,
        ("springs", certificate),
        pb.Project(code="clean-water", name="Clean water", charity="springs"),
        pb.Project(
            code="help-lin",
            name="Help Lin walk again",
            purpose=purpose_pb2.PURPOSE_APPEAL,
            organiser="qingsongchou",
        ),
        campaign,
    ]
    assert fake.callers == {"spiffe://watersmeet/operator/local"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[projects]]\ncode = ", "is no TOML file"),
        ("[[project]]\ncode = 'a'", "[[project]] is none of charities, projects, campaigns"),
        ("projects = 'a'", "begin each with [[projects]]"),
        ("[charities]\ncode = 'a'", "begin each with [[charities]]"),
        ("[[charities]]\ncode = 'a'\ncertificates = 'b'", "the 1. of [[charities]] is not"),
        ("[[projects]]\ncodes = 'a'", "the 1. of [[projects]] is not understood"),
        ("[[campaigns]]\nstart_time = 'soon'", "the 1. of [[campaigns]] is not understood"),
    ],
)
def test_what_is_not_understood_is_told(
    serve_mesh: ServeMesh, tmp_path: Path, text: str, told: str
) -> None:
    result = apply(serve_mesh, FakeCatalog(), written(tmp_path, text))
    assert isinstance(result.exception, Fault)
    assert result.exception.reason is Reason.FIELD_INVALID
    assert told in result.exception.message


def test_a_file_that_is_not_there(serve_mesh: ServeMesh, tmp_path: Path) -> None:
    result = apply(serve_mesh, FakeCatalog(), tmp_path / "none.toml")
    assert isinstance(result.exception, Fault)
    assert "cannot be read" in result.exception.message


CLOSE = ("catalog", "close-project", "water", "--at")


def test_a_project_is_closed_from_a_moment_on(serve_mesh: ServeMesh) -> None:
    fake = FakeCatalog()
    state = serve_mesh(donations=(pb_grpc.add_CatalogServiceServicer_to_server, fake))
    result = run(state, *CLOSE, "2026-12-31T00:00:00+08:00", says="y\n")
    assert result.exit_code == 0, result.exception
    assert "Close water at 2026-12-30 16:00:00 UTC?" in result.stderr
    assert "closed: 2026-12-30T16:00:00Z\n" in result.stdout
    told = json.loads(run(state, *CLOSE, "2026-12-30T16:00:00Z", "--yes", "--json").stdout)
    assert (told["project"], told["closed"]) == ("water", "2026-12-30T16:00:00Z")
    assert fake.told == [("water", "2026-12-30T16:00:00Z")] * 2


def test_who_decided_when_a_project_closes_is_shown(serve_mesh: ServeMesh) -> None:
    state = serve_mesh(donations=(pb_grpc.add_CatalogServiceServicer_to_server, FakeCatalog()))
    told = json.loads(run(state, "catalog", "project", "water", "--json").stdout)
    assert (told["project"], told["closed"]) == ("water", "2026-12-31T00:00:00Z")
    days = {"closes": "2026-12-31T00:00:00Z", "decided": "2026-12-01T00:00:00Z"}
    assert told["closures"] == [
        days | {"by": None, "request": None},
        days | {"by": "finance/anna", "request": "q"},
    ]
    shown = run(state, "catalog", "project", "water").stdout
    assert "closures" in shown
    assert "finance/anna" in shown


@pytest.mark.parametrize("time", ["2026-12-31T00:00:00", "soon", "0001-01-01T00:00:00+08:00"])
def test_a_time_that_names_no_moment_closes_nothing(serve_mesh: ServeMesh, time: str) -> None:
    fake = FakeCatalog()
    state = serve_mesh(donations=(pb_grpc.add_CatalogServiceServicer_to_server, fake))
    result = run(state, *CLOSE, time, "--yes")
    assert (result.exit_code, fake.told) == (2, [])
    assert "offset from UTC" in " ".join(result.stderr.replace("│", " ").split())


def test_who_says_no_closes_nothing(serve_mesh: ServeMesh) -> None:
    fake = FakeCatalog()
    state = serve_mesh(donations=(pb_grpc.add_CatalogServiceServicer_to_server, fake))
    result = run(state, *CLOSE, "2026-12-31T00:00:00Z", says="n\n")
    assert (result.exit_code, fake.told) == (1, [])
