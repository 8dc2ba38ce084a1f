"""A caller of the benchmark `road`: one process that asks in one way, and says what a call cost it."""

import argparse
import asyncio
import contextlib
import importlib
import json
import resource
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai

import config
import model_choice
from activities.providers import transport
from activities.providers.base import Provider
from benchmarks.agent_files import write_agents, write_calls
from benchmarks.model_call import ModelCall
from benchmarks.road_server import PATHS
from contracts.conversation import ModelRequest, UserMessage
from ledger.db import Ledger
from ledger.migrate import upgrade

KINDS = tuple((speaks, how) for speaks in PATHS for how in ("whole", "streamed"))
"""Format, and how it is answered."""

Ask = Callable[[int], Awaitable[object]]
Way = Callable[["Target"], AbstractAsyncContextManager[Ask]]


class Target:
    """What is asked: an address, a format, how it is answered, and the request of one of the benchmarks' agents."""

    def __init__(self, url: str, speaks: str, how: str, folder: Path) -> None:
        self.speaks, self.streams, self.folder = speaks, how == "streamed", folder
        self.base = f"{url}/{how}" + ("/v1" if speaks == "chat" else "")
        self.url = f"{url}/{how}{PATHS[speaks]}"
        self.said: dict[str, Any] = json.loads(write_calls(folder, write_agents(folder, "own")).read_text())["plan"]

    @property
    def body(self) -> dict[str, Any]:
        """The request's body."""
        system, user, schema = self.said["system"], self.said["user"], self.said["schema"]
        asked: dict[str, Any] = {"model": "bench", "messages": [{"role": "user", "content": user}]}
        asked |= {"stream": True} if self.streams else {}
        if self.speaks == "messages":
            return asked | {"system": f"{system}\n{json.dumps(schema['schema'])}", "max_tokens": 1000}
        asked["messages"].insert(0, {"role": "system", "content": system})
        return asked | {"max_completion_tokens": 1000, "response_format": {"type": "json_schema", "json_schema": schema}}

    def request(self, number: int) -> ModelRequest:
        """The same as our providers get it."""
        return ModelRequest(
            key=f"call-{number}",
            model="bench",
            agent="bench",
            occurrence=1,
            turn=0,
            system=self.said["system"],
            messages=(UserMessage(text=self.said["user"]),),
            answer_name=self.said["schema"]["name"],
            answer_schema=self.said["schema"]["schema"],
            max_output_tokens=1000,
            timeout=timedelta(minutes=1),
        )


class _Raw(asyncio.Protocol):
    """A connection that sends bytes and waits for the end of the reply, which it does not read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, data: bytes) -> "asyncio.Future[None]":
        self._read = b""
        self._answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, _, body = self._read.partition(b"\r\n\r\n")
        if body.endswith(b"0\r\n\r\n") or (b"content-length: %d\r\n" % len(body)) in head + b"\r\n":
            self._answer.set_result(None)


@contextlib.asynccontextmanager
async def _floor(target: Target) -> AsyncIterator[Ask]:
    url = httpx2.URL(target.url)
    host, port = url.host, url.port
    assert port is not None
    head = f"POST {url.path} HTTP/1.1\r\nhost: {url.netloc.decode()}\r\ncontent-type: application/json\r\n"
    free: list[_Raw] = []

    async def ask(_: int) -> None:
        body = json.dumps(target.body).encode()
        loop = asyncio.get_running_loop()
        one = free.pop() if free else (await loop.create_connection(_Raw, host, port))[1]
        await one.ask(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        free.append(one)

    yield ask


@contextlib.asynccontextmanager
async def _httpx2(target: Target) -> AsyncIterator[Ask]:
    async with httpx2.AsyncClient(trust_env=False) as client:
        yield lambda _: client.post(target.url, content=json.dumps(target.body), headers={"content-type": "application/json"})


@contextlib.asynccontextmanager
async def _aiohttp(target: Target) -> AsyncIterator[Ask]:
    aiohttp: Any = importlib.import_module("aiohttp")
    async with aiohttp.ClientSession() as session:

        async def ask(_: int) -> None:
            async with session.post(
                target.url, data=json.dumps(target.body), headers={"content-type": "application/json"}
            ) as reply:
                await reply.read()

        yield ask


def _sdk(own: Callable[[Any], httpx2.AsyncClient] | None = None) -> Way:
    @contextlib.asynccontextmanager
    async def made(target: Target) -> AsyncIterator[Ask]:
        vendor: Any = openai if target.speaks == "chat" else anthropic
        client = (openai.AsyncOpenAI if target.speaks == "chat" else anthropic.AsyncAnthropic)(
            api_key="none", base_url=target.base, max_retries=0, http_client=own(vendor) if own else None
        )
        create: Any = client.chat.completions.create if isinstance(client, openai.AsyncOpenAI) else client.messages.create

        async def ask(_: int) -> None:
            reply = await create(**target.body)
            if target.streams:
                async for _event in reply:
                    pass

        async with client:
            yield ask

    return made


def _provider(target: Target) -> Provider:
    table = {"speaks": target.speaks, "base_url": target.base, "capabilities": {"stream": target.streams}}
    return model_choice.build_providers(config.load(providers={"own": table}))["own"]


@contextlib.asynccontextmanager
async def _ours(target: Target) -> AsyncIterator[Ask]:
    provider = _provider(target)
    yield lambda number: provider.complete(target.request(number))
    await provider.close()


@contextlib.asynccontextmanager
async def _activity(target: Target) -> AsyncIterator[Ask]:
    ledger = Ledger(f"sqlite:///{target.folder}/ledger.db", target.folder / "artifacts")
    upgrade(ledger)
    provider = _provider(target)
    try:
        yield ModelCall(ledger, target.folder, provider)
    finally:
        await provider.close()
        ledger.close()


def _on_aiohttp(way: Way) -> Way:
    """The same with aiohttp in place of httpx2's own connections, below our limits: for good, in this process."""

    def made(target: Target) -> AbstractAsyncContextManager[Ask]:
        vendored: Any = importlib.import_module("openai._vendor.httpx_aiohttp.transport")
        vars(transport)["connections"] = lambda verify, proxy: vendored.AiohttpTransport(verify=verify, proxy=proxy)
        return way(target)

    return made


WAYS: dict[str, Way] = {
    "floor": _floor,
    "httpx2": _httpx2,
    "SDK": _sdk(),
    "ours": _ours,
    "activity": _activity,
    "aiohttp": _aiohttp,
    "SDK on aiohttp": _sdk(lambda vendor: vendor.DefaultAioHttpClient()),
    "ours on aiohttp": _on_aiohttp(_ours),
    "activity on aiohttp": _on_aiohttp(_activity),
}
"""The ways of asking; those with aiohttp in their names need it installed."""


async def _cost(way: Way, target: Target, calls: int, at_once: int) -> float:
    """Milliseconds of this process's CPU for one call."""
    async with way(target) as ask:
        numbers = iter(range(1_000_000))

        async def some(count: int) -> None:
            left = iter(range(count))

            async def one_after_the_other() -> None:
                for _ in left:
                    await ask(next(numbers))

            await asyncio.gather(*(one_after_the_other() for _ in range(min(at_once, count))))

        await some(max(at_once, calls // 4))  # connections, caches and what is imported late
        before = _cpu()
        await some(calls)
        return (_cpu() - before) / calls * 1000


def _cpu() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


async def _main(asked: argparse.Namespace) -> dict[str, float]:
    found = {}
    for speaks, how in KINDS:
        with tempfile.TemporaryDirectory(prefix="baton-bench-") as folder:
            target = Target(asked.url, speaks, how, Path(folder))
            found[f"{speaks}, {how}"] = await _cost(WAYS[asked.way], target, asked.calls, asked.at_once)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("url")
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--at-once", type=int, required=True)
    sys.stdout.write(json.dumps(asyncio.run(_main(parser.parse_args()))))
