"""The simulator's notices, read by libraries that others wrote for the platforms."""

import dataclasses
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl

import pytest
from alipay import AliPay
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from wechatpayv3 import WeChatPay, WeChatPayType

from services.cli.simulator.alipay import Alipay
from services.cli.simulator.keys import PlatformKeys, load_keys, make_keys
from services.cli.simulator.occasion import make_occasion
from services.cli.simulator.reports import Gift, Kind, Refund, Report, Way
from services.cli.simulator.tencent import Tencent

NOW = datetime(2019, 9, 5, 4, 0, 9, tzinfo=UTC)
OCCASION = make_occasion(date(2019, 9, 5))
GIFT = Gift(
    partner="alipay",
    external_id="2019090422001437930500000001",
    project="water-guizhou",
    campaign=OCCASION.campaign,
    amount_micros=12_340_000,
    event_time=datetime(2019, 9, 4, 15, 30, 1, tzinfo=UTC),
    donor="2088000000000007",
)
PART = Refund(GIFT, "R1", 340_000, 340_000, datetime(2019, 9, 4, 15, 40, tzinfo=UTC))
REST = Refund(GIFT, "R2", 12_000_000, 12_340_000, datetime(2019, 9, 4, 15, 50, tzinfo=UTC))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_keys(tmp_path_factory.mktemp("platforms")).parent


@pytest.fixture(scope="module")
def keys(folder: Path) -> PlatformKeys:
    return load_keys(folder)


def pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def told(subject: Gift | Refund, kind: Kind = Kind.FIRST) -> Report:
    return Report(subject, kind, Way.NOTICE)


class TestAlipay:
    @pytest.fixture
    def reader(self, folder: Path, keys: PlatformKeys) -> AliPay:
        return AliPay(
            appid=keys.alipay.app_id,
            app_notify_url=None,
            app_private_key_string=pem(keys.forger),
            alipay_public_key_string=(folder / "alipay.pub.pem").read_text(),
            sign_type="RSA2",
        )

    def read(self, reader: AliPay, keys: PlatformKeys, report: Report) -> dict[str, str] | None:
        """The notice's fields if the library verifies them."""
        notice = Alipay(keys.alipay, keys.forger).notice(report, NOW)
        body = notice.body.decode("ascii")
        fields = dict(parse_qsl(body, strict_parsing=True))
        assert len(fields) == body.count("=")
        signature = fields.pop("sign")
        return fields if reader.verify(dict(fields), signature) else None

    def test_a_payment(self, reader: AliPay, keys: PlatformKeys) -> None:
        fields = self.read(reader, keys, told(GIFT))
        assert fields is not None
        assert fields["total_amount"] == "12.34"
        assert fields["gmt_payment"] == "2019-09-04 23:30:01"
        assert fields["notify_time"] == "2019-09-05 12:00:09"
        assert parse_qs(fields["passback_params"]) == {
            "campaign": [GIFT.campaign],
            "project": [GIFT.project],
        }

    def test_refunds_state_the_running_total(self, reader: AliPay, keys: PlatformKeys) -> None:
        part, rest = self.read(reader, keys, told(PART)), self.read(reader, keys, told(REST))
        assert part is not None
        assert rest is not None
        assert (part["refund_fee"], part["trade_status"]) == ("0.34", "TRADE_SUCCESS")
        assert (rest["refund_fee"], rest["trade_status"]) == ("12.34", "TRADE_CLOSED")
        assert part["trade_no"] == rest["trade_no"] == GIFT.external_id

    def test_a_page_that_names_no_project(self, reader: AliPay, keys: PlatformKeys) -> None:
        fields = self.read(reader, keys, told(dataclasses.replace(GIFT, project="")))
        assert fields is not None
        assert "passback_params" not in fields

    def test_a_forgery_does_not_verify(self, reader: AliPay, keys: PlatformKeys) -> None:
        assert self.read(reader, keys, told(GIFT, Kind.FORGED)) is None

    def test_only_success_is_an_acknowledgement(self, keys: PlatformKeys) -> None:
        alipay = Alipay(keys.alipay, keys.forger)
        assert alipay.acknowledged(200, b"success")
        assert not alipay.acknowledged(200, b"fail")
        assert not alipay.acknowledged(503, b"success")


class TestTencent:
    @pytest.fixture
    def reader(self, folder: Path, keys: PlatformKeys) -> WeChatPay:
        return WeChatPay(
            wechatpay_type=WeChatPayType.JSAPI,
            mchid=keys.tencent.mchid,
            private_key=pem(keys.forger),
            cert_serial_no="0" * 40,
            apiv3_key=keys.tencent.apiv3_key.decode("ascii"),
            appid=keys.tencent.appid,
            public_key=(folder / "tencent.pub.pem").read_text(),
            public_key_id=keys.tencent.serial,
        )

    def read(self, reader: WeChatPay, keys: PlatformKeys, report: Report) -> dict[str, Any] | None:
        """The notice with its resource opened, if the library verifies it."""
        notice = Tencent(keys.tencent, keys.forger).notice(report, NOW)
        content = reader.callback(notice.headers, notice.body)
        assert content is None or isinstance(content, dict)
        return content

    def test_a_payment(self, reader: WeChatPay, keys: PlatformKeys) -> None:
        content = self.read(reader, keys, told(GIFT))
        assert content is not None
        assert content["event_type"] == "TRANSACTION.SUCCESS"
        resource = content["resource"]
        assert resource["transaction_id"] == GIFT.external_id
        assert resource["amount"]["total"] == 1234
        assert resource["success_time"] == "2019-09-04T23:30:01+08:00"
        assert parse_qs(resource["attach"])["project"] == [GIFT.project]

    def test_refunds_state_their_own_amount(self, reader: WeChatPay, keys: PlatformKeys) -> None:
        for refund, fen in ((PART, 34), (REST, 1200)):
            content = self.read(reader, keys, told(refund))
            assert content is not None
            assert content["event_type"] == "REFUND.SUCCESS"
            amount = content["resource"]["amount"]
            assert (amount["total"], amount["refund"]) == (1234, fen)
            assert content["resource"]["refund_id"] == refund.refund_id

    def test_a_forgery_does_not_verify(self, reader: WeChatPay, keys: PlatformKeys) -> None:
        assert self.read(reader, keys, told(GIFT, Kind.FORGED)) is None

    def test_acknowledgements(self, keys: PlatformKeys) -> None:
        tencent = Tencent(keys.tencent, keys.forger)
        assert tencent.acknowledged(204, b"")
        assert tencent.acknowledged(200, json.dumps({"code": "SUCCESS"}).encode())
        assert not tencent.acknowledged(200, b'{"code":"FAIL"}')
        assert not tencent.acknowledged(200, b"success")
        assert not tencent.acknowledged(500, b"")


def test_keys_are_made_once_and_only_for_their_owner(folder: Path, keys: PlatformKeys) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    make_keys(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    assert len(keys.tencent.apiv3_key) == 32
