"""Several servers of one service, of which one is used until it fails."""

from collections.abc import Sequence
from typing import Generic, TypeVar

_Server = TypeVar("_Server")


class Alternatives(Generic[_Server]):
    """Which of them is used now. Whoever calls decides what a failure is."""

    def __init__(self, servers: Sequence[_Server]) -> None:
        """servers: at least one; the first is used first."""
        assert servers, "there is at least one server"
        self._servers = servers
        self._used = 0

    def __len__(self) -> int:
        return len(self._servers)

    @property
    def current(self) -> _Server:
        """The one to use."""
        return self._servers[self._used]

    def give_up(self) -> None:
        """Uses the next one from now on; after the last comes the first again."""
        self._used = (self._used + 1) % len(self._servers)
