"""The console as a web application: every page of `routes.PAGES` for whoever is signed in, as HTML or as JSON."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_jsonable_python
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from console import rendering
from console.borders import Borders
from console.live import STREAMS, Live
from console.pages import Asked
from console.rendering import render
from console.routes import PAGES, Page
from console.sessions import Sessions
from contracts.errors import BatonError, LedgerUnavailable, NotFound
from ledger.db import Connection, Ledger
from ledger.signed_in import SignedIn
from ledger.views.feed import head
from ledger.views.workers import Workers, workers_of

SCHEMA = 1
"""Version of the JSON documents."""


@dataclass(frozen=True)
class Place:
    """Where the console is: the names and ports it is reached by, and what it shows. `origins` are those of its own pages."""

    hosts: frozenset[str]
    origins: frozenset[str]
    task_queue: str
    ui_url: str

    @property
    def secure(self) -> bool:
        """True if people reach it through TLS."""
        return all(origin.startswith("https://") for origin in self.origins)


def application(ledger: Ledger, place: Place) -> Starlette:
    """The console over this ledger. It opens nothing and closes nothing: the caller has both."""
    sessions, live = Sessions(ledger, secure=place.secure), Live(ledger)
    serving = _Pages(ledger, sessions, place)
    routes = [Route(page.path, serving.answering(page)) for page in PAGES]
    routes += [
        Route("/events", _events(sessions, live)),
        Route("/sign-in", sessions.enter),
        Route("/sign-in", sessions.sign_in, methods=["POST"]),
        Route("/sign-out", sessions.sign_out, methods=["POST"]),
        Route("/healthz", _healthy),
        Route("/readyz", _ready(ledger)),
    ]

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        watching = asyncio.create_task(live.watch())
        yield
        watching.cancel()

    borders = Middleware(Borders, hosts=place.hosts, origins=place.origins)
    static = Mount("/static", StaticFiles(directory=rendering.HERE / "static"))
    return Starlette(routes=[*routes, static], middleware=[borders], lifespan=lifespan, exception_handlers={404: _unknown})


class _Pages:
    """Answers pages: who asks, what the ledger says, and in which form."""

    def __init__(self, ledger: Ledger, sessions: Sessions, place: Place) -> None:
        self._ledger, self._sessions, self._place = ledger, sessions, place

    def answering(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            as_json = _wants_json(request)
            try:
                session = await self._sessions.of(request)
                if session is None:
                    return _problem("nobody is signed in", 401) if as_json else RedirectResponse("/sign-in", 303)
                asked = Asked(request.path_params, request.query_params, self._ledger.files)
                found = await self._ledger.read(self._read, page, asked)
            except BatonError as error:
                return self._failed(error, as_json=as_json)
            if as_json:
                return JSONResponse(to_jsonable_python({"schema": SCHEMA, **found}))
            return HTMLResponse(render(page.template, **found, **self._around(session, page, request)))

        return answer

    def _read(self, connection: Connection, page: Page, asked: Asked) -> dict[str, Any]:
        """What the page shows, and what every page does: whether anybody works, and the newest line."""
        workers: Workers = workers_of(connection, self._place.task_queue)
        return page.read(connection, asked) | {"nobody_works": workers.problem, "newest": head(connection)}

    def _around(self, session: SignedIn, page: Page, request: Request) -> dict[str, Any]:
        entries = [(one.path, one.entry, one is page) for one in PAGES if one.entry]
        return {"session": session, "entries": entries, "ui_url": self._place.ui_url, "here": request.url.path}

    def _failed(self, error: BatonError, *, as_json: bool) -> Response:
        status = 404 if isinstance(error, NotFound) else 503 if isinstance(error, LedgerUnavailable) else 500
        if as_json:
            return _problem(str(error), status)
        return HTMLResponse(render("problem.html", text=str(error), status=status), status)


def _wants_json(request: Request) -> bool:
    # A browser names text/html; a program asks for JSON and nothing else.
    accepted = request.headers.get("accept", "")
    return "application/json" in accepted and "text/html" not in accepted


def _problem(text: str, status: int) -> Response:
    return JSONResponse({"schema": SCHEMA, "error": {"status": status, "text": text}}, status)


def _events(sessions: Sessions, live: Live) -> Callable[[Request], Awaitable[Response]]:
    async def events(request: Request) -> Response:
        if await sessions.of(request) is None:
            return _problem("nobody is signed in", 401)
        if live.open >= STREAMS:
            return _problem(f"{STREAMS} pages read along already; close some, or reload this one by hand", 503)
        last = request.headers.get("last-event-id") or request.query_params.get("after") or "0"
        if not last.isdecimal() or len(last) > 18:
            return _problem(f"{last!r} is no number of a line", 400)
        return StreamingResponse(live.lines(int(last)), media_type="text/event-stream")

    return events


async def _unknown(request: Request, _: Exception) -> Response:
    text = f"there is no page {request.url.path}"
    return _problem(text, 404) if _wants_json(request) else HTMLResponse(render("problem.html", text=text, status=404), 404)


async def _healthy(_: Request) -> Response:
    return PlainTextResponse("ok\n")


def _ready(ledger: Ledger) -> Callable[[Request], Awaitable[Response]]:
    async def ready(_: Request) -> Response:
        try:
            await ledger.read(head)
        except LedgerUnavailable:
            return PlainTextResponse("the ledger does not answer\n", 503)
        return PlainTextResponse("ok\n")

    return ready
