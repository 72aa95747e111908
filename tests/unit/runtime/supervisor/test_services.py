"""What each service is told in its environment."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.runtime.supervisor.certificates import CertificateFiles
from services.runtime.supervisor.databases import DatabaseUrls
from services.runtime.supervisor.services import STAGES, Service, ServicePorts, environment_of

SERVICES = {service.name: service for stage in STAGES for service in stage}
FILES = CertificateFiles(Path("/s/x.crt"), Path("/s/x.key"), Path("/s/ca.crt"))


@pytest.fixture
def ports() -> Iterator[dict[str, ServicePorts]]:
    reserved = {name: ServicePorts.reserve(service) for name, service in SERVICES.items()}
    yield reserved
    for service_ports in reserved.values():
        service_ports.close()


def settings_of(environment: dict[str, str]) -> dict[str, str]:
    return {k: v for k, v in environment.items() if k.startswith("WATERSMEET_")}


def test_a_service_learns_its_own_settings(ports: dict[str, ServicePorts]) -> None:
    urls = DatabaseUrls(owner="postgresql://o", service="postgresql://s")
    environment = environment_of(
        SERVICES["donations"], ports, FILES, urls, {"DONOR_KEY_FILE": "/s/donor.key"}
    )
    assert settings_of(environment) == {
        "WATERSMEET_DONATIONS_LISTEN": ports["donations"].grpc.address,
        "WATERSMEET_DONATIONS_METRICS_LISTEN": ports["donations"].metrics.address,
        "WATERSMEET_DONATIONS_CERTIFICATE_FILE": "/s/x.crt",
        "WATERSMEET_DONATIONS_KEY_FILE": "/s/x.key",
        "WATERSMEET_DONATIONS_CA_FILE": "/s/ca.crt",
        "WATERSMEET_DONATIONS_LEDGER_ADDRESS": ports["ledger"].grpc.address,
        "WATERSMEET_DONATIONS_DONOR_KEY_FILE": "/s/donor.key",
        "WATERSMEET_DONATIONS_DATABASE_URL": "postgresql://s",
        "WATERSMEET_DONATIONS_MIGRATION_DATABASE_URL": "postgresql://o",
    }


def test_the_users_settings_reach_their_service_only(
    ports: dict[str, ServicePorts], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATERSMEET_LEDGER_DATABASE_URL", "postgresql://secret@real/ledger")
    monkeypatch.setenv("WATERSMEET_GATEWAY_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("SOMETHING_ELSE", "kept")
    gateway = environment_of(SERVICES["gateway"], ports, FILES, None, {})
    assert gateway["WATERSMEET_GATEWAY_LOG_LEVEL"] == "DEBUG"
    assert gateway["WATERSMEET_GATEWAY_HTTP_LISTEN"].startswith("127.0.0.1:")
    assert gateway["SOMETHING_ELSE"] == "kept"
    assert "postgresql://secret@real/ledger" not in gateway.values()
    ledger = environment_of(SERVICES["ledger"], ports, FILES, None, {})
    assert ledger["WATERSMEET_LEDGER_DATABASE_URL"] == "postgresql://secret@real/ledger"


def test_a_folder_named_services_does_not_hide_ours() -> None:
    assert "-P" in SERVICES["ledger"].command_line()
    assert Service("ledger", command=("/bin/true",)).command_line() == ("/bin/true",)
