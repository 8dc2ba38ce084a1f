"""One HTTP request to a declared address, over a connection to exactly the address that was checked.

A name is looked up once, every address that it has is checked, and the connection is made to one of these: whoever answers for
the name cannot lead the request into this network by another answer (DNS rebinding). No redirect is followed, and no proxy of
the environment is used: it would look the name up itself.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from activities.actions.adapter import NotSent, Unclear
from contracts.errors import Refused

REPLY_LIMIT = 256 * 1024
"""Most bytes of a reply that are read."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class AddressRefused(Refused):
    """The target is at an address of this machine or its network. Set `private = true` in its table if that is meant."""


@dataclass(frozen=True)
class Call:
    """A request: what is sent where, and how long it may take in all. `private`: addresses of this network are meant."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""
    private: bool = False
    seconds: float = 30.0


@dataclass(frozen=True)
class Answer:
    """What came back. `whole` is False if the reply was longer than the limit."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool


def request(call: Call) -> Answer:
    """Send it once. Raises `AddressRefused`, `NotSent` if no byte of it left, and `Unclear` if the answer did not come."""
    parts = urlsplit(call.url)
    secure, host = parts.scheme == "https", parts.hostname or ""
    port = parts.port or (443 if secure else 80)
    ends = time.monotonic() + call.seconds
    try:
        connected = _connected(host, port, private=call.private, ends=ends)
    except OSError as error:
        raise NotSent(f"{parts.scheme}://{parts.netloc} cannot be reached: {_said(error)}") from None
    with connected, _ended(connected, ends - time.monotonic()):
        return _asked(call, parts.netloc, _secured(connected, host) if secure else connected)


def check_address(text: str, host: str) -> None:
    """Raise `AddressRefused` for an address that is not on the public internet: private, loopback, link-local, reserved."""
    address: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(text.partition("%")[0])
    for inner in _within(address):
        if not inner.is_global or inner.is_multicast:
            raise AddressRefused(
                f"{host} is at {text}, an address of this machine or of a private network; nothing was sent. "
                "Set private = true in the target's table if that is meant"
            )


def _within(
    address: "ipaddress.IPv4Address | ipaddress.IPv6Address",
) -> "Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]":
    """The address, or the IPv4 address that an IPv6 one leads to."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address.teredo is not None:
            yield from address.teredo
            return
        if inner is not None:
            yield inner
            return
    yield address


def _connected(host: str, port: int, *, private: bool, ends: float) -> socket.socket:
    found = [(family, address) for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not private:
        # All of them, before the first is tried: a name with one inner address is not to be trusted with the others.
        for _, address in found:
            check_address(str(address[0]), host)
    problem: OSError = OSError(f"{host} has no address")
    for family, address in found:
        connecting = socket.socket(family, socket.SOCK_STREAM)
        connecting.settimeout(max(ends - time.monotonic(), 0.1))
        try:
            connecting.connect(address)
        except OSError as error:
            connecting.close()
            problem = error
        else:
            return connecting
    raise problem


def _secured(connected: socket.socket, host: str) -> ssl.SSLSocket:
    try:
        return ssl.create_default_context().wrap_socket(connected, server_hostname=host)
    except OSError as error:  # SSLError is one
        raise NotSent(f"{host} has no usable TLS: {_said(error)}") from None


def _asked(call: Call, netloc: str, over: socket.socket) -> Answer:
    connection = http.client.HTTPConnection(netloc)
    connection.sock = over
    path = urlsplit(call.url)
    target = (path.path or "/") + (f"?{path.query}" if path.query else "")
    try:
        # From here on it may have arrived.
        connection.request(call.method, target, body=call.body or None, headers={"User-Agent": "baton", **call.headers})
        reply = connection.getresponse()
        body = reply.read(REPLY_LIMIT + 1)
        if len(body) <= REPLY_LIMIT and reply.length:
            raise http.client.IncompleteRead(body, reply.length)
    except (OSError, http.client.HTTPException) as error:
        raise Unclear(f"{netloc} gave no whole answer: {_said(error)}") from None
    finally:
        over.close()
    headers = {name.lower(): value for name, value in reply.getheaders()}
    return Answer(reply.status, headers, body[:REPLY_LIMIT], len(body) <= REPLY_LIMIT)


@contextlib.contextmanager
def _ended(connected: socket.socket, seconds: float) -> Iterator[None]:
    """End the connection after so long: a peer that sends a byte now and then never runs into the socket's own limit."""
    # Of its own: TLS takes the descriptor over, and closes it.
    kept = connected.dup()
    watch = threading.Timer(max(seconds, 0.1), _shut, (kept,))
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
        kept.close()


def _shut(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def _said(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:300]
