"""compose.yaml and its rules: what is published, pinned, limited, checked, and kept out of it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.deploy.files import DEPLOY, ROOT, SERVICES, load_yaml, settings_of

COMPOSE = load_yaml("compose.yaml")
LOCAL = load_yaml("compose.local.yaml")
ALL = COMPOSE["services"]

# service: the container ports that may be published. Anything else is a decision to be made here.
PUBLISHED = {"gateway": {"8080", "50051"}}
PUBLISHED_LOCALLY = {
    "donations": {"50051"},
    "ledger": {"50051"},
    "prometheus": {"9090"},
    "grafana": {"3000"},
}


def texts(value: object) -> Iterator[str]:
    """Every text in a YAML tree."""
    if isinstance(value, dict):
        for part in value.values():
            yield from texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts(part)
    elif isinstance(value, str):
        yield value


def published(services: dict[str, Any]) -> dict[str, set[str]]:
    """service: its published container ports; asserts that all of them are on loopback."""
    found: dict[str, set[str]] = {}
    for name, service in services.items():
        for port in service.get("ports", ()):
            shape = re.fullmatch(r"127\.0\.0\.1:\$\{\w+:-(\d+)\}:(\d+)", port)
            assert shape, f"{name} publishes {port}, which is not on loopback alone"
            found.setdefault(name, set()).add(shape[2])
    return found


def test_the_mesh_is_complete() -> None:
    assert {*SERVICES, "postgres", "prometheus", "grafana"} == set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_every_container_is_watched_limited_and_restarted(name: str) -> None:
    service = ALL[name]
    assert service["restart"] == "unless-stopped"
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert service["pids_limit"] > 0
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")
    assert service["logging"]["options"]["max-size"]
    health = service["healthcheck"]
    assert health["test"][0] == "CMD", "no shell between the check and its answer"
    assert {"interval", "timeout", "retries", "start_period"} <= set(health)


@pytest.mark.parametrize("name", ALL)
def test_images_are_pinned_to_a_release(name: str) -> None:
    image, colon, tag = ALL[name]["image"].rpartition(":")
    assert colon
    assert image
    assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?(-[a-z0-9.]+)?", tag), f"{name}: {tag} can move"


def test_our_image_is_this_version() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M)
    assert version
    for name in SERVICES:
        assert ALL[name]["image"] == f"watersmeet:{version[1]}"
        assert (ROOT / "deploy" / ALL[name]["build"]["context"]).resolve() == ROOT
        assert (ROOT / ALL[name]["build"]["dockerfile"]).is_file()


def test_only_the_gateway_is_published_and_on_loopback_alone() -> None:
    assert published(ALL) == PUBLISHED


def test_the_local_override_publishes_and_does_nothing_else() -> None:
    assert published(LOCAL["services"]) == PUBLISHED_LOCALLY
    assert all(set(service) == {"ports", "networks"} for service in LOCAL["services"].values())
    assert set(LOCAL) == {"services"}


def test_published_host_ports_do_not_collide() -> None:
    ports = [
        port.split(":-")[1].split("}")[0]
        for services in (ALL, LOCAL["services"])
        for service in services.values()
        for port in service.get("ports", ())
    ]
    assert len(ports) == len(set(ports))


def test_the_mesh_has_no_way_out_but_through_what_is_published() -> None:
    assert COMPOSE["networks"]["mesh"] == {"internal": True}
    for name, service in ALL.items():
        expected = {"mesh", "edge"} if name in PUBLISHED else {"mesh"}
        assert set(service["networks"]) == expected, name


@pytest.mark.parametrize("name", SERVICES)
def test_services_run_without_rights(name: str) -> None:
    service = ALL[name]
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["read_only"] is True
    assert service["user"].startswith("${WATERSMEET_UID:?")
    assert service["command"] == [f"services.{name}"]


@pytest.mark.parametrize("name", SERVICES)
def test_environment_names_are_settings_of_the_service(name: str) -> None:
    given = set(ALL[name]["environment"])
    known = settings_of(name)
    assert given <= set(known), f"{name} does not read {given - set(known)}"
    required = {variable for variable, is_required in known.items() if is_required}
    assert required <= given, f"{name} lacks {required - given}"


@pytest.mark.parametrize("name", SERVICES)
def test_addresses_lead_to_listening_ports(name: str) -> None:
    addresses = {
        variable: value
        for variable, value in ALL[name]["environment"].items()
        if variable.endswith("_ADDRESS")
    }
    assert addresses
    for variable, value in addresses.items():
        host, port = value.split(":")
        assert variable.endswith(f"_{host.upper()}_ADDRESS")
        assert ALL[host]["environment"][f"WATERSMEET_{host.upper()}_LISTEN"] == f"0.0.0.0:{port}"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_holds_its_own_key_and_no_other(name: str) -> None:
    held = set(ALL[name]["secrets"])
    assert {"ca.crt", f"{name}.crt", f"{name}.key"} <= held
    assert held <= set(COMPOSE["secrets"])
    assert not {f"{other}.key" for other in SERVICES if other != name} & held
    for variable, value in ALL[name]["environment"].items():
        if value.startswith("/run/secrets/"):
            assert value.removeprefix("/run/secrets/") in held, variable


def test_the_authoritys_key_is_never_mounted() -> None:
    assert not [text for text in texts(COMPOSE) if "ca.key" in text]


@pytest.mark.parametrize("name", ["donations", "ledger"])
def test_the_service_and_its_migrations_have_roles_of_their_own(name: str) -> None:
    environment = ALL[name]["environment"]
    prefix = f"WATERSMEET_{name.upper()}_"
    serving, migrating = (
        re.fullmatch(r"postgresql://(\w+):\$\{(\w+):\?\}@postgres:5432/(\w+)", environment[url])
        for url in (f"{prefix}DATABASE_URL", f"{prefix}MIGRATION_DATABASE_URL")
    )
    assert serving
    assert migrating
    upper = name.upper()
    assert serving.groups() == (f"{name}_service", f"{upper}_SERVICE_PASSWORD", name)
    assert migrating.groups() == (f"{name}_owner", f"{upper}_OWNER_PASSWORD", name)


def test_no_secret_is_written_down_and_none_has_a_default() -> None:
    for service in ALL.values():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|TOKEN", variable):
                assert re.fullmatch(r"\$\{\w+:\?[^}]*\}", value), variable
            # In a URL too: what stands between role and host is a required variable.
            password = re.search(r"//[^:/@]+:(.*?)@", value)
            assert password is None or re.fullmatch(r"\$\{\w+:\?\}", password[1]), variable


def test_the_example_environment_is_what_compose_requires_and_is_empty() -> None:
    required = {
        variable for text in texts(COMPOSE) for variable in re.findall(r"\$\{(\w+):\?", text)
    }
    lines = (DEPLOY / ".env.example").read_text(encoding="utf-8").splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert set(example) == required
    assert set(example.values()) == {""}


def test_every_mounted_file_of_ours_exists() -> None:
    sources = [
        volume.split(":")[0]
        for service in ALL.values()
        for volume in service.get("volumes", ())
        if isinstance(volume, str) and volume.startswith("./")
    ]
    assert sources
    for source in sources:
        assert (DEPLOY / source).exists(), source


def test_services_have_time_to_drain() -> None:
    from services.runtime.settings import ServerSettings

    drain_s = ServerSettings.model_fields["drain_s"].default
    for name in SERVICES:
        grace = re.fullmatch(r"(\d+)s", ALL[name]["stop_grace_period"])
        assert grace
        assert int(grace[1]) > drain_s
