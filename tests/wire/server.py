"""A loopback server that speaks Anthropic Messages, OpenAI Chat Completions and Responses, and misbehaves on request.

By tests, benchmarks, or by hand: `python -m tests.wire.server --script FILE --port N [--book FILE [--price MODEL=IN/OUT]]`.

- In a test: `async with WireServer(script, book=Book(file, {"*": BookPrice(3_000_000, 15_000_000)})) as server`, then
  `server.play(...)` for single answers, `server.faults.set("model", "server", for_s=30)` and `server.faults.clear("model")`,
  `await server.refuse(5)` to refuse connections, `server.requests` for what came in.
- From another process the same over HTTP, at `server.url + "/control"`: `GET` shows what is in force; `POST` switches, with
  `{"model": "m", "fault": "rate_limited", "for_s": 30, "retry_after_s": 30, "times": 3}` (all but `fault` may be left out;
  no model: every model; `"fault": null` clears) or `{"refuse_s": 5}`. The helper `control(url, ...)` below posts it.
- The faults are listed in `tests/wire/faults.py`, the lines of the book described in `tests/wire/book.py` (`read_book`,
  `by_key`, `count`). Requests to `/control` are neither in `requests` nor in the book.
"""

import argparse
import asyncio
import contextlib
import json
import socket
import sys
import urllib.request
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from activities.providers.base import ErrorKind, ProviderError
from activities.providers.scripted import Scripted
from contracts.conversation import ModelReply
from tests import ports
from tests.children import PATIENCE
from tests.wire.book import Book, BookPrice
from tests.wire.faults import Faults
from tests.wire.formats import ENDINGS, PATHS, read_request
from tests.wire.plays import Play as Play
from tests.wire.plays import Seen as Seen
from tests.wire.plays import answer, client_left, in_pieces, read

CONTROL = "/control"

_STATUS: dict[ErrorKind, int] = {
    "rate_limited": 429,
    "overloaded": 529,
    "server": 500,
    "bad_request": 400,
    "filtered": 400,
    "unsupported": 400,
    "authentication": 401,
    "credit": 402,
    "permission": 403,
    "not_found": 404,
    "too_large": 413,
    "no_script": 400,
}


class WireServer:
    """`async with WireServer() as server:` serves at `server.url`, on 127.0.0.1, until the block ends.

    Each request takes the next `Play` from the queue; with an empty queue the script answers, and without a script the
    request is refused, so that a request too many is noticed.
    """

    def __init__(self, script: Path | None = None, port: int = 0, book: Book | None = None) -> None:
        self.requests: list[Seen] = []
        self.queue: deque[Play] = deque()
        self.faults = Faults()
        self.anywhere = False
        """Whether the formats are served below any path, as other endpoints have them."""
        self.arrived = asyncio.Condition()
        self._scripted = Scripted(script) if script else None
        self._book = book
        self._port = port
        self._place: socket.socket | None = None
        """Holds the port while nobody listens, so that nobody else comes to."""
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._accepting:
            task.cancel()
        server = self._close()
        # Those of connections end by themselves: asyncio logs a cancelled one as an error.
        await asyncio.gather(*self._tasks, *self._accepting, return_exceptions=True)
        if server is not None:
            await server.wait_closed()
        if self._place is not None:
            self._place.close()

    async def refuse(self, for_s: float | None = None, *, but: asyncio.StreamWriter | None = None) -> None:
        """Refuse connections and end those that are open, for so long or until `accept`. Book and faults stay."""
        self._close(but)
        if for_s is not None:
            _keep(asyncio.create_task(self._accept_in(for_s)), self._accepting)

    async def accept(self) -> None:
        """Listen, at the same port as before."""
        if self._place is None:
            self._place = ports.hold(self._port)
            self._port = self._place.getsockname()[1]
        if self._server is None:
            self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)

    async def _accept_in(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.accept()

    def _close(self, but: asyncio.StreamWriter | None = None) -> asyncio.Server | None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for writer in self._writers:
            if writer is not but:
                writer.transport.abort()
        return server

    @property
    def url(self) -> str:
        """The base URL for Anthropic Messages."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def openai_url(self) -> str:
        """The base URL for Chat Completions and Responses."""
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
            _keep(task, self._tasks)
        self._writers.add(writer)
        try:
            while (seen := await read(reader)) is not None and await self._serve(seen, reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _serve(self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request. False if the connection is used up."""
        if seen.path == CONTROL:
            return await self._control(seen, writer)
        if self.anywhere:
            seen.path = next((path for ending, path in ENDINGS.items() if seen.path.endswith(ending)), seen.path)
        async with self.arrived:
            self.requests.append(seen)
            seen.number = len(self.requests)
            self.arrived.notify_all()
        play, fault = await self._spoilt(seen)
        patience = None if play.silent else play.delay
        if patience != 0 and await client_left(reader, patience):
            seen.gone.set()
            self._note(seen, replace(play, abort=True), fault)
            return False
        self._note(seen, play, fault)
        if play.abort:
            writer.transport.abort()
            return False
        try:
            return await (in_pieces(play, seen, reader, writer) if play.pieces else answer(play, seen, writer))
        except ConnectionError:
            seen.gone.set()
            return False

    async def _spoilt(self, seen: Seen) -> tuple[Play, str]:
        """What the request gets, and the fault in it. One that needs no right answer takes none from the queue."""
        fault = self.faults.next(seen.model) if seen.path in PATHS else None
        if fault is None:
            return await self.play_for(seen), ""
        return (fault.spoil(await self.play_for(seen)) if fault.spoils else fault.play()), fault.kind

    def _note(self, seen: Seen, play: Play, fault: str) -> None:
        if self._book is not None:
            self._book.write(seen, play, fault)

    async def _control(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        """Show or switch what goes wrong."""
        wanted = seen.body if isinstance(seen.body, dict) else {}
        try:
            if "refuse_s" in wanted:
                # Before the answer: who has it may count on it.
                await self.refuse(float(wanted["refuse_s"]), but=writer)
            elif seen.method == "POST":
                self.faults.switch(wanted)
        except (TypeError, ValueError) as error:
            return await answer(Play({"error": str(error)}, status=400), seen, writer)
        return await answer(Play(self.faults.shown()), seen, writer) and "refuse_s" not in wanted

    async def play_for(self, seen: Seen) -> Play:
        """The right answer to this request."""
        if seen.path not in PATHS:
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


def _keep(task: asyncio.Task[None], kept: set[asyncio.Task[None]]) -> None:
    kept.add(task)
    task.add_done_callback(kept.discard)


def control(url: str, **wanted: Any) -> dict[str, Any]:
    """Switch a fault of the server at `url` and return what is in force then; nothing wanted: only look."""
    body = json.dumps(wanted).encode() if wanted else None
    asked = urllib.request.Request(url + CONTROL, data=body, headers={"content-type": "application/json"})
    with urllib.request.urlopen(asked, timeout=PATIENCE) as response:
        shown: dict[str, Any] = json.load(response)
    return shown


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
    if error.kind == "drift":
        return Play()
    # These two are known by what is said.
    said = f"Unsupported parameter: {error}" if error.kind == "unsupported" else str(error)
    kind = "content_filter" if error.kind == "filtered" else None
    return Play(status=_STATUS[error.kind], error=said, error_type=kind, headers=headers)


def _book_price(text: str) -> tuple[str, BookPrice]:
    model, _, numbers = text.partition("=")
    return model, BookPrice(*(int(number) for number in numbers.split("/")))


async def _main(script: Path, port: int, book: Book | None) -> None:
    async with WireServer(script, port, book) as server:
        sys.stdout.write(f"Anthropic Messages at {server.url}, Chat Completions and Responses at {server.openai_url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve a script as a model endpoint on 127.0.0.1 until interrupted.")
    parser.add_argument("--script", type=Path, required=True, help="the script file, or a folder of them")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--book", type=Path, help="file to which every answer is added")
    parser.add_argument(
        "--price", type=_book_price, action="append", default=[], help="MODEL=INPUT/OUTPUT[/READ[/WRITE]], MODEL may be *"
    )
    arguments = parser.parse_args()
    kept = Book(arguments.book, dict(arguments.price)) if arguments.book else None
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(arguments.script, arguments.port, kept))
