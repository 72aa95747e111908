"""Reserved ports: nobody else's, and their service's as often as it restarts."""

import socket

import pytest

from services.runtime.supervisor.ports import LOOPBACK, ReservedPort


def listen(port: int) -> socket.socket:
    """As servers do."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((LOOPBACK, port))
    server.listen()
    return server


def test_its_service_listens_again_and_again() -> None:
    with ReservedPort() as port:
        for _ in range(2):
            with listen(port.number), socket.create_connection((LOOPBACK, port.number)):
                pass


def test_nobody_answers_before_its_service_does() -> None:
    with ReservedPort() as port, pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, port.number))


def test_who_looks_for_a_free_port_gets_another() -> None:
    with ReservedPort() as port, socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind((LOOPBACK, port.number))


def test_a_port_that_is_given_up_is_free() -> None:
    port = ReservedPort()
    port.close()
    with socket.socket() as other:
        other.bind((LOOPBACK, port.number))
