"""How a page is answered: who asks, what the ledger says, and in which form, HTML or JSON."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from console.here import Here
from console.pages.asked import Asked
from console.place import Place
from console.refusals import SCHEMA, failed, nobody, problem, told, wants_json
from console.rendering import render
from console.routes import PAGES, Page
from console.sessions import Sessions
from ledger.db import Connection, Ledger
from ledger.signed_in import SignedIn
from ledger.views.feed import head
from ledger.views.workers import workers_of

if TYPE_CHECKING:
    from temporalio.client import Client

__all__ = ["SCHEMA", "Pages", "Place", "failed", "nobody", "problem", "told", "wants_json"]


class Pages:
    """Answers the pages of one console."""

    def __init__(self, ledger: Ledger, sessions: Sessions, place: Place, connect: Callable[[], Awaitable["Client"]]) -> None:
        self._ledger, self._sessions, self._place, self._connect = ledger, sessions, place, connect

    def answering(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """What answers a request for this page: to nobody who is not signed in."""

        async def answer(request: Request) -> Response:
            session = await self._sessions.of(request)
            return nobody(request) if session is None else await self.shown(page, request, session)

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
        found = await self._ledger.read(self._read, page, self.asked(request, session, typed))
        if wants_json(request):
            more = {"problem": problem} if problem else {}
            return JSONResponse(to_jsonable_python({"schema": SCHEMA, **found, **more}), status)
        around = self._around(session, page, request) | {"problem": problem}
        return HTMLResponse(render(page.template, **found, **around), status)

    def asked(self, request: Request, by: SignedIn, typed: Mapping[str, str] | None = None) -> Asked:
        """What a request asks for, here."""
        here = Here(self._ledger, self._place.settings, self._connect)
        return Asked(request.path_params, request.query_params, here, by.person, by.way, typed or {})

    def _read(self, connection: Connection, page: Page, asked: Asked) -> dict[str, Any]:
        """What the page shows, and what every page does: whether anybody works, and the newest line."""
        workers = workers_of(connection, self._place.settings.task_queue)
        return page.read(connection, asked) | {"nobody_works": workers.problem, "newest": head(connection)}

    def _around(self, session: SignedIn, page: Page, request: Request) -> dict[str, Any]:
        rights = request.state.rights
        entries = [(one.path, one.entry, one is page) for one in PAGES if one.entry and one.needs in rights]
        return {
            "session": session,
            "rights": rights,
            "entries": entries,
            "workflow_url": self._place.workflow,
            "here": request.url.path,
        }
