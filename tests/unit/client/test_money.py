"""Amounts go over into micros and back without losing anything."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watersmeet.client import from_micros, to_micros

INT64 = st.integers(-(2**63) + 1, 2**63 - 1)


@pytest.mark.parametrize(
    ("amount", "micros"),
    [
        ("12.34", 12_340_000),
        ("0.000001", 1),
        ("-0.5", -500_000),
        ("+7", 7_000_000),
        ("007.10", 7_100_000),
        (3, 3_000_000),
        (Decimal("0.1"), 100_000),
        (Decimal("1E+3"), 1_000_000_000),
        (Decimal(0), 0),
        ("9223372036854.775807", 2**63 - 1),
    ],
)
def test_amounts_are_exact(amount: str | Decimal | int, micros: int) -> None:
    assert to_micros(amount) == micros


@pytest.mark.property
@given(INT64)
def test_there_and_back(micros: int) -> None:
    assert to_micros(from_micros(micros)) == micros
    assert to_micros(str(from_micros(micros))) == micros


@pytest.mark.property
@given(INT64, INT64)
def test_sums_agree(a: int, b: int) -> None:
    assert from_micros(a) + from_micros(b) == from_micros(a + b)


@pytest.mark.parametrize("amount", [0.1, 1.0, True, None, b"1", [1]])
def test_floats_and_other_types_are_refused(amount: object) -> None:
    with pytest.raises(TypeError, match="never a"):
        to_micros(amount)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "amount",
    [
        *("0.0000001", "1.0000000", Decimal("1E-7")),
        *("", " 1", "1 ", "1,5", "1e3", "1_000", ".5", "5.", "NaN", "inf", "٣", "--1"),
        *(Decimal("NaN"), Decimal("Infinity"), Decimal("sNaN")),
        *("9223372036854.775808", Decimal("1E+999999"), 10**30),
    ],
)
def test_what_cannot_be_exact_is_refused(amount: str | Decimal | int) -> None:
    with pytest.raises(ValueError, match=r"amount|decimals|beyond"):
        to_micros(amount)
