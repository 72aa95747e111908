"""Words are told apart by what they are, whatever their hashes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.verifying import words
from services.cli.verifying.words import PAD, coded

WORD = st.text(st.sampled_from("ab/"), min_size=1, max_size=20).map(str.encode)


def places(of: list[bytes]) -> tuple[bytes, np.ndarray, np.ndarray]:
    """A text of these words, and where they stand."""
    ends = np.cumsum([len(word) + 1 for word in of]) - 1
    begins = np.concatenate(([0], ends[:-1] + 1))
    return b" ".join(of) + bytes(PAD), begins, ends


@given(st.lists(WORD, min_size=1, max_size=60))
def test_each_place_gets_its_word(of: list[bytes]) -> None:
    found, codes = coded(*places(of))
    assert [found[code] for code in codes.tolist()] == of
    assert sorted(found) == sorted(set(of))


@pytest.mark.parametrize("bits", [1, 4])
def test_words_that_share_a_slot_are_told_apart(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "_TABLE_BITS", bits)
    monkeypatch.setattr(words, "_ROUNDS", 200)
    of = [b"project/%d/fund" % (number % 50) for number in range(120)]
    found, codes = coded(*places(of))
    assert [found[code] for code in codes.tolist()] == of
    assert len(found) == 50


def test_too_long_a_word_and_too_many_of_a_slot_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ValueError, match="too long"):
        coded(*places([b"a" * PAD]))
    monkeypatch.setattr(words, "_TABLE_BITS", 1)
    with pytest.raises(ValueError, match="too many"):
        coded(*places([b"%d" % number for number in range(50)]))
