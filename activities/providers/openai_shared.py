"""What both of OpenAI's formats share: the client, the one request, and parts that are the same in both."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import httpx2
import openai

from activities.providers.base import ENDPOINTS
from activities.providers.reply_body import plausible, tokens
from activities.providers.transport import call_timeout, correlation, exchange, http_client
from contracts.conversation import ModelRequest, ToolAnswer, ToolCall, Usage, UserMessage


class Endpoint:
    """One endpoint of OpenAI's, or of a server that speaks the same."""

    def __init__(self, name: str, api_key: str, base_url: str | None, proxy: str | None) -> None:
        self.name = name
        self.key = api_key
        self.client = openai.AsyncOpenAI(
            api_key=api_key or "none",  # local servers need no key, the SDK does
            base_url=base_url or ENDPOINTS["openai"],
            # Temporal retries: a second loop here would multiply the attempts, and hide what they cost.
            max_retries=0,
            http_client=http_client(api_key, proxy),
        )

    async def post(self, path: str, request: ModelRequest, body: dict[str, Any]) -> httpx2.Response:
        """Ask once. Raises `ProviderError` and nothing else."""
        headers = correlation(request)
        # Posted as is: the SDK's `create` walks the whole body, schema included, on every call; that costs more than sending.
        call = self.client.post(
            path,
            cast_to=httpx2.Response,
            body=body,
            options={
                "headers": headers | {"X-Client-Request-Id": headers["X-Request-Key"]},
                "timeout": call_timeout(request),
            },
        )
        return await exchange(self.of(request), self.key, request, call)

    def of(self, request: ModelRequest) -> str:
        """The name of this endpoint and model in errors."""
        return f"{self.name}:{request.model}"


def usage_of(usage: Any, given: str, made: str, *, said: bool) -> Usage | None:
    """Usage in our own form; None if it is impossible. Both formats count cached tokens as input. `given` and `made` are their
    names for input and output; `said` tells whether the reply has text or calls.
    """
    try:
        details = usage.get(f"{given}_details")
        return plausible(
            Usage(
                input=tokens(usage, [given], required=True),
                output=tokens(usage, [made], required=True),
                cache_read=tokens(details, ["cached_tokens"]),
                cache_write=tokens(details, ["cache_write_tokens"]),
                reasoning=tokens(usage.get(f"{made}_details"), ["reasoning_tokens"]),
            ),
            said=said,
        )
    except (AttributeError, ValueError):
        return None


def schema_format(request: ModelRequest) -> dict[str, Any]:
    """The final output's schema under its name."""
    return {"name": request.answer_name, "schema": dict(request.answer_schema), "strict": True}


def cache_key(request: ModelRequest) -> dict[str, str]:
    """The field that routes requests with the same prefix to the same cache: the same for every turn of a conversation.

    It is computed from the prefix itself, so a retry and another worker send the same one.
    """
    first = next((message.text for message in request.messages if isinstance(message, UserMessage)), "")
    digest = hashlib.sha256(f"{request.system}\0{first}".encode("utf-8", "replace")).hexdigest()
    return {"prompt_cache_key": f"{request.agent[:40]}-{digest[:20]}"}  # 64 characters are allowed


def answer_text(answer: ToolAnswer) -> str:
    """The answer's text. The formats have no flag for failures, so the text says so."""
    return f"[this call failed] {answer.text}" if answer.is_error else answer.text


def arguments_text(call: ToolCall) -> str:
    """Arguments as text: the model's own text if they were unreadable."""
    if call.problem is not None and isinstance(call.arguments, str):
        return call.arguments
    return json.dumps(call.arguments, ensure_ascii=False)


def function(name: str, description: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A tool whose arguments must match its schema."""
    return {"name": name, "description": description, "parameters": dict(parameters), "strict": True}
