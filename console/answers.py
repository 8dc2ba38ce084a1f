"""How a page is answered: who asks, what the ledger says, and in which form, HTML or JSON."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pydantic_core import to_jsonable_python
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from console.pages.asked import Asked
from console.rendering import render
from console.routes import PAGES, Page
from console.sessions import Sessions
from contracts.errors import BatonError, LedgerUnavailable, NotFound
from ledger.db import Connection, Ledger
from ledger.signed_in import SignedIn
from ledger.views.feed import head
from ledger.views.workers import workers_of

SCHEMA = 1
"""Version of the JSON documents."""


@dataclass(frozen=True)
class Place:
    """Where the console is: the names and ports it is reached by, and what it shows. `origins` are those of its own pages."""

    hosts: frozenset[str]
    origins: frozenset[str]
    task_queue: str
    ui_url: str
    namespace: str = "default"

    def workflow(self, workflow_id: str, run_id: str) -> str:
        """The address of a run in Temporal's Web UI."""
        at = f"{self.ui_url.rstrip('/')}/namespaces/{quote(self.namespace, safe='')}/workflows"
        return f"{at}/{quote(workflow_id, safe='')}/{quote(run_id, safe='')}/timeline"

    @property
    def secure(self) -> bool:
        """True if people reach it through TLS."""
        return all(origin.startswith("https://") for origin in self.origins)


class Pages:
    """Answers the pages of one console."""

    def __init__(self, ledger: Ledger, sessions: Sessions, place: Place) -> None:
        self._ledger, self._sessions, self._place = ledger, sessions, place

    def answering(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """What answers a request for this page: to nobody who is not signed in."""

        async def answer(request: Request) -> Response:
            try:
                session = await self._sessions.of(request)
                if session is None:
                    return nobody(request)
                return await self.shown(page, request, session)
            except BatonError as error:
                return failed(request, error)

        return answer

    async def shown(
        self,
        page: Page,
        request: Request,
        session: SignedIn,
        status: int = 200,
        problem: str = "",
        typed: Mapping[str, str] | None = None,
    ) -> Response:
        """The page; `problem` is what was wrong with what was `typed` into a form of it.

        Raises `BatonError` where it cannot be read.
        """
        asked = Asked(request.path_params, request.query_params, self._ledger.files, session.person, typed or {})
        found = await self._ledger.read(self._read, page, asked)
        if wants_json(request):
            more = {"problem": problem} if problem else {}
            return JSONResponse(to_jsonable_python({"schema": SCHEMA, **found, **more}), status)
        around = self._around(session, page, request) | {"problem": problem}
        return HTMLResponse(render(page.template, **found, **around), status)

    def _read(self, connection: Connection, page: Page, asked: Asked) -> dict[str, Any]:
        """What the page shows, and what every page does: whether anybody works, and the newest line."""
        workers = workers_of(connection, self._place.task_queue)
        return page.read(connection, asked) | {"nobody_works": workers.problem, "newest": head(connection)}

    def _around(self, session: SignedIn, page: Page, request: Request) -> dict[str, Any]:
        entries = [(one.path, one.entry, one is page) for one in PAGES if one.entry]
        return {"session": session, "entries": entries, "workflow_url": self._place.workflow, "here": request.url.path}


def nobody(request: Request) -> Response:
    """The answer to somebody who is not signed in."""
    return problem("nobody is signed in", 401) if wants_json(request) else RedirectResponse("/sign-in", 303)


def failed(request: Request, error: BatonError) -> Response:
    """The answer where something is not there, or the ledger does not answer."""
    status = 404 if isinstance(error, NotFound) else 503 if isinstance(error, LedgerUnavailable) else 500
    return told(request, str(error), status)


def told(request: Request, text: str, status: int) -> Response:
    """A page, or a document, that says what is wrong and shows nothing else."""
    if wants_json(request):
        return problem(text, status)
    return HTMLResponse(render("problem.html", text=text, status=status), status)


def wants_json(request: Request) -> bool:
    """True for a program: a browser names text/html."""
    accepted = request.headers.get("accept", "")
    return "application/json" in accepted and "text/html" not in accepted


def problem(text: str, status: int) -> Response:
    """A document that says what is wrong."""
    return JSONResponse({"schema": SCHEMA, "error": {"status": status, "text": text}}, status)
