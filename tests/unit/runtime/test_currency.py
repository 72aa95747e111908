"""The currencies in use."""

import pytest

from services.runtime.currency import CURRENCIES, require_currency
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
