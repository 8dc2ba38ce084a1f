"""Anthropic Messages as a provider."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx2
from pydantic import JsonValue

from activities.providers import final_output
from activities.providers.access import Access
from activities.providers.anthropic_cache import marked
from activities.providers.calls import Written, matching, object_of, read_calls, sent_id, sent_name, text_of, typed
from activities.providers.keys import Key
from activities.providers.options import with_options
from activities.providers.platform_clients import client_for
from activities.providers.reading import Format, reply_in
from activities.providers.reply_body import Refused, Unclear, first_unclear, plain, shown
from activities.providers.stops import broke_off, stop_of
from activities.providers.token_counts import anthropic_usage, believed
from activities.providers.transport import correlation, exchange
from contracts.conversation import (
    AssistantMessage,
    Message,
    ModelReply,
    ModelRequest,
    ToolMessage,
    UserMessage,
)
from contracts.endpoints import EndpointSetting


class Anthropic:
    """One endpoint that speaks Anthropic's Messages, or a platform's. Safe for concurrent calls; one per process is enough."""

    def __init__(
        self,
        api_key: Key | str,
        base_url: str | None = None,
        *,
        name: str = "anthropic",
        proxy: str | None = None,
        prompt_cache: bool = True,
        setting: EndpointSetting | None = None,
    ) -> None:
        """Key, address and proxy come from these arguments only, never from the SDK's environment variables.

        A platform's credentials are what that cloud's own tools would find. Raises `Misconfigured` if its packages are missing.

        `setting` is the endpoint's table, without which it can do all that Anthropic can.
        """
        self.name = name
        self._prompt_cache = prompt_cache
        self._access = Access(name, api_key, base_url, "messages", proxy, setting)
        self._client = client_for(self._access)

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Ask once. Raises `ProviderError`, and nothing else, if there is no reply."""
        access, request = self._access, self._access.limited(request)
        endpoint, key = access.of(request), access.hidden(request)
        body = self._body(request)
        async with access.slot(request):
            # Posted as is: the SDK's `create` walks the whole body, schema included, on every call; that costs more than
            # sending.
            call = self._client.post(
                access.target(request.model),
                cast_to=httpx2.Response,
                body=body,
                options={"headers": correlation(request), "timeout": access.timeout(request)},
            )
            response = await exchange(endpoint, key, request, call, access.waits(request))
        return self.reply_in(request, response.content, response.headers, key)

    def reply_in(self, request: ModelRequest, body: bytes, headers: Mapping[str, str], secret: str = "") -> ModelReply:
        """The reply that an answer to this request holds. Raises `ProviderError`, and nothing else, if it holds none."""
        form = _ON_BEDROCK if self._access.setting.platform == "bedrock" else _FORMAT
        return reply_in(form, self._access, request, body, headers, secret)

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        access, known = self._access, self._access.capabilities(request.model)
        request = final_output.prepared(request, known)
        body: dict[str, Any] = {
            "model": request.model,
            "max_tokens": request.max_output_tokens,
            "messages": _messages(request, self.name),
        } | ({"stream": True} if known.stream else {})
        if known.schema_is_sent(tools=bool(request.tools)) and known.schema_form == "json_schema":
            body["output_config"] = {"format": {"type": "json_schema", "schema": dict(request.answer_schema)}}
        body |= {"system": request.system} if request.system else {}
        if request.tools:
            body["tools"] = _tools(request, strict=known.strict)
            if known.parallel_tool_calls is not None:
                body["tool_choice"] = {"type": "auto", "disable_parallel_tool_use": not known.parallel_tool_calls}
        body = with_options(body, request, "messages", access.setting, access.of(request))
        # Cache marks come last: they depend on the whole body.
        return marked(body) if self._prompt_cache else body

    async def close(self) -> None:
        """Give back connections. Safe to call twice."""
        await self._client.close()


def _reply(raw: dict[str, Any], request: ModelRequest) -> ModelReply:
    """The reply in our own form. One that was cut off keeps only its text: half a call must not be run or echoed."""
    content = _content(raw)
    blocks = [block for block in content if isinstance(block, dict)]
    written = [Written(use.get("id"), use.get("name"), use.get("input")) for use in blocks if use.get("type") == "tool_use"]
    text, finish = text_of(content), raw.get("stop_reason")
    if broke_off(finish) and not text.strip() and not written:
        raise Refused(f"the reply broke off before it said anything{shown(finish)}", "cut")
    stop = stop_of(finish, calls=bool(written))
    whole = stop in ("end", "tools")
    model = raw.get("model")
    return ModelReply(
        text=text,
        calls=read_calls(written, request.key) if whole else (),
        stop=stop,
        model=model if isinstance(model, str) and model.strip() else request.model,
        usage=believed(anthropic_usage(raw), said=bool(text or written)),
        native=plain(content) if whole and typed(content) else None,
    )


_FORMAT = Format(_reply, anthropic_usage, "request-id")
_ON_BEDROCK = replace(_FORMAT, request_id="x-amzn-requestid")


def _content(raw: dict[str, Any]) -> list[Any]:
    """The blocks, also of a server that sends a text in their place. Unknown ones are no part of the answer."""
    kind, role, content = raw.get("type"), raw.get("role"), raw.get("content")
    if kind not in (None, "", "message") or role not in (None, "", "assistant"):
        raise Refused(f"the reply's type and role are not those of a message{shown([kind, role])}")
    if "content" not in raw or not isinstance(content, list | str | None):
        raise Refused(f"the reply's content is no list of blocks{shown(content)}")
    if isinstance(content, str):
        return [_text(content)]
    for block in content or []:
        text = block.get("text") if isinstance(block, dict) and block.get("type") == "text" else None
        if isinstance(block, Unclear) or first_unclear(text) is not None or not isinstance(text, str | None):
            raise Refused(f"the reply's content holds a text that cannot be read{shown(text)}")
    return content or []


def _tools(request: ModelRequest, *, strict: bool) -> list[Any]:
    mark = {"strict": True} if strict else {}
    return [
        {"name": tool.name, "description": tool.description, "input_schema": dict(tool.parameters)} | mark
        for tool in request.tools
    ]


def _messages(request: ModelRequest, provider: str) -> list[Any]:
    """The conversation in this wire format, which wants consecutive messages of one role merged into one."""
    rendered: list[dict[str, Any]] = []
    for message in request.messages:
        role, blocks = _blocks(message, provider, request.model)
        if rendered and rendered[-1]["role"] == role:
            rendered[-1]["content"] += blocks
        else:
            rendered.append({"role": role, "content": blocks})
    return rendered


def _blocks(message: Message, provider: str, model: str) -> tuple[str, list[Any]]:
    if isinstance(message, UserMessage):
        return "user", [_text(message.text)]
    if isinstance(message, ToolMessage):
        return "user", [
            {"type": "tool_result", "tool_use_id": sent_id(answer.call_id), "content": answer.text, "is_error": answer.is_error}
            for answer in message.answers
        ]
    own = message.native if message.is_of(provider, model) and isinstance(message.native, list) else []
    return "assistant", _echoed(message, own) or _rebuilt(message)


def _echoed(message: AssistantMessage, native: list[JsonValue]) -> list[Any]:
    """A reply as it came, without what replies may have and requests may not: empty fields and blank texts.

    Its calls have ids that can be answered, and objects for arguments. Nothing if they are not among the blocks.
    """
    blocks = [{key: value for key, value in block.items() if value is not None} for block in native if isinstance(block, dict)]
    held = matching(message.calls, [block for block in blocks if block.get("type") == "tool_use"])
    if held is None:
        return []
    for call, block in zip(message.calls, held, strict=True):
        block |= {"id": sent_id(call.call_id), "name": sent_name(call), "input": object_of(call)}
    return [block for block in blocks if block.get("type") != "text" or str(block.get("text", "")).strip()]


def _rebuilt(message: AssistantMessage) -> list[Any]:
    """An earlier reply that another model made, or that has no native form."""
    uses = [
        {"type": "tool_use", "id": sent_id(call.call_id), "name": sent_name(call), "input": object_of(call)}
        for call in message.calls
    ]
    return ([_text(message.text)] if message.text.strip() or not uses else []) + uses


def _text(text: str) -> dict[str, str]:
    """A text block. The format refuses empty ones."""
    return {"type": "text", "text": text if text.strip() else "(no text)"}
