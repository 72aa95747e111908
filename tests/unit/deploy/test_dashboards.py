"""Grafana's dashboards: whole, fed by the provisioned source, laid out without overlap."""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tests.unit.deploy.files import DEPLOY, load_yaml

FOLDER = DEPLOY / "grafana" / "dashboards"
FILES = sorted(FOLDER.glob("*.json"))
COLUMNS = 24


def load(file: Path) -> dict[str, Any]:
    dashboard = json.loads(file.read_text(encoding="utf-8"))
    assert isinstance(dashboard, dict)
    return dashboard


def panels(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = load(file)["panels"]
    assert found
    return found


def test_there_is_a_first_one() -> None:
    assert [file.name for file in FILES] == ["watersmeet.json"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_it_can_be_provisioned(file: Path) -> None:
    dashboard = load(file)
    assert dashboard["title"]
    assert dashboard["uid"]
    # With an id Grafana takes it for one of its own database.
    assert "id" not in dashboard
    assert dashboard["schemaVersion"] >= 39
    assert dashboard["editable"] is False


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_panels_are_whole(file: Path) -> None:
    [source] = load_yaml("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    ids = [panel["id"] for panel in panels(file)]
    assert len(ids) == len(set(ids))
    titles = [panel["title"] for panel in panels(file)]
    assert len(titles) == len(set(titles))
    for panel in panels(file):
        if panel["type"] == "row":
            continue
        expected = {"type": source["type"], "uid": source["uid"]}
        assert panel["datasource"] == expected, panel["title"]
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        references = [target["refId"] for target in panel["targets"]]
        assert len(references) == len(set(references))
        for target in panel["targets"]:
            assert target["expr"].strip(), panel["title"]
            assert target["datasource"] == expected


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_panels_do_not_overlap(file: Path) -> None:
    places = [(panel["title"], panel["gridPos"]) for panel in panels(file)]
    for title, place in places:
        assert place["x"] + place["w"] <= COLUMNS, title
        assert min(place["w"], place["h"]) > 0, title
    for (one, a), (other, b) in combinations(places, 2):
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        assert apart, f"{one} and {other}"


def test_grafana_looks_where_compose_puts_them() -> None:
    [provider] = load_yaml("grafana/provisioning/dashboards/watersmeet.yml")["providers"]
    mounts = load_yaml("compose.yaml")["services"]["grafana"]["volumes"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in mounts
    assert "./grafana/provisioning:/etc/grafana/provisioning:ro" in mounts


def test_the_source_is_the_prometheus_of_compose() -> None:
    [source] = load_yaml("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert "prometheus" in load_yaml("compose.yaml")["services"]
