"""What may be the base URL of an endpoint, and what is wrong with one that may not."""

from typing import Literal
from urllib.parse import urlsplit

Speaks = Literal["chat", "responses", "messages"]
"""The wire format: OpenAI's Chat Completions, OpenAI's Responses, Anthropic's Messages."""

_SUFFIXES = ("/chat/completions", "/completions", "/responses", "/v1/messages", "/messages")


def base_url_problem(url: str, speaks: Speaks | None = None) -> str:
    """What is wrong with a base URL, with the right form; "" if nothing is. `speaks` None means one of OpenAI's formats."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        return "is not an http or https URL; write it like https://HOST/v1"
    if parts.username or parts.password:
        return "contains credentials; name the key with key_env or key_file"
    if parts.query or parts.fragment:
        return 'has a query or a fragment, behind which no path can be added; write query = { "api-version" = "…" } instead'
    path = parts.path.rstrip("/")
    suffixes = (*_SUFFIXES, "/v1") if speaks == "messages" else _SUFFIXES
    suffix = next((one for one in suffixes if path.endswith(one)), "")
    if not suffix:
        return ""
    path = path.removesuffix(suffix)
    # What is left of `/v1/chat/completions` is no base of Messages either.
    path = path.removesuffix("/v1") if speaks == "messages" else path
    path = path + "/v1" if speaks != "messages" and suffix == "/v1/messages" else path
    right = f"{parts.scheme}://{parts.netloc}{path}"
    return f"ends with {suffix}, which Baton adds itself; write {right}"
