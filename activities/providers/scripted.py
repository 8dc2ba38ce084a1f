"""Plays written conversations as an ordinary provider: demonstrations, tests and replays without a key or a cost."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from activities.providers.base import ProviderError
from activities.providers.script import Script, ScriptedConversation, ScriptedTurn, load_script
from contracts.base import canonical
from contracts.conversation import (
    AssistantMessage,
    ModelReply,
    ModelRequest,
    ToolAnswer,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
)
from contracts.errors import Misconfigured

_ARTIFACT = re.compile(r"^@artifact:(?:(?P<name>[A-Za-z_][A-Za-z0-9_-]*)(?::(?P<nth>[1-9][0-9]*))?|(?P<any>[1-9][0-9]*))$")


class Scripted:
    """Replies from a script file, or from a folder in which the model's name chooses `NAME.yaml`.

    A reply depends on agent, occurrence, text and turn only, so the same request gets the same reply in any process; only the
    errors before a reply are counted, per request key, in this process. `"@artifact:2"` in a scripted value becomes the
    artifact of the conversation's second tool answer, `"@artifact:read_file"` that of the tool's first answer, and
    `"@artifact:read_file:2"` that of its second.
    """

    def __init__(self, path: Path, name: str = "scripted") -> None:
        """Read all files now. Raises `Misconfigured` with file and line."""
        self.name = name
        self._path = path
        files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
        if not files:
            raise Misconfigured(f"the script folder {path} has no .yaml file; add one, or name a file")
        self._scripts = {file.stem: load_script(file) for file in files}
        self._seen: Counter[str] = Counter()

    async def complete(self, request: ModelRequest) -> ModelReply:
        """The scripted reply. Raises the scripted `ProviderError`, or `no_script`, which says what to add to the file."""
        file, script = self._script(request)
        conversation = next((item for item in script.conversations if _fits(item, request)), None)
        if conversation is None:
            raise _nothing(file, request, "no conversation fits")
        self._raise_scripted_error(conversation, request)
        turn = conversation.reply(request.turn)
        if turn is None:
            raise _nothing(file, request, "the conversation that fits ends before this turn")
        delay = conversation.delay_ms if turn.delay_ms is None else turn.delay_ms
        await asyncio.sleep(delay / 1000)
        return _reply(turn, request, file)

    async def close(self) -> None:
        """There is nothing to give back."""

    def _script(self, request: ModelRequest) -> tuple[Path, Script]:
        if not self._path.is_dir():
            return self._path, next(iter(self._scripts.values()))
        file = self._path / f"{request.model}.yaml"
        if request.model not in self._scripts:
            known = ", ".join(self._scripts)
            raise ProviderError("no_script", f"there is no script {file}; add it, or name one of {known} in the route")
        return file, self._scripts[request.model]

    def _raise_scripted_error(self, conversation: ScriptedConversation, request: ModelRequest) -> None:
        entry = conversation.error_before(request.turn, self._seen[request.key])
        if entry is None or entry.error is None:
            return
        # By key: a retry of the same call gets the next error, another call starts over.
        self._seen[request.key] += 1
        after = None if entry.retry_after_s is None else timedelta(seconds=entry.retry_after_s)
        raise ProviderError(entry.error, f"the script plays the error {entry.error} here", retry_after=after)


def _fits(conversation: ScriptedConversation, request: ModelRequest) -> bool:
    """True if agent, occurrence and text match the request."""
    if conversation.agent != request.agent or conversation.occurrence not in (None, request.occurrence):
        return False
    return conversation.text is None or conversation.text in request.system or conversation.text in _task(request)


def _task(request: ModelRequest) -> str:
    """The first user message: what the step is about."""
    return next((message.text for message in request.messages if isinstance(message, UserMessage)), "")


def _reply(turn: ScriptedTurn, request: ModelRequest, file: Path) -> ModelReply:
    """The entry as a reply. Usage is computed from lengths, so that every run of a script costs the same."""
    calls = tuple(
        ToolCall(
            call_id=f"call_{request.turn}_{index}", name=call.tool, arguments=call.raw, problem="the arguments are not JSON"
        )
        if call.raw is not None
        else ToolCall(call_id=f"call_{request.turn}_{index}", name=call.tool, arguments=_filled(call.arguments, request, file))
        for index, call in enumerate(turn.calls)
    )
    text = turn.text
    if turn.answer is not None:
        text = json.dumps(_filled(turn.answer, request, file), ensure_ascii=False)
    elif turn.raw is not None:
        text = turn.raw
    return ModelReply(
        text=text,
        calls=calls,
        stop=turn.stop or ("tools" if calls else "end"),
        model=request.model,
        usage=Usage(input=_characters(request) // 4, output=(len(text) + _characters_of(calls)) // 4),
    )


def _characters(request: ModelRequest) -> int:
    """Characters of everything that a model would read, without schemas."""
    total = len(request.system)
    for message in request.messages:
        if isinstance(message, UserMessage):
            total += len(message.text)
        elif isinstance(message, AssistantMessage):
            total += len(message.text) + _characters_of(message.calls)
        else:
            total += sum(len(answer.text) for answer in message.answers)
    return total


def _characters_of(calls: tuple[ToolCall, ...]) -> int:
    return sum(len(call.name) + len(canonical(call.arguments).decode()) for call in calls)


def _filled(value: Any, request: ModelRequest, file: Path) -> Any:
    """The value with every `@artifact:…` replaced. Raises `no_script` if the conversation has no such artifact."""
    if isinstance(value, dict):
        return {key: _filled(item, request, file) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, request, file) for item in value]
    if not isinstance(value, str) or not value.startswith("@artifact:"):
        return value
    wanted = _ARTIFACT.match(value)
    if wanted is None:
        raise _nothing(file, request, f"{value} is neither @artifact:N, @artifact:TOOL nor @artifact:TOOL:N (N counts from 1)")
    answers = [answer for answer in _answers(request) if wanted["name"] in (None, answer.name)]
    nth = int(wanted["any"] or wanted["nth"] or 1)
    artifact = _artifact(answers[nth - 1].text) if nth <= len(answers) else None
    if artifact is None:
        why = "that tool answer has none" if nth <= len(answers) else f"there are only {len(answers)} such tool answers so far"
        raise _nothing(file, request, f"{value} asks for an artifact, but {why}")
    return artifact


def _answers(request: ModelRequest) -> Iterator[ToolAnswer]:
    for message in request.messages:
        if isinstance(message, ToolMessage):
            yield from message.answers


def _artifact(text: str) -> str | None:
    """The first artifact in a tool answer: JSON, perhaps with text around it that marks it as data."""
    start = text.find("{")
    if start < 0:
        return None
    try:
        value, _ = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return next(_artifacts_in(value), None)


def _artifacts_in(value: JsonValue) -> Iterator[str]:
    """Artifact ids in reading order: a string, or an object with a digest, under `artifact` or in `artifacts`."""
    if isinstance(value, list):
        for item in value:
            yield from _artifacts_in(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            named = item if key == "artifacts" and isinstance(item, list) else [item] if key == "artifact" else []
            for one in named:
                found = one.get("digest") if isinstance(one, dict) else one
                if isinstance(found, str):
                    yield found
            yield from _artifacts_in(item)


def _nothing(file: Path, request: ModelRequest, why: str) -> ProviderError:
    """The error for a script that does not go far enough: where, why, and the lines to add."""
    return ProviderError(
        "no_script",
        f"{file}: {why} (agent {request.agent}, occurrence {request.occurrence}, turn {request.turn}, "
        f"task {_task(request)[:80]!r}). Add under conversations: {{agent: {request.agent}, "
        f"occurrence: {request.occurrence}, turns: […]}} with at least {request.turn + 1} replies",
    )
