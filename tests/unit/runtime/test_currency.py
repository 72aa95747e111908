"""The currencies in use, and amounts in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.currency import CURRENCIES, decimal, places_of, require_currency
from services.runtime.errors import Fault, Reason


def test_the_list_is_well_formed() -> None:
    assert len(CURRENCIES) == 155
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in CURRENCIES)
    assert {"CNY", "USD", "EUR", "JPY", "HKD", "XOF", "XCG", "SLE", "ZWG"} <= CURRENCIES


@pytest.mark.parametrize(
    "code", ["", "cny", "CN", "CNYX", "RMB", "XAU", "XTS", "XXX", "DEM", "HRK", "BGN", "CLF"]
)
def test_anything_else_is_unknown(code: str) -> None:
    with pytest.raises(Fault) as caught:
        require_currency(code)
    assert caught.value.reason is Reason.CURRENCY_UNKNOWN


def test_a_long_code_is_not_quoted_back() -> None:
    with pytest.raises(Fault) as caught:
        require_currency("C" * 10_000)
    assert len(caught.value.message) < 200


def test_a_currency_in_use_is_returned() -> None:
    assert require_currency("CNY") == "CNY"


@pytest.mark.parametrize(
    ("micros", "unit", "written"),
    [
        (1_234_500_000, "CNY", "1234.50"),
        (-56_300, "CNY", "-0.0563"),
        (0, "CNY", "0.00"),
        (100_000_000, "JPY", "100"),
        (100_500_000, "JPY", "100.5"),
        (-1, "JPY", "-0.000001"),
        (0, "KRW", "0"),
        (1_500_000, "KWD", "1.500"),
        (1_500_100, "KWD", "1.5001"),
        (90_000_000, "MIN", "90"),
        (1_000_000, "DEM", "1.00"),
    ],
)
def test_an_amount_has_its_currency_s_decimals_and_those_that_it_needs(
    micros: int, unit: str, written: str
) -> None:
    assert decimal(micros, unit) == written


@given(st.integers(-(2**63), 2**63 - 1), st.sampled_from(sorted(CURRENCIES)))
def test_a_decimal_is_exact(micros: int, unit: str) -> None:
    whole, _, part = decimal(micros, unit).lstrip("-").partition(".")
    assert int(whole) * 1_000_000 + int(part.ljust(6, "0")) == abs(micros)
    assert places_of(unit) <= len(part) <= 6
    assert decimal(micros, unit).startswith("-") == (micros < 0)
