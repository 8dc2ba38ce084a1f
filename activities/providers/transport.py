"""The HTTP client under both SDKs: one request per call, bounded replies, nothing from the environment except CA files."""

import asyncio
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

import httpx2

from activities.providers import aws_events, encodings
from activities.providers.base import ErrorKind, ProviderError
from activities.providers.errors import error_in_place_of_reply, provider_error, said, status_error
from activities.providers.identity import Identity, addressed
from activities.providers.progress import Progress, current
from activities.providers.silence import Silence
from activities.providers.sockets import connections
from contracts.conversation import ModelRequest
from contracts.errors import Misconfigured

REPLY_LIMIT = 8 * 1024 * 1024
"""Most bytes in a reply. No output limit in use comes near it; more is an endless stream or not a model."""

LINGER = 1.0
"""Seconds that a stream which has said its last word may take to close; the connection can then be used again."""

_OF_THE_BODY = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class ReplyTooLarge(httpx2.TransportError):
    """The reply is larger than the limit; reading stopped there. A transport error, so that the SDKs pass it on."""


class Silent(httpx2.ReadTimeout):
    """The endpoint has sent nothing for too long; the text says for how long, and which setting it was."""


class Encoded(httpx2.TransportError):
    """The reply is compressed although plain bytes were requested, and in a way that is not understood."""


@dataclass(frozen=True)
class Waits:
    """How long an endpoint may take, in seconds: for a connection, to the first byte of its answer, and between two of them."""

    connect: float
    first: float
    idle: float


@dataclass(frozen=True)
class _Call:
    """The call under way in this context."""

    waits: Waits
    progress: Progress


_CALL: ContextVar[_Call | None] = ContextVar("call", default=None)
"""The SDKs pass nothing of ours to the transport."""


def http_client(
    identity: Identity, proxy: str | None = None, *, ca_file: Path | None = None, limit: int = REPLY_LIMIT
) -> httpx2.AsyncClient:
    """A client for one endpoint: sends its key and no other credential, follows no redirect, uses only the given proxy.

    Authorities of `ca_file` are trusted beside the usual ones. Raises `Misconfigured` if the file cannot be used.
    """
    return httpx2.AsyncClient(transport=_Guarded(identity, proxy, ca_file, limit), trust_env=False, follow_redirects=False)


def correlation(request: ModelRequest) -> dict[str, str]:
    """Headers that identify the call in the logs of provider and gateways. They hold no content."""
    return {
        # Quoted: headers are ASCII, and a line break would begin another header.
        "X-Request-Key": quote(request.key, safe=":/"),
        "X-Baton-Agent": quote(request.agent),
        "X-Baton-Occurrence": str(request.occurrence),
    }


async def exchange(
    endpoint: str, secret: str, request: ModelRequest, call: Awaitable[httpx2.Response], waits: Waits
) -> httpx2.Response:
    """Await the SDK's one call within the request's timeout. Raises `ProviderError` and nothing else.

    What comes meanwhile is counted by the `Progress` of this context.
    """
    progress = current()
    token = _CALL.set(_Call(waits, progress))
    try:
        async with asyncio.timeout(request.timeout.total_seconds()):
            response = await call
    except TimeoutError:
        whole = f"no complete answer within {request.timeout.total_seconds():g} s{progress.told()}"
        raise provider_error("timeout", endpoint, whole) from None
    except Exception as error:  # noqa: BLE001 - whatever an SDK raises, the caller gets the one typed error
        # Not chained: SDK errors would carry requests and replies, and so keys and prompts, into logs and history.
        raise _translated(endpoint, secret, waits, error) from None
    finally:
        _CALL.reset(token)
    if (refused := error_in_place_of_reply(endpoint, response.content, secret=secret)) is not None:
        raise refused
    # A gateway that mixes up replies would otherwise answer, and bill, one step with another one's text.
    echoed = response.headers.get("x-request-key")
    if echoed is not None and echoed != correlation(request)["X-Request-Key"]:
        raise provider_error("drift", endpoint, "the reply belongs to another request, its X-Request-Key differs")
    return response


def _translated(endpoint: str, secret: str, waits: Waits, error: Exception) -> ProviderError:
    """The `ProviderError` for an error of an SDK or the HTTP client."""
    if isinstance(error, ProviderError):
        return error
    response = getattr(error, "response", None)
    if isinstance(response, httpx2.Response):
        return status_error(endpoint, response.status_code, response.headers, response.content, secret=secret)
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, httpx2.TransportError | httpx2.InvalidURL | httpx2.DecodingError):
        cause = cause.__cause__
    if cause is None:
        what = f"the request could not be made: {type(error).__name__}: {said(str(error), secret)}"
        return provider_error("bad_request", endpoint, what)
    if isinstance(cause, httpx2.ReadTimeout | httpx2.WriteTimeout):
        return provider_error("timeout", endpoint, str(cause) if isinstance(cause, Silent) else _no_answer(waits))
    text = f"{type(cause).__name__}: {said(str(cause), secret) or 'no explanation'}"
    if isinstance(cause, httpx2.ConnectTimeout):
        text = f"no connection within {waits.connect:g} s"
    return provider_error(_transport_kind(cause), endpoint, text)


def _transport_kind(cause: BaseException) -> ErrorKind:
    """The kind of a transport failure, which decides what is charged: was the request sent, was it answered?"""
    # The next reply would be no smaller and no plainer.
    if isinstance(cause, ReplyTooLarge | Encoded):
        return "drift"
    if isinstance(cause, httpx2.DecodingError):
        return "not_json"
    # The request was sent by then, so an answer may have been made, and billed.
    if isinstance(cause, httpx2.ReadError | httpx2.RemoteProtocolError):
        return "cut"
    if isinstance(cause, httpx2.UnsupportedProtocol | httpx2.InvalidURL):
        return "not_found"
    return "bad_request" if isinstance(cause, httpx2.LocalProtocolError) else "connection"


def _no_answer(waits: Waits) -> str:
    return f"no byte of an answer within {waits.first:g} s"


class _Guarded(httpx2.AsyncBaseTransport):
    """Limits what is sent and what is received to what we intend."""

    def __init__(self, identity: Identity, proxy: str | None, ca_file: Path | None, limit: int) -> None:
        self._identity = identity
        self._limit = limit
        self._inner = connections(usual_authorities() if ca_file is None else _trusting(ca_file), proxy)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request with our headers only, and return the reply with a size limit."""
        addressed(request, self._identity)
        call = _CALL.get()
        limits = dict(request.extensions.get("timeout", {}))
        request.extensions["timeout"] = limits
        response = await self._inner.handle_async_request(request)
        if call is not None:
            limits["read"] = None  # from here on `_Plain` counts, which knows whether the first byte was there
        response.stream = _Plain(response, self._limit, call)
        # Without what says how the body came: it is plain from here on, and the client would expand it again.
        for name in _OF_THE_BODY.intersection(response.headers):
            del response.headers[name]
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()


class _Plain(httpx2.AsyncByteStream):
    """A body without its compression, that raises an error once it exceeds the limit."""

    def __init__(self, response: httpx2.Response, limit: int, call: _Call | None) -> None:
        """Of a response that is still as it came."""
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        self._stream = response.stream
        self._status = response.status_code
        self._encoding = response.headers.get("content-encoding", "")
        self._framed = response.headers.get("content-type", "").startswith(aws_events.CONTENT_TYPE)
        self._limit = limit
        self._call = call

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The whole body. Raises `ReplyTooLarge` as soon as it is beyond the limit, `Encoded` if it cannot be read."""
        body = bytearray()
        pieces = aws_events.as_text(self._stream, self._limit) if self._framed else self._stream
        if self._call is None:
            async for piece in pieces:
                self._add(body, piece)
        else:
            await self._watched(pieces, body, self._call)
        yield self._decoded(bytes(body))

    def _add(self, body: bytearray, piece: bytes) -> None:
        body += piece
        if len(body) > self._limit:
            raise ReplyTooLarge(f"the reply is larger than {self._limit} bytes; reading stopped there")

    async def _watched(self, pieces: AsyncIterable[bytes], body: bytearray, call: _Call) -> None:
        """Read the body. Raises `Silent`, and whatever the transport raises, unless the streamed reply is whole by then."""
        progress = call.progress
        silence = Silence(call.waits.first)
        try:
            async with silence:
                async for piece in pieces:
                    progress.took(piece)
                    silence.broken(min(call.waits.idle, LINGER) if progress.ended else call.waits.idle)
                    self._add(body, piece)
        except ReplyTooLarge:
            raise
        except (TimeoutError, httpx2.TransportError) as error:
            if progress.ended or progress.finished:
                return
            if not isinstance(error, TimeoutError):
                raise
            since = (
                f"nothing for {silence.longest:g} s after {len(body)} bytes of the answer" if body else _no_answer(call.waits)
            )
            raise Silent(f"{since}{progress.told()}") from None

    def _decoded(self, body: bytes) -> bytes:
        try:
            return encodings.decoded(body, self._encoding, self._limit)
        except encodings.TooLarge as error:
            raise ReplyTooLarge(str(error)) from None
        except encodings.CutOff as error:
            raise httpx2.ReadError(str(error)) from None
        except encodings.Undecodable as error:
            if self._status < 400:
                raise Encoded(str(error)) from None
            # The status alone says what has failed, and that nothing is charged.
            return str(error).encode()

    async def aclose(self) -> None:
        """Give the connection back."""
        await self._stream.aclose()


def usual_authorities() -> ssl.SSLContext:
    """The authorities that this machine trusts, or those of `SSL_CERT_FILE` or `SSL_CERT_DIR`. Not to be changed by callers.

    Read once per process and setting: it takes 20 ms of a core, and each endpoint would do it again.
    """
    return _authorities(ssl.get_default_verify_paths())


@lru_cache(maxsize=4)
def _authorities(_named: ssl.DefaultVerifyPaths) -> ssl.SSLContext:
    return httpx2.create_ssl_context()


def _trusting(ca_file: Path) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca_file)
    except OSError as error:  # an `ssl.SSLError` is one, too
        why = "it holds no PEM certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise Misconfigured(f"ca_file {ca_file} cannot be used: {why}") from None
    return context
