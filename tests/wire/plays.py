"""What a loopback server is told to do with one request, and doing it: reading, answering, misbehaving on the wire."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from contracts.conversation import ModelReply
from tests.wire.formats import write_error, write_reply

_PIECE = b"x" * 65536


@dataclass(frozen=True)
class Play:
    """What the server does with one request. A plain `Play()` answers an empty object."""

    body: Any = field(default_factory=dict)
    """Sent as JSON; `bytes` are sent as they are, a `ModelReply` in the format that was asked for."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None
    """With it, the body is this error message in the format that was asked for."""
    error_type: str | None = None
    change: Mapping[str, Any] = field(default_factory=dict)
    """Fields to overwrite in the reply's JSON; `...` removes one."""
    delay: float = 0.0
    """Seconds before the answer."""
    pause: float | None = None
    """Seconds between single bytes of the body."""
    cut: bool = False
    """Promise the whole body, send half, close."""
    silent: bool = False
    """Never answer; wait until the client goes."""
    endless: bool = False
    """Send for ever, until the client goes."""
    abort: bool = False
    """Close at once, without an answer."""
    pieces: Sequence[bytes | asyncio.Event] = ()
    """Sent one by one in place of the body; an event is waited for. With `cut` the body never ends."""


@dataclass
class Seen:
    """One request as it came in, and what became of its connection."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    number: int = 0
    """Which request of this server it is, from 1."""
    asked: str = ""
    """The path as it came in, with its query."""
    raw: bytes = b""
    """The body as it came in."""
    sent: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the client closed the connection before it had the whole answer."""

    @property
    def model(self) -> str:
        """The model that is asked for, "" if the body names none."""
        return str(self.body.get("model", "")) if isinstance(self.body, dict) else ""

    @property
    def key(self) -> str:
        """The key of the call, "" for a request without one."""
        return unquote(self.headers.get("x-request-key", ""))


async def read(reader: asyncio.StreamReader) -> Seen | None:
    """The next request on the connection, None when there is no more."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    return Seen(method, path.partition("?")[0], headers, body, asked=path, raw=raw)


async def client_left(reader: asyncio.StreamReader, seconds: float | None) -> bool:
    """True as soon as the client closes, False after that many seconds (None: never)."""
    try:
        return await asyncio.wait_for(reader.read(1), seconds) == b""
    except TimeoutError:
        return False


async def in_pieces(play: Play, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Send the pieces of what is played. False if the connection is used up."""
    _write_head(play, seen, writer, {"transfer-encoding": "chunked", "content-type": "text/event-stream"})
    for piece in play.pieces:
        if isinstance(piece, bytes):
            await _send(b"%x\r\n%s\r\n" % (len(piece), piece), seen, writer)
        elif not await _let_go(piece, reader):
            raise ConnectionResetError
    if play.cut:
        return False
    await _send(b"0\r\n\r\n", seen, writer)
    return True


async def _let_go(event: asyncio.Event, reader: asyncio.StreamReader) -> bool:
    """True as soon as the event is set, False if the client goes before."""
    tasks = [asyncio.create_task(event.wait()), asyncio.create_task(client_left(reader, None))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return event.is_set()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def answer(play: Play, seen: Seen, writer: asyncio.StreamWriter) -> bool:
    """Send what is played. False if the connection is used up."""
    body = _body(play, seen.path)
    _write_head(play, seen, writer, {"transfer-encoding": "chunked"} if play.endless else {"content-length": str(len(body))})
    while play.endless:
        await _send(b"%x\r\n%s\r\n" % (len(_PIECE), _PIECE), seen, writer)
    if play.cut:
        await _send(body[: len(body) // 2], seen, writer)
        return False
    if play.pause is None:
        await _send(body, seen, writer)
    else:
        for index in range(len(body)):
            await _send(body[index : index + 1], seen, writer)
            await asyncio.sleep(play.pause)
    return play.headers.get("connection") != "close"


def _write_head(play: Play, seen: Seen, writer: asyncio.StreamWriter, form: Mapping[str, str]) -> None:
    ids = {"request-id": f"req_{seen.number}", "x-request-id": f"req_{seen.number}", "content-type": "application/json"}
    head = "".join(f"{name}: {value}\r\n" for name, value in (ids | dict(form) | dict(play.headers)).items())
    writer.write(f"HTTP/1.1 {play.status} Played\r\n{head}\r\n".encode("latin-1"))


async def _send(data: bytes, seen: Seen, writer: asyncio.StreamWriter) -> None:
    if writer.is_closing():
        raise ConnectionResetError
    writer.write(data)
    seen.sent += len(data)
    await writer.drain()


def _body(play: Play, path: str) -> bytes:
    if isinstance(play.body, bytes):
        return play.body
    body = write_reply(path, play.body) if isinstance(play.body, ModelReply) else play.body
    if play.error is not None:
        body = write_error(path, play.status, play.error, play.error_type)
    if isinstance(body, list):
        return json.dumps(body).encode()
    changed = {key: value for key, value in (body | dict(play.change)).items() if value is not ...}
    return json.dumps(changed).encode()
