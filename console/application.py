"""The console as a web application: every page of `routes.PAGES` for whoever is signed in, as HTML or as JSON."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from activities.gates.standing import InForce
from activities.running.beside import beside
from console import rendering
from console.answers import Pages, Place, failed, problem, told
from console.borders import Borders
from console.doors import Doors
from console.entering import Entering
from console.live import STREAMS, Live
from console.routes import EVENTS, GATE, OPERATIONS, PAGES
from console.saying import Saying
from console.sender import Sender
from console.sessions import Sessions
from contracts.errors import BatonError, LedgerUnavailable
from ledger.db import Ledger
from ledger.views.feed import head

if TYPE_CHECKING:
    from temporalio.client import Client


LONGEST_TRACE = 200
"""Most characters of a run's trace."""


def application(ledger: Ledger, place: Place, connect: Callable[[], Awaitable["Client"]], policy: InForce) -> Starlette:
    """The console over this ledger, for whom the policy lets in.

    `connect` gives a client of Temporal, or raises `BatonError`: only what is decided and done needs it.
    """
    sessions, live, sender = Sessions(ledger, place), Live(ledger), Sender(ledger, connect)
    entering = Entering(ledger, sessions, place, policy)
    serving = Pages(ledger, sessions, place, connect)
    saying = Saying(ledger, sessions, sender, serving)
    routes = [Route(page.path, serving.answering(page)) for page in PAGES]
    routes += [Route(one.path, saying.doing(one), methods=["POST"]) for one in OPERATIONS]
    routes += [
        Route(GATE.path, saying.decide, methods=["POST"]),
        Route(f"{GATE.path}/withdraw", saying.withdraw, methods=["POST"]),
        Route(EVENTS, _events(sessions, live)),
        Route("/sign-in", entering.enter),
        Route("/sign-in", entering.sign_in, methods=["POST"]),
        Route("/sign-out", sessions.sign_out, methods=["POST"]),
        Route("/healthz", _healthy),
        Route("/readyz", _ready(ledger)),
    ]

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with beside(live.watch(), sender.send()):
            yield

    borders = [Middleware(Borders, place=place), Middleware(Doors, ledger=ledger, sessions=sessions, policy=policy)]
    static = Mount("/static", StaticFiles(directory=rendering.HERE / "static"))
    handlers = {404: _unknown, BatonError: _failed, Exception: _broken}
    return Starlette(routes=[*routes, static], middleware=borders, lifespan=lifespan, exception_handlers=handlers)


def _events(sessions: Sessions, live: Live) -> Callable[[Request], Awaitable[Response]]:
    async def events(request: Request) -> Response:
        if await sessions.of(request) is None:
            return problem("nobody is signed in", 401)
        if live.open >= STREAMS:
            return problem(f"{STREAMS} pages read along already; close some, or reload this one by hand", 503)
        last = request.headers.get("last-event-id") or request.query_params.get("after") or "0"
        if not last.isdecimal() or len(last) > 18:
            return problem(f"{last!r} is no number of a line", 400)
        run = request.query_params.get("run", "")
        if len(run) > LONGEST_TRACE:
            return problem(f"run is no trace: it has {len(run)} characters", 400)
        return StreamingResponse(live.lines(int(last), run), media_type="text/event-stream")

    return events


async def _unknown(request: Request, _: Exception) -> Response:
    return told(request, f"there is no page {request.url.path}", 404)


async def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, BatonError)
    return failed(request, error)


async def _broken(request: Request, error: Exception) -> Response:
    # The server itself logs nothing: what it logs names addresses, and the links that sign people in are among them.
    structlog.get_logger().error("a page failed", path=request.url.path, action="console_page_failed", exc_info=error)
    return told(request, "this page failed, and nothing was done. The console's log on standard error says why", 500)


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
