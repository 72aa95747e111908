"""Disputes, from the platforms that tell of them."""

import json
from collections.abc import Mapping

import pytest

from services.donations.life.reports import DisputeStatus
from services.donations.platforms.protocol import DisputeReport, Notice, Report
from services.runtime.errors import Fault, Reason
from tests.unit.donations.platforms.sender_partner import PartnerSender
from tests.unit.donations.platforms.sender_stripe import StripeSender
from tests.unit.donations.platforms.sending import NOW, Dispute, Gift

SENDERS = [StripeSender(), PartnerSender("weibo")]
GIFT = Gift()


def read(sender: StripeSender | PartnerSender, notice: Notice) -> list[Report]:
    return sender.platform().read(notice, NOW)


@pytest.mark.parametrize("sender", SENDERS, ids=lambda sender: sender.code)
@pytest.mark.parametrize("status", list(DisputeStatus))
def test_a_dispute_is_read(sender: StripeSender | PartnerSender, status: DisputeStatus) -> None:
    dispute = Dispute(status=status.name.lower(), fen=500)
    assert read(sender, sender.dispute(GIFT, dispute)) == [
        DisputeReport(GIFT.external_id, "dp_1", status, 5_000_000, "CNY", dispute.at)
    ]


def event(notice: Notice, kind: str, **thing: object) -> Notice:
    """Stripe's event with another type and an edited dispute, signed anew."""
    content = json.loads(notice.body)
    content["type"] = kind
    content["data"]["object"] |= thing
    return StripeSender().notice(content)


@pytest.mark.parametrize(
    ("kind", "thing"),
    [
        ("charge.dispute.created", {"status": "warning_needs_response"}),
        ("charge.dispute.closed", {"status": "warning_closed"}),
        ("charge.dispute.closed", {"status": "prevented"}),
    ],
)
def test_an_inquiry_moves_no_money(kind: str, thing: Mapping[str, object]) -> None:
    sender = StripeSender()
    assert read(sender, event(sender.dispute(GIFT, Dispute()), kind, **thing)) == []


def test_a_dispute_of_a_charge_without_an_intent_names_the_charge() -> None:
    sender = StripeSender()
    notice = event(sender.dispute(GIFT, Dispute()), "charge.dispute.created", payment_intent=None)
    [report] = read(sender, notice)
    assert report.external_id == "ch_3MmlLrLkdIwHu7ix0snN0B15"


@pytest.mark.parametrize(
    "edit", [{"status": "open"}, {"status": ""}, {"amount": "0"}, {"dispute_id": "a b"}]
)
def test_the_partner_protocol_s_disputes_are_checked(edit: dict[str, object]) -> None:
    sender = PartnerSender("weibo")
    content = json.loads(sender.dispute(GIFT, Dispute()).body)
    content["disputes"][0] |= edit
    with pytest.raises(Fault) as raised:
        read(sender, sender.notice(content))
    assert raised.value.reason is Reason.NOTIFICATION_MALFORMED


def test_the_partner_protocol_s_disputes_have_control_totals() -> None:
    sender = PartnerSender("weibo")
    content = json.loads(sender.dispute(GIFT, Dispute()).body)
    content["totals"]["disputes"]["count"] = 2
    with pytest.raises(Fault):
        read(sender, sender.notice(content))
