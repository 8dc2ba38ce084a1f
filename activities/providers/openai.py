"""OpenAI's Chat Completions as a provider, and every endpoint that speaks the same format."""

from typing import Any, Literal

from pydantic import Field

from activities.providers import final_output
from activities.providers.chat_dialect import adapted
from activities.providers.errors import provider_error
from activities.providers.keys import Key
from activities.providers.openai_shared import (
    Endpoint,
    answer_text,
    arguments_text,
    cache_key,
    function,
    schema_format,
    usage_of,
)
from activities.providers.reply_body import Wire, arguments_of, read_reply
from contracts.conversation import (
    AssistantMessage,
    Message,
    ModelReply,
    ModelRequest,
    StopReason,
    ToolCall,
    UserMessage,
)
from contracts.endpoints import EndpointSetting

_STOPS: dict[str, StopReason] = {
    "stop": "end",
    "tool_calls": "tools",
    "length": "length",
    "content_filter": "refusal",
}


class OpenAI:
    """One endpoint that speaks Chat Completions. Safe for concurrent calls; `name` distinguishes several endpoints."""

    def __init__(
        self,
        api_key: Key | str,
        base_url: str | None = None,
        *,
        name: str = "openai",
        proxy: str | None = None,
        prompt_cache: bool = False,
        setting: EndpointSetting | None = None,
    ) -> None:
        """Key, address and proxy come from these arguments only, never from the SDK's environment variables.

        `base_url` ends where `/chat/completions` begins, usually in `/v1`. `prompt_cache` is for servers that know OpenAI's
        `prompt_cache_key`; `setting` is the endpoint's table, without which it can do all that OpenAI can.
        """
        self.name = name
        self._prompt_cache = prompt_cache
        self._endpoint = Endpoint(name, api_key, base_url, "chat", proxy, setting)

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Ask once. Raises `ProviderError`, and nothing else, if there is no reply."""
        endpoint = self._endpoint.access.of(request)
        response, key = await self._endpoint.post(request, self._body(request))
        wire, raw = read_reply(_Reply, endpoint, response.content, key)
        return final_output.read(_reply(wire, raw, endpoint, response.headers.get("x-request-id")))

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        known = self._endpoint.access.capabilities(request.model)
        cache = cache_key(request) if self._prompt_cache else {}
        request = final_output.prepared(request, known)
        made = [function(tool.name, tool.description, tool.parameters, strict=known.strict) for tool in request.tools]
        parallel = {} if known.parallel_tool_calls is None else {"parallel_tool_calls": known.parallel_tool_calls}
        body: dict[str, Any] = {
            "model": request.model,
            "messages": adapted(_messages(request, self.name), known),
            known.max_tokens: request.max_output_tokens,
        }
        if known.schema_is_sent(tools=bool(made)):
            schema = {"json_schema": schema_format(request, strict=known.strict)}
            body["response_format"] = {"type": known.schema_form} | (schema if known.schema_form == "json_schema" else {})
        tools = {"tools": [{"type": "function", "function": one} for one in made]} | parallel
        return body | (tools if made else {}) | cache

    async def close(self) -> None:
        """Give back connections. Safe to call twice."""
        await self._endpoint.client.close()


class _Function(Wire):
    name: str
    arguments: str


class _Call(Wire):
    type: Literal["function"] = "function"
    id: str = Field(min_length=1)
    function: _Function


class _Message(Wire):
    role: Literal["assistant"] = "assistant"
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(Wire):
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter"]
    message: _Message


class _Reply(Wire):
    model: str = Field(min_length=1)
    choices: list[_Choice] = Field(min_length=1, max_length=1)


def _reply(wire: _Reply, raw: dict[str, Any], endpoint: str, request_id: str | None) -> ModelReply:
    """The reply in our own form. One that was cut off keeps only its text: half a call must not be run or echoed."""
    message = wire.choices[0].message
    made = message.tool_calls or []
    stop = "refusal" if message.refusal else _STOPS[wire.choices[0].finish_reason]
    # Because all fields have defaults, anything that says "assistant" would pass as an empty reply.
    if not {"content", "tool_calls", "refusal"} & message.model_fields_set:
        raise provider_error("drift", endpoint, "the reply's message has neither content nor tool_calls")
    # Answers go back by these ids: equal ones could not be told apart.
    if len({call.id for call in made}) != len(made):
        raise provider_error("drift", endpoint, "two tool calls of the reply have the same id")
    if stop == "tools" and not made:
        raise provider_error("drift", endpoint, "the reply stops for tools but calls none")
    if stop == "end" and made:  # several compatible servers report `stop` here
        stop = "tools"
    whole = stop in ("end", "tools")
    text = message.refusal or message.content or ""
    return ModelReply(
        text=text,
        calls=tuple(_call(call) for call in made) if whole else (),
        stop=stop,
        model=wire.model,
        usage=usage_of(raw.get("usage"), "prompt_tokens", "completion_tokens", said=bool(text or made)),
        native=_native(raw["choices"][0]["message"]) if whole else None,
        request_id=request_id,
    )


def _call(call: _Call) -> ToolCall:
    arguments, problem = arguments_of(call.function.arguments)
    return ToolCall(call_id=call.id, name=call.function.name, arguments=arguments, problem=problem)


def _native(message: dict[str, Any]) -> dict[str, Any] | None:
    """What is echoed: text and calls as they came, with any extra fields of the endpoint. None for an empty reply."""
    kept = {key: message[key] for key in ("content", "tool_calls") if message.get(key)}
    return {"role": "assistant", **kept} if kept else None


def _messages(request: ModelRequest, provider: str) -> list[Any]:
    """The conversation in this wire format, where each answer to a call is a message of its own."""
    rendered: list[dict[str, Any]] = [{"role": "system", "content": request.system}] if request.system else []
    for message in request.messages:
        rendered += _rendered(message, provider)
    return rendered


def _rendered(message: Message, provider: str) -> list[dict[str, Any]]:
    if isinstance(message, UserMessage):
        return [{"role": "user", "content": message.text}]
    if isinstance(message, AssistantMessage):
        if message.provider == provider and isinstance(message.native, dict):
            return [dict(message.native)]
        return [_rebuilt(message)]
    return [{"role": "tool", "tool_call_id": answer.call_id, "content": answer_text(answer)} for answer in message.answers]


def _rebuilt(message: AssistantMessage) -> dict[str, Any]:
    """An earlier reply that another provider made, or that has no native form."""
    calls = [
        {
            "id": call.call_id,
            "type": "function",
            "function": {"name": call.name, "arguments": arguments_text(call)},
        }
        for call in message.calls
    ]
    text = message.text if message.text.strip() or calls else "(no text)"
    return {"role": "assistant", "content": text or None} | ({"tool_calls": calls} if calls else {})
