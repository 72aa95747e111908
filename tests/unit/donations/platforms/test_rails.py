"""Which rail a notice says that its gift was paid on."""

import pytest

from services.donations.domain import Rail
from services.donations.platforms.protocol import GiftReport
from services.runtime.errors import Fault, Reason
from tests.unit.donations.platforms.sender_bytedance import BytedanceSender
from tests.unit.donations.platforms.sender_partner import PartnerSender
from tests.unit.donations.platforms.sending import NOW, Gift


def rail_of(sender: BytedanceSender | PartnerSender, gift: Gift, **edits: object) -> Rail | None:
    notice = sender.payment(gift, lambda content: content.update(edits))
    [report] = sender.platform().read(notice, NOW)
    assert isinstance(report, GiftReport)
    return report.rail


@pytest.mark.parametrize(
    ("way", "rail"),
    [
        ("1", Rail("tencent", "4200")),
        ("2", Rail("alipay", "4200")),
        (1, Rail("tencent", "4200")),
        ("10", None),
        ("7", None),
    ],
)
def test_douyin_tells_the_way(way: object, rail: Rail | None) -> None:
    assert rail_of(BytedanceSender(), Gift(rail_id="4200"), way=way) == rail


@pytest.mark.parametrize("number", ["", "with space", None, 7, "x" * 65])
def test_douyin_s_number_that_is_none_names_no_rail(number: object) -> None:
    assert rail_of(BytedanceSender(), Gift(way="1"), channel_no=number) is None


def test_the_partner_protocol_names_it() -> None:
    gift = Gift(way="1", rail_id="4200")
    assert rail_of(PartnerSender("weibo"), gift) == Rail("tencent", "4200")
    assert rail_of(PartnerSender("weibo"), Gift()) is None


@pytest.mark.parametrize(
    "edits",
    [
        {"rail": "tencent"},
        {"rail_id": "4200"},
        {"rail": "weibo", "rail_id": "4200"},
        {"rail": "tencent", "rail_id": "with space"},
    ],
)
def test_the_partner_protocol_names_both_or_neither(edits: dict[str, object]) -> None:
    with pytest.raises(Fault) as raised:
        rail_of(PartnerSender("weibo"), Gift(), **edits)
    assert raised.value.reason is Reason.NOTIFICATION_MALFORMED
