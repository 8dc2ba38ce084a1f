"""What every request has to pass before a page sees it, and what every answer carries: against other sites in the browser.

The rules are those of OWASP's cheat sheets on cross-site request forgery, DNS rebinding and Content Security Policy.
"""

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LONGEST_BODY = 64 * 1024
"""Most bytes of a form."""

SAFE_METHODS = ("GET", "HEAD")

_HEADERS = {
    # Nothing that stands in a page runs or is fetched: script and style are files of ours.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    "X-Content-Type-Options": "nosniff",
    # With "no-referrer" a browser would send our own forms with the origin "null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Borders:
    """Answers itself what must not reach a page: an unknown host, a change asked by another site, a body that is too long.

    `hosts` are the values of `Host` that are ours, with their ports; `origins` those of `Origin`.
    """

    def __init__(self, inner: ASGIApp, hosts: Collection[str], origins: Collection[str]) -> None:
        self._inner, self._hosts, self._origins = inner, frozenset(hosts), frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        problem = self._problem(scope["method"], Headers(scope=scope))
        guarded = _with_headers(send)
        answer = PlainTextResponse(f"{problem[1]}\n", problem[0]) if problem else self._inner
        await answer(scope, receive, guarded)

    def _problem(self, method: str, headers: Headers) -> tuple[int, str] | None:
        hosts = headers.getlist("host")
        # A name that resolves to this address is not ours: a page of another site could have made it so.
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return 421, f"this console is reached as {', '.join(sorted(self._hosts))}; open it under one of these names"
        if method in SAFE_METHODS:
            return None
        if method != "POST":
            return 405, "only GET, HEAD and POST are taken here"
        if not self._is_ours(headers):
            return 403, "this was sent from another site, and nothing was done. Open the console itself, and try again there"
        # Without a length it would come in chunks, which no browser does with a form.
        length = headers.get("content-length", "")
        if not length.isdecimal() or int(length) > LONGEST_BODY:
            return 413, f"a form has at most {LONGEST_BODY} bytes, and says how many"
        return None

    def _is_ours(self, headers: Headers) -> bool:
        fetched = headers.get("sec-fetch-site")
        if fetched is not None and fetched != "same-origin":
            return False
        return headers.getlist("origin") in [[origin] for origin in self._origins]


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            # What a person may read is not kept by anybody else; files that never change say so themselves.
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sending
