"""A loopback server that speaks Anthropic Messages and OpenAI Chat Completions, and misbehaves on request.

Used by tests, by benchmarks, and by hand: `python -m tests.wire.server --script FILE --port N`.
"""

import argparse
import asyncio
import json
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from activities.providers.base import ErrorKind, ProviderError
from activities.providers.scripted import Scripted
from contracts.conversation import ModelReply
from tests.wire.formats import COMPLETIONS, MESSAGES, read_request, write_error, write_reply

_PIECE = b"x" * 65536

_STATUS: dict[ErrorKind, int] = {
    "rate_limited": 429,
    "overloaded": 529,
    "server": 500,
    "bad_request": 400,
    "authentication": 401,
    "credit": 402,
    "permission": 403,
    "not_found": 404,
    "too_large": 413,
    "no_script": 400,
}


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


@dataclass
class Seen:
    """One request as it came in, and what became of its connection."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    sent: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the client closed the connection before it had the whole answer."""


class WireServer:
    """`async with WireServer() as server:` serves at `server.url`, on 127.0.0.1, until the block ends.

    Each request takes the next `Play` from the queue; with an empty queue the script answers, and without a script the
    request is refused, so that a request too many is noticed.
    """

    def __init__(self, script: Path | None = None, port: int = 0) -> None:
        self.requests: list[Seen] = []
        self.queue: deque[Play] = deque()
        self.arrived = asyncio.Condition()
        self._scripted = Scripted(script) if script else None
        self._port = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """The base URL for Anthropic Messages."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def openai_url(self) -> str:
        """The base URL for Chat Completions."""
        return f"{self.url}/v1"

    def play(self, *plays: Play | ModelReply) -> None:
        """Queue what the next requests get."""
        self.queue.extend(play if isinstance(play, Play) else Play(play) for play in plays)

    async def request(self, number: int) -> Seen:
        """The n-th request, from 0, as soon as it has come in."""
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.requests) > number)
        return self.requests[number]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._writers.add(writer)
        try:
            while (seen := await _read(reader)) is not None and await self._serve(seen, reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _serve(self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request. False if the connection is used up."""
        async with self.arrived:
            self.requests.append(seen)
            self.arrived.notify_all()
        play = await self.play_for(seen)
        if play.abort:
            writer.transport.abort()
            return False
        patience = None if play.silent else play.delay
        if patience != 0 and await _client_left(reader, patience):
            seen.gone.set()
            return False
        try:
            return await _answer(play, seen, len(self.requests), writer)
        except ConnectionError:
            seen.gone.set()
            return False

    async def play_for(self, seen: Seen) -> Play:
        """What this request gets."""
        if seen.path not in (MESSAGES, COMPLETIONS):
            return Play(status=404, error=f"there is nothing at {seen.path}")
        if self.queue:
            return self.queue.popleft()
        if self._scripted is None:
            return Play(status=400, error="nothing is queued and there is no script: this request was one too many")
        try:
            return Play(await self._scripted.complete(read_request(seen.path, seen.headers, seen.body)))
        except ProviderError as error:
            return _play_of(error)
        except (KeyError, TypeError, ValueError) as error:
            return Play(status=400, error=f"not a request of a Baton provider: {error!r}")


def _play_of(error: ProviderError) -> Play:
    """A scripted error on the wire. What has no status is played as what the client would see."""
    if error.kind == "timeout":
        return Play(silent=True)
    if error.kind in ("connection", "cut"):
        return Play(abort=True)
    if error.kind == "not_json":
        return Play(b"<html>Sign in</html>", headers={"content-type": "text/html"})
    after = error.retry_after
    headers = {} if after is None else {"retry-after-ms": f"{after.total_seconds() * 1000:g}"}
    return Play() if error.kind == "drift" else Play(status=_STATUS[error.kind], error=str(error), headers=headers)


async def _read(reader: asyncio.StreamReader) -> Seen | None:
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
    return Seen(method, path.partition("?")[0], headers, body)


async def _client_left(reader: asyncio.StreamReader, seconds: float | None) -> bool:
    """True as soon as the client closes, False after that many seconds (None: never)."""
    try:
        return await asyncio.wait_for(reader.read(1), seconds) == b""
    except TimeoutError:
        return False


async def _answer(play: Play, seen: Seen, number: int, writer: asyncio.StreamWriter) -> bool:
    body = _body(play, seen.path)
    length = {"transfer-encoding": "chunked"} if play.endless else {"content-length": str(len(body))}
    ids = {"request-id": f"req_{number}", "x-request-id": f"req_{number}", "content-type": "application/json"}
    head = "".join(f"{name}: {value}\r\n" for name, value in (ids | length | dict(play.headers)).items())
    writer.write(f"HTTP/1.1 {play.status} Played\r\n{head}\r\n".encode("latin-1"))
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
    changed = {key: value for key, value in (body | dict(play.change)).items() if value is not ...}
    return json.dumps(changed).encode()


async def _main(script: Path, port: int) -> None:
    async with WireServer(script, port) as server:
        sys.stdout.write(f"Anthropic Messages at {server.url}, Chat Completions at {server.openai_url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve a script as a model endpoint on 127.0.0.1 until interrupted.")
    parser.add_argument("--script", type=Path, required=True, help="the script file, or a folder of them")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    arguments = parser.parse_args()
    try:
        asyncio.run(_main(arguments.script, arguments.port))
    except KeyboardInterrupt:
        sys.exit(0)
