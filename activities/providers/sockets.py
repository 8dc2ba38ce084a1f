"""Connections for the HTTP client, by asyncio alone.

The client's own go through anyio, which switches reading on and off and opens a scope for each piece: of a streamed reply,
that is most of what reading it costs.
"""

import asyncio
import select
import socket
import ssl
from collections.abc import Iterable
from typing import Any, cast

import httpcore2
import httpx2

from activities.providers.silence import within

STAGGER = 0.25
"""Seconds after which the next address of a host is tried beside the one that has not answered yet."""

_MOST = 256 * 1024
"""Bytes that may wait to be read before the other side is slowed down."""

_EXTRA = {"client_addr": "sockname", "server_addr": "peername", "ssl_object": "ssl_object", "socket": "socket"}

SocketOption = (
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
)  # as httpcore2 writes them


KEPT = 30.0
"""Seconds for which a connection is kept for the next call: a tool often takes some between two calls of a step, and without a
connection a call begins with two or three more journeys."""


def connections(verify: ssl.SSLContext, proxy: str | None) -> httpx2.AsyncHTTPTransport:
    """The HTTP client's connections to one endpoint. `proxy` None: directly."""
    limits = httpx2.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=KEPT)
    made = httpx2.AsyncHTTPTransport(verify=verify, proxy=proxy, limits=limits, socket_options=_keepalive())
    # httpcore takes a backend, and httpx2 has no argument to hand one on.
    made._pool._network_backend = Sockets()
    return made


def _keepalive() -> list[tuple[int, int, int]]:
    """TCP keep-alive probes: a long answer must not be lost to a router that drops idle connections."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


class Sockets(httpcore2.AsyncNetworkBackend):
    """Opens connections. Every error is one of httpcore's."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - as in httpcore
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A connection to the first address of the host that answers. Raises `ConnectError` or `ConnectTimeout`."""
        local = None if local_address is None else (local_address, 0)
        connecting = asyncio.get_running_loop().create_connection(
            _Received, host, port, local_addr=local, happy_eyeballs_delay=STAGGER
        )
        try:
            async with within(timeout, httpcore2.ConnectTimeout):
                transport, received = await connecting
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error
        try:
            for option in socket_options or ():
                transport.get_extra_info("socket").setsockopt(*option)
        except OSError as error:
            transport.abort()
            raise httpcore2.ConnectError(str(error)) from error
        return _Stream(transport, received)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class _Received(asyncio.Protocol):
    """What has come on a connection and was not read yet, and whether more can be written."""

    def __init__(self) -> None:
        self.waiting = bytearray()
        self.ended = False
        """Whether nothing more will come."""
        self.lost = False
        self.error: Exception | None = None
        self._transport: asyncio.Transport | None = None
        self._slowed = False
        self._arrival: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None

    def over(self, transport: asyncio.Transport) -> None:
        """From now on what comes and goes is encrypted by this transport."""
        self._transport = transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        if len(self.waiting) > _MOST and not self._slowed and self._transport is not None:
            self._transport.pause_reading()
            self._slowed = True
        _wake(self._arrival)

    def eof_received(self) -> None:
        self.ended = True
        _wake(self._arrival)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = self.lost = True
        self.error = exc
        _wake(self._arrival)
        _wake(self._room)

    def pause_writing(self) -> None:
        self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        _wake(self._room)
        self._room = None

    async def arrival(self) -> None:
        """Wait until something has come, or nothing more will."""
        if self.waiting or self.ended:
            return
        self._arrival = asyncio.get_running_loop().create_future()
        try:
            await self._arrival
        finally:
            self._arrival = None

    async def room(self) -> None:
        """Wait until the other side takes what was written."""
        if self._room is not None and not self.lost:
            await self._room

    def take(self, most: int) -> bytes:
        """At most so many bytes of what has come."""
        taken = bytes(self.waiting) if len(self.waiting) <= most else bytes(self.waiting[:most])
        del self.waiting[: len(taken)]
        if self._slowed and len(self.waiting) <= _MOST // 2 and self._transport is not None and not self.lost:
            self._transport.resume_reading()
            self._slowed = False
        return taken


def _wake(waiter: "asyncio.Future[None] | None") -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


class _Stream(httpcore2.AsyncNetworkStream):
    """An open connection. One reader and one writer at a time."""

    def __init__(self, transport: asyncio.Transport, received: _Received) -> None:
        self._transport = transport
        self._received = received
        # Made once: each call looks at every connection that is kept.
        self._looking = select.poll()
        self._looking.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """What has come, as soon as there is anything; nothing once the other side has ended."""
        received = self._received
        if not received.waiting:
            if timeout is None:  # as for each piece of a body, of which `Silence` is the limit
                await received.arrival()
            else:
                async with within(timeout, httpcore2.ReadTimeout):
                    await received.arrival()
            if not received.waiting and received.error is not None:
                raise httpcore2.ReadError(str(received.error)) from received.error
        return received.take(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Send all of it, or as much as the system takes at once and the rest as soon as there is room."""
        received = self._received
        if not buffer:
            return
        if not received.lost and not self._transport.is_closing():
            self._transport.write(buffer)
            async with within(timeout, httpcore2.WriteTimeout):
                await received.room()
        if received.lost or self._transport.is_closing():
            raise httpcore2.WriteError(str(received.error or "the other side has closed the connection"))

    async def aclose(self) -> None:
        """Close at once: whoever closes has read its reply, or gives it up. Safe to call twice."""
        self._transport.abort()
        await asyncio.sleep(0)  # the socket is closed in the loop's next round

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore2.AsyncNetworkStream:
        """The same connection, encrypted. Raises `ConnectError`, also for a certificate that is not trusted.

        Also where something has come already: it came in plain text, and must not be read as if it had been encrypted.
        """
        loop = asyncio.get_running_loop()
        if self._received.waiting:
            await self.aclose()
            raise httpcore2.ConnectError("something came in plain text on a connection that was to be encrypted")
        try:
            async with within(timeout, httpcore2.ConnectTimeout):
                encrypted = await loop.start_tls(
                    self._transport,
                    self._received,
                    ssl_context,
                    server_hostname=server_hostname,
                    ssl_handshake_timeout=None if timeout is None else timeout + 1,
                )
        except BaseException as error:
            await self.aclose()
            if isinstance(error, OSError):
                raise httpcore2.ConnectError(str(error)) from error
            raise
        if encrypted is None:
            raise httpcore2.ConnectError("the connection was lost while it was to be encrypted")
        self._received.over(encrypted)
        return _Stream(encrypted, self._received)

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks of a connection; `is_readable`: there is something that nobody has asked for, or the end."""
        if info == "is_readable":
            # Or something that the event loop has not fetched yet.
            return bool(self._received.waiting or self._received.ended or self._looking.poll(0))
        return self._transport.get_extra_info(_EXTRA[info]) if info in _EXTRA else None
