"""`watersmeet catalog`: charities, projects and campaigns, listed, and made from a file."""

import tomllib
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.json_format import ParseDict, ParseError
from watersmeet.donations.v1 import catalog_service_pb2 as pb
from watersmeet.donations.v1 import catalog_service_pb2_grpc as pb_grpc

from services.cli.asking import asking
from services.cli.console import make_console
from services.cli.deciding import Yes, confirm
from services.cli.given_time import given_time
from services.cli.listed import listed
from services.cli.options import DEFAULT_MESH, Mesh
from services.cli.reading import catalog as reading
from services.cli.sheets.present import AsCsv, AsJson, AsXlsx, present, present_one
from services.cli.sheets.sheet import Sheet, named
from services.runtime.errors import Fault, Reason

_TIMEOUT_S = 10.0

catalog = typer.Typer(help="Show and say what gifts can be given to.", no_args_is_help=True)


@catalog.command()
def charities(
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    xlsx: AsXlsx = None,
) -> None:
    """List the charities, with their certificates of public fundraising."""
    with asking(mesh, "donations") as channel:
        stub = pb_grpc.CatalogServiceStub(channel)
        found = listed(stub.ListCharities, pb.ListCharitiesRequest(), timeout_s=_TIMEOUT_S)
        sheet = Sheet("charities", reading.CHARITIES, map(reading.charity_row, found))
        present(sheet, as_json=as_json, as_csv=as_csv, xlsx=xlsx)


@catalog.command()
def projects(
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    xlsx: AsXlsx = None,
) -> None:
    """List the projects and personal appeals. Gifts to other codes stand in suspense."""
    with asking(mesh, "donations") as channel:
        stub = pb_grpc.CatalogServiceStub(channel)
        found = listed(stub.ListProjects, pb.ListProjectsRequest(), timeout_s=_TIMEOUT_S)
        sheet = Sheet("projects", reading.PROJECTS, map(reading.project_row, found))
        present(sheet, as_json=as_json, as_csv=as_csv, xlsx=xlsx)


@catalog.command()
def project(
    code: Annotated[str, typer.Argument(metavar="PROJECT", help="Its code.")],
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
) -> None:
    """Show a project or personal appeal, and who decided when that it closes."""
    with asking(mesh, "donations") as channel:
        stub = pb_grpc.CatalogServiceStub(channel)
        found = stub.GetProject(pb.GetProjectRequest(code=code), timeout=_TIMEOUT_S).project
    _present(found, as_json=as_json)


@catalog.command()
def campaigns(
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    xlsx: AsXlsx = None,
) -> None:
    """List the campaigns, with the time zone of their days."""
    with asking(mesh, "donations") as channel:
        stub = pb_grpc.CatalogServiceStub(channel)
        found = listed(stub.ListCampaigns, pb.ListCampaignsRequest(), timeout_s=_TIMEOUT_S)
        sheet = Sheet("campaigns", reading.CAMPAIGNS, map(reading.campaign_row, found))
        present(sheet, as_json=as_json, as_csv=as_csv, xlsx=xlsx)


@catalog.command()
def apply(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.toml", help="The catalog (docs/catalog.md).")
    ],
    mesh: Mesh = DEFAULT_MESH,
) -> None:
    """Create what the file lists: charities, their certificates, projects, campaigns.

    What exists with the same content stays as it is, so a file may be applied again and again.
    """
    document = _read(file)
    with asking(mesh, "donations") as channel:
        stub = pb_grpc.CatalogServiceStub(channel)
        for called, request in _calls(document):
            getattr(stub, called)(request, timeout=_TIMEOUT_S)
    counts = ", ".join(f"{kind} {len(document.get(kind, []))}" for kind in _KINDS)
    make_console().print(f"In the catalog: {counts}.")


def _moment(text: str) -> datetime:
    try:
        return given_time(text)
    except ValueError as error:
        raise typer.BadParameter(f"a time {error}") from error


@catalog.command("close-project")
def close_project(
    code: Annotated[str, typer.Argument(metavar="PROJECT", help="Its code.")],
    at: Annotated[
        datetime,
        typer.Option(
            parser=_moment, metavar="TIME", help="When: 2026-09-05T12:00:00+08:00, not in the past."
        ),
    ],
    yes: Yes = False,
    mesh: Mesh = DEFAULT_MESH,
    as_json: AsJson = False,
) -> None:
    """Close a project: gifts that are made from then on stand in suspense.

    Until that time has come another may be said; then the project stays closed.
    """
    confirm(f"Close {code} at {at:%Y-%m-%d %H:%M:%S} UTC?", yes=yes)
    request = pb.CloseProjectRequest(request_id=_id(), code=code)
    request.close_time.FromDatetime(at)
    with asking(mesh, "donations") as channel:
        stub = pb_grpc.CatalogServiceStub(channel)
        project = stub.CloseProject(request, timeout=_TIMEOUT_S).project
    _present(project, as_json=as_json)


def _present(project: pb.Project, *, as_json: bool) -> None:
    """A project, and each time that it was decided when it closes."""
    closures = Sheet("closures", reading.CLOSURES, map(reading.closure_row, project.closures))
    facts = named(reading.PROJECTS, reading.project_row(project))
    present_one(facts, [closures], as_json=as_json)


def _read(file: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unusable(f"{file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _unusable(f"{file} is no TOML file: {error}") from error
    if unknown := sorted(document.keys() - _KINDS.keys()):
        raise _unusable(f"{file}: [[{unknown[0]}]] is none of {', '.join(_KINDS)}")
    return document


def _calls(document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The calls that create everything, in the order in which one thing needs another."""
    for kind, call in _KINDS.items():
        for number, row in enumerate(_tables(document, kind), start=1):
            try:
                yield from call(_json(row))
            except ParseError as error:
                raise _unusable(
                    f"the {number}. of [[{kind}]] is not understood: {error}"
                ) from error


def _tables(document: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    rows = document.get(kind, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _unusable(f"{kind} are no tables: begin each with [[{kind}]]")
    return rows


def _charity(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    certificates = row.pop("certificates", [])
    charity = ParseDict(row, pb.Charity())
    yield "CreateCharity", pb.CreateCharityRequest(request_id=_id(), charity=charity)
    for certificate in certificates:
        yield (
            "AddCertificate",
            pb.AddCertificateRequest(
                request_id=_id(),
                charity=charity.code,
                certificate=ParseDict(certificate, pb.Certificate()),
            ),
        )


def _project(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    project = ParseDict(row, pb.Project())
    yield "CreateProject", pb.CreateProjectRequest(request_id=_id(), project=project)


def _campaign(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    campaign = ParseDict(row, pb.Campaign())
    yield "CreateCampaign", pb.CreateCampaignRequest(request_id=_id(), campaign=campaign)


_KINDS: dict[str, Callable[[dict[str, Any]], Iterator[tuple[str, Any]]]] = {
    "charities": _charity,
    "projects": _project,
    "campaigns": _campaign,
}


def _json(value: Any) -> Any:
    """TOML's values as JSON's: its times become text."""
    if isinstance(value, dict):
        return {key: _json(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_json(part) for part in value]
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _id() -> str:
    return str(uuid.uuid4())


def _unusable(message: str) -> Fault:
    return Fault(Reason.FIELD_INVALID, message)
