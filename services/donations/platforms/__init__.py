"""The platforms whose notices are taken in their own form, one file each.

docs/adding-a-platform.md shows how one is added: its file, its row in PLATFORMS, its fixtures.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from services.donations.platforms.alipay import Alipay
from services.donations.platforms.bytedance import Bytedance
from services.donations.platforms.configuration import ConfigurationError, Section, read_sections
from services.donations.platforms.partner_protocol import PartnerProtocol
from services.donations.platforms.protocol import (
    BODY_LIMIT_BYTES,
    Acknowledgement,
    DisputeReport,
    GiftReport,
    Notice,
    Platform,
    Probe,
    RefundReport,
    Report,
)
from services.donations.platforms.stripe import Stripe
from services.donations.platforms.tencent import Tencent
from services.donations.platforms.xiaomi import Xiaomi

__all__ = [
    "BODY_LIMIT_BYTES",
    "PLATFORMS",
    "Acknowledgement",
    "ConfigurationError",
    "DisputeReport",
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
    "bytedance": Bytedance.load,
    "qingsongchou": PartnerProtocol.load,
    "stripe": Stripe.load,
    "tencent": Tencent.load,
    "weibo": PartnerProtocol.load,
    "xiaomi": Xiaomi.load,
}
"""Each platform's code, and how it reads its own table of platforms.toml."""

PROTOCOLS: Mapping[str, Callable[[Section], Platform]] = {"partner": PartnerProtocol.load}
"""What a company without a row above may send, if its table says `protocol = "…"`."""


def load_platforms(file: Path | None) -> dict[str, Platform]:
    """The platforms that the file configures, by code; none without a file.

    Paths in the file are relative to it. Raises ConfigurationError, naming the place, if anything
    in it is missing, misspelt or unreadable.
    """
    if file is None:
        return {}
    platforms: dict[str, Platform] = {}
    for section in read_sections(file):
        load = PLATFORMS.get(section.name) or PROTOCOLS.get(str(section.values.get("protocol")))
        if load is None:
            raise section.error(
                f"is no platform; known are {', '.join(sorted(PLATFORMS))}, "
                f'and any company with protocol = "{"|".join(PROTOCOLS)}"'
            )
        platforms[section.name] = load(section)
    return platforms
