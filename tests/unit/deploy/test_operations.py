"""docs/operations.md: its tables say what the code and the files say."""

import re

import pytest

from tests.unit.deploy.files import ROOT, SERVICES, load_yaml, settings_class

TEXT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")

# Under which headings the settings of a service stand.
HEADINGS = {
    "donations": ("Every service", "Donations and ledger", "Donations"),
    "ledger": ("Every service", "Donations and ledger", "Ledger"),
    "gateway": ("Every service", "Gateway"),
}


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head."""
    [section] = re.findall(rf"^#+ {re.escape(heading)}$(.*?)(?=^#|\Z)", TEXT, re.M | re.S)
    lines = [line for line in section.splitlines() if line.startswith("|")]
    assert len(lines) > 2, f"no table under {heading}"
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def written(default: object) -> str:
    """A default as the table has it."""
    if default is None:
        return ""
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


@pytest.mark.parametrize("service", SERVICES)
def test_the_tables_of_settings_are_the_settings(service: str) -> None:
    documented = [row[:2] for heading in HEADINGS[service] for row in rows(heading)]
    expected = [
        [f"**`{name.upper()}`**", ""]
        if field.is_required()
        else [f"`{name.upper()}`", written(field.default)]
        for name, field in settings_class(service).model_fields.items()
    ]
    assert sorted(documented) == sorted(expected)


def test_every_setting_is_explained() -> None:
    for heading in {heading for headings in HEADINGS.values() for heading in headings}:
        assert all(row[2] for row in rows(heading)), heading


def test_the_table_of_alerts_is_the_alerts() -> None:
    documented = [(row[0].strip("`"), row[1]) for row in rows("What to watch")]
    alerts = [
        (rule["alert"], rule["labels"]["severity"])
        for group in load_yaml("alerts.yml")["groups"]
        for rule in group["rules"]
    ]
    assert documented == alerts


def test_the_table_of_ports_is_composes() -> None:
    documented = {re.match(r"\d+", row[0])[0] for row in rows("Ports")}  # type: ignore[index]
    listening = {
        value.rpartition(":")[2]
        for service in SERVICES
        for name, value in load_yaml("compose.yaml")["services"][service]["environment"].items()
        if name.endswith("_LISTEN")
    }
    assert documented == listening


def test_its_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (ROOT / "docs" / target).exists(), target
