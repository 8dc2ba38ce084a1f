"""The console's web server: on loopback, or elsewhere with TLS or behind a proxy, as `place_of` allows."""

import socket
import ssl
from ipaddress import ip_address

import uvicorn
from starlette.types import ASGIApp

from contracts.console import ConsoleSetting
from contracts.errors import Misconfigured

LOOPBACK = "127.0.0.1"


def listening(port: int, host: str = LOOPBACK) -> socket.socket:
    """A socket at this address; port 0 is any free one. Raises `Misconfigured` if the port cannot be used."""
    made = socket.socket(socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        made.listen()  # who asks before the server has begun waits
    except OSError as error:
        made.close()
        raise Misconfigured(
            f"port {port} on {host} cannot be used: {error.strerror}. End what listens there, or choose another with --port"
        ) from None
    return made


def check_certificate(setting: ConsoleSetting) -> None:
    """Raise `Misconfigured` if there is a certificate and it, or its key, cannot be used."""
    if setting.certificate is None:
        return
    try:
        # A key with a password would be asked for on the terminal, where a service has nobody.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(setting.certificate, setting.private_key, password="")
    except OSError as error:  # what OpenSSL says is one, too
        why = error.strerror if error.filename is None and error.strerror else str(error)
        raise Misconfigured(
            f"certificate {setting.certificate} with private_key {setting.private_key} cannot be used: {why}. Both are PEM "
            "files; the certificate comes first in its chain, and the key has no password"
        ) from None


def server(application: ASGIApp, setting: ConsoleSetting | None = None) -> uvicorn.Server:
    """The server for the console, with TLS if `setting` has a certificate.

    It logs nothing, so that no link is in a log, and does not say what it is. Who connects is who connects: no header says
    otherwise.
    """
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
        ssl_certfile=setting.certificate if setting else None,
        ssl_keyfile=setting.private_key if setting else None,
    )
    return uvicorn.Server(config)
