"""What is particular to Stripe's events."""

import pytest

from services.donations.platforms import GiftReport, Notice, RefundReport, Report
from services.donations.platforms.stripe import THREE_DECIMAL, ZERO_DECIMAL, Stripe
from services.runtime.currency import CURRENCIES
from services.runtime.errors import Fault, Reason
from tests.unit.donations.platforms.sender_stripe import StripeSender
from tests.unit.donations.platforms.sending import NOW, Gift, Refund, output_of, secret, with_header

SENDER = StripeSender()
GIFT = Gift(external_id="pi_3MtwBwLkdIwHu7ix28a3tqPa")
FROM_INTENTS = Stripe(True, "payment_intent", (secret("platform"),))


def read(notice: Notice) -> list[Report]:
    return SENDER.platform().read(notice, NOW)


def reason_of(notice: Notice) -> Reason:
    with pytest.raises(Fault) as caught:
        read(notice)
    return caught.value.reason


def payment(**fields: object) -> Notice:
    return SENDER.payment(GIFT, lambda content: content.update(fields))


def event(**fields: object) -> Notice:
    return SENDER.notice(SENDER.event("charge.succeeded", SENDER.charge(GIFT)) | fields)


def intent(**fields: object) -> Notice:
    return SENDER.notice(SENDER.event("payment_intent.succeeded", SENDER.intent(GIFT) | fields))


def test_another_program_makes_the_same_signature() -> None:
    notice = payment()
    timestamp, v1 = notice.headers["stripe-signature"].split(",")
    signed = timestamp.removeprefix("t=").encode() + b"." + notice.body
    command = ["openssl", "dgst", "-sha256", "-hmac", secret("platform").decode()]
    assert "v1=" + output_of(command, signed).split()[-1] == v1


def test_a_rolled_secrets_signature_is_found_among_several() -> None:
    notice = payment()
    timestamp, v1 = notice.headers["stripe-signature"].split(",")
    several = with_header(notice, "stripe-signature", f"{timestamp},v1={'00' * 32},{v1}")
    assert read(several) == read(notice)
    platform = Stripe(True, "charge", (secret("next"), secret("platform")))
    assert platform.read(notice, NOW) == read(notice)


def test_other_schemes_are_ignored_as_stripe_asks() -> None:
    notice = payment()
    header = notice.headers["stripe-signature"] + f",v0={'6f' * 32}"
    assert read(with_header(notice, "stripe-signature", header)) == read(notice)


@pytest.mark.parametrize("scheme", ["v0", "v2", "V1"])
def test_no_other_scheme_is_taken(scheme: str) -> None:
    notice = payment()
    header = notice.headers["stripe-signature"].replace("v1=", f"{scheme}=")
    assert reason_of(with_header(notice, "stripe-signature", header)) is Reason.SIGNATURE_INVALID


def test_there_is_one_time_that_was_signed() -> None:
    notice = payment()
    timestamp, v1 = notice.headers["stripe-signature"].split(",")
    for header in (v1, f"{timestamp},{timestamp},{v1}", f"{timestamp},t=1,{v1}", timestamp):
        changed = with_header(notice, "stripe-signature", header)
        assert reason_of(changed) is Reason.SIGNATURE_INVALID


def test_a_header_of_very_many_signatures_is_refused() -> None:
    header = f"t={int(NOW.timestamp())}" + ",v1=00" * 10_000
    notice = with_header(payment(), "stripe-signature", header)
    assert reason_of(notice) is Reason.SIGNATURE_INVALID


@pytest.mark.parametrize(
    ("currency", "amount", "micros"),
    [
        ("usd", 1099, 10_990_000),
        ("jpy", 500, 500_000_000),
        ("krw", 1, 1_000_000),
        ("kwd", 5120, 5_120_000),
        ("isk", 500, 5_000_000),
        ("ugx", 500, 5_000_000),
        ("huf", 1045, 10_450_000),
        ("twd", 80045, 800_450_000),
    ],
)
def test_amounts_are_in_stripes_own_smallest_unit(currency: str, amount: int, micros: int) -> None:
    fields = {"currency": currency, "amount": amount, "amount_captured": amount}
    (gift,) = read(payment(**fields))
    assert (gift.amount_micros, gift.currency) == (micros, currency.upper())
    (refund,) = read(
        SENDER.refund(GIFT, Refund(), lambda c: c.update(fields, amount_refunded=amount))
    )
    assert (refund.amount_micros, refund.currency) == (micros, currency.upper())


def test_the_lists_name_currencies() -> None:
    assert ZERO_DECIMAL | THREE_DECIMAL <= CURRENCIES
    assert not ZERO_DECIMAL & THREE_DECIMAL


@pytest.mark.parametrize("currency", ["USD", "us", "", 840])
def test_a_currency_that_is_none_is_malformed(currency: object) -> None:
    assert reason_of(payment(currency=currency)) is Reason.NOTIFICATION_MALFORMED


@pytest.mark.parametrize("amount", [0, -1, 1.5, "1", True, None, 2**63])
def test_an_amount_that_is_none_is_malformed(amount: object) -> None:
    notice = payment(amount=amount, amount_captured=amount)
    assert reason_of(notice) is Reason.NOTIFICATION_MALFORMED


def test_one_payment_is_one_gift_though_two_events_tell_it() -> None:
    assert read(intent()) == []
    assert FROM_INTENTS.read(payment(), NOW) == []
    (from_charge,), (from_intent,) = read(payment()), FROM_INTENTS.read(intent(), NOW)
    assert from_charge.external_id == from_intent.external_id == GIFT.external_id
    assert from_charge.amount_micros == from_intent.amount_micros


@pytest.mark.parametrize("fields", [{"status": "processing"}, {"amount_received": 1}, {"id": ""}])
def test_an_intent_that_contradicts_itself_is_malformed(fields: dict[str, object]) -> None:
    with pytest.raises(Fault) as caught:
        FROM_INTENTS.read(intent(**fields), NOW)
    assert caught.value.reason is Reason.NOTIFICATION_MALFORMED


def test_a_charge_without_an_intent_is_its_own_gift() -> None:
    (gift,) = read(payment(payment_intent=None))
    assert gift.external_id == "ch_3MmlLrLkdIwHu7ix0snN0B15"
    (refund,) = read(SENDER.refund(GIFT, Refund(), lambda c: c.update(payment_intent=None)))
    assert refund.external_id == gift.external_id


def test_an_authorized_charge_is_a_gift_when_it_is_captured() -> None:
    assert read(payment(captured=False, amount_captured=0)) == []
    captured = SENDER.notice(SENDER.event("charge.captured", SENDER.charge(GIFT)))
    assert read(captured) == read(payment())


def test_a_capture_in_part_is_for_a_person_to_see() -> None:
    assert reason_of(payment(amount_captured=1)) is Reason.NOTIFICATION_MALFORMED
    assert reason_of(payment(status="pending")) is Reason.NOTIFICATION_MALFORMED


def test_refunds_tell_the_running_total_and_are_named_by_their_events() -> None:
    (report,) = read(SENDER.refund(GIFT, Refund("evt_2", 100, 334)))
    assert report == RefundReport(GIFT.external_id, "evt_2", 3_340_000, "CNY", True, Refund().paid)


@pytest.mark.parametrize("amount", [0, None, "234"])
def test_a_refund_of_nothing_is_malformed(amount: object) -> None:
    notice = SENDER.refund(GIFT, Refund(), lambda c: c.update(amount_refunded=amount))
    assert reason_of(notice) is Reason.NOTIFICATION_MALFORMED


def test_test_mode_is_no_real_money() -> None:
    assert reason_of(event(livemode=False)) is Reason.RECIPIENT_MISMATCH
    assert reason_of(event(livemode="true")) is Reason.NOTIFICATION_MALFORMED
    sandbox = Stripe(False, "charge", (secret("platform"),))
    assert sandbox.read(event(livemode=False), NOW) == read(event())


def test_another_accounts_event_is_refused() -> None:
    assert reason_of(event(account="acct_1032D82eZvKYlo2C")) is Reason.RECIPIENT_MISMATCH


@pytest.mark.parametrize("kind", ["charge.failed", "customer.created", ""])
def test_an_event_of_another_type_is_malformed(kind: str) -> None:
    assert reason_of(event(type=kind)) is Reason.NOTIFICATION_MALFORMED


def test_a_guests_gift_names_no_donor() -> None:
    (gift,) = read(payment(customer=None, metadata={}))
    assert isinstance(gift, GiftReport)
    assert (gift.donor_reference, gift.project) == ("", "")
