"""What forms do: decide at a gate, withdraw what nobody has answered yet, and what `routes.OPERATIONS` lists."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from commands.errors import Usage
from console.answers import Pages, nobody, told
from console.deciding import decide
from console.pages.asked import Asked, Wake
from console.routes import GATE, Errand, Operation, Page
from console.sender import Sender
from console.sessions import Sessions, form, is_own_form
from contracts.errors import BatonError, LedgerUnavailable, Refused
from ledger import decision_outbox
from ledger.db import Ledger
from ledger.signed_in import SignedIn

LOOKS, EVERY = 30, 0.1
"""How often, and every how many seconds, a page waits for the answer before it says that there is none yet."""

Work = Callable[[Request, SignedIn, dict[str, str]], Awaitable[None]]
"""What a form asks for, of whom, with which fields."""


class Saying:
    """Takes the forms of one console."""

    def __init__(self, ledger: Ledger, sessions: Sessions, sender: Sender, pages: Pages) -> None:
        self._ledger, self._sessions, self._sender, self._pages = ledger, sessions, sender, pages

    async def decide(self, request: Request) -> Response:
        """Write a decision down, have it sent, and show the gate again: with its answer, or that there is none yet."""
        return await self._done(request, GATE, self._decide)

    async def withdraw(self, request: Request) -> Response:
        """Take back what nobody has answered."""
        return await self._done(request, GATE, self._withdraw)

    def doing(self, operation: Operation | Errand) -> Callable[[Request], Awaitable[Response]]:
        """What does this operation, in one transaction if it is none that takes more, and shows its page again."""

        async def work(request: Request, by: SignedIn, fields: dict[str, str]) -> None:
            asked = self._pages.asked(request, by)
            if isinstance(operation, Errand):
                found = await _on_an_errand(operation, asked, by.person, fields)
            else:
                found = await self._ledger.tx(operation.do, asked, by.person, fields)
            if found is not None:
                self._sender.tell(found)

        async def do(request: Request) -> Response:
            return await self._done(request, operation.page, work)

        return do

    async def _done(self, request: Request, page: Page, work: Work) -> Response:
        session, fields = await self._sessions.of(request), await form(request)
        if session is None:
            return nobody(request)
        if not is_own_form(session, fields):
            return told(request, "this form is of another session; nothing was done. Load its page again", 403)
        try:
            await work(request, session, fields)
        except (Refused, Usage) as refused:
            return await self._pages.shown(page, request, session, 409, str(refused), fields)
        # Another request for the page: loading it again sends nothing.
        return RedirectResponse(_again(page, request), 303)

    async def _decide(self, request: Request, by: SignedIn, fields: dict[str, str]) -> None:
        names = request.path_params
        nonce = await self._ledger.tx(decide, self._ledger.files, names["run"], names["gate"], by, fields)
        self._sender.wake()
        for _ in range(LOOKS):
            sent = await self._ledger.read(decision_outbox.find, nonce)
            if sent is None or sent.state != "waiting":
                return
            await asyncio.sleep(EVERY)

    async def _withdraw(self, request: Request, by: SignedIn, fields: dict[str, str]) -> None:
        del request
        if not await self._ledger.tx(decision_outbox.withdraw, fields.get("nonce", ""), by.person):
            raise Refused("this cannot be withdrawn any more: it was answered, or somebody else has sent it")


async def _on_an_errand(errand: Errand, asked: Asked, by: str, fields: dict[str, str]) -> Wake | None:
    """What came of it. Raises `Refused` for whatever stands in its way, such as a Temporal that does not answer."""
    try:
        return await errand.run(asked, by, fields)
    except (LedgerUnavailable, Refused, Usage):
        raise
    except BatonError as error:
        raise Refused(str(error)) from error


def _again(page: Page, request: Request) -> str:
    """The address of the page that the form was on, with the query that it was sent with."""
    path = page.path.format(**request.path_params)
    return f"{path}?{request.url.query}" if request.url.query else path
