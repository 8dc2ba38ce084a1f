"""Anthropic Messages as a provider."""

import json
import re
from typing import Annotated, Any, Literal

import anthropic
import httpx2
from pydantic import Field, JsonValue

from activities.providers import final_output
from activities.providers.access import Access
from activities.providers.anthropic_cache import marked
from activities.providers.errors import provider_error
from activities.providers.keys import Key
from activities.providers.options import with_options
from activities.providers.reply_body import Wire, plausible, read_reply, tokens
from activities.providers.transport import correlation, exchange
from contracts.conversation import (
    AssistantMessage,
    Message,
    ModelReply,
    ModelRequest,
    StopReason,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
)
from contracts.endpoints import EndpointSetting

_STOPS: dict[str, StopReason] = {
    "end_turn": "end",
    "stop_sequence": "end",
    "tool_use": "tools",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",  # unfinished: never to be taken for an answer
    "refusal": "refusal",
}


class Anthropic:
    """One endpoint that speaks Anthropic's Messages API. Safe for concurrent calls; one per process is enough."""

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

        `setting` is the endpoint's table, without which it can do all that Anthropic can.
        """
        self.name = name
        self._prompt_cache = prompt_cache
        self._access = Access(name, api_key, base_url, "messages", proxy, setting)
        self._client = anthropic.AsyncAnthropic(
            api_key="none",  # the SDK wants one; the transport sends the real one
            base_url="http://unused.invalid",  # each call names its whole address
            # Temporal retries: a second loop here would multiply the attempts, and hide what they cost.
            max_retries=0,
            open_telemetry=False,
            http_client=self._access.client(),
        )

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Ask once. Raises `ProviderError`, and nothing else, if there is no reply."""
        access, request = self._access, self._access.limited(request)
        endpoint, key = access.of(request), access.key(request)
        body = self._body(request)
        async with access.slot(request):
            # Posted as is: the SDK's `create` walks the whole body, schema included, on every call; that costs more than
            # sending.
            call = self._client.post(
                access.url(request.model),
                cast_to=httpx2.Response,
                body=body,
                options={"headers": correlation(request), "timeout": access.timeout(request)},
            )
            response = await exchange(endpoint, key, request, call)
        wire, raw = read_reply(_Reply, endpoint, response.content, key)
        return final_output.read(_reply(wire, raw, endpoint, response.headers.get("request-id")))

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        access, known = self._access, self._access.capabilities(request.model)
        request = final_output.prepared(request, known)
        body: dict[str, Any] = {
            "model": request.model,
            "max_tokens": request.max_output_tokens,
            "messages": _messages(request.messages, self.name),
        }
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


class _Text(Wire):
    type: Literal["text"]
    text: str


class _ToolUse(Wire):
    type: Literal["tool_use"]
    id: str = Field(min_length=1)
    name: str
    input: JsonValue


class _Thinking(Wire):
    type: Literal["thinking", "redacted_thinking"]


class _Reply(Wire):
    type: Literal["message"]
    role: Literal["assistant"]
    model: str = Field(min_length=1)
    content: list[Annotated[_Text | _ToolUse | _Thinking, Field(discriminator="type")]]
    stop_reason: Literal[
        "end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal", "model_context_window_exceeded"
    ]


def _reply(wire: _Reply, raw: dict[str, Any], endpoint: str, request_id: str | None) -> ModelReply:
    """The reply in our own form. One that was cut off keeps only its text: half a call must not be run or echoed."""
    uses = [block for block in wire.content if isinstance(block, _ToolUse)]
    stop = _STOPS[wire.stop_reason]
    # Answers go back by these ids: equal ones could not be told apart.
    if len({use.id for use in uses}) != len(uses):
        raise provider_error("drift", endpoint, "two tool calls of the reply have the same id")
    if stop == "tools" and not uses:
        raise provider_error("drift", endpoint, "the reply stops for tools but calls none")
    if stop == "end" and uses:
        stop = "tools"
    whole = stop in ("end", "tools")
    text = "".join(block.text for block in wire.content if isinstance(block, _Text))
    return ModelReply(
        text=text,
        calls=tuple(_call(use) for use in uses) if whole else (),
        stop=stop,
        model=wire.model,
        usage=_usage(raw.get("usage"), said=bool(text or uses)),
        native=raw["content"] if whole else None,
        request_id=request_id,
    )


def _call(use: _ToolUse) -> ToolCall:
    problem = None if isinstance(use.input, dict) else "the arguments are not a JSON object"
    return ToolCall(call_id=use.id, name=use.name, arguments=use.input, problem=problem)


def _usage(usage: Any, *, said: bool) -> Usage | None:
    """Usage in our own form: Anthropic's input count excludes cached tokens, so they are added. None if it is impossible."""
    try:
        kept = usage.get("cache_creation") if isinstance(usage, dict) else None
        # What is kept for an hour costs more than what is kept for five minutes.
        hour, short = tokens(kept, ["ephemeral_1h_input_tokens"]), tokens(kept, ["ephemeral_5m_input_tokens"])
        read, write = tokens(usage, ["cache_read_input_tokens"]), tokens(usage, ["cache_creation_input_tokens"])
        write = max(write, hour + short)  # an endpoint may report the sum, its parts, or both
        return plausible(
            Usage(
                input=tokens(usage, ["input_tokens"], required=True) + read + write,
                output=tokens(usage, ["output_tokens"], required=True),
                cache_read=read,
                cache_write=write,
                reasoning=tokens(usage.get("output_tokens_details"), ["thinking_tokens"]),
                cache_write_1h=hour,
            ),
            said=said,
        )
    except ValueError:
        return None


def _tools(request: ModelRequest, *, strict: bool) -> list[Any]:
    mark = {"strict": True} if strict else {}
    return [
        {"name": tool.name, "description": tool.description, "input_schema": dict(tool.parameters)} | mark
        for tool in request.tools
    ]


def _messages(messages: tuple[Message, ...], provider: str) -> list[Any]:
    """The conversation in this wire format, which wants consecutive messages of one role merged into one."""
    rendered: list[dict[str, Any]] = []
    for message in messages:
        role, blocks = _blocks(message, provider)
        if rendered and rendered[-1]["role"] == role:
            rendered[-1]["content"] += blocks
        else:
            rendered.append({"role": role, "content": blocks})
    return rendered


def _blocks(message: Message, provider: str) -> tuple[str, list[Any]]:
    if isinstance(message, UserMessage):
        return "user", [_text(message.text)]
    if isinstance(message, ToolMessage):
        return "user", [
            {"type": "tool_result", "tool_use_id": _id(answer.call_id), "content": answer.text, "is_error": answer.is_error}
            for answer in message.answers
        ]
    native = message.native if message.provider == provider and isinstance(message.native, list) else []
    return "assistant", _echoed(native) or _rebuilt(message)


def _echoed(native: list[JsonValue]) -> list[Any]:
    """A reply as it came, without what replies may have and requests may not: empty fields and blank texts."""
    blocks = [{key: value for key, value in block.items() if value is not None} for block in native if isinstance(block, dict)]
    return [block for block in blocks if block.get("type") != "text" or str(block.get("text", "")).strip()]


def _rebuilt(message: AssistantMessage) -> list[Any]:
    """An earlier reply that another provider made, or that has no native form."""
    uses = [
        {"type": "tool_use", "id": _id(call.call_id), "name": call.name, "input": _object(call.arguments)}
        for call in message.calls
    ]
    return ([_text(message.text)] if message.text.strip() or not uses else []) + uses


def _text(text: str) -> dict[str, str]:
    """A text block. The format refuses empty ones."""
    return {"type": "text", "text": text if text.strip() else "(no text)"}


def _object(arguments: JsonValue) -> dict[str, JsonValue]:
    """Arguments as the object that the format wants, even if another model wrote something unreadable."""
    if isinstance(arguments, dict):
        return arguments
    return {"unreadable": arguments if isinstance(arguments, str) else json.dumps(arguments)}


def _id(call_id: str) -> str:
    """A call id in the characters that the format allows; Anthropic's own ids stay as they are."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", call_id)
