"""OpenAI's Responses API as a provider, with nothing stored on OpenAI's side."""

from collections.abc import Iterator, Mapping
from typing import Any

from activities.providers import final_output
from activities.providers.access import Access
from activities.providers.calls import Written, arguments_text, matching, read_calls, sent_id, sent_name, text_of, typed
from activities.providers.keys import Key
from activities.providers.openai_shared import (
    Endpoint,
    answer_text,
    cache_key,
    function,
    schema_format,
)
from activities.providers.reading import Format, reply_in
from activities.providers.reply_body import Refused, first_unclear, plain, shown
from activities.providers.stops import stop_of
from activities.providers.token_counts import believed, openai_usage
from contracts.conversation import (
    AssistantMessage,
    ModelReply,
    ModelRequest,
    StopReason,
    ToolCall,
    UserMessage,
)
from contracts.endpoints import EndpointSetting

_MESSAGES = ("message", None, "")
_UNFINISHED = frozenset({"in_progress", "queued", "cancelled", "failed"})


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
        self._endpoint = Endpoint(Access(name, api_key, base_url, "responses", proxy, setting))

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Ask once. Raises `ProviderError`, and nothing else, if there is no reply."""
        response, key = await self._endpoint.post(request, self._body(request))
        return self.reply_in(request, response.content, response.headers, key)

    def reply_in(self, request: ModelRequest, body: bytes, headers: Mapping[str, str], secret: str = "") -> ModelReply:
        """The reply that an answer to this request holds. Raises `ProviderError`, and nothing else, if it holds none."""
        return reply_in(_FORMAT, self._endpoint.access, request, body, headers, secret)

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        known = self._endpoint.access.capabilities(request.model)
        cache = cache_key(request) if self._prompt_cache else {}
        request = final_output.prepared(request, known)
        made = [function(tool.name, tool.description, tool.parameters, strict=known.strict) for tool in request.tools]
        parallel = {} if known.parallel_tool_calls is None else {"parallel_tool_calls": known.parallel_tool_calls}
        tools = {"tools": [{"type": "function"} | one for one in made]} | parallel
        body: dict[str, Any] = {
            "model": request.model,
            "input": _input(request, self.name),
            "max_output_tokens": request.max_output_tokens,
            "store": False,  # conversations are stored in the ledger and nowhere else
        }
        if known.schema_is_sent(tools=bool(made)):
            schema = schema_format(request, strict=known.strict) if known.schema_form == "json_schema" else {}
            body["text"] = {"format": {"type": known.schema_form} | schema}
        body |= {"stream": True} if known.stream else {}
        return body | ({"instructions": request.system} if request.system else {}) | (tools if made else {}) | cache

    async def close(self) -> None:
        """Give back connections. Safe to call twice."""
        await self._endpoint.client.close()


def _reply(raw: dict[str, Any], request: ModelRequest) -> ModelReply:
    """The reply in our own form. One that was cut off keeps only its text: half a call must not be run or echoed."""
    output = _output(raw)
    items = [item for item in output if isinstance(item, dict)]
    written = [_written(item) for item in items if item.get("type") == "function_call"]
    refused, text = _said(items)
    stop = "refusal" if refused else _stop(raw, calls=bool(written))
    whole = stop in ("end", "tools")
    model = raw.get("model")
    return ModelReply(
        text=text,
        calls=read_calls(written, request.key) if whole else (),
        stop=stop,
        model=model if isinstance(model, str) and model.strip() else request.model,
        usage=believed(openai_usage(raw), said=bool(text or written)),
        native=plain(output) if whole and output and _is_echoable(output) else None,
    )


_FORMAT = Format(_reply, openai_usage, "x-request-id")


def _output(raw: dict[str, Any]) -> list[Any]:
    status, output = raw.get("status"), raw.get("output")
    if isinstance(status, str) and status in _UNFINISHED:
        raise Refused(f"the reply's status is {status}, and it names no error")
    if not isinstance(output, list):
        raise Refused(f"the reply's output is no list{shown(output)}")
    messages = [item for item in output if isinstance(item, dict) and item.get("type") in _MESSAGES]
    unclear = first_unclear([message.get("content") for message in messages])
    if unclear is not None:
        raise Refused(f"the reply's content cannot be read: {unclear.why}")
    if any(message.get("role") not in (None, "", "assistant") for message in messages):
        raise Refused("the reply's output holds a message that is not the model's")
    return output


def _is_echoable(output: list[Any]) -> bool:
    """Whether items say what they are, and messages hold texts: what is stored as it came can be sent as it came."""
    messages = [item for item in output if isinstance(item, dict) and item.get("type") == "message"]
    parts = [part for message in messages for part in _parts(message)]
    whole = all(isinstance(message.get("content"), list) and typed(message["content"]) for message in messages)
    texts = [part for part in parts if part.get("type") == "output_text" and isinstance(part.get("text"), str)]
    return typed(output) and whole and len(texts) == len(parts)


def _written(item: dict[str, Any]) -> Written:
    """A call. One that the reply itself calls unfinished is not run."""
    unfinished = item.get("status") in ("in_progress", "incomplete")
    problem = "the call is not complete" if unfinished else None
    return Written(item.get("call_id"), item.get("name"), item.get("arguments"), problem)


def _stop(raw: dict[str, Any], *, calls: bool) -> StopReason:
    if raw.get("status") != "incomplete":
        return "tools" if calls else "end"
    # Whatever ended it early: it must never be taken for an answer.
    why = raw.get("incomplete_details")
    reason = stop_of(why.get("reason") if isinstance(why, dict) else None, calls=calls)
    return "refusal" if reason == "refusal" else "length"


def _said(items: list[dict[str, Any]]) -> tuple[bool, str]:
    """Whether the model refused, and its text: only the final message, if the model marks its commentary as such."""
    messages = [item for item in items if item.get("type") in _MESSAGES]
    final = [message for message in messages if message.get("phase") != "commentary"] or messages
    parts = [part for message in messages for part in _parts(message) if part.get("type") == "refusal"]
    refusals = [part["refusal"] for part in parts if isinstance(part.get("refusal"), str)]
    if refusals:
        return True, "".join(refusals)
    return False, "".join(text_of(message.get("content")) for message in final)


def _parts(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []


def _input(request: ModelRequest, provider: str) -> list[Any]:
    """The conversation as items, where each answer to a call is an item of its own."""
    items: list[Any] = []
    for message in request.messages:
        if isinstance(message, UserMessage):
            items.append({"role": "user", "content": message.text})
        elif isinstance(message, AssistantMessage):
            own = message.native if message.is_of(provider, request.model) and isinstance(message.native, list) else []
            items += _echoed(message, [item for item in own if isinstance(item, dict)]) or _rebuilt(message)
        else:
            items += [
                {"type": "function_call_output", "call_id": sent_id(answer.call_id), "output": answer_text(answer)}
                for answer in message.answers
            ]
    return items


def _echoed(message: AssistantMessage, native: list[dict[str, Any]]) -> list[Any]:
    """A reply's items as they came, reasoning included, without empty fields; none if its calls are not among them.

    Nothing is stored at OpenAI, so reasoning is only useful with its encrypted content. If that is missing, reasoning is left
    out together with the ids of the other items: OpenAI looks an id up with the reasoning that came before it.
    """
    held = matching(message.calls, [item for item in native if item.get("type") == "function_call"])
    if held is None:
        return []
    calls = iter(message.calls)
    sealed = all(item.get("encrypted_content") for item in native if item.get("type") == "reasoning")
    left_out = {"logprobs"} if sealed else {"logprobs", "id"}
    return [
        {key: value for key, value in _sent(item, calls).items() if value is not None and key not in left_out}
        for item in native
        if sealed or item.get("type") != "reasoning"
    ]


def _sent(item: dict[str, Any], calls: Iterator[ToolCall]) -> dict[str, Any]:
    """An item as it is sent: a call can be answered and parsed."""
    if item.get("type") != "function_call":
        return item
    call = next(calls)
    return item | _call(call, item.get("arguments"))


def _call(call: ToolCall, written: Any = None) -> dict[str, Any]:
    arguments = arguments_text(call, written)
    return {"type": "function_call", "call_id": sent_id(call.call_id), "name": sent_name(call), "arguments": arguments}


def _rebuilt(message: AssistantMessage) -> list[Any]:
    """An earlier reply that another model made, or that has no native form."""
    calls = [_call(call) for call in message.calls]
    text = message.text if message.text.strip() or calls else "(no text)"
    return ([{"role": "assistant", "content": text}] if text.strip() else []) + calls
