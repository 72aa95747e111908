"""Words are told apart by what they are, whatever their hashes, and known again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.verifying import vocabulary
from services.cli.verifying.room import PAD
from services.cli.verifying.vocabulary import Vocabulary
from services.cli.verifying.words import Places

WORD = st.text(st.sampled_from("ab/\0"), min_size=1, max_size=40).map(str.encode)
WORDS = st.lists(WORD, min_size=1, max_size=200)


def places(of: list[bytes]) -> tuple[bytes, Places, Places]:
    """A text of these words, and where they stand."""
    ends = np.cumsum([len(word) + 1 for word in of]) - 1
    begins = np.concatenate(([0], ends[:-1] + 1))
    return b" ".join(of) + bytes(PAD), begins, ends


def anything(_word: bytes) -> None:
    """Takes each word."""


@given(st.lists(WORDS, min_size=1, max_size=4))
def test_each_place_gets_its_word(stretches: list[list[bytes]]) -> None:
    seen = Vocabulary(anything)
    for of in stretches:
        numbers = seen.numbers(*places(of))
        assert [seen.words[number] for number in numbers.tolist()] == of
    assert sorted(seen.words[1:]) == sorted({word for of in stretches for word in of})


@pytest.mark.parametrize("bits", [1, 4, 12])
def test_words_that_share_a_slot_are_told_apart(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "_SLOTS_A_WORD", 0)
    seen = Vocabulary(anything, table_bits=bits)
    of = [b"project/%d/fund" % (number % 500) for number in range(1_200)]
    for _ in range(2):
        numbers = seen.numbers(*places(of))
        assert [seen.words[number] for number in numbers.tolist()] == of
        assert len(seen.words) == 1 + 500


def test_a_table_that_gets_full_is_made_larger() -> None:
    seen = Vocabulary(anything, table_bits=3)
    of = [b"%d" % number for number in range(3_000)]
    for _ in range(2):
        assert seen.numbers(*places(of)).tolist() == list(range(1, 3_001))


def test_a_new_word_is_asked_about_once_and_one_that_is_refused_is_not_kept() -> None:
    asked = []

    def ask(word: bytes) -> None:
        asked.append(word)
        if word == b"bad":
            raise ValueError("bad")

    seen = Vocabulary(ask)
    for _ in range(2):
        seen.numbers(*places([b"one", b"two", b"one"]))
    assert sorted(asked) == [b"one", b"two"]
    for _ in range(2):
        with pytest.raises(ValueError, match="bad"):
            seen.numbers(*places([b"three", b"bad", b"two"]))
    assert asked.count(b"bad") == 2
    assert seen.words == [b"", b"one", b"two"]
    assert seen.numbers(*places([b"two", b"three"])).tolist() == [2, 3]


@pytest.mark.parametrize("word", [b"", b"a" * PAD])
def test_an_empty_word_and_too_long_a_one_are_refused(word: bytes) -> None:
    with pytest.raises(ValueError, match="empty or too long"):
        Vocabulary(anything).numbers(*places([b"one", word]))
