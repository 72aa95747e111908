"""The contract kit: the same cases for every platform.

Here is what a notice reads as. What becomes of it in the database, repeated, contradicted and
refunded, shows tests/integration/donations/test_platform_contract.py with the same senders. What a
platform's own protocol makes impossible stands in impossible.py with the reason; the case then
shows what is true instead.
"""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.donations.platforms import (
    BODY_LIMIT_BYTES,
    GiftReport,
    Notice,
    Platform,
    Probe,
    RefundReport,
    Report,
)
from services.runtime.errors import Fault, Reason
from tests.unit.donations.platforms.impossible import Case, impossible
from tests.unit.donations.platforms.senders import SENDERS, probe_of
from tests.unit.donations.platforms.sending import (
    NOW,
    Edit,
    Gift,
    Refund,
    Sender,
    content_of,
    core,
    keys_of,
    with_content,
    with_header,
)

GIFT = Gift()
each_platform = pytest.mark.parametrize("sender", SENDERS, ids=lambda sender: sender.code)
UNTRUE = {Reason.SIGNATURE_INVALID, Reason.NOTIFICATION_MALFORMED}


def read(sender: Sender, notice: Notice) -> list[Report]:
    return sender.platform().read(notice, NOW)


def outcome(sender: Sender, notice: Notice) -> list[Report] | Reason:
    try:
        return read(sender, notice)
    except Fault as fault:
        return fault.reason


def reason_of(sender: Sender, notice: Notice) -> Reason:
    with pytest.raises(Fault) as caught:
        read(sender, notice)
    assert caught.value.message
    return caught.value.reason


@each_platform
def test_what_is_impossible_is_what_the_sender_says(sender: Sender) -> None:
    assert {case: bool(impossible(sender, case)) for case in Case if case is not Case.PROBE} == {
        Case.STALE: not sender.signs_time,
        Case.SIGNED_HEADER: not sender.signed_headers,
        Case.SPELLING: not sender.signs_spelling,
        Case.REFUND: not sender.refunds,
        Case.DONOR: not sender.names_donor,
    }


@each_platform
def test_a_platform_says_who_it_is(sender: Sender) -> None:
    platform: Platform = sender.platform()
    assert platform.code == sender.code
    assert platform.acknowledgement.http_status == 200
    assert platform.acknowledgement.body


@each_platform
def test_a_payment_reads_as_its_gift(sender: Sender) -> None:
    assert read(sender, sender.payment(GIFT)) == [
        GiftReport(
            external_id=GIFT.external_id,
            project="library",
            campaign="harvest",
            amount_micros=12_340_000,
            currency="CNY",
            event_time=GIFT.paid,
            donor_reference="" if impossible(sender, Case.DONOR) else GIFT.donor,
        )
    ]


@each_platform
def test_donors_stay_out_of_what_is_printed(sender: Sender) -> None:
    notice = sender.payment(GIFT)
    assert GIFT.donor not in repr(read(sender, notice))
    assert GIFT.donor not in repr(notice)


@each_platform
@pytest.mark.property
@given(fen=st.integers(1, 10**13))
def test_every_amount_is_read_exactly(sender: Sender, fen: int) -> None:
    (report,) = read(sender, sender.payment(replace(GIFT, fen=fen)))
    assert report.amount_micros == fen * 10_000


@each_platform
def test_a_notice_reads_the_same_each_time(sender: Sender) -> None:
    notice = sender.payment(GIFT)
    platform = sender.platform()
    assert platform.read(notice, NOW) == platform.read(notice, NOW)


@each_platform
def test_a_refund_reads_whether_or_not_its_payment_came(sender: Sender) -> None:
    if impossible(sender, Case.REFUND):
        with pytest.raises(NotImplementedError):
            sender.refund(GIFT, Refund())
        return
    reports = read(sender, sender.refund(GIFT, Refund()))
    refund = reports[-1]
    assert isinstance(refund, RefundReport)
    assert (refund.external_id, refund.refund_id) == (GIFT.external_id, "R-1")
    assert (refund.amount_micros, refund.currency) == (2_340_000, "CNY")
    assert abs((refund.event_time - Refund().paid).total_seconds()) < 1
    assert reports[:-1] in ([], read(sender, sender.payment(GIFT)))


@each_platform
def test_partial_refunds_add_up(sender: Sender) -> None:
    if impossible(sender, Case.REFUND):
        return  # shown above: there is no notice that could be read
    parts = [Refund("R-1", 234, 234), Refund("R-2", 500, 734), Refund("R-3", 500, 1234)]
    refunds = [
        report
        for part in parts
        for report in read(sender, sender.refund(GIFT, part))
        if isinstance(report, RefundReport)
    ]
    assert len({refund.refund_id for refund in refunds}) == 3
    single = sum(refund.amount_micros for refund in refunds if not refund.cumulative)
    running = max((r.amount_micros for r in refunds if r.cumulative), default=0)
    assert single + running == 12_340_000


@each_platform
def test_a_forged_signature_is_refused(sender: Sender) -> None:
    notice = sender.forged(sender.payment(GIFT))
    with pytest.raises(Fault) as caught:
        read(sender, notice)
    assert caught.value.reason is Reason.SIGNATURE_INVALID
    assert not isinstance(caught.value, Probe)  # it is kept, and somebody is told


@each_platform
def test_a_probe_is_refused_and_told_from_a_forgery(sender: Sender) -> None:
    probe = probe_of(sender, sender.payment(GIFT))
    assert (probe is None) is bool(impossible(sender, Case.PROBE))
    if probe is not None:
        with pytest.raises(Probe) as caught:
            read(sender, probe)
        assert caught.value.reason is Reason.SIGNATURE_INVALID


@each_platform
def test_another_key_is_refused(sender: Sender) -> None:
    notice = sender.payment(GIFT, key_name="stranger")
    assert reason_of(sender, notice) is Reason.SIGNATURE_INVALID


@each_platform
def test_an_old_notice_is_stale_where_a_time_is_signed(sender: Sender) -> None:
    notice = sender.payment(GIFT)
    for late in (timedelta(seconds=300), timedelta(seconds=-300)):
        assert sender.platform().read(notice, NOW + late) == read(sender, notice)
    for late in (timedelta(seconds=301), timedelta(seconds=-301), timedelta(days=1)):
        if impossible(sender, Case.STALE):
            # A replay is harmless: it reads the same, and the same gift again changes nothing.
            assert sender.platform().read(notice, NOW + late) == read(sender, notice)
            continue
        with pytest.raises(Fault) as caught:
            sender.platform().read(notice, NOW + late)
        assert caught.value.reason is Reason.TIMESTAMP_STALE


@each_platform
def test_an_old_notice_that_is_forged_is_called_forged(sender: Sender) -> None:
    notice = sender.payment(GIFT, key_name="stranger")
    with pytest.raises(Fault) as caught:
        sender.platform().read(notice, NOW + timedelta(days=1))
    assert caught.value.reason is Reason.SIGNATURE_INVALID


@each_platform
@pytest.mark.property
@given(data=st.data())
def test_no_altered_byte_of_the_content_changes_what_is_read(
    sender: Sender, data: st.DataObject
) -> None:
    notice = sender.payment(GIFT)
    content = content_of(sender, notice)
    at = data.draw(st.integers(0, len(content) - 1))
    cut = data.draw(st.integers(0, 1))
    byte = data.draw(st.binary(max_size=1))
    altered = content[:at] + byte + content[at + cut :]
    if altered == content:
        return
    result = outcome(sender, with_content(sender, notice, altered))
    # Another spelling of the same, as %2b for %2B, is the same notice.
    same = impossible(sender, Case.SPELLING) and result == read(sender, notice)
    assert same or result in UNTRUE


@each_platform
@pytest.mark.parametrize("notice_of", ["payment", "refund"])
def test_wherever_a_byte_of_the_content_is_altered_it_is_found(
    sender: Sender, notice_of: str
) -> None:
    if notice_of == "refund" and impossible(sender, Case.REFUND):
        return
    notice = sender.payment(GIFT) if notice_of == "payment" else sender.refund(GIFT, Refund())
    content, genuine = content_of(sender, notice), read(sender, notice)
    accepted = []
    for place, byte in enumerate(content):
        # One bit over; and what may be another spelling: the letter's other case.
        for other in {byte ^ 0x01, byte ^ 0x20}:
            altered = content[:place] + bytes([other]) + content[place + 1 :]
            result = outcome(sender, with_content(sender, notice, altered))
            if isinstance(result, list):
                accepted.append((place, result))
            else:
                assert result in UNTRUE, place
    assert all(result == genuine for _, result in accepted)
    assert not accepted or impossible(sender, Case.SPELLING)


@each_platform
def test_wherever_a_signed_header_is_altered_it_is_found(sender: Sender) -> None:
    notice = sender.payment(GIFT)
    assert bool(sender.signed_headers) is not bool(impossible(sender, Case.SIGNED_HEADER))
    for name in sender.signed_headers:
        value = notice.headers[name]
        for place, letter in enumerate(value):
            for other in {chr(ord(letter) ^ 0x01), chr(ord(letter) ^ 0x20), ""}:
                altered = value[:place] + other + value[place + 1 :]
                reason = reason_of(sender, with_header(notice, name, altered))
                assert reason is Reason.SIGNATURE_INVALID, (name, place)


@each_platform
@pytest.mark.property
@given(data=st.data())
def test_no_altered_byte_of_a_signed_header_is_accepted(
    sender: Sender, data: st.DataObject
) -> None:
    if impossible(sender, Case.SIGNED_HEADER):
        return
    notice = sender.payment(GIFT)
    name = data.draw(st.sampled_from(sender.signed_headers))
    value = notice.headers[name]
    at = data.draw(st.integers(0, len(value)))
    cut = data.draw(st.integers(0, 1))
    altered = value[:at] + data.draw(st.text(max_size=1)) + value[at + cut :]
    if altered == value:
        return
    assert reason_of(sender, with_header(notice, name, altered)) is Reason.SIGNATURE_INVALID


@each_platform
def test_a_missing_signed_header_is_refused(sender: Sender) -> None:
    notice = sender.payment(GIFT)
    for name in sender.signed_headers:
        headers = {key: value for key, value in notice.headers.items() if key != name}
        assert reason_of(sender, replace(notice, headers=headers)) is Reason.SIGNATURE_INVALID


@each_platform
def test_a_signed_header_sent_twice_is_refused(sender: Sender) -> None:
    notice = sender.payment(GIFT)
    for name in sender.signed_headers:
        doubled = [*notice.headers.items(), (name.title(), notice.headers[name])]
        twice = Notice.received("POST", "", doubled, notice.body)
        assert reason_of(sender, twice) is Reason.SIGNATURE_INVALID


@each_platform
def test_unknown_further_fields_do_not_matter(sender: Sender) -> None:
    more = {"zz_new_field": "新", "a_new_field": "", "x": "1.5"}
    notice = sender.payment(GIFT, lambda content: content.update(more))
    assert read(sender, notice) == read(sender, sender.payment(GIFT))


@each_platform
@pytest.mark.parametrize("notice_of", ["payment", "refund"])
def test_whichever_field_is_missing_no_other_money_is_read(sender: Sender, notice_of: str) -> None:
    """Each field of the content, whether it is needed or not; required ones see below."""
    if notice_of == "refund" and impossible(sender, Case.REFUND):
        return

    def make(edit: Edit | None = None) -> Notice:
        if notice_of == "payment":
            return sender.payment(GIFT, edit)
        return sender.refund(GIFT, Refund(), edit)

    genuine = core(read(sender, make()))
    names = keys_of(make)
    assert set(sender.required) <= set(names) or notice_of == "refund"
    for name in names:
        result = outcome(sender, make(lambda content, name=name: content.pop(name)))  # type: ignore[misc]
        if isinstance(result, list):
            # Less may be read, as a refund without its gift, and nothing else.
            assert all(report in genuine for report in core(result)), name
        else:
            assert result is Reason.NOTIFICATION_MALFORMED, name


@each_platform
def test_whichever_outermost_field_is_missing_no_other_money_is_read(sender: Sender) -> None:
    def make(edit: Edit) -> Notice:
        return sender.enveloped(GIFT, edit)

    genuine = core(read(sender, sender.payment(GIFT)))
    names = keys_of(make)
    assert names
    for name in names:
        result = outcome(sender, make(lambda content, name=name: content.pop(name)))  # type: ignore[misc]
        if isinstance(result, list):
            # What is not needed may be missing; nothing in it says how much was given, or when.
            assert core(result) == genuine, name
        else:
            assert result in UNTRUE, name


@pytest.mark.parametrize(
    ("sender", "name"),
    [(sender, name) for sender in SENDERS for name in sender.required],
    ids=lambda value: value if isinstance(value, str) else value.code,
)
def test_a_missing_field_is_malformed(sender: Sender, name: str) -> None:
    notice = sender.payment(GIFT, lambda content: content.pop(name))
    assert reason_of(sender, notice) is Reason.NOTIFICATION_MALFORMED


@each_platform
@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"null", b"=", b"&", b"a=%zz", b"\xff\xfe\x00", b"<xml/>", b"[" * 100_000],
)
def test_what_is_no_notice_at_all_is_refused(sender: Sender, body: bytes) -> None:
    assert reason_of(sender, with_content(sender, sender.payment(GIFT), body)) in UNTRUE


@each_platform
def test_another_encoding_is_refused(sender: Sender) -> None:
    body = content_of(sender, sender.payment(GIFT)).decode().encode("utf-16")
    assert reason_of(sender, with_content(sender, sender.payment(GIFT), body)) in UNTRUE


@each_platform
@pytest.mark.parametrize("filler", [b"&", b"=", b"a", b"%", b"a=b&", b"\0", b'{"'])
def test_a_megabyte_of_anything_is_refused(sender: Sender, filler: bytes) -> None:
    body = (filler * BODY_LIMIT_BYTES)[:BODY_LIMIT_BYTES]
    assert reason_of(sender, with_content(sender, sender.payment(GIFT), body)) in UNTRUE


@each_platform
def test_a_genuine_notice_may_be_long_but_not_longer_than_the_limit(sender: Sender) -> None:
    long = sender.payment(GIFT, lambda content: content.update(remark="x" * 600_000))
    assert read(sender, long) == read(sender, sender.payment(GIFT))
    longer = sender.payment(GIFT, lambda content: content.update(remark="x" * BODY_LIMIT_BYTES))
    assert reason_of(sender, longer) is Reason.NOTIFICATION_MALFORMED


@each_platform
def test_a_notice_comes_by_its_own_method_alone(sender: Sender) -> None:
    for method in {"GET", "POST", "PUT"} - {"GET" if sender.in_query else "POST"}:
        notice = replace(sender.payment(GIFT), http_method=method)
        assert reason_of(sender, notice) is Reason.NOTIFICATION_MALFORMED


@each_platform
@pytest.mark.parametrize("code", ["Library", "a b", "图书馆", "x" * 65, "../etc", ""])
def test_a_project_that_is_no_code_is_still_a_gift(sender: Sender, code: str) -> None:
    (report,) = read(sender, sender.payment(replace(GIFT, project=code)))
    assert isinstance(report, GiftReport)
    assert (report.campaign, report.project) == ("harvest", "")


@each_platform
@pytest.mark.parametrize("external_id", ["has space", "号", "x" * 65])
def test_an_id_that_cannot_be_kept_is_malformed(sender: Sender, external_id: str) -> None:
    notice = sender.payment(replace(GIFT, external_id=external_id))
    assert reason_of(sender, notice) is Reason.NOTIFICATION_MALFORMED
