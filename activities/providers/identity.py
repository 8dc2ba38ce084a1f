"""Who asks an endpoint, and the headers that a request goes out with: ours, the endpoint's own, and the key."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx2

from contracts.endpoints import Auth

_HEADERS = frozenset(
    {
        "accept",
        "anthropic-version",
        "connection",
        "content-length",
        "host",
        "transfer-encoding",
        "user-agent",
        "x-baton-agent",
        "x-baton-occurrence",
        "x-client-request-id",
        "x-request-key",
    }
)
"""Headers that are sent. Both SDKs add others from the environment (organisations, projects, whole header lists)."""


_SIGNING = frozenset({"authorization", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"})
"""Headers with which a platform's client says who asks."""


@dataclass(frozen=True)
class Identity:
    """What an endpoint is told of who asks: the key, read for each request, the header for it, and the endpoint's headers.

    `signed`: the SDK's client for a platform says it instead, in headers that are let through.
    """

    key: Callable[[], str] = field(repr=False)
    auth: Auth
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    signed: bool = False


def addressed(request: httpx2.Request, identity: Identity) -> None:
    """Leave only our headers in the request, with the key and the endpoint's own. Safe to call twice.

    Who signs a request calls it before: what is signed must not change on its way.
    """
    passes = _HEADERS | _SIGNING if identity.signed else _HEADERS
    kept = {name: value for name, value in request.headers.items() if name in passes or name.startswith("x-stainless-")}
    kept |= {"host": request.url.netloc.decode("ascii"), **identity.headers}
    # Set here and not by the SDKs: theirs may come from the environment, under several header names.
    key, auth = identity.key(), identity.auth
    if key and auth != "none":
        name, value = ("authorization", f"Bearer {key}") if auth == "bearer" else (auth, key)
        kept[name.lower()] = value
    kept["content-type"] = "application/json"
    # Plain bytes are the cheapest to read. Who compresses all the same is read within the limit.
    kept["accept-encoding"] = "identity"
    # All at once: each single change looks through all of them.
    request.headers = httpx2.Headers(kept)
