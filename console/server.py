"""The console's web server: on loopback alone."""

import socket

import uvicorn
from starlette.types import ASGIApp

from contracts.errors import Misconfigured


def listening(port: int) -> socket.socket:
    """A socket on loopback; port 0 is any free one. Whoever is elsewhere comes through a tunnel, or a proxy with TLS.

    Raises `Misconfigured` if the port cannot be used.
    """
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(("127.0.0.1", port))
        made.listen()  # who asks before the server has begun waits
    except OSError as error:
        made.close()
        raise Misconfigured(
            f"port {port} on 127.0.0.1 cannot be used: {error.strerror}. End what listens there, or choose another with --port"
        ) from None
    return made


def server(application: ASGIApp) -> uvicorn.Server:
    """The server for the console. It logs nothing, so that no link is in a log, and does not say what it is."""
    config = uvicorn.Config(
        application,
        http="h11",
        ws="none",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,  # streams of events would keep it for as long as pages are open
    )
    return uvicorn.Server(config)
