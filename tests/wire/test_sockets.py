"""Connections as the HTTP client gets them: kept and used again, slowed down in both directions, and every end told apart."""

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpcore2
import pytest

from activities.providers import sockets
from activities.providers.base import Provider, ProviderError
from activities.providers.openai import OpenAI
from activities.providers.silence import Silence, within
from activities.providers.sockets import KEPT, Sockets
from tests.children import PATIENCE
from tests.stack import until
from tests.wire.proxy import certificate
from tests.wire.samples import KEY, REPLY, ask
from tests.wire.server import WireServer
from tests.wire.streams import SPEAKS, endpoint

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
MEGABYTES = 8 * 1024 * 1024
COMPLETION = b'{"choices": [{"message": {"content": "{}"}, "finish_reason": "stop"}]}'


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ports to which connections were opened, in order."""
    ports: list[int] = []
    connect = Sockets.connect_tcp

    async def counted(self: Sockets, host: str, port: int, **more: Any) -> httpcore2.AsyncNetworkStream:
        ports.append(port)
        return await connect(self, host, port, **more)

    monkeypatch.setattr(Sockets, "connect_tcp", counted)
    return ports


@asynccontextmanager
async def listening(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that does this with each connection. Yields its port."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(task := asyncio.ensure_future(_served(serve, reader, writer)))
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _served(serve: Serve, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await serve(reader, writer)
    except ConnectionError:
        pass  # the client has left, as some of these do
    finally:
        writer.transport.abort()


async def test_one_connection_serves_call_after_call(server: WireServer, provider: Provider, opened: list[int]) -> None:
    """In every format: a second one would cost three journeys before the first byte is sent."""
    for number in range(5):
        server.play(REPLY)
        await provider.complete(ask(key=f"k{number}"))
    assert len(opened) == 1


@pytest.mark.parametrize("speaks", SPEAKS)
async def test_a_streamed_reply_gives_its_connection_back(server: WireServer, speaks: str, opened: list[int]) -> None:
    """Once its last word was said, and not only when it is closed."""
    async with endpoint(server, speaks) as streaming:
        for number in range(3):
            server.play(REPLY)
            await streaming.complete(ask(key=f"k{number}"))
    assert len(opened) == 1


async def test_a_connection_is_kept_for_so_long(
    server: WireServer, openai: OpenAI, opened: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through what an agent does between two calls; one that was idle for longer is not trusted."""
    ahead = 0.0
    monkeypatch.setattr("httpcore2._async.http11.time", SimpleNamespace(monotonic=lambda: time.monotonic() + ahead))
    server.play(REPLY, REPLY, REPLY)
    await openai.complete(ask(key="first"))
    ahead += KEPT / 2
    await openai.complete(ask(key="soon"))
    assert len(opened) == 1
    ahead += KEPT + 1
    await openai.complete(ask(key="late"))
    assert len(opened) == 2


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n"], ids=["end", "words"])
async def test_a_connection_that_the_server_has_given_up_is_not_asked(said: bytes, opened: list[int]) -> None:
    """Whether it has just closed it or said something unasked: the next call goes over another one, and none is lost."""
    answered, given_up = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(COMPLETION) + COMPLETION)
        await writer.drain()
        if len(opened) == 1:
            await answered.wait()
            writer.write(said)
            await (writer.drain() if said else _closed(writer))
            given_up.set()
        await reader.read()

    async with listening(serve) as port:
        provider = OpenAI(KEY, f"http://127.0.0.1:{port}/v1")
        await provider.complete(ask(key="first"))
        answered.set()
        await given_up.wait()
        try:
            second = (await provider.complete(ask(key="second"))).text
        except ProviderError as error:
            second = str(error)
        await provider.close()
    assert second == "{}"
    assert len(opened) == 2


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


async def test_who_sends_faster_than_is_read_is_slowed_down() -> None:
    """What nobody has read yet takes bounded memory, and all of it is there in the end."""
    sender: list[asyncio.StreamWriter] = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sender.append(writer)
        for _number in range(16):
            writer.write(bytes(MEGABYTES // 16))
            await writer.drain()
        writer.write_eof()
        await asyncio.Event().wait()

    async with listening(serve) as port:
        stream: Any = await Sockets().connect_tcp("127.0.0.1", port)
        held = stream._received

        async def blocked() -> bool | None:
            return True if held._slowed and sender[0].transport.get_write_buffer_size() > 0 else None

        await until(blocked, "the sender is slowed down", every=0.01)
        assert len(held.waiting) <= sockets._MOST + 256 * 1024  # what one look at the socket may bring
        read = 0
        while data := await stream.read(65536, PATIENCE):
            read += len(data)
        assert read == MEGABYTES
        await stream.aclose()


async def test_what_is_written_arrives_or_takes_too_long() -> None:
    """A large request waits for room; a server that reads nothing is left at the limit."""
    reads = asyncio.Event()
    arrived: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reads.wait()
        arrived.append(await reader.readexactly(MEGABYTES))

    async def all_there() -> bool | None:
        return True if arrived else None

    async with listening(serve) as port:
        deaf = await Sockets().connect_tcp("127.0.0.1", port)
        with pytest.raises(httpcore2.WriteTimeout):
            await deaf.write(bytes(4 * MEGABYTES), 0.1)
        await deaf.aclose()
        heard = await Sockets().connect_tcp("127.0.0.1", port)
        reads.set()
        await heard.write(bytes(MEGABYTES), PATIENCE)
        await until(all_there, "all of it is there", every=0.01)
        await heard.aclose()


async def test_each_end_is_told() -> None:
    """An orderly end is one, a torn connection is an error, and silence is a timeout; nothing is written after any end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        how = await reader.readexactly(4)
        if how == b"end\n":
            writer.write(b"last words")
            await _closed(writer)
        elif how == b"torn":
            # Without a farewell: else an abort is an orderly end, too.
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        await asyncio.Event().wait()

    async with listening(serve) as port:
        ended = await Sockets().connect_tcp("127.0.0.1", port)
        await ended.write(b"end\n")
        assert [await ended.read(5, PATIENCE), await ended.read(100, PATIENCE), await ended.read(1, PATIENCE)] == [
            *(b"last ", b"words", b"")
        ]
        assert ended.get_extra_info("is_readable")
        with pytest.raises(httpcore2.WriteError):
            await ended.write(b"more", PATIENCE)
        torn = await Sockets().connect_tcp("127.0.0.1", port)
        await torn.write(b"torn", PATIENCE)
        with pytest.raises(httpcore2.ReadError):
            await torn.read(1, PATIENCE)
        mute = await Sockets().connect_tcp("127.0.0.1", port)
        await mute.write(b"mute", PATIENCE)
        assert not mute.get_extra_info("is_readable")
        with pytest.raises(httpcore2.ReadTimeout):
            await mute.read(1, 0.05)
        for stream in (ended, torn, mute):
            await stream.aclose()
            await stream.aclose()
    with pytest.raises(httpcore2.ConnectError):
        await Sockets().connect_tcp("127.0.0.1", port, PATIENCE)


async def test_tls_is_checked_and_goes_through_tls(tmp_path: Path) -> None:
    """As through a proxy that is spoken to with TLS; a certificate that nobody vouches for is no connection."""
    made, theirs = certificate(tmp_path, "there.test")
    trusting = ssl.create_default_context(cafile=made)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(5) == b"inner"
        await writer.start_tls(theirs)
        while data := await reader.read(1000):
            writer.write(data.upper())

    async with listening(serve, theirs) as port:
        plain = await Sockets().connect_tcp("127.0.0.1", port)
        with pytest.raises(httpcore2.ConnectError, match="certificate verify failed"):
            await plain.start_tls(ssl.create_default_context(), "there.test", PATIENCE)
        outer = await (await Sockets().connect_tcp("127.0.0.1", port)).start_tls(trusting, "there.test", PATIENCE)
        await outer.write(b"inner", PATIENCE)
        inner = await outer.start_tls(trusting, "there.test", PATIENCE)
        await inner.write(b"whispered", PATIENCE)
        assert await inner.read(100, PATIENCE) == b"WHISPERED"
        assert inner.get_extra_info("ssl_object") is not None
        await inner.aclose()


async def test_what_came_in_plain_text_is_not_read_as_if_it_had_been_encrypted() -> None:
    """As from somebody between us and a proxy, who says after the proxy's answer what the endpoint is to have said."""

    async def speaks_first(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        await asyncio.Event().wait()

    async with listening(speaks_first) as port:
        stream = await Sockets().connect_tcp("127.0.0.1", port)
        assert await stream.read(4, PATIENCE) == b"HTTP"
        with pytest.raises(httpcore2.ConnectError, match="in plain text on a connection that was to be encrypted"):
            await stream.start_tls(ssl.create_default_context(), "there.test", PATIENCE)


async def test_a_server_that_does_not_finish_its_greeting_is_left() -> None:
    """TLS is part of connecting, and of its limit."""

    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(serve) as port:
        stream = await Sockets().connect_tcp("127.0.0.1", port)
        with pytest.raises(httpcore2.ConnectTimeout):
            await stream.start_tls(ssl.create_default_context(), "there.test", 0.1)


async def test_a_silence_may_become_shorter_and_longer() -> None:
    """It counts from what came last, by the limit of then."""

    async def silent(first: float, then: float, seconds: float) -> None:
        async with Silence(first) as silence:
            silence.broken(then)
            await asyncio.sleep(seconds)

    with pytest.raises(TimeoutError):
        await silent(2 * PATIENCE, 0.05, 2 * PATIENCE)
    await silent(0.05, 2 * PATIENCE, 0.2)


async def test_an_error_of_the_block_is_not_a_limit() -> None:
    """The system's own timeouts, of a connection that is dead, are errors of it."""
    with pytest.raises(TimeoutError, match="110"):
        async with within(PATIENCE, httpcore2.ReadTimeout):
            raise TimeoutError("110")
