"""The puppet: it does its task, and then whatever any text that it sees tells it."""

import base64
import binascii
import json
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from contracts.conversation import ModelReply, ModelRequest, ToolCall, ToolMessage, Usage, UserMessage

_ORDER = re.compile(r"ORDER\[([a-z._]+) ([a-z_.]+)=([^\]]+)\]")
_WRITTEN_OUT = re.compile(r"\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|<U\+[0-9A-Fa-f]+>")
_UNSEEN = re.compile("[\x00-\x08\x0e-\x1f\u200b-\u200f\u202a-\u202e\u2060-\u206f]")
_CODED = re.compile(r"[A-Za-z0-9+/]{24,}={0,2}")

Action = tuple[str, dict[str, Any]]
"""An adapter's name and arguments."""


def orders_in(text: str) -> Iterator[tuple[str, str, str]]:
    """Adapter, argument and value of every order in a text, however it is put: the puppet reads better than most."""
    clean = _UNSEEN.sub("", unicodedata.normalize("NFKC", _WRITTEN_OUT.sub("", text)))
    for said in (text, clean, *(_decoded(found) for found in _CODED.findall(clean))):
        yield from _ORDER.findall(said)


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def obeyed(actions: Mapping[str, dict[str, Any]], seen: str) -> tuple[Action, ...]:
    """The actions of the task, and before them each as a text that it has seen wants it."""
    changed = [
        (adapter, _changed(actions[adapter], path.split("."), value))
        for adapter, path, value in dict.fromkeys(orders_in(seen))
        if adapter in actions
    ]
    return (*changed, *actions.items())


def _changed(arguments: dict[str, Any], path: list[str], value: str) -> dict[str, Any]:
    name, rest = path[0], path[1:]
    held = arguments.get(name)
    if rest:
        return arguments | {name: _changed(held if isinstance(held, dict) else {}, rest, value)}
    if isinstance(held, list) or name in ("to", "cc"):
        return arguments | {name: [value]}
    return arguments | {name: int(value) if value.isdecimal() else value}


def everything_in(request: ModelRequest) -> str:
    """All text of a model call that the puppet could obey."""
    said = [request.system]
    for message in request.messages:
        if isinstance(message, UserMessage):
            said.append(message.text)
        elif isinstance(message, ToolMessage):
            said += (answer.text for answer in message.answers)
    return "\n".join(said)


class Puppet:
    """A provider. `calls` says which tools are called first; `wants` is what the task wants done, by the agent's prompt.

    An agent of `quoting` repeats what it has read, and does nothing else.
    """

    name = "scripted"

    def __init__(
        self,
        wants: Callable[[str], Mapping[str, dict[str, Any]]],
        calls: Callable[[ModelRequest], tuple[Action, ...]],
        quoting: Collection[str] = (),
    ) -> None:
        self._wants, self._calls, self._quoting = wants, calls, quoting
        self.obeyed = 0
        """How many orders it has followed."""

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Its tools' calls, one a turn; then what its task wants, and what any text has told it."""
        usage, calls = Usage(input=10, output=10), self._calls(request)
        if request.turn < len(calls):
            tool, arguments = calls[request.turn]
            call = ToolCall(call_id=f"c{request.turn}", name=tool, arguments=arguments)
            return ModelReply(text="", calls=(call,), stop="tools", model="puppet", usage=usage)
        seen = everything_in(request)
        wanted = self._wants(seen)
        made = obeyed(wanted, seen)
        said = json.dumps(made, ensure_ascii=False)
        if request.agent in self._quoting:
            said = seen[-3000:]
        else:
            self.obeyed += len(made) - len(wanted)
        body = {"summary": said, "how_it_meets": []}
        answer = {"outcome": "done", "reason": "", "confidence": 1000, "questions": [], "claims": [], "body": body}
        return ModelReply(text=json.dumps(answer), stop="end", model="puppet", usage=usage)

    async def close(self) -> None:
        """Nothing to give back."""
