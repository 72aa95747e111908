"""The check digit of GB 32100-2015, on codes of companies that everybody can look up."""

import pytest

from services.donations.catalog.credit_code import is_credit_code

REAL = (
    "91330100799655058B",
    "9144030071526726XG",
    "914403001922038216",
    "91110000802100433B",
)


@pytest.mark.parametrize("code", REAL)
def test_real_codes_are_right(code: str) -> None:
    assert is_credit_code(code)


@pytest.mark.parametrize("code", REAL)
def test_every_single_wrong_character_is_found(code: str) -> None:
    for place, right in enumerate(code):
        for wrong in "0123456789ABCDEFGHJKLMNPQRTUWXY":
            if wrong != right:
                assert not is_credit_code(code[:place] + wrong + code[place + 1 :])


@pytest.mark.parametrize("code", REAL)
def test_swapped_neighbours_are_found(code: str) -> None:
    for place in range(17):
        a, b = code[place], code[place + 1]
        if a != b:
            assert not is_credit_code(code[:place] + b + a + code[place + 2 :])


@pytest.mark.parametrize("code", ["", REAL[0][:-1], REAL[0] + "0", REAL[0].lower(), "I" * 18])
def test_what_has_not_its_form_is_none(code: str) -> None:
    assert not is_credit_code(code)
