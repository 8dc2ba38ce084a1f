"""The loopback endpoint behind somebody else's gateway: it takes requests as the gateway rewrites them."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from activities.providers.scripted import Scripted
from contracts.conversation import ModelReply
from tests.wire.book import Book
from tests.wire.formats import COMPLETIONS, MESSAGES, write_reply
from tests.wire.plays import Play, Seen
from tests.wire.server import WireServer
from tests.wire.streams import streamed

SPEAKS = {MESSAGES: "messages", COMPLETIONS: "chat"}


class Upstream(WireServer):
    """Answers by its queue or a script, in a stream where the gateway asks for one."""

    def __init__(self, book: Book | None = None) -> None:
        super().__init__(book=book)
        self._answer: Callable[[dict[str, Any]], Play] | None = None

    @property
    def book_file(self) -> Path:
        """Where the book is."""
        assert self._book is not None
        return self._book.file

    @contextlib.contextmanager
    def scripted(self, script: Path) -> Iterator[None]:
        """Within the block the script answers."""
        self.queue.clear()
        self._scripted = Scripted(script)
        try:
            yield
        finally:
            self._scripted = None

    @contextlib.contextmanager
    def answered_by(self, answer: Callable[[dict[str, Any]], Play]) -> Iterator[None]:
        """Within the block this answers, by what stands in a request."""
        self.queue.clear()
        self._answer = answer
        try:
            yield
        finally:
            self._answer = None

    async def play_for(self, seen: Seen) -> Play:
        """The answer, after what the gateway has rewritten is put back into the form that the script reads."""
        if isinstance(seen.body, dict):
            seen.body = _plain(seen.path, seen.body)
        play = await super().play_for(seen) if self._answer is None else self._answer(seen.body)
        if not isinstance(play.body, ModelReply) or not seen.body.get("stream"):
            return play
        whole = write_reply(seen.path, play.body)
        kind = {"content-type": "text/event-stream"}
        return replace(play, body=streamed(SPEAKS.get(seen.path, "responses"), whole), headers=kind)


def _plain(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """A body with texts for parts of texts, blocks for texts of Messages, and nothing left to a default."""
    if path == MESSAGES:
        return body | {"messages": [one | {"content": list(_blocks(one["content"]))} for one in body["messages"]]}
    if path == COMPLETIONS:
        return body | {"messages": [one | {"content": _text(one.get("content"))} for one in body["messages"]]}
    # Responses: what a person says, and what a tool gives back, may be in parts.
    parts = ("content", "output")
    texts = [one | {name: _text(one[name]) for name in parts if name in one} for one in body.get("input", ())]
    return body | {"input": texts} if texts else body


def _blocks(content: Any) -> Iterator[dict[str, Any]]:
    for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
        if block["type"] == "tool_result":
            yield {"is_error": False} | block | {"content": _text(block["content"])}
        else:
            yield block


def _text(content: Any) -> Any:
    return "".join(part.get("text", "") for part in content) if isinstance(content, list) else content
