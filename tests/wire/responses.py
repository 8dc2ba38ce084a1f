"""OpenAI Responses from the server's side."""

import json
from collections.abc import Mapping
from typing import Any

from contracts.conversation import (
    AssistantMessage,
    Message,
    ModelReply,
    ToolAnswer,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
)


def to_responses(reply: ModelReply) -> dict[str, Any]:
    """A reply as a response object."""
    why = {"length": "max_output_tokens", "refusal": "content_filter"}.get(reply.stop)
    status = "completed" if why is None else "incomplete"
    said: dict[str, Any] = {"type": "output_text", "text": reply.text, "annotations": [], "logprobs": None}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": [said]}
    calls = [
        {
            "id": f"fc_{index}",
            "type": "function_call",
            "status": status,
            "call_id": call.call_id,
            "name": call.name,
            "arguments": arguments_text(call),
        }
        for index, call in enumerate(reply.calls)
    ]
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": status,
        "error": None,
        "incomplete_details": None if why is None else {"reason": why},
        "model": reply.model,
        "output": [*([message] if reply.text else []), *calls],
    } | ({} if reply.usage is None else {"usage": _usage(reply.usage)})


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }


def from_responses(body: Mapping[str, Any]) -> tuple[str, list[Message]]:
    """The system text and the messages. What the model said and called in one turn is one message."""
    messages: list[Message] = []
    names: dict[str, str] = {}
    for item in body["input"]:
        kind = item.get("type", "message")
        if kind == "message" and item["role"] == "user":
            messages.append(UserMessage(text=item["content"]))
        elif kind == "message":
            content = item["content"]
            text = content if isinstance(content, str) else "".join(part["text"] for part in content)
            _said(messages, text=text)
        elif kind == "function_call":
            names[item["call_id"]] = item["name"]
            _said(messages, call=ToolCall(call_id=item["call_id"], name=item["name"], arguments=decoded(item["arguments"])))
        elif kind == "function_call_output":
            answer = ToolAnswer(call_id=item["call_id"], name=names[item["call_id"]], text=item["output"])
            messages.append(ToolMessage(answers=(answer,)))
    return body.get("instructions", ""), messages


def _said(messages: list[Message], text: str = "", call: ToolCall | None = None) -> None:
    """Add to the model's last message where it is still its turn, else begin a new one."""
    last = messages[-1] if messages else None
    if isinstance(last, AssistantMessage):
        messages.pop()
        text, calls = last.text + text, last.calls
    else:
        calls = ()
    messages.append(AssistantMessage(text=text, calls=(*calls, *([] if call is None else [call]))))


def arguments_text(call: ToolCall) -> str:
    """A call's arguments on the wire."""
    return str(call.arguments) if call.problem else json.dumps(call.arguments)


def decoded(arguments: str) -> Any:
    """Arguments as a model wrote them, or their text where they are no JSON."""
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments
