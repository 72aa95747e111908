"""What the totals' codes stand for: read from intake, served over HTTP."""

import pytest
from watersmeet.donations.v1 import catalog_service_pb2 as pb
from watersmeet.type.v1.purpose_pb2 import PURPOSE_APPEAL, PURPOSE_CHARITY, Purpose

from services.gateway.catalog import follower
from services.gateway.catalog.listing import PAGE_PROJECTS
from tests.integration.gateway.conftest import Fakes, Mesh, StartMesh, until
from tests.integration.gateway.test_http import get

FUND = pb.Charity(
    code="fund",
    name="一个基金会",
    unified_social_credit_code="91330100799655058B",
    certificates=[
        pb.Certificate(number="42", valid_from="2018-09-06", valid_until="2021-09-05"),
        pb.Certificate(number="43", valid_from="2021-08-01", valid_until="2024-07-31"),
    ],
)
ABROAD = pb.Charity(code="aid", name="Aid Abroad")
OTHERS = [pb.Charity(code=code, name=code) for code in ("b", "c", "d")]
TREES = pb.Project(code="trees", name="Trees", charity="fund", purpose=PURPOSE_CHARITY)
TREES.close_time.FromSeconds(1_567_684_800)
PROJECTS = [
    pb.Project(code="books", name="Books", charity="aid"),  # of the release before purposes
    pb.Project(code="knee", name="膝", purpose=PURPOSE_APPEAL, organiser="qingsongchou"),
    pb.Project(code="strange", name="Strange", charity="aid", purpose=Purpose.ValueType(9)),
    TREES,
]


def filled(fakes: Fakes) -> None:
    fakes.catalog.charities = [ABROAD, *OTHERS, FUND]
    fakes.catalog.projects = PROJECTS


async def listed(mesh: Mesh, query: str = "") -> dict[str, object]:
    await until(lambda: mesh.gateway.listing.version != b"")
    status, body = await get(mesh, f"/v1/projects{query}")
    assert status == 200
    return body


async def test_projects_come_with_who_answers_for_them(start_mesh: StartMesh) -> None:
    mesh = await start_mesh(filled)
    assert await listed(mesh) == {
        "projects": [
            {
                "code": "books",
                "name": "Books",
                "purpose": "charity",
                "charity": {
                    "code": "aid",
                    "name": "Aid Abroad",
                    "unified_social_credit_code": None,
                    "certificates": [],
                },
                "organiser": None,
                "close_time": None,
            },
            {
                "code": "knee",
                "name": "膝",
                "purpose": "appeal",
                "charity": None,
                "organiser": "qingsongchou",
                "close_time": None,
            },
            {
                "code": "trees",
                "name": "Trees",
                "purpose": "charity",
                "charity": {
                    "code": "fund",
                    "name": "一个基金会",
                    "unified_social_credit_code": "91330100799655058B",
                    "certificates": [
                        {"number": "42", "valid_from": "2018-09-06", "valid_until": "2021-09-05"},
                        {"number": "43", "valid_from": "2021-08-01", "valid_until": "2024-07-31"},
                    ],
                },
                "organiser": None,
                "close_time": "2019-09-05T12:00:00Z",
            },
        ],
        "next": None,
    }


async def test_projects_come_in_pages_and_are_not_sent_twice(start_mesh: StartMesh) -> None:
    def many(fakes: Fakes) -> None:
        fakes.catalog.projects = [
            pb.Project(code=f"p{number:04}", name="P", charity="aid")
            for number in range(PAGE_PROJECTS + 1)
        ]

    mesh = await start_mesh(many)
    first = await listed(mesh)
    assert first["next"] == f"p{PAGE_PROJECTS - 1:04}"
    last = await listed(mesh, f"?after={first['next']}")
    assert last["next"] is None
    assert isinstance(last["projects"], list)
    assert [project["code"] for project in last["projects"]] == [f"p{PAGE_PROJECTS:04}"]
    assert await listed(mesh, "?after=q") == {"projects": [], "next": None}
    http = await mesh.http()
    async with http.get("/v1/projects") as answer:
        same = {"If-None-Match": answer.headers["ETag"]}
    async with http.get("/v1/projects", headers=same) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
    async with http.get("/v1/projects?after=p0000", headers=same) as answer:
        assert answer.status == 200


async def test_an_impossible_question_is_refused(mesh: Mesh) -> None:
    for query in ("?after=A", "?after=a&after=b", "?before=a", "?after=%C3%84"):
        status, body = await get(mesh, f"/v1/projects{query}")
        assert (status, body["reason"]) == (400, "FIELD_INVALID"), query


async def test_while_the_catalog_is_away_totals_are_served_and_it_is_asked_again(
    start_mesh: StartMesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "_BACKOFF_S", (0.01, 0.02))
    monkeypatch.setattr(follower, "_REFRESH_S", 0.05)

    def away(fakes: Fakes) -> None:
        filled(fakes)
        fakes.catalog.is_away = True

    mesh = await start_mesh(away)
    await until(lambda: mesh.fakes.catalog.calls > 2)
    status, body = await get(mesh, "/v1/projects")
    assert (status, body["reason"]) == (503, "DEPENDENCY_UNAVAILABLE")
    assert (await get(mesh, "/v1/totals"))[0] == 200

    mesh.fakes.catalog.is_away = False
    known = await listed(mesh)
    # What is new comes with the next reading; what is known stays while there is none.
    version = mesh.gateway.listing.version
    mesh.fakes.catalog.projects = PROJECTS[:1]
    await until(lambda: mesh.gateway.listing.version != version)
    mesh.fakes.catalog.is_away = True
    calls = mesh.fakes.catalog.calls
    await until(lambda: mesh.fakes.catalog.calls > calls + 1)
    now = await listed(mesh)
    assert isinstance(known["projects"], list)
    assert now == {"projects": known["projects"][:1], "next": None}


async def test_a_catalog_that_is_too_large_is_cut(
    start_mesh: StartMesh, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(follower, "PROJECTS_MAX", 2)
    mesh = await start_mesh(filled)
    found = (await listed(mesh))["projects"]
    assert isinstance(found, list)
    assert [project["code"] for project in found] == ["books", "knee"]
    assert "larger than what is listed" in "".join(capsys.readouterr())
