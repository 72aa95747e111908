"""What the simulator says, read by the adapters: two hands wrote them from the same documents."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from services.cli.simulator.keys import SETTINGS_FILE, PlatformKeys, load_keys, make_keys
from services.cli.simulator.manner import MANNERS
from services.cli.simulator.notice import Notice
from services.cli.simulator.occasion import make_occasion
from services.cli.simulator.platforms import platform_of
from services.cli.simulator.reports import (
    Dispute,
    DisputeStatus,
    Gift,
    Kind,
    Rail,
    Refund,
    Report,
    Subject,
    Way,
    gift_of,
)
from services.donations.domain import Rail as ReadRail
from services.donations.life.reports import DisputeStatus as ReadStatus
from services.donations.platforms import load_platforms
from services.donations.platforms.protocol import DisputeReport, GiftReport, Probe, RefundReport
from services.donations.platforms.protocol import Notice as ReceivedNotice
from services.donations.platforms.protocol import Report as ReadReport
from services.runtime.errors import Fault, Reason

NOW = datetime(2019, 9, 5, 4, 0, 9, tzinfo=UTC)
OCCASION = make_occasion(date(2019, 9, 5))
# Who is told by the payer's id, and in which form.
DONORS = {"bytedance": "", "stripe": "cus_2088000000000007"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_keys(tmp_path_factory.mktemp("platforms")).parent


@pytest.fixture(scope="module")
def keys(folder: Path) -> PlatformKeys:
    return load_keys(folder)


def made_with(partner: str, currency: str) -> Gift:
    grain = MANNERS[partner].grains[currency]
    moment = datetime(2019, 9, 4, 15, 30, 1, tzinfo=UTC)
    if not MANNERS[partner].whole_seconds:
        moment += timedelta(microseconds=123_456)
    return Gift(
        partner,
        f"{MANNERS[partner].prefix}2019090422001437930500000001",
        "water-guizhou",
        OCCASION.campaign,
        1_234 * grain,
        moment,
        "2088000000000007",
        currency,
    )


GIFTS = [
    pytest.param(made_with(name, currency), id=f"{name}-{currency}")
    for name, manner in MANNERS.items()
    for currency in manner.grains
]


def read(
    folder: Path, keys: PlatformKeys, subject: Subject, kind: Kind = Kind.FIRST
) -> list[ReadReport]:
    """What the adapter makes of the notice, as if it came over HTTP."""
    partner = gift_of(subject).partner
    notice: Notice = platform_of(partner, keys).notice(Report(subject, kind, Way.NOTICE), NOW)
    received = ReceivedNotice.received(
        notice.method, notice.query, list(notice.headers.items()), notice.body
    )
    return load_platforms(folder / SETTINGS_FILE)[partner].read(received, NOW)


@pytest.mark.parametrize("gift", GIFTS)
def test_a_gift_is_read_as_it_was_given(folder: Path, keys: PlatformKeys, gift: Gift) -> None:
    assert read(folder, keys, gift) == [
        GiftReport(
            gift.external_id,
            gift.project,
            gift.campaign,
            gift.amount_micros,
            gift.currency,
            gift.event_time,
            DONORS.get(gift.partner, gift.donor),
        )
    ]


@pytest.mark.parametrize("gift", GIFTS)
def test_a_page_that_names_no_project_is_read_so(
    folder: Path, keys: PlatformKeys, gift: Gift
) -> None:
    [report] = read(folder, keys, replace(gift, project=""))
    assert isinstance(report, GiftReport)
    assert report.project == ""


@pytest.mark.parametrize("gift", [g for g in GIFTS if MANNERS[g.values[0].partner].gives_back])
def test_a_refund_is_read_as_it_was_given_back(
    folder: Path, keys: PlatformKeys, gift: Gift
) -> None:
    manner = MANNERS[gift.partner]
    grain = manner.grains[gift.currency]
    second = Refund(gift, "R2", 200 * grain, 300 * grain, gift.event_time + timedelta(minutes=9))
    *told, report = read(folder, keys, second)
    assert [type(each) for each in told] == [GiftReport] * manner.repeats_gift
    assert isinstance(report, RefundReport)
    assert report.external_id == gift.external_id
    assert report.refund_id.endswith("R2")
    assert report.cumulative == manner.running_total
    assert report.amount_micros == (300 if manner.running_total else 200) * grain
    assert (report.currency, report.event_time) == (gift.currency, second.event_time)


@pytest.mark.parametrize(
    ("partner", "rail"), [(name, rail) for name, m in MANNERS.items() for rail in m.rails]
)
def test_the_rail_is_read_under_the_id_that_the_rails_own_notice_has(
    folder: Path, keys: PlatformKeys, partner: str, rail: str
) -> None:
    theirs = made_with(rail, "CNY")
    gift = replace(made_with(partner, "CNY"), rail=Rail(rail, theirs.external_id))
    [origin], [told] = read(folder, keys, gift), read(folder, keys, theirs)
    assert isinstance(origin, GiftReport)
    assert isinstance(told, GiftReport)
    assert origin.rail == ReadRail(rail, told.external_id)


@pytest.mark.parametrize("gift", [g for g in GIFTS if MANNERS[g.values[0].partner].contested])
@pytest.mark.parametrize("status", DisputeStatus)
def test_a_dispute_is_read_as_it_went(
    folder: Path, keys: PlatformKeys, gift: Gift, status: DisputeStatus
) -> None:
    micros = 700 * MANNERS[gift.partner].grains[gift.currency]
    at = gift.event_time + timedelta(minutes=3)
    assert read(folder, keys, Dispute(gift, "dp_7", status, micros, at)) == [
        DisputeReport(gift.external_id, "dp_7", ReadStatus[status.name], micros, gift.currency, at)
    ]


@pytest.mark.parametrize("gift", GIFTS)
def test_a_forgery_is_refused(folder: Path, keys: PlatformKeys, gift: Gift) -> None:
    with pytest.raises(Fault) as caught:
        read(folder, keys, gift, Kind.FORGED)
    assert caught.value.reason is Reason.SIGNATURE_INVALID
    assert not isinstance(caught.value, Probe)


@pytest.mark.parametrize("gift", [g for g in GIFTS if MANNERS[g.values[0].partner].tests_us])
def test_a_signature_test_is_known_as_one(folder: Path, keys: PlatformKeys, gift: Gift) -> None:
    with pytest.raises(Probe):
        read(folder, keys, gift, Kind.PROBE)


@pytest.mark.parametrize("name", MANNERS)
def test_only_the_platforms_own_answer_ends_its_repeats(
    folder: Path, keys: PlatformKeys, name: str
) -> None:
    answer = load_platforms(folder / SETTINGS_FILE)[name].acknowledgement
    platform = platform_of(name, keys)
    assert platform.acknowledged(answer.http_status, answer.body)
    assert not platform.acknowledged(503, answer.body)
    assert not platform.acknowledged(429, b'{"code":"FAIL"}')


def test_a_folder_of_an_earlier_release_gets_the_platforms_that_it_lacks(tmp_path: Path) -> None:
    file = make_keys(tmp_path)
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole[: whole.index("[bytedance]")] + "# mine\n", encoding="utf-8")
    before = (tmp_path / "alipay.key.pem").read_bytes()
    make_keys(tmp_path)
    assert "# mine" in file.read_text(encoding="utf-8")
    assert (tmp_path / "alipay.key.pem").read_bytes() == before
    assert set(load_platforms(file)) == set(MANNERS)
