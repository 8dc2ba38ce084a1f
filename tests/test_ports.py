"""Ports that tests hand to servers: nobody else comes by them."""

import socket
from contextlib import ExitStack

import pytest

from tests import ports


def test_a_reserved_port_is_for_those_who_are_told_of_it() -> None:
    """It refuses until somebody listens, can be listened on again and again, and is never any port that is asked for."""
    port = ports.reserved()
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        with socket.create_server(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
            pass
    with ExitStack() as taken:
        others = [taken.enter_context(ports.hold()).getsockname()[1] for _ in range(500)]
    assert port not in others
    assert len(set(others)) == 500
