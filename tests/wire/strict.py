"""What servers of several vendors refuse in a second request: each rule gives the refusal, "" for what the server takes."""

import itertools
import json
from collections.abc import Callable
from typing import Any

from tests.wire.told import calls_sent

Rule = Callable[[dict[str, Any]], str]
"""What a server refuses in a request, in its words; "" for what it takes."""


def paired(body: dict[str, Any]) -> str:
    """Every server: each call is answered, by its own id, right after it."""
    calls = [call_id for call_id, _, _ in calls_sent(body)]
    text = json.dumps(body)
    return "" if calls and len(set(calls)) == len(calls) and all(text.count(f'"{one}"') == 2 for one in calls) else "ids"


def contents(body: dict[str, Any]) -> str:
    """LM Studio, llama-cpp-python, TGI: each message has a text."""
    return "" if all(isinstance(one.get("content"), str) for one in body["messages"]) else "content: field required"


def nine(body: dict[str, Any]) -> str:
    """Mistral's ids."""
    return "" if all(len(one) == 9 and one.isalnum() for one, _, _ in calls_sent(body)) else "must be a-z, A-Z, 0-9"


def order(body: dict[str, Any]) -> str:
    """Mistral's order of roles."""
    roles = [one["role"] for one in body["messages"]]
    return "Unexpected role 'user' after role 'tool'" if ("tool", "user") in itertools.pairwise(roles) else ""


def no_schema(body: dict[str, Any]) -> str:
    """Servers that constrain by grammar, and Gemini 2: no schema beside tools."""
    return "unsupported" if "tools" in body and {"response_format", "text", "output_config"} & body.keys() else ""


def legacy(body: dict[str, Any]) -> str:
    """Servers that know `max_tokens` alone, and neither `strict` nor a key of OpenAI's cache."""
    text = json.dumps(body)
    unknown = ("max_completion_tokens", '"strict"', "prompt_cache_key")
    return next((f"Unrecognized request argument: {one}" for one in unknown if one in text), "")


def back(*path: str) -> Rule:
    """A model that refuses its own calls without what it wrote beside them."""

    def rule(body: dict[str, Any]) -> str:
        value: Any = next(one for one in body["messages"] if one["role"] == "assistant")
        for step in path:
            value = value[int(step)] if step.isdigit() and isinstance(value, list) else (value or {}).get(step)
        return "" if value else f"{path[-1]} must be passed back"

    return rule


def forgetful(body: dict[str, Any]) -> str:
    """Groq, also behind gateways that add it to replies."""
    sent = [name for one in body["messages"] for name in one if name.startswith(("reasoning", "thinking"))]
    return f"property '{sent[0]}' is unsupported" if sent else ""


def thinks_first(body: dict[str, Any]) -> str:
    """Messages with thinking: the blocks of a turn begin with it, and carry their signature."""
    first = next(one for one in body["messages"] if one["role"] == "assistant")["content"][0]
    return "" if first["type"] in ("thinking", "redacted_thinking") else "Expected `thinking`, but found `tool_use`"


def reasoned(body: dict[str, Any]) -> str:
    """Responses without storage: a call comes with the sealed reasoning before it, or with no id."""
    kinds = [one.get("type") for one in body["input"]]
    calls = [one for one in body["input"] if one.get("type") == "function_call"]
    return "" if "reasoning" in kinds or not any("id" in one for one in calls) else "without its required 'reasoning' item"
