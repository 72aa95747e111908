"""Page tokens are bound to what they were issued for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.errors import Fault, Reason
from services.runtime.paging import page_size, position_of, token_after

_positions = st.lists(st.one_of(st.text(), st.integers()), max_size=3)


@given(_positions, st.text())
def test_a_token_gives_its_position_back(position: list[str | int], partner: str) -> None:
    token = token_after(position, "ListDonations", partner)
    assert position_of(token, "ListDonations", partner) == position


@given(_positions, st.text(), st.text())
def test_a_token_is_no_good_elsewhere(position: list[str | int], one: str, other: str) -> None:
    token = token_after(position, "ListDonations", one)
    for scope in (("ListProjects", one), ("ListDonations", one + other + "x"), ("ListDonations",)):
        with pytest.raises(Fault) as raised:
            position_of(token, *scope)
        assert raised.value.reason is Reason.PAGE_TOKEN_INVALID


@given(st.text())
def test_no_other_text_is_a_token(text: str) -> None:
    with pytest.raises(Fault) as raised:
        position_of(text, "ListDonations", "weibo")
    assert raised.value.reason is Reason.PAGE_TOKEN_INVALID


def test_an_altered_token_is_none() -> None:
    token = token_after([17], "ListEntries")
    for place in range(len(token) - 1):
        altered = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(Fault):
            position_of(altered, "ListEntries")


def test_page_sizes_have_their_bounds() -> None:
    assert [page_size(asked) for asked in (0, 1, 1000, 1001)] == [100, 1, 1000, 1000]
    with pytest.raises(Fault):
        page_size(-1)
