"""OpenAI's Responses API as a provider, with nothing stored on OpenAI's side."""

from typing import Annotated, Any, Literal

from pydantic import Field

from activities.providers import final_output
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


class OpenAIResponses:
    """One endpoint that speaks Responses. Safe for concurrent calls; `name` distinguishes several endpoints."""

    def __init__(
        self,
        api_key: Key | str,
        base_url: str | None = None,
        *,
        name: str = "openai",
        proxy: str | None = None,
        prompt_cache: bool = True,
        setting: EndpointSetting | None = None,
    ) -> None:
        """Key, address and proxy come from these arguments only. `base_url` ends before `/responses`, usually in `/v1`.

        `setting` is the endpoint's table, without which it can do all that OpenAI can.
        """
        self.name = name
        self._prompt_cache = prompt_cache
        self._endpoint = Endpoint(name, api_key, base_url, "responses", proxy, setting)

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
        tools = {"tools": [{"type": "function"} | one for one in made]} | parallel
        body: dict[str, Any] = {
            "model": request.model,
            "input": _input(request.messages, self.name),
            "max_output_tokens": request.max_output_tokens,
            "store": False,  # conversations are stored in the ledger and nowhere else
        }
        if known.schema_is_sent(tools=bool(made)):
            schema = schema_format(request, strict=known.strict) if known.schema_form == "json_schema" else {}
            body["text"] = {"format": {"type": known.schema_form} | schema}
        return body | ({"instructions": request.system} if request.system else {}) | (tools if made else {}) | cache

    async def close(self) -> None:
        """Give back connections. Safe to call twice."""
        await self._endpoint.client.close()


class _Text(Wire):
    type: Literal["output_text"]
    text: str


class _Refusal(Wire):
    type: Literal["refusal"]
    refusal: str


class _Message(Wire):
    type: Literal["message"]
    role: Literal["assistant"]
    content: list[Annotated[_Text | _Refusal, Field(discriminator="type")]]
    phase: Literal["commentary", "final_answer"] | None = None


class _Call(Wire):
    type: Literal["function_call"]
    call_id: str = Field(min_length=1)
    name: str
    arguments: str
    status: Literal["in_progress", "completed", "incomplete"] | None = None


class _Reasoning(Wire):
    type: Literal["reasoning"]


class _Why(Wire):
    reason: str | None = None


class _Reply(Wire):
    object: Literal["response"]
    model: str = Field(min_length=1)
    status: Literal["completed", "incomplete"]
    incomplete_details: _Why | None = None
    output: list[Annotated[_Message | _Call | _Reasoning, Field(discriminator="type")]]


def _reply(wire: _Reply, raw: dict[str, Any], endpoint: str, request_id: str | None) -> ModelReply:
    """The reply in our own form. One that was cut off keeps only its text: half a call must not be run or echoed."""
    made = [item for item in wire.output if isinstance(item, _Call)]
    refused, text = _said(wire)
    # Answers go back by these ids: equal ones could not be told apart.
    if len({call.call_id for call in made}) != len(made):
        raise provider_error("drift", endpoint, "two tool calls of the reply have the same id")
    stop = _stop(wire, refused=refused, calls=bool(made))
    whole = stop in ("end", "tools")
    if whole and any(call.status not in (None, "completed") for call in made):
        raise provider_error("drift", endpoint, "the reply is complete but one of its tool calls is not")
    return ModelReply(
        text=text,
        calls=tuple(_call(call) for call in made) if whole else (),
        stop=stop,
        model=wire.model,
        usage=usage_of(raw.get("usage"), "input_tokens", "output_tokens", said=bool(text or made)),
        native=raw["output"] if whole and raw["output"] else None,
        request_id=request_id,
    )


def _stop(wire: _Reply, *, refused: bool, calls: bool) -> StopReason:
    if refused:
        return "refusal"
    if wire.status == "incomplete":
        # Whatever ended it early: it must never be taken for an answer.
        filtered = wire.incomplete_details is not None and wire.incomplete_details.reason == "content_filter"
        return "refusal" if filtered else "length"
    return "tools" if calls else "end"


def _said(wire: _Reply) -> tuple[bool, str]:
    """Whether the model refused, and its text: only the final message, if the model marks its commentary as such."""
    messages = [item for item in wire.output if isinstance(item, _Message)]
    final = [message for message in messages if message.phase != "commentary"] or messages
    refusals = [part.refusal for message in messages for part in message.content if isinstance(part, _Refusal)]
    if refusals:
        return True, "".join(refusals)
    return False, "".join(part.text for message in final for part in message.content if isinstance(part, _Text))


def _call(call: _Call) -> ToolCall:
    arguments, problem = arguments_of(call.arguments)
    return ToolCall(call_id=call.call_id, name=call.name, arguments=arguments, problem=problem)


def _input(messages: tuple[Message, ...], provider: str) -> list[Any]:
    """The conversation as items, where each answer to a call is an item of its own."""
    items: list[Any] = []
    for message in messages:
        if isinstance(message, UserMessage):
            items.append({"role": "user", "content": message.text})
        elif isinstance(message, AssistantMessage):
            own = message.native if message.provider == provider and isinstance(message.native, list) else []
            items += _echoed([item for item in own if isinstance(item, dict)]) or _rebuilt(message)
        else:
            items += [
                {"type": "function_call_output", "call_id": answer.call_id, "output": answer_text(answer)}
                for answer in message.answers
            ]
    return items


def _echoed(native: list[dict[str, Any]]) -> list[Any]:
    """A reply's items as they came, reasoning included, without empty fields.

    Nothing is stored at OpenAI, so reasoning is only useful with its encrypted content. If that is missing, reasoning is left
    out together with the ids of the other items: OpenAI looks an id up with the reasoning that came before it.
    """
    sealed = all(item.get("encrypted_content") for item in native if item.get("type") == "reasoning")
    left_out = {"logprobs"} if sealed else {"logprobs", "id"}
    return [
        {key: value for key, value in item.items() if value is not None and key not in left_out}
        for item in native
        if sealed or item.get("type") != "reasoning"
    ]


def _rebuilt(message: AssistantMessage) -> list[Any]:
    """An earlier reply that another provider made, or that has no native form."""
    calls = [
        {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": arguments_text(call)}
        for call in message.calls
    ]
    text = message.text if message.text.strip() or calls else "(no text)"
    return ([{"role": "assistant", "content": text}] if text.strip() else []) + calls
