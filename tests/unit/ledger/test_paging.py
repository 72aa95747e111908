"""Page tokens and page sizes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.paging import issue_token, page_size, read_token
from services.runtime.errors import Fault, Reason

texts = st.text(max_size=20)


@given(st.tuples(texts, texts), st.lists(texts, max_size=3) | st.lists(st.integers(), max_size=3))
def test_a_token_brings_its_cursor_back(
    scope: tuple[str, ...], cursor: list[str] | list[int]
) -> None:
    assert read_token(scope, issue_token(scope, cursor)) == cursor


@given(st.tuples(texts, texts), st.tuples(texts, texts), st.lists(st.integers(), max_size=3))
def test_a_token_is_bound_to_its_filters(
    scope: tuple[str, ...], other: tuple[str, ...], cursor: list[int]
) -> None:
    if scope == other:
        return
    with pytest.raises(Fault):
        read_token(other, issue_token(scope, cursor))


@given(texts)
def test_no_other_text_is_a_token(text: str) -> None:
    with pytest.raises(Fault) as caught:
        read_token(("ListEntries",), text)
    assert caught.value.reason is Reason.PAGE_TOKEN_INVALID


def test_an_altered_token_is_none() -> None:
    token = issue_token(("ListEntries",), [17])
    for place in range(len(token) - 1):
        altered = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(Fault):
            read_token(("ListEntries",), altered)


def test_sizes() -> None:
    assert [page_size(asked) for asked in (0, 1, 1000, 1001, 2**31 - 1)] == [
        100,
        1,
        1000,
        1000,
        1000,
    ]
    with pytest.raises(Fault) as caught:
        page_size(-1)
    assert caught.value.metadata["field"] == "page_size"
