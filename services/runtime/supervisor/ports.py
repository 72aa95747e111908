"""Free ports on the loopback interface, kept free until their service listens."""

import socket
from types import TracebackType
from typing import Self

LOOPBACK = "127.0.0.1"


class ReservedPort:
    """A port that nobody else is given while this object is open.

    It is held by a socket that is bound and never listens. Servers set SO_REUSEADDR, and so may
    bind the port beside it, as often as they restart; whoever looks for a free port, another mesh
    included, gets another one, and so does any outgoing connection.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            # Bound without the option: that is what proves that the port is free.
            self._socket.bind((LOOPBACK, 0))
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.number: int = self._socket.getsockname()[1]
        except BaseException:
            self._socket.close()
            raise

    @property
    def address(self) -> str:
        """host:port."""
        return f"{LOOPBACK}:{self.number}"

    def close(self) -> None:
        """Gives the port up."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
