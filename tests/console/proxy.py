"""A small reverse proxy with a sign-in of its own, as one that speaks OIDC is: it says in a header who is there.

Like a real one it keeps `Host`, takes out what visitors send under the header's name, and sets it itself.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from console.server import listening, server
from tests import children

HOP = {"connection", "content-length", "transfer-encoding", "keep-alive", "date"}


@dataclass
class Proxy:
    """Sends everything to one console. `person` is who has signed in at the proxy; None: it says nothing of anybody."""

    upstream: str
    header: str
    person: str | None
    client: httpx2.AsyncClient
    base: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        kept = [
            (name, value) for name, value in request.headers.raw if name.decode().lower() not in HOP | {self.header.lower()}
        ]
        if self.person is not None:
            kept.append((self.header.encode(), self.person.encode()))
        target = self.upstream + request.url.path + (f"?{request.url.query}" if request.url.query else "")
        body = await request.body()
        answer = await self.client.request(request.method, target, headers=kept, content=body or None)
        back = Response(answer.content, answer.status_code)
        back.raw_headers = [pair for pair in answer.headers.raw if pair[0].decode().lower() not in HOP]
        back.raw_headers.append((b"content-length", str(len(answer.content)).encode()))
        await back(scope, receive, send)


@asynccontextmanager
async def proxied(upstream: str, header: str, person: str | None, address: str) -> AsyncIterator[Proxy]:
    """A proxy that connects from this loopback address, and runs."""
    at = listening(0)
    transport = httpx2.AsyncHTTPTransport(local_address=address)
    none = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    async with httpx2.AsyncClient(transport=transport, timeout=children.PATIENCE, cookies=none) as client:
        made = Proxy(upstream, header, person, client, f"http://127.0.0.1:{at.getsockname()[1]}")
        running = server(_web_only(made))
        task = asyncio.create_task(running.serve([at]))
        try:
            yield made
        finally:
            running.should_exit = True
            await task


def _web_only(made: Proxy):  # type: ignore[no-untyped-def]
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await made(scope, receive, send)

    return answer
