"""Page tokens are bound to what they were issued for."""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.errors import Fault, Reason
from services.runtime.paging import Position, page_size, position_of, token_after

# What databases take: no NUL, no halves of surrogate pairs.
_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
_numbers = st.integers(0, 2**63 - 1)
_positions = st.lists(_texts | _numbers, max_size=3)


@given(_positions, st.text())
def test_a_token_gives_its_position_back(position: list[str | int], partner: str) -> None:
    token = token_after(position, "ListDonations", partner)
    ended = position_of(token, "ListDonations", partner)
    read = [ended.text() if isinstance(part, str) else ended.number() for part in position]
    assert read == position


@given(st.dates(), st.binary())
def test_days_and_digests_come_back(day: date, digest: bytes) -> None:
    ended = position_of(token_after([day.isoformat(), digest.hex()], "L"), "L")
    assert (ended.day(), ended.digest()) == (day, digest)


@pytest.mark.parametrize(
    ("read", "parts"),
    [
        (Position.number, ["1", 1.0, True, None, [1], {}, -1, 2**63]),
        (lambda ended: ended.number(7), [8, 2**31]),
        (Position.text, [1, None, ["a"], "a\0", "\ud800"]),
        (Position.day, [20190905, "", "2019-09-31", "1\0", "9-5-2019"]),
        (Position.digest, [12, "1", "0g", "\ud800"]),
    ],
)
def test_a_part_is_what_it_is_read_as(
    read: Callable[[Position], object], parts: list[object]
) -> None:
    for given_parts in [[], *([part] for part in parts)]:
        ended = position_of(token_after(given_parts, "L"), "L")  # type: ignore[arg-type]  # forged
        with pytest.raises(Fault) as raised:
            read(ended)
        assert raised.value.reason is Reason.PAGE_TOKEN_INVALID


@pytest.mark.parametrize(
    "body", [b"", b"{", b"7", b"{}", b"\xff", b"[" * 200_000, b"[" + b"9" * 5_000 + b"]"]
)
def test_what_checks_and_is_no_list_is_no_token(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    monkeypatch.setattr("services.runtime.paging._check", lambda *_: bytes(8))
    with pytest.raises(Fault) as raised:
        position_of(urlsafe_b64encode(bytes(8) + body).decode(), "L")
    assert raised.value.reason is Reason.PAGE_TOKEN_INVALID


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
