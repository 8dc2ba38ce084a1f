"""The world outside, in a process of its own: a model provider, and the book of all that it did.

`python -m tests.chaos.outside --script FILE --port N --book FILE`. A line is on the disk before anybody gets an answer.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from contracts.conversation import ModelReply
from tests.wire.formats import read_request
from tests.wire.server import Play, Seen, WireServer


class Book:
    """An append-only file of facts, one JSON object a line, each on the disk when `write` returns."""

    def __init__(self, file: Path) -> None:
        self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(self, what: str, **more: Any) -> None:
        """Add one fact."""
        os.write(self._descriptor, json.dumps({"what": what, **more}).encode() + b"\n")
        os.fdatasync(self._descriptor)


class Provider(WireServer):
    """The scripted provider on the wire; it writes down who asked what, and each answer before it is sent."""

    def __init__(self, script: Path, port: int, book: Book) -> None:
        super().__init__(script, port)
        self._facts = book

    async def play_for(self, seen: Seen) -> Play:
        """The answer, booked: from here on it is paid for."""
        request = read_request(seen.path, seen.headers, seen.body)
        prompt = json.dumps([seen.body["messages"], seen.body.get("tools")], sort_keys=True)
        run = re.search(r"\(run ([a-z0-9-]+)\)", prompt)
        named = {"key": request.key, "run": run[1] if run else "", "prompt": hashlib.sha256(prompt.encode()).hexdigest()}
        self._facts.write("asked", **named)
        play = await super().play_for(seen)
        if isinstance(play.body, ModelReply):
            assert play.body.usage is not None
            self._facts.write("answered", **named, usage=play.body.usage.model_dump())
        return play


async def _main(script: Path, port: int, book: Path) -> None:
    async with Provider(script, port, Book(book)):
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--script", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--book", type=Path, required=True)
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(arguments.script, arguments.port, arguments.book))
