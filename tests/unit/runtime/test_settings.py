"""Settings come from the environment alone, and wrong ones are told."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import DatabaseSettings, ServerSettings, split_address


class Settings(ServerSettings, DatabaseSettings):
    model_config = SettingsConfigDict(env_prefix="WATERSMEET_TEST_")


REQUIRED = {
    "CERTIFICATE_FILE": "/tmp/a.crt",
    "KEY_FILE": "/tmp/a.key",
    "CA_FILE": "/tmp/ca.crt",
    "DATABASE_URL": "postgresql://ledger_service:s3cret@localhost/ledger",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in REQUIRED.items():
        monkeypatch.setenv(f"WATERSMEET_TEST_{name}", value)
    return monkeypatch


def test_they_are_read_with_the_services_prefix(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WATERSMEET_TEST_LISTEN", "0.0.0.0:7001")
    environment.setenv("LISTEN", "0.0.0.0:9")
    settings = Settings.from_environment()
    assert settings.listen == "0.0.0.0:7001"
    assert settings.ca_file == Path("/tmp/ca.crt")
    assert settings.trust_domain == "watersmeet"


def test_secrets_do_not_show(environment: pytest.MonkeyPatch) -> None:
    assert "s3cret" not in repr(Settings.from_environment())


def test_migrations_run_as_the_service_unless_told_otherwise(
    environment: pytest.MonkeyPatch,
) -> None:
    assert Settings.from_environment().migration_url == Settings.from_environment().database_url
    environment.setenv("WATERSMEET_TEST_MIGRATION_DATABASE_URL", "postgresql://owner@localhost/x")
    assert "owner" in Settings.from_environment().migration_url.get_secret_value()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LISTEN", "7001"),
        ("LISTEN", "localhost:port"),
        ("METRICS_LISTEN", "localhost:70000"),
        ("CALL_TIMEOUT_S", "0"),
        ("POOL_SIZE", "0"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_wrong_ones_are_refused(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(f"WATERSMEET_TEST_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings.from_environment()


def test_addresses() -> None:
    assert split_address("127.0.0.1:0") == ("127.0.0.1", 0)
    assert split_address("[::1]:50051") == ("::1", 50051)
    assert split_address("localhost:65535") == ("localhost", 65535)
    wrong_ones = ("", ":1", "localhost", "localhost:", "localhost:-1", "localhost:65536")
    for wrong in (*wrong_ones, "https://localhost:1", "local host:1", "local\nhost:1"):
        with pytest.raises(ValueError, match="host:port"):
            split_address(wrong)
