"""Certificates of public fundraising: on which days a charity is qualified."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.donations.catalog.certificates import (
    CERTIFICATES_MAX,
    Certificate,
    is_new,
    qualified,
    require_certificate,
)
from services.donations.domain import micros_of
from services.runtime.errors import Fault, Reason

CODE = "91330100799655058B"
FIRST, LAST = date(2017, 9, 1), date(2020, 8, 31)
CERTIFICATE = Certificate(FIRST, LAST, "0000042")

_days = st.dates(date(2019, 1, 1), date(2019, 3, 1))
_certificates = st.builds(
    lambda start, days, number: Certificate(start, start + timedelta(days=days), number),
    _days,
    st.integers(0, 20),
    st.sampled_from("abc"),
)


def is_qualified(edges: tuple[int, ...], moment: datetime) -> bool:
    return sum(edge <= micros_of(moment) for edge in edges) % 2 == 1


@given(st.lists(_certificates, max_size=6), st.integers(-7 * 24, 90 * 24), st.booleans())
def test_a_charity_is_qualified_on_the_days_of_any_of_its_certificates(
    certificates: list[Certificate], hours: int, just_before: bool
) -> None:
    """Whatever their order and however they overlap. China's days end at 16:00 UTC."""
    moment = datetime(2019, 1, 1, tzinfo=UTC) + timedelta(hours=hours, microseconds=-just_before)
    edges = qualified(CODE, certificates)
    assert list(edges) == sorted(set(edges))
    day_in_china = (moment + timedelta(hours=8)).date()
    assert is_qualified(edges, moment) == any(
        each.valid_from <= day_in_china <= each.valid_until for each in certificates
    )


def test_both_days_count_in_china() -> None:
    edges = qualified(CODE, [CERTIFICATE])
    start = datetime(2017, 8, 31, 16, tzinfo=UTC)
    end = datetime(2020, 8, 31, 16, tzinfo=UTC)
    assert edges == (micros_of(start), micros_of(end))


def test_without_a_certificate_a_charity_of_china_is_not_qualified_and_others_always_are() -> None:
    now = datetime(2019, 9, 5, tzinfo=UTC)
    assert not is_qualified(qualified(CODE, []), now)
    assert is_qualified(qualified("", []), now)
    assert is_qualified(qualified("", []), datetime(2000, 1, 1, tzinfo=UTC))


def test_the_same_certificate_again_is_nothing_new() -> None:
    assert is_new(CERTIFICATE, [], CODE)
    assert not is_new(CERTIFICATE, [CERTIFICATE], CODE)


def test_a_renewal_may_overlap_under_a_number_of_its_own() -> None:
    renewed = Certificate(date(2020, 8, 1), date(2023, 7, 31), "0000043")
    assert is_new(renewed, [CERTIFICATE], CODE)
    following = Certificate(LAST + timedelta(days=1), date(2023, 8, 31), "0000042")
    assert is_new(following, [CERTIFICATE], CODE)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (FIRST, LAST + timedelta(days=1)),
        (LAST, LAST + timedelta(days=900)),
        (date(2018, 1, 1), date(2018, 1, 1)),
        (date(2016, 1, 1), FIRST),
    ],
)
def test_days_of_one_number_are_said_once(start: date, end: date) -> None:
    with pytest.raises(Fault) as raised:
        is_new(Certificate(start, end, "0000042"), [CERTIFICATE], CODE)
    assert raised.value.reason is Reason.CERTIFICATE_CONFLICT
    assert raised.value.metadata == {"valid_from": "2017-09-01", "valid_until": "2020-08-31"}


def test_a_charity_abroad_holds_none_and_none_holds_too_many() -> None:
    held = [Certificate(FIRST, LAST, str(number)) for number in range(CERTIFICATES_MAX)]
    for certificates, code in (([], ""), (held, CODE)):
        with pytest.raises(Fault) as raised:
            is_new(CERTIFICATE, certificates, code)
        assert raised.value.reason is Reason.FIELD_INVALID


@pytest.mark.parametrize(
    ("certificate", "field", "reason"),
    [
        (Certificate(FIRST, LAST, ""), "number", Reason.FIELD_REQUIRED),
        (Certificate(FIRST, LAST, "4" * 65), "number", Reason.FIELD_INVALID),
        (Certificate(FIRST, LAST, "4\n2"), "number", Reason.FIELD_INVALID),
        (Certificate(FIRST, LAST, " 42"), "number", Reason.FIELD_INVALID),
        (Certificate(LAST, FIRST, "42"), "valid_until", Reason.FIELD_INVALID),
        (Certificate(date(1999, 12, 31), LAST, "42"), "valid_from", Reason.FIELD_INVALID),
        (Certificate(FIRST, date(9999, 12, 31), "42"), "valid_until", Reason.FIELD_INVALID),
    ],
)
def test_a_certificate_has_its_rules(certificate: Certificate, field: str, reason: Reason) -> None:
    with pytest.raises(Fault) as raised:
        require_certificate(certificate)
    assert (raised.value.reason, raised.value.metadata["field"]) == (reason, f"certificate.{field}")


def test_a_good_certificate_passes() -> None:
    assert require_certificate(CERTIFICATE) is CERTIFICATE
    assert require_certificate(Certificate(FIRST, FIRST, "民基证字第0000042号"))
