"""What every request has to pass before a page sees it, and what every answer carries: against other sites in the browser.

The rules are those of OWASP's cheat sheets on cross-site request forgery, DNS rebinding and Content Security Policy.
"""

import re
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.place import Place
from contracts.hand_in import PATCH_LIMIT

LONGEST_BODY = 64 * 1024
"""Most bytes of a form."""

LONGEST_DECISION = LONGEST_BODY + 3 * PATCH_LIMIT
"""Most bytes of a form of a gate, which may have a patch: each byte of it can take three in a form."""

_GATE = re.compile(r"/runs/[^/]+/gates/[^/]+")

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


_ONLY_TLS = {"Strict-Transport-Security": "max-age=31536000"}
"""Under an address of its own: a browser that was there once does not try it without TLS. `localhost` is others', too."""


class Borders:
    """Answers itself what must not reach a page: whoever goes around the proxy, an unknown host, a change asked by another
    site, a body that is too long.
    """

    def __init__(self, inner: ASGIApp, place: Place) -> None:
        self._inner, self._place = inner, place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        headers = Headers(scope=scope)
        peer = scope["client"][0] if scope["client"] else ""
        problem = self._around_the_proxy(peer, headers) or self._problem(scope["method"], scope["path"], headers)
        guarded = _with_headers(send, {**_HEADERS, **_ONLY_TLS} if self._place.setting.address else _HEADERS)
        answer = PlainTextResponse(f"{problem[1]}\n", problem[0]) if problem else self._inner
        await answer(scope, receive, guarded)

    def _around_the_proxy(self, peer: str, headers: Headers) -> tuple[int, str] | None:
        """What is wrong with where this came from, and with what it says of who is there."""
        setting = self._place.setting
        if not setting.proxies:
            return None
        if not setting.is_proxy(peer):
            said = f", and its header {setting.header} is believed from the proxy alone" if setting.header in headers else ""
            return 403, (
                f"{peer or 'this address'} is not one of the proxies that this console answers{said}; open {setting.address}. "
                "If it is the proxy, add its address to proxies in [console] of baton.toml"
            )
        try:
            self._place.claimed(headers)
        except ValueError as error:
            return 400, f"the header {setting.header} does not say who is there: {error}"
        return None

    def _problem(self, method: str, path: str, headers: Headers) -> tuple[int, str] | None:
        hosts = headers.getlist("host")
        # A name that resolves to this address is not ours: a page of another site could have made it so.
        if len(hosts) != 1 or hosts[0].lower() not in self._place.hosts:
            return 421, f"this console is reached as {', '.join(sorted(self._place.hosts))}; open it under one of these names"
        if method in SAFE_METHODS:
            return None
        if method != "POST":
            return 405, "only GET, HEAD and POST are taken here"
        if not self._is_ours(headers):
            return 403, "this was sent from another site, and nothing was done. Open the console itself, and try again there"
        # Without a length it would come in chunks, which no browser does with a form.
        length = headers.get("content-length", "")
        longest = LONGEST_DECISION if _GATE.fullmatch(path) else LONGEST_BODY
        if not length.isdecimal() or int(length) > longest:
            return 413, f"a form has at most {longest} bytes, and says how many"
        return None

    def _is_ours(self, headers: Headers) -> bool:
        fetched = headers.get("sec-fetch-site")
        if fetched is not None and fetched != "same-origin":
            return False
        return headers.getlist("origin") in [[origin] for origin in self._place.origins]


def _with_headers(send: Send, always: Mapping[str, str]) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in always.items():
                headers[name] = value
            # What a person may read is not kept by anybody else; files that never change say so themselves.
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sending
