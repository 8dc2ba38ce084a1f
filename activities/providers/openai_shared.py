"""What both of OpenAI's formats share: the client, the one request, and parts that are the same in both."""

import hashlib
from collections.abc import Mapping
from typing import Any

import httpx2
import openai

from activities.providers.access import Access
from activities.providers.options import with_options
from activities.providers.transport import correlation, exchange
from contracts.conversation import ModelRequest, ToolAnswer, UserMessage


class Endpoint:
    """One endpoint of OpenAI's, or of a server that speaks the same."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.client = openai.AsyncOpenAI(
            api_key="none",  # the SDK wants one; the transport sends the real one
            base_url="http://unused.invalid",  # each call names its whole address
            # Temporal retries: a second loop here would multiply the attempts, and hide what they cost.
            max_retries=0,
            http_client=access.client(),
        )

    async def post(self, request: ModelRequest, body: dict[str, Any]) -> tuple[httpx2.Response, str]:
        """Ask once: the reply, and what no error may show of it. Raises `ProviderError` and nothing else."""
        access, key = self.access, self.access.hidden(request)
        request = access.limited(request)
        body = with_options(body, request, access.speaks, access.setting, access.of(request))
        headers = correlation(request)
        # Posted as is: the SDK's `create` walks the whole body, schema included, on every call; that costs more than sending.
        async with access.slot(request):
            call = self.client.post(
                access.url(request.model),
                cast_to=httpx2.Response,
                body=body,
                options={
                    "headers": headers | {"X-Client-Request-Id": headers["X-Request-Key"]},
                    "timeout": access.timeout(request),
                },
            )
            return await exchange(access.of(request), key, request, call, access.waits(request)), key


def schema_format(request: ModelRequest, *, strict: bool = True) -> dict[str, Any]:
    """The final output's schema under its name."""
    made = {"name": request.answer_name, "schema": dict(request.answer_schema)}
    return made | ({"strict": True} if strict else {})


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


def function(name: str, description: str, parameters: Mapping[str, Any], *, strict: bool = True) -> dict[str, Any]:
    """A tool; with `strict` the endpoint sees to it that its arguments match the schema."""
    made = {"name": name, "description": description, "parameters": dict(parameters)}
    return made | ({"strict": True} if strict else {})
