"""Time zones by their names."""

from datetime import UTC, datetime, timedelta

import pytest

from services.runtime.zones import time_zone

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "hours"),
    [("Europe/London", 1), ("America/Argentina/Ushuaia", -3), ("Etc/GMT+5", -5), ("UTC", 0)],
)
def test_a_zone(name: str, hours: int) -> None:
    zone = time_zone(name)
    assert zone.key == name
    assert NOON.astimezone(zone).utcoffset() == timedelta(hours=hours)


@pytest.mark.parametrize(
    "name",
    [
        *("", "Mars/Base", "europe/london ", "Europe", "zone.tab", "leapseconds", "伦敦"),
        *("../zoneinfo/UTC", "/etc/localtime", "Europe/London/", "UTC\n", "a" * 300),
    ],
)
def test_what_names_none(name: str) -> None:
    with pytest.raises(ValueError, match=r"time zone|TZif"):
        time_zone(name)


def test_the_hosts_own_zones_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONTZPATH", "/nowhere")
    time_zone.cache_clear()
    assert time_zone("Asia/Shanghai").key == "Asia/Shanghai"
