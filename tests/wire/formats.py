"""The three wire formats from the server's side: requests read into neutral words, replies and errors written out."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

from contracts.conversation import (
    AssistantMessage,
    Message,
    ModelReply,
    ModelRequest,
    ToolAnswer,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
)
from tests.wire.responses import arguments_text, decoded, from_responses, to_responses

MESSAGES = "/v1/messages"
COMPLETIONS = "/v1/chat/completions"
RESPONSES = "/v1/responses"
PATHS = (MESSAGES, COMPLETIONS, RESPONSES)

ENDINGS = {"/chat/completions": COMPLETIONS, "/responses": RESPONSES, MESSAGES: MESSAGES} | dict.fromkeys(
    ("/invoke", "/invoke-with-response-stream", ":rawPredict", ":streamRawPredict"), MESSAGES
)
"""The formats by the end of a path: endpoints have them below paths of their own."""

_ANTHROPIC_STOPS = {"end": "end_turn", "tools": "tool_use", "length": "max_tokens", "refusal": "refusal"}
_OPENAI_STOPS = {"end": "stop", "tools": "tool_calls", "length": "length", "refusal": "content_filter"}

_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def read_request(path: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> ModelRequest:
    """The neutral request behind a wire request. Raises `KeyError` for one that a Baton provider did not send."""
    read = {MESSAGES: _from_anthropic, COMPLETIONS: _from_openai, RESPONSES: from_responses}
    system, messages = read[path](body)
    return ModelRequest(
        key=unquote(headers["x-request-key"]),
        model=body["model"],
        agent=unquote(headers["x-baton-agent"]),
        occurrence=int(headers["x-baton-occurrence"]),
        turn=sum(isinstance(message, AssistantMessage) for message in messages),
        system=system,
        messages=tuple(messages),
        answer_name="answer",
        answer_schema={},
        max_output_tokens=next(body[name] for name in _LIMITS if name in body),
        timeout=timedelta(seconds=60),
    )


def write_reply(path: str, reply: ModelReply) -> dict[str, Any]:
    """A reply as the format of `path` has it. One without a usage has none on the wire either."""
    return {MESSAGES: _to_anthropic, COMPLETIONS: _to_openai, RESPONSES: to_responses}[path](reply)


def write_error(path: str, status: int, message: str, kind: str | None = None) -> dict[str, Any]:
    """An error body as the format of `path` has it."""
    error = {"type": kind or _ERROR_TYPES.get(status, "api_error"), "message": message}
    return {"type": "error", "error": error} if path == MESSAGES else {"error": error | {"code": None, "param": None}}


def _to_anthropic(reply: ModelReply) -> dict[str, Any]:
    text = [{"type": "text", "text": reply.text, "citations": None}] if reply.text else []
    uses = [{"type": "tool_use", "id": call.call_id, "name": call.name, "input": call.arguments} for call in reply.calls]
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": text + uses,
        "stop_reason": _ANTHROPIC_STOPS[reply.stop],
        "stop_sequence": None,
    } | ({} if reply.usage is None else {"usage": _anthropic_usage(reply.usage)})


def _anthropic_usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input - usage.cache_read - usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation_input_tokens": usage.cache_write,
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
    }


def _to_openai(reply: ModelReply) -> dict[str, Any]:
    calls = [
        {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": arguments_text(call)}}
        for call in reply.calls
    ]
    message = {"role": "assistant", "content": reply.text or None, "refusal": None} | ({"tool_calls": calls} if calls else {})
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": reply.model,
        "choices": [{"index": 0, "message": message, "finish_reason": _OPENAI_STOPS[reply.stop]}],
    } | ({} if reply.usage is None else {"usage": _openai_usage(reply.usage)})


def _openai_usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


def _from_anthropic(body: Mapping[str, Any]) -> tuple[str, list[Message]]:
    messages: list[Message] = []
    names: dict[str, str] = {}
    for message in body["messages"]:
        blocks = message["content"]
        text = "".join(block["text"] for block in blocks if block["type"] == "text")
        if message["role"] == "assistant":
            calls = [
                ToolCall(call_id=block["id"], name=block["name"], arguments=block["input"])
                for block in blocks
                if block["type"] == "tool_use"
            ]
            names |= {call.call_id: call.name for call in calls}
            messages.append(AssistantMessage(text=text, calls=tuple(calls)))
            continue
        answers = [
            ToolAnswer(
                call_id=block["tool_use_id"],
                name=names[block["tool_use_id"]],
                text=block["content"],
                is_error=block["is_error"],
            )
            for block in blocks
            if block["type"] == "tool_result"
        ]
        messages += [ToolMessage(answers=tuple(answers))] if answers else []
        messages += [UserMessage(text=text)] if text else []
    system = body.get("system", "")
    return system if isinstance(system, str) else "".join(block["text"] for block in system), messages


def _from_openai(body: Mapping[str, Any]) -> tuple[str, list[Message]]:
    messages: list[Message] = []
    names: dict[str, str] = {}
    for message in body["messages"]:
        if message["role"] == "user":
            messages.append(UserMessage(text=message["content"]))
        elif message["role"] == "assistant":
            calls = [
                ToolCall(call_id=call["id"], name=call["function"]["name"], arguments=decoded(call["function"]["arguments"]))
                for call in message.get("tool_calls", [])
            ]
            names |= {call.call_id: call.name for call in calls}
            messages.append(AssistantMessage(text=message.get("content") or "", calls=tuple(calls)))
        elif message["role"] == "tool":
            called = message["tool_call_id"]
            messages.append(ToolMessage(answers=(ToolAnswer(call_id=called, name=names[called], text=message["content"]),)))
    return "".join(message["content"] for message in body["messages"] if message["role"] == "system"), messages
