"""What the endpoints of docs/models.md do when their blocks are played: `python -m tests.wire.outcomes --write`.

Each block is loaded as a worker loads it and played against the loopback server at its own path; what came out of it is a row
of the page's table. Without `--write` it says whether the page is as it was played.
"""

import asyncio
import contextlib
import os
import sys
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import config
import model_choice
from activities.money.prices import tariff
from activities.providers.base import ErrorKind, Provider, ProviderError
from contracts.agents import Choice
from contracts.conversation import AssistantMessage, ModelReply, ToolAnswer, ToolMessage, UserMessage
from contracts.errors import Misconfigured
from tests.docs.pages import ROOT, Block, blocks
from tests.wire.formats import ENDINGS, MESSAGES, write_reply
from tests.wire.plays import Play, Seen
from tests.wire.samples import CALLS, REPLY, ask
from tests.wire.server import WireServer
from tests.wire.streams import streamed

PAGE = ROOT / "docs" / "models.md"
HEAD = "| endpoint | format | text | tools | the schema | usage | stream | errors |"

FAULTS: tuple[tuple[Play, ErrorKind], ...] = (
    (Play(status=401, error="Incorrect API key provided"), "authentication"),
    (Play(status=402, error="Insufficient credits"), "credit"),
    (Play(status=400, error="This model's maximum context length is 8192 tokens"), "too_large"),
    (Play(status=404, error="The model does not exist"), "not_found"),
    (Play(status=429, error="slow down", headers={"retry-after": "7"}), "rate_limited"),
    (Play(status=503, error="no room"), "overloaded"),
    (Play(b"<html><title>Sign in</title></html>", headers={"content-type": "text/html"}), "not_json"),
    (Play(REPLY, cut=True), "cut"),
)
"""What each endpoint is made to answer, and what it has to be taken for."""


def played() -> list[Block]:
    """The blocks of the page that have an address of their own."""
    found = [one for one in blocks(PAGE) if one.language == "toml" and "tests/wire/test_models_page.py" in one.argument]
    return [one for one in found if all("base_url" in table for table in tomllib.loads(one.text)["providers"].values())]


class Played:
    """One block at a loopback server: what each capability comes to."""

    def __init__(self, server: WireServer, block: Block) -> None:
        values: dict[str, Any] = tomllib.loads(block.text)
        ((self.name, table),) = values["providers"].items()
        self.speaks = table["speaks"]
        self._server, self._values = server, values
        table["base_url"] = f"{server.url}{urlsplit(table['base_url']).path}"
        self._key = table.get("key_env")
        self.choice = Choice(model=values["model"])

    async def row(self) -> str:
        """The block's row of the table."""
        with _variable(self._key):
            first, last, seen = await self._turns()
            cells = [f"`{self.choice.model}`", self.speaks, *self._whole(first, last), _schema(seen), self._usage(last)]
            return f"| {' | '.join([*cells, await self._stream(), await self._errors()])} |\n"

    def _provider(self, **capabilities: Any) -> Provider:
        table = self._values["providers"][self.name]
        whole = table | {"capabilities": table.get("capabilities", {}) | capabilities}
        return model_choice.build_providers(config.load(**self._values | {"providers": {self.name: whole}}))[self.name]

    async def _turns(self, **capabilities: Any) -> tuple[ModelReply, ModelReply, list[Seen]]:
        """Calls, and the final output after their results, with what was asked."""
        made, before = self._provider(**capabilities), len(self._server.requests)
        stream = bool(capabilities.get("stream"))
        self._server.play(*(self._streamed(one) if stream else Play(one) for one in (CALLS, REPLY)))
        try:
            first = await made.complete(self._ask())
            echo = AssistantMessage(text=first.text, calls=first.calls, provider=self.name, native=first.native)
            answers = tuple(ToolAnswer(call_id=call.call_id, name=call.name, text="hello") for call in first.calls)
            talk = (UserMessage(text="Write."), echo, ToolMessage(answers=answers), UserMessage(text="This step ends now."))
            last = await made.complete(self._ask(messages=talk, tools=()))
        finally:
            await made.close()
        return first, last, self._server.requests[before:]

    def _ask(self, **changes: Any) -> Any:
        return ask(model=self.choice.model_name, max_output_tokens=1000, **changes)

    def _streamed(self, reply: ModelReply) -> Play:
        path = next(path for ending, path in ENDINGS.items() if ending.endswith(_ENDING[self.speaks]))
        return Play(streamed(self.speaks, write_reply(path, reply)), headers={"content-type": "text/event-stream"})

    def _whole(self, first: ModelReply, last: ModelReply) -> tuple[str, str]:
        read = [(one.name, one.arguments) for one in first.calls]
        right = read == [(one.name, one.arguments) for one in CALLS.calls]
        return _yes(last.text == REPLY.text), f"{len(read)} of {len(CALLS.calls)} at once" if right else "no"

    def _usage(self, last: ModelReply) -> str:
        if last.usage is None:
            return "none"
        settings = config.load(**self._values)
        choice = model_choice.at_endpoint(self.choice, model_choice.endpoints(settings))
        try:
            cost = tariff(choice, vendors=model_choice.vendors(settings)).cost(last.usage)
        except Misconfigured:
            return "counted; the price is yours to say"
        return "counted, priced" if cost else "counted, free"

    async def _stream(self) -> str:
        """Whether it streams by itself; where not, whether a stream that the table asks for is the same turn."""
        asked = await self._turns(stream=True)
        same = [(one.text, [call.arguments for call in one.calls]) for one in asked[:2]]
        right = same == [(one.text, [call.arguments for call in one.calls]) for one in (CALLS, REPLY)]
        if not right or not all(seen.body.get("stream") for seen in asked[2]):
            return "no"
        self._server.play(CALLS)
        made = self._provider()
        try:
            await made.complete(self._ask())
        finally:
            await made.close()
        return "yes" if self._server.requests[-1].body.get("stream") else "with `stream = true`"

    async def _errors(self) -> str:
        """How many faults are taken for what they are, with the wait that one names."""
        made, right = self._provider(), 0
        try:
            for play, kind in FAULTS:
                self._server.play(play)
                try:
                    await made.complete(self._ask())
                except ProviderError as error:
                    waits = error.retry_after == timedelta(seconds=7) if kind == "rate_limited" else True
                    right += error.kind == kind and waits
        finally:
            await made.close()
        return f"{right} of {len(FAULTS)}"


_ENDING = {"chat": "/chat/completions", "responses": "/responses", "messages": MESSAGES}


def _schema(seen: list[Seen]) -> str:
    """Where the schema stood: beside tools, with the turn that ends the step, or in the prompt alone."""
    tools, last = (bool({"response_format", "text", "output_config", "output_format"} & set(one.body)) for one in seen)
    return "beside tools" if tools else "with the last turn" if last else "in the prompt"


def _yes(right: bool) -> str:
    return "yes" if right else "no"


@contextlib.contextmanager
def _variable(name: str | None) -> Iterator[None]:
    """The variable of the block's key, while it is played."""
    before = os.environ.get(name) if name else None
    if name:
        os.environ[name] = "key-of-the-block"
    try:
        yield
    finally:
        if name and before is None:
            del os.environ[name]
        elif name and before is not None:
            os.environ[name] = before


async def table() -> str:
    """The page's table, as it is played now."""
    async with WireServer() as server:
        server.anywhere = True
        rows = [await Played(server, one).row() for one in played()]
    return f"{HEAD}\n|{' --- |' * HEAD.count(' | ')} --- |\n{''.join(rows)}"


def written() -> str:
    """The table that the page has; "" if it has none."""
    text = PAGE.read_text()
    start = text.find(HEAD)
    return text[start : text.index("\n\n", start) + 1] if start >= 0 else ""


def main() -> int:
    """Write the table into the page, or say whether it is as it was played."""
    new = asyncio.run(table())
    if "--write" in sys.argv[1:] and written():
        PAGE.write_text(PAGE.read_text().replace(written(), new))
    same = written() == new
    print(f"{PAGE.relative_to(ROOT)} {'is as it was played' if same else 'is out of date: run it with --write'}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
