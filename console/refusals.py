"""Answers that say what is wrong and show nothing else, as a page or as a document for programs."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from commands.errors import Usage
from console.rendering import render
from console.routes import EVENTS
from contracts.errors import Ambiguous, BatonError, LedgerUnavailable, NotFound, Refused

SCHEMA = 1
"""Version of the JSON documents."""


_STATUS = ((NotFound, 404), (LedgerUnavailable, 503), ((Usage, Refused, Ambiguous), 400))


def nobody(request: Request) -> Response:
    """The answer to somebody who is not signed in."""
    is_stream = request.url.path == EVENTS
    return problem("nobody is signed in", 401) if is_stream or wants_json(request) else RedirectResponse("/sign-in", 303)


def failed(request: Request, error: BatonError) -> Response:
    """The answer where something is not there, or the ledger does not answer."""
    status = next((number for kinds, number in _STATUS if isinstance(error, kinds)), 500)
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
