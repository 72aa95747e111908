"""Sequences whose items are made on demand."""

import pytest

from services.ledger.journal.made import MadeOnDemand


class Squares(MadeOnDemand[int]):
    def __init__(self, count: int) -> None:
        self.made: list[int] = []
        self._count = count

    def __len__(self) -> int:
        return self._count

    def _made(self, place: int) -> int:
        self.made.append(place)
        return place * place


def test_they_are_read_as_any_sequence() -> None:
    squares = Squares(5)
    assert list(squares) == [0, 1, 4, 9, 16]
    assert (squares[1], squares[-1]) == (1, 16)
    assert (squares[1:3], squares[::-2], squares[9:]) == ([1, 4], [16, 4, 0], [])
    for place in (5, -6):
        with pytest.raises(IndexError):
            squares[place]


def test_only_what_is_read_is_made() -> None:
    squares = Squares(5)
    assert squares[-2] == 9
    assert squares.made == [3]
