"""A sequence whose items are made only for whoever reads one."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TypeVar, overload

Item = TypeVar("Item", covariant=True)


class MadeOnDemand(Sequence[Item]):
    """Keeps what its items are made of. A slice is a list of them."""

    __slots__ = ()

    @abstractmethod
    def _made(self, place: int) -> Item:
        """The item at a place, from 0, before the end."""

    @overload
    def __getitem__(self, place: int) -> Item: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Item]: ...

    def __getitem__(self, place: int | slice) -> Item | Sequence[Item]:
        places = range(len(self))[place]
        return self._made(places) if isinstance(places, int) else list(map(self._made, places))

    def __iter__(self) -> Iterator[Item]:
        return map(self._made, range(len(self)))
