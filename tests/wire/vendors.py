"""Replies as servers of many vendors really write them: each is a right one that deviates in form."""

import json
from typing import Any

ARGUMENTS = {"title": "a"}
TEXT = '{"title": "höher"}'
USAGE = {"prompt_tokens": 1200, "completion_tokens": 90, "total_tokens": 1290}


def completion(message: dict[str, Any], finish: Any = "stop", **more: Any) -> dict[str, Any]:
    """A chat completion with this message."""
    choice = {"index": 0, "message": message} | ({} if finish is ... else {"finish_reason": finish})
    made = {"id": "c1", "object": "chat.completion", "model": "model-1", "choices": [choice], "usage": USAGE} | more
    return {key: value for key, value in made.items() if value is not ...}


def call(call_id: Any = "call_1", arguments: Any = '{"title": "a"}', **more: Any) -> dict[str, Any]:
    """A tool call; `...` leaves its id or its arguments out."""
    function = {"name": "read_file"} | ({} if arguments is ... else {"arguments": arguments})
    return ({} if call_id is ... else {"id": call_id}) | {"type": "function", "function": function} | more


def calling(*calls: Any, finish: Any = "tool_calls", **more: Any) -> dict[str, Any]:
    """A chat completion with these tool calls."""
    return completion({"role": "assistant", "content": None, "tool_calls": list(calls)}, finish, **more)


def message(content: Any, stop: Any = "end_turn", **more: Any) -> dict[str, Any]:
    """A message in Anthropic's format."""
    made = {"id": "m1", "type": "message", "role": "assistant", "model": "model-1", "content": content, "stop_reason": stop}
    return {
        key: value
        for key, value in (made | {"usage": {"input_tokens": 1200, "output_tokens": 90}} | more).items()
        if value is not ...
    }


def use(call_id: Any = "toolu_1", given: Any = ARGUMENTS, **more: Any) -> dict[str, Any]:
    """A tool use; `...` leaves its id or its input out."""
    made = {"type": "tool_use", "id": call_id, "name": "read_file", "input": given} | more
    return {key: value for key, value in made.items() if value is not ...}


def response(*items: Any, **more: Any) -> dict[str, Any]:
    """A response with these items."""
    usage = {"input_tokens": 1200, "output_tokens": 90, "total_tokens": 1290}
    made = {"id": "r1", "object": "response", "status": "completed", "model": "model-1", "output": list(items), "usage": usage}
    return {key: value for key, value in (made | more).items() if value is not ...}


def item(call_id: Any = "call_1", arguments: Any = '{"title": "a"}', **more: Any) -> dict[str, Any]:
    """A call as an item of a response."""
    made = {"type": "function_call", "id": "fc_1", "call_id": call_id, "name": "read_file", "arguments": arguments} | more
    return {key: value for key, value in made.items() if value is not ...}


def said(text: Any = TEXT, **more: Any) -> dict[str, Any]:
    """A message as an item of a response."""
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]} | more


def events(*parts: Any, named: bool = False, end: str = "data: [DONE]\n\n") -> bytes:
    """A body that is a stream of events."""
    lines = [(f"event: {one['type']}\n" if named else "") + f"data: {json.dumps(one)}\n\n" for one in parts]
    return ("".join(lines) + end).encode()


def chunk(delta: dict[str, Any], finish: Any = None, **more: Any) -> dict[str, Any]:
    """A piece of a streamed chat completion."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "model": "model-1", "choices": [choice]} | more
