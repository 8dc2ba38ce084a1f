"""Servers as people have them: a model that does what a probe asks, behind an endpoint that refuses parts of a request."""

import itertools
import json
from collections.abc import Callable
from typing import Any

from commands.probe.questions import CODE_WORD, SHORT
from contracts.conversation import ModelReply, StopReason, ToolCall, Usage
from tests.wire.plays import Play, Seen
from tests.wire.server import WireServer

Behaviour = Callable[[dict[str, Any]], Play | None]
"""What a server does with a request that differs from the capable one; None: nothing differs."""

_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")


class Endpoint(WireServer):
    """Answers every request by what stands in it; `refused` counts those that it did not take, `answered` holds the replies."""

    def __init__(self, behaviour: Behaviour = lambda body: None) -> None:
        super().__init__()
        self.behaviour = behaviour
        self.refused = 0
        self.answered: list[ModelReply] = []

    async def play_for(self, seen: Seen) -> Play:
        """What this endpoint answers."""
        play = self.behaviour(seen.body)
        if play is None:
            play = Play(model(seen.body))
        self.refused += play.status >= 400
        if isinstance(play.body, ModelReply):
            self.answered.append(play.body)
        return play


def no(status: int, words: str) -> Play:
    """A refusal in the server's own words."""
    return Play(status=status, error=words)


def model(body: dict[str, Any], *, calls_at_most: int = 8, limited: bool = True) -> ModelReply:
    """A model that does as it is told, and keeps to a schema only if it has seen one."""
    prompt, asked = json.dumps(body), _asked(body)
    limit = next((body[name] for name in _LIMITS if name in body), 10**6)
    if "forty items" in asked:
        return (
            said('{"outcome": "done", "to', "length", SHORT) if limited and limit <= SHORT else said(_listing("n1"), output=400)
        )
    if "look_up" in asked and body.get("tools") and not _answered(body):
        names = [name for name in ("alpha", "beta") if f"{name}" in asked][:calls_at_most]
        calls = tuple(ToolCall(call_id=f"call_{at}", name="look_up", arguments={"name": name}) for at, name in enumerate(names))
        return said("", "tools", 12).model_copy(update={"calls": calls})
    name = CODE_WORD if CODE_WORD in prompt else "alpha"
    return said(_listing(name) if _knows_schema(prompt) else f"Done: 3 of {name}.")


def said(text: str, stop: StopReason = "end", output: int = 20) -> ModelReply:
    """A reply of this text."""
    return ModelReply(text=text, stop=stop, model="answers-1", usage=Usage(input=100, output=output))


def _listing(name: str) -> str:
    return json.dumps({"outcome": "done", "total": 3, "items": [{"name": name}]})


def _knows_schema(prompt: str) -> bool:
    return '\\"could_not\\"' in prompt or '"could_not"' in prompt


def _asked(body: dict[str, Any]) -> str:
    """The last text of a user."""
    messages = body.get("messages") or body["input"]
    texts = [json.dumps(one["content"]) for one in messages if one.get("role") == "user" and "tool_result" not in str(one)]
    return texts[-1]


def _answered(body: dict[str, Any]) -> bool:
    return any(word in json.dumps(body) for word in ('"role": "tool"', "function_call_output", "tool_result"))


def deaf(body: dict[str, Any]) -> Play | None:
    """Constrains by a grammar: while a schema is set no tool call comes out. Ollama, llama.cpp, vLLM."""
    return Play(said(_listing("alpha"))) if body.get("tools") and body.get("response_format") else None


def no_json_schema(body: dict[str, Any]) -> Play | None:
    """Knows json_object alone. DeepSeek."""
    if (body.get("response_format") or {}).get("type") == "json_schema":
        return no(400, "This response_format type is unavailable now")
    return None


def no_format(body: dict[str, Any]) -> Play | None:
    """Knows no form of it. Older gateways."""
    return no(422, "response_format: extra inputs are not permitted") if "response_format" in body else None


def only_max_tokens(body: dict[str, Any]) -> Play | None:
    """Mistral and older servers."""
    if "max_completion_tokens" in body:
        return no(400, "Unrecognized request argument supplied: max_completion_tokens")
    return None


def only_max_completion_tokens(body: dict[str, Any]) -> Play | None:
    """OpenAI's reasoning models."""
    if "max_tokens" in body:
        return no(400, "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.")
    return None


def ignores_the_newer_limit(body: dict[str, Any]) -> Play | None:
    """Takes any field, and knows `max_tokens`."""
    return Play(model(body, limited="max_tokens" in body))


def content_required(body: dict[str, Any]) -> Play | None:
    """Older TGI, llama-cpp-python: every message has a text."""
    for at, message in enumerate(body["messages"]):
        if not isinstance(message.get("content"), str):
            return no(422, f"messages.{at}.content: field required")
    return None


def no_user_after_tool(body: dict[str, Any]) -> Play | None:
    """Mistral and its templates."""
    roles = [one["role"] for one in body["messages"]]
    if ("tool", "user") in itertools.pairwise(roles):
        return no(400, "Unexpected role 'user' after role 'tool'")
    return None


def template_fails(body: dict[str, Any]) -> Play | None:
    """llama.cpp with a template that knows no roles but these two in turn: a 500."""
    roles = [one["role"] for one in body["messages"]]
    if ("tool", "user") in itertools.pairwise(roles):
        return no(500, "Conversation roles must alternate user/assistant/user/assistant/...")
    return None


def no_strict(body: dict[str, Any]) -> Play | None:
    """Gemini: tools and schemas that are marked strict are refused."""
    return no(400, 'Invalid JSON payload received. Unknown name "strict"') if '"strict": true' in json.dumps(body) else None


def no_tools(body: dict[str, Any]) -> Play | None:
    """A model without tools."""
    return no(400, "registry.example/tiny does not support tools") if body.get("tools") else None


def one_call(body: dict[str, Any]) -> Play | None:
    """Never more than one call in a reply."""
    return Play(model(body, calls_at_most=1))


def counts_nothing(body: dict[str, Any]) -> Play | None:
    """No usage."""
    return Play(model(body).model_copy(update={"usage": None}))


def forgets(body: dict[str, Any]) -> Play | None:
    """Cuts the beginning of a long input off. Ollama with its default context."""
    return Play(said(_listing("fox"))) if len(json.dumps(body)) > 8000 else None
