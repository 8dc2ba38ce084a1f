"""The way to one endpoint: address, key, time limits and how many calls at once; the same for all formats and SDKs."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import quote, urlencode

import httpx2

from activities.providers import platforms
from activities.providers.base import ENDPOINTS
from activities.providers.capabilities import FULL, Known, capabilities
from activities.providers.endpoints import key_source
from activities.providers.errors import provider_error
from activities.providers.identity import Identity
from activities.providers.keys import Key
from activities.providers.progress import current
from activities.providers.transport import Waits, http_client
from contracts.base_urls import Speaks
from contracts.conversation import ModelRequest
from contracts.endpoints import PATHS, EndpointSetting
from contracts.errors import Misconfigured

QUEUE = timedelta(minutes=5)
"""How long a call may wait for its turn unless `queue_timeout` says otherwise."""

CONNECT = timedelta(seconds=10)
"""How long a connection may take unless `connect_timeout` says otherwise."""

_KEYLIKE = re.compile(r"key|token|secret|auth|cookie|passw|credential|sig", re.IGNORECASE)
"""Names of headers and query parameters that hold keys."""

IDLE = timedelta(minutes=2)
"""How long a stream may be silent unless `idle_timeout` says otherwise: models that think may send nothing meanwhile."""


class Access:
    """What a provider needs to reach its endpoint. `setting` None: a server that can do all that OpenAI and Anthropic can."""

    def __init__(
        self,
        name: str,
        key: Key | str,
        base_url: str | None,
        speaks: Speaks,
        proxy: str | None,
        setting: EndpointSetting | None,
    ) -> None:
        self.name = name
        self.speaks = speaks
        self.setting = setting or EndpointSetting()
        self._known = setting is not None
        self._found: dict[str, Known] = {}
        """By model; there are no more than the routes name."""
        self._key = key if isinstance(key, Key) else Key(key)
        self._base = (base_url or ENDPOINTS["anthropic" if speaks == "messages" else "openai"]).rstrip("/")
        self._proxy = proxy
        most = self.setting.concurrency
        self._slots = None if most is None else asyncio.Semaphore(most)

    def client(self) -> httpx2.AsyncClient:
        """The HTTP client for an SDK: it sends the key as the endpoint wants it, and the endpoint's own headers."""
        return http_client(self.identity, self._proxy, ca_file=self.setting.ca_file)

    @property
    def identity(self) -> Identity:
        """What the endpoint is told of who asks. Without a key a platform's client has headers of its own for that."""
        own = {name.lower(): value.get_secret_value() for name, value in self.setting.headers.items()}
        signed = self.setting.platform is not None and not self.has_key
        return Identity(self._key.current, self.setting.auth or "bearer", own, signed=signed)

    @property
    def has_key(self) -> bool:
        """Whether the table names a key."""
        return bool(key_source(self.setting))

    def url(self, model: str) -> str:
        """The address of a call. `{model}` in the base URL is the model's name, as in Azure's classic paths."""
        if self.setting.platform is not None:
            return self._base + platforms.path(self.setting, model, stream=self.capabilities(model).stream)
        query = urlencode({name: value.get_secret_value() for name, value in self.setting.query.items()})
        base = self._base.replace("{model}", quote(model, safe=""))
        return f"{base}{PATHS[self.speaks]}{f'?{query}' if query else ''}"

    def target(self, model: str) -> str:
        """What an SDK is told to post to: the whole address, or the path that a platform's client turns into its own."""
        return self.url(model) if self.setting.platform is None else PATHS[self.speaks]

    def of(self, request: ModelRequest) -> str:
        """The endpoint, model and address as errors name them; without the query, which may hold a key."""
        return f"{self.name}:{request.model} at {self.url(request.model).partition('?')[0]}"

    def hidden(self, request: ModelRequest) -> str:
        """What no error may show, one a line: the key now, and those among the endpoint's headers and query.

        Raises `ProviderError` if the key's file is unreadable, or the key cannot be sent: another choice may have one.
        """
        try:
            key = self._key.current()
        except Misconfigured as error:
            raise provider_error("authentication", self.of(request), str(error)) from None
        if not (key.isascii() and key.isprintable()):
            what = "the key holds characters that no header may have; was it copied with something around it?"
            raise provider_error("authentication", self.of(request), what)
        own = (self.setting.headers | self.setting.query).items()
        return "\n".join([key, *(value.get_secret_value() for name, value in own if _KEYLIKE.search(name))])

    def capabilities(self, model: str) -> Known:
        """What this model can do here. Found out once: a call asks several times."""
        found = self._found.get(model)
        if found is None:
            found = self._found[model] = capabilities(self.setting, self.speaks, model) if self._known else FULL
        return found

    def limited(self, request: ModelRequest) -> ModelRequest:
        """The request with the endpoint's time limit, if that is shorter."""
        most = self.setting.total_timeout
        return request if most is None or most >= request.timeout else request.model_copy(update={"timeout": most})

    def timeout(self, request: ModelRequest) -> httpx2.Timeout:
        """The time limits of each step on the wire; `exchange` limits all of them together."""
        whole, waits = request.timeout.total_seconds(), self.waits(request)
        return httpx2.Timeout(whole, connect=waits.connect, pool=waits.connect, read=waits.first)

    def waits(self, request: ModelRequest) -> Waits:
        """How long the endpoint may take to be reached, be silent before the answer, and within one that is streamed."""
        whole = request.timeout.total_seconds()
        connect = min(whole, (self.setting.connect_timeout or CONNECT).total_seconds())
        first = min(whole, (self.setting.first_byte_timeout or request.timeout).total_seconds())
        if not self.capabilities(request.model).stream:
            # A long silence is one before the first byte, even if a gateway has sent blanks or comments by then.
            return Waits(connect, first, first)
        return Waits(connect, first, min(whole, (self.setting.idle_timeout or IDLE).total_seconds()))

    @contextlib.asynccontextmanager
    async def slot(self, request: ModelRequest) -> AsyncIterator[None]:
        """One of the calls that may be under way at once. Raises `ProviderError` if none became free within `queue_timeout`.

        The wait is no part of the call's own time limit, and is shown by the `Progress` of this context.
        """
        if self._slots is None:
            yield
            return
        longest = self.setting.queue_timeout or QUEUE
        try:
            with current().waiting(f"its turn at {self.name} (concurrency = {self.setting.concurrency})"):
                async with asyncio.timeout(longest.total_seconds()):
                    await self._slots.acquire()
        except TimeoutError:
            what = (
                f"{self.setting.concurrency} calls at once are allowed by `concurrency`, and none of them ended within "
                f"{longest.total_seconds():g} s, the `queue_timeout`"
            )
            advice = (
                "The endpoint was not asked. The call is retried later; if it goes on, raise `concurrency` or `queue_timeout` "
                f"in [providers.{self.name}] of baton.toml, or run fewer at once"
            )
            error = provider_error("rate_limited", self.of(request), what, advice=advice)
            error.asked = False
            raise error from None
        try:
            yield
        finally:
            self._slots.release()
