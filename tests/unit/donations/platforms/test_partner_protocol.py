"""What is particular to the partner protocol, and that its document is true."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from services.donations.platforms import (
    ConfigurationError,
    GiftReport,
    Notice,
    RefundReport,
    Report,
    load_platforms,
)
from services.donations.platforms.partner_protocol import signed_text
from services.runtime.errors import Fault, Reason
from tests.unit.donations.platforms.documents import blocks
from tests.unit.donations.platforms.sender_partner import PartnerSender, ed25519_pem
from tests.unit.donations.platforms.sending import (
    NOW,
    Gift,
    Refund,
    output_of,
    public_pem,
    with_header,
)

SENDER = PartnerSender("weibo")
GIFT = Gift()
# RFC 8032, section 7.1, test 1.
RFC_KEY = Ed25519PrivateKey.from_private_bytes(
    bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
)


def read(notice: Notice) -> list[Report]:
    return SENDER.platform().read(notice, NOW)


def fault_of(notice: Notice) -> Fault:
    with pytest.raises(Fault) as caught:
        read(notice)
    return caught.value


def malformed(notice: Notice) -> str:
    fault = fault_of(notice)
    assert fault.reason is Reason.NOTIFICATION_MALFORMED
    return fault.message


def two_gifts_and_a_refund(**totals: object) -> Notice:
    gifts = [SENDER.gift(Gift("g-1", fen=1250)), SENDER.gift(Gift("g-2", fen=6))]
    refund = {
        "external_id": "g-1",
        "refund_id": "r-1",
        "amount": "2",
        "currency": "CNY",
        "cumulative": True,
        "time": "2026-09-05T11:59:59+08:00",
    }
    content = SENDER.content(gifts, [refund], gift_sum="12.56", refund_sum="2.00")
    stated = content["totals"]
    assert isinstance(stated, dict)
    stated |= totals
    return SENDER.notice(content)


def example() -> tuple[Notice, str, str]:
    """The document's example: the notice, its public key, its signed text."""
    first, _, signed = blocks("partner-protocol.md", "")
    request, *headers = first.splitlines()
    assert request == "POST /callbacks/weibo"
    (pem,) = blocks("partner-protocol.md", "pem")
    (body,) = blocks("partner-protocol.md", "json")
    pairs = [(name, value) for name, _, value in (line.partition(": ") for line in headers)]
    return Notice.received("POST", "", pairs, body.removesuffix("\n").encode()), pem, signed


def test_the_documents_example_is_verified_and_read(tmp_path: Path) -> None:
    notice, pem, _ = example()
    (tmp_path / "weibo.2019-09.pub.pem").write_text(pem)
    (tmp_path / "example-company.1.pub.pem").write_bytes(ed25519_pem("platform"))
    file = tmp_path / "platforms.toml"
    (toml,) = blocks("partner-protocol.md", "toml")
    file.write_text(toml)
    platforms = load_platforms(file)
    assert list(platforms) == ["weibo", "example-company"]
    day = datetime(2019, 9, 5, 4, tzinfo=UTC)
    assert platforms["weibo"].read(notice, datetime(2019, 9, 5, 4, 2, tzinfo=UTC)) == [
        GiftReport(
            "20190905120000000001",
            "water-guizhou",
            "giving-20190905",
            12_500_000,
            "CNY",
            day,
            "u-1",
        ),
        GiftReport(
            "20190905120007000002", "water-guizhou", "", 56_300, "CNY", day.replace(second=7)
        ),
        RefundReport(
            "20190905115500000009",
            "r-20190905-1",
            2_000_000,
            "CNY",
            False,
            day.replace(minute=1),
        ),
    ]


def test_the_documents_signed_text_and_key_are_the_examples() -> None:
    notice, pem, signed = example()
    headers = notice.headers
    timestamp, nonce = headers["watersmeet-timestamp"], headers["watersmeet-nonce"]
    assert signed_text(timestamp, nonce, notice.body).decode() == signed
    public = RFC_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert public.decode() == pem


def test_openssl_makes_the_documents_signature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notice, _, signed = example()
    private = RFC_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(private)
    (tmp_path / "signed.txt").write_text(signed)
    (command,) = blocks("partner-protocol.md", "sh")
    monkeypatch.chdir(tmp_path)
    output_of(["openssl", "version"], b"")
    made = output_of(["sh", "-c", command], b"")
    assert made.strip() == notice.headers["watersmeet-signature"]


def test_gifts_come_first_then_refunds() -> None:
    reports = read(two_gifts_and_a_refund())
    assert [report.external_id for report in reports] == ["g-1", "g-2", "g-1"]
    refund = reports[-1]
    assert isinstance(refund, RefundReport)
    assert refund.cumulative


@pytest.mark.parametrize(
    ("totals", "message"),
    [
        ({"gifts": {"count": 3, "sum": {"CNY": "12.56"}}}, "totals.gifts.count"),
        ({"gifts": {"count": True, "sum": {"CNY": "12.56"}}}, "totals.gifts.count"),
        ({"gifts": {"count": 2, "sum": {"CNY": "12.57"}}}, "totals.gifts.sum"),
        ({"gifts": {"count": 2, "sum": {"USD": "12.56"}}}, "totals.gifts.sum"),
        ({"gifts": {"count": 2, "sum": {"CNY": "12.56", "USD": "0"}}}, "totals.gifts.sum"),
        ({"gifts": {"count": 2, "sum": {"CNY": 12.56}}}, "CNY|sum"),
        ({"refunds": {"count": 0, "sum": {}}}, "totals.refunds.count"),
        ({"refunds": {"count": 1, "sum": {}}}, "totals.refunds.sum"),
        ({"gifts": None}, "gifts is missing"),
    ],
)
def test_a_notice_that_does_not_add_up_is_refused(totals: dict[str, object], message: str) -> None:
    with pytest.raises(Fault, match=message) as caught:
        read(two_gifts_and_a_refund(**totals))
    assert caught.value.reason is Reason.NOTIFICATION_MALFORMED


def test_nothing_to_report_moves_no_money() -> None:
    assert read(SENDER.notice(SENDER.content([], []))) == []


@pytest.mark.parametrize("name", ["gifts", "refunds", "totals", "partner"])
def test_a_part_that_is_missing_is_named(name: str) -> None:
    content = SENDER.content([], [])
    del content[name]
    assert name in malformed(SENDER.notice(content))


@pytest.mark.parametrize("amount", ["0", "0.00", "-1", "+1", "1e3", "1.0000001", "", 1, 1.5, None])
def test_an_amount_that_is_none_is_malformed(amount: object) -> None:
    assert "amount" in malformed(SENDER.payment(GIFT, lambda gift: gift.update(amount=amount)))


@pytest.mark.parametrize("currency", ["cny", "RMB1", "", None])
def test_a_currency_that_is_none_is_malformed(currency: object) -> None:
    notice = SENDER.payment(GIFT, lambda gift: gift.update(currency=currency))
    assert "currency" in malformed(notice)


@pytest.mark.parametrize("name", ["external_id", "refund_id", "amount", "currency", "time"])
def test_a_refund_without_a_field_is_malformed(name: str) -> None:
    assert name in malformed(SENDER.refund(GIFT, Refund(), lambda refund: refund.pop(name)))


def test_cumulative_is_true_or_false() -> None:
    notice = SENDER.refund(GIFT, Refund(), lambda refund: refund.update(cumulative="no"))
    assert "cumulative" in malformed(notice)


def test_a_notice_of_another_partner_is_refused() -> None:
    # Signed by a key that both use, and sent to the wrong address.
    notice = PartnerSender("qingsongchou").payment(GIFT)
    assert fault_of(notice).reason is Reason.RECIPIENT_MISMATCH


@pytest.mark.parametrize("nonce", ["", "short", "x" * 65, "has space has space"])
def test_a_nonce_has_its_form(nonce: str) -> None:
    notice = SENDER.notice(SENDER.content([], []), nonce=nonce)
    assert fault_of(notice).reason is Reason.SIGNATURE_INVALID


def test_a_key_that_is_not_configured_is_named_as_such() -> None:
    notice = with_header(SENDER.payment(GIFT), "watersmeet-key-id", "2019-01")
    assert "Watersmeet-Key-Id" in fault_of(notice).message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[weibo]", "needs a table keys"),
        ("[weibo.keys]", "at least one key"),
        ('[weibo.keys]\n"1" = "rsa.pem"', "Ed25519 public key: not an Ed25519 key"),
        ('[weibo]\nprotocol = "other"', 'speaks protocol = "partner"'),
        ('["Some Company"]\nprotocol = "partner"', "is no partner's code"),
        ('[company]\nprotocol = "other"', "is no platform"),
        ("[company.keys]", "is no platform"),
    ],
)
def test_a_wrong_table_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "rsa.pem").write_bytes(public_pem("platform"))
    (tmp_path / "platforms.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        load_platforms(tmp_path / "platforms.toml")
