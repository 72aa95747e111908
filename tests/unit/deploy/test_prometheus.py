"""prometheus.yml and alerts.yml: they ask what is there, and speak of metrics that exist."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.unit.deploy.files import DEPLOY, SERVICES, code_metrics, load_yaml
from tests.unit.deploy.promql import read

# What Prometheus itself adds to everything that it reads.
PROMETHEUS_METRICS = {"up"}
PROMETHEUS_LABELS = {"job", "instance", "le"}

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not on PATH; Debian's package prometheus has it"
)


def rules() -> list[dict[str, object]]:
    return [rule for group in load_yaml("alerts.yml")["groups"] for rule in group["rules"]]


def dashboard_expressions() -> Iterator[tuple[str, str]]:
    """(where, expression) of every target of every dashboard."""
    for file in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json")):
        for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]:
            for target in panel.get("targets", ()):
                yield f"{file.name}: {panel['title']}", target["expr"]


def expressions() -> Iterator[tuple[str, str]]:
    yield from dashboard_expressions()
    for rule in rules():
        yield f"alerts.yml: {rule['alert']}", str(rule["expr"])


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_is_asked_on_its_metrics_port(service: str) -> None:
    jobs = {job["job_name"]: job for job in load_yaml("prometheus.yml")["scrape_configs"]}
    [static] = jobs[service]["static_configs"]
    [target] = static["targets"]
    host, port = target.split(":")
    environment = load_yaml("compose.yaml")["services"][host]["environment"]
    assert host == service
    assert environment[f"WATERSMEET_{service.upper()}_METRICS_LISTEN"] == f"0.0.0.0:{port}"


def test_intervals_leave_room_for_a_rate() -> None:
    settings = load_yaml("prometheus.yml")["global"]
    assert settings["scrape_timeout"] == "5s"
    assert settings["scrape_interval"] == settings["evaluation_interval"] == "10s"
    [source] = load_yaml("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    assert source["jsonData"]["timeInterval"] == settings["scrape_interval"]


def test_rule_files_exist_and_are_mounted_beside_the_configuration() -> None:
    mounts = load_yaml("compose.yaml")["services"]["prometheus"]["volumes"]
    for name in (*load_yaml("prometheus.yml")["rule_files"], "prometheus.yml"):
        assert (DEPLOY / name).is_file()
        assert f"./{name}:/etc/prometheus/{name}:ro" in mounts


def test_alerts_say_what_and_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    for rule in rules():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"] in ({"severity": "page"}, {"severity": "ticket"}), rule["alert"]
        annotations = rule["annotations"]
        assert isinstance(annotations, dict)
        assert set(annotations) == {"summary", "action"}, rule["alert"]


def test_every_metric_and_label_exists_in_the_code() -> None:
    wrong = []
    for where, expression in expressions():
        reading = read(expression)
        if not reading.metrics:
            wrong.append(f"{where} names no metric")
        known = set(PROMETHEUS_LABELS)
        for metric in reading.metrics - PROMETHEUS_METRICS:
            families = [family for family in code_metrics() if metric in family.samples]
            if not families:
                wrong.append(f"{where}: no code defines {metric}")
            known = known.union(*(family.labels for family in families))
        wrong += [f"{where}: no such label: {label}" for label in reading.labels - known]
    assert wrong == []


def test_every_job_that_is_named_is_asked() -> None:
    jobs = {job["job_name"] for job in load_yaml("prometheus.yml")["scrape_configs"]}
    for where, expression in expressions():
        for names in re.findall(r'job=~?"([^"]*)"', expression):
            assert set(names.split("|")) <= jobs, where


@needs_promtool
def test_promtool_accepts_the_configuration() -> None:
    promtool("check", "config", str(DEPLOY / "prometheus.yml"))


@needs_promtool
def test_promtool_accepts_the_dashboards_expressions(tmp_path: Path) -> None:
    recorded = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "1m")}
        for number, (_, expression) in enumerate(dashboard_expressions())
    ]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    promtool("check", "rules", str(file))


def promtool(*arguments: str) -> None:
    assert PROMTOOL is not None
    done = subprocess.run(
        [PROMTOOL, *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
