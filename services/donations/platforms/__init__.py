"""The platforms whose notices are taken in their own form, one file each.

To add one: write its file (see protocol.py), add its row to PLATFORMS, and its cases to the tests'
contract kit.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from services.donations.platforms.alipay import Alipay
from services.donations.platforms.configuration import ConfigurationError, Section, read_sections
from services.donations.platforms.protocol import (
    BODY_LIMIT_BYTES,
    Acknowledgement,
    GiftReport,
    Notice,
    Platform,
    Probe,
    RefundReport,
    Report,
)
from services.donations.platforms.tencent import Tencent

__all__ = [
    "BODY_LIMIT_BYTES",
    "PLATFORMS",
    "Acknowledgement",
    "ConfigurationError",
    "GiftReport",
    "Notice",
    "Platform",
    "Probe",
    "RefundReport",
    "Report",
    "load_platforms",
]

PLATFORMS: Mapping[str, Callable[[Section], Platform]] = {
    "alipay": Alipay.load,
    "tencent": Tencent.load,
}
"""Each platform's code, and how it reads its own table of platforms.toml."""


def load_platforms(file: Path | None) -> dict[str, Platform]:
    """The platforms that the file configures, by code; none without a file.

    Paths in the file are relative to it. Raises ConfigurationError, naming the place, if anything
    in it is missing, misspelt or unreadable.
    """
    if file is None:
        return {}
    platforms: dict[str, Platform] = {}
    for section in read_sections(file):
        load = PLATFORMS.get(section.name)
        if load is None:
            raise section.error(f"is no platform; known are {', '.join(sorted(PLATFORMS))}")
        platforms[section.name] = load(section)
    return platforms
