"""OpenAI's Chat Completions as a provider, and every endpoint that speaks the same format."""

from collections.abc import Mapping
from typing import Any

from activities.providers import final_output
from activities.providers.access import Access
from activities.providers.calls import Written, arguments_text, made_id, matching, read_calls, sent_name, text_of, typed
from activities.providers.chat_dialect import adapted
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
from activities.providers.stops import broke_off, stop_of
from activities.providers.token_counts import believed, openai_usage
from contracts.conversation import (
    AssistantMessage,
    ModelReply,
    ModelRequest,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from contracts.endpoints import EndpointSetting

_REASONING = frozenset({"reasoning_content", "reasoning", "reasoning_details", "thinking_blocks"})
_ECHOED = ("content", "tool_calls", *sorted(_REASONING), "extra_content", "provider_specific_fields")
"""Fields of a message that go back to the model that wrote them: several refuse their own calls without their reasoning."""

_OTHER_ROLES = frozenset({"user", "system", "developer", "tool", "function"})


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
        self._endpoint = Endpoint(Access(name, api_key, base_url, "chat", proxy, setting))

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
        body: dict[str, Any] = {
            "model": request.model,
            "messages": adapted(_messages(request, self.name, reasoning=known.reasoning_back), known),
            known.max_tokens: request.max_output_tokens,
        }
        if known.schema_is_sent(tools=bool(made)):
            schema = {"json_schema": schema_format(request, strict=known.strict)}
            body["response_format"] = {"type": known.schema_form} | (schema if known.schema_form == "json_schema" else {})
        tools = {"tools": [{"type": "function", "function": one} for one in made]} | parallel
        if known.stream:
            # Without being asked most servers count nothing in a stream, and the call would be charged in full.
            body |= {"stream": True} | ({"stream_options": {"include_usage": True}} if known.stream_usage else {})
        return body | (tools if made else {}) | cache

    async def close(self) -> None:
        """Give back connections. Safe to call twice."""
        await self._endpoint.client.close()


def _reply(raw: dict[str, Any], request: ModelRequest) -> ModelReply:
    """The reply in our own form. One that was cut off keeps only its text: half a call must not be run or echoed."""
    choice = _choice(raw)
    message = _message(choice)
    written = _written(message)
    refused = message.get("refusal")
    text = text_of(refused) or text_of(message.get("content"))
    said, finish = bool(text or written), choice.get("finish_reason")
    if broke_off(finish) and not text.strip() and not written:
        raise Refused(f"the reply broke off before it said anything{shown(finish)}", "cut")
    stop = "refusal" if text_of(refused) else stop_of(finish, calls=bool(written))
    whole = stop in ("end", "tools")
    model = raw.get("model")
    return ModelReply(
        text=text,
        calls=read_calls(written, request.key) if whole else (),
        stop=stop,
        model=model if isinstance(model, str) and model.strip() else request.model,
        usage=believed(openai_usage(raw), said=said),
        native=_native(message, text, calls=bool(written)) if whole else None,
    )


_FORMAT = Format(_reply, openai_usage, "x-request-id")


def _choice(raw: dict[str, Any]) -> dict[str, Any]:
    """The first choice: with several, the others answer the same once more."""
    choices = raw.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise Refused(f"the reply's choices hold no reply{shown(choices)}")
    first: dict[str, Any] = choices[0]
    return first


def _message(choice: dict[str, Any]) -> dict[str, Any]:
    message = choice.get("message")
    if not isinstance(message, dict):
        raise Refused(f"the reply's choices.0.message is no object{shown(message)}")
    role = message.get("role")
    if isinstance(role, str) and role.lower() in _OTHER_ROLES:
        raise Refused(f"the reply's message is not the model's{shown(role)}")
    unclear = first_unclear([message.get("content"), message.get("refusal")])
    if unclear is not None:
        raise Refused(f"the reply's content cannot be read: {unclear.why}")
    return message


def _written(message: dict[str, Any]) -> list[Written]:
    """The calls of a message, also one in the older form, or one that stands where the list should be."""
    made, older = message.get("tool_calls"), message.get("function_call")
    if isinstance(made, dict):
        made = [made]
    if not made and isinstance(older, dict):
        made = [{"function": older}]
    if made and not isinstance(made, list):
        raise Refused(f"the reply's tool_calls are no list{shown(made)}")
    return [_one_written(one) for one in made or []]


def _one_written(call: Any) -> Written:
    if not isinstance(call, dict):
        return Written(None, "", None, "it is not a call")
    called = call.get("function")
    # Some servers leave the inner object out.
    called = called if isinstance(called, dict) else call
    problem = None if call.get("type") in (None, "", "function") else "it is no call of a function"
    return Written(call.get("id"), called.get("name"), called.get("arguments"), problem)


def _native(message: dict[str, Any], text: str, *, calls: bool) -> dict[str, Any] | None:
    """What is echoed: text, calls and reasoning as they came. None for an empty reply, and for calls in an unusual form."""
    kept = {key: value for key in _ECHOED if (value := plain(message.get(key)))}
    if calls and not isinstance(kept.get("tool_calls"), list):
        return None
    if "content" in kept and not isinstance(kept["content"], str) and not typed(kept["content"]):
        kept["content"] = text
    return {"role": "assistant", **kept} if text.strip() or calls else None


def _messages(request: ModelRequest, provider: str, *, reasoning: bool) -> list[Any]:
    """The conversation in this wire format, where each answer to a call is a message of its own."""
    rendered: list[dict[str, Any]] = [{"role": "system", "content": request.system}] if request.system else []
    ids: dict[str, str] = {}
    for number, message in enumerate(request.messages):
        if isinstance(message, UserMessage):
            rendered.append({"role": "user", "content": message.text})
        elif isinstance(message, ToolMessage):
            rendered += [
                {"role": "tool", "tool_call_id": ids.get(answer.call_id, answer.call_id), "content": answer_text(answer)}
                for answer in message.answers
            ]
        else:
            own = _echoed(message, reasoning=reasoning) if message.is_of(provider, request.model) else None
            # The ids of one vendor are too long or hold signs that another refuses.
            ids = {} if own else {call.call_id: made_id(number, call.call_id) for call in message.calls}
            rendered.append(own or _rebuilt(message, ids))
    return rendered


def _echoed(message: AssistantMessage, *, reasoning: bool) -> dict[str, Any] | None:
    """The reply as it came, with calls that can be answered and parsed; None if that is not known."""
    if not isinstance(message.native, dict):
        return None
    native: dict[str, Any] = {key: one for key, one in message.native.items() if reasoning or key not in _REASONING}
    if message.calls:
        made = native.get("tool_calls")
        held = matching(message.calls, made if isinstance(made, list) else [])
        if held is None:
            return None
        native["tool_calls"] = [_call(call, one, call.call_id) for call, one in zip(message.calls, held, strict=True)]
    return native


def _call(call: ToolCall, came: dict[str, Any], call_id: str) -> dict[str, Any]:
    """A call as it is sent: what `came` with it stays."""
    called = came.get("function")
    called = called if isinstance(called, dict) else {}
    said = {"name": sent_name(call), "arguments": arguments_text(call, called.get("arguments"))}
    return came | {"id": call_id, "type": "function", "function": called | said}


def _rebuilt(message: AssistantMessage, ids: Mapping[str, str]) -> dict[str, Any]:
    """An earlier reply that another model made, or that has no native form."""
    calls = [_call(call, {}, ids.get(call.call_id, call.call_id)) for call in message.calls]
    text = message.text if message.text.strip() or calls else "(no text)"
    return {"role": "assistant", "content": text or None} | ({"tool_calls": calls} if calls else {})
