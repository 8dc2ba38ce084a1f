"""The file that the `scripted` provider plays: its format, and errors that name the line."""

import re
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, JsonValue, ValidationError, model_validator

from activities.providers.base import ErrorKind
from contracts.base import Input, canonical
from contracts.errors import Misconfigured


class ScriptedCall(Input):
    """One tool call. `raw` instead of `arguments` plays a call whose arguments are not JSON."""

    tool: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    raw: str | None = None

    @model_validator(mode="after")
    def one_form(self) -> Self:
        """Refuse a call that has both, and values such as .nan, which YAML has and JSON does not."""
        if self.raw is not None and self.arguments:
            raise ValueError("a call has arguments or raw, not both")
        canonical(self.arguments)
        return self


class ScriptedTurn(Input):
    """One reply, or an error before the next one. Exactly one of `calls`, `answer`, `raw`, `stop` and `error`."""

    calls: tuple[ScriptedCall, ...] = ()
    answer: dict[str, JsonValue] | None = None
    raw: str | None = None
    stop: Literal["length", "refusal"] | None = None
    error: ErrorKind | None = None
    text: str = Field(default="", description="said beside the calls, or before a stop")
    retry_after_s: float | None = Field(default=None, ge=0)
    times: int = Field(default=1, ge=1, description="how often the error comes before the reply does")
    delay_ms: int | None = Field(default=None, ge=0, le=600_000)

    @model_validator(mode="after")
    def one_kind(self) -> Self:
        """Refuse a turn that is several things or none, and settings that its kind would silently ignore."""
        kinds = [name for name in ("calls", "answer", "raw", "stop", "error") if name in self.model_fields_set]
        if len(kinds) != 1:
            raise ValueError(f"a turn is exactly one of calls, answer, raw, stop, error; this one has {kinds or 'none'}")
        if kinds == ["calls"] and not self.calls:
            raise ValueError("calls is empty; name at least one call, or write an answer")
        canonical(self.answer)  # refuses .nan and .inf, which YAML has and JSON does not
        only_with = {"text": ("calls", "stop"), "retry_after_s": ("error",), "times": ("error",)}
        for name, allowed in only_with.items():
            if name in self.model_fields_set and kinds[0] not in allowed:
                raise ValueError(f"{name} only goes with {' or '.join(allowed)}, not with {kinds[0]}")
        return self


class ScriptedConversation(Input):
    """The replies of one agent step. Without `occurrence` and `text` it matches every step of the agent."""

    agent: str
    occurrence: int | None = Field(default=None, ge=1)
    text: str | None = Field(default=None, description="must occur in the system text or in the first user message")
    turns: tuple[ScriptedTurn, ...]
    delay_ms: int = Field(default=0, ge=0, le=600_000)

    @model_validator(mode="after")
    def some_turns(self) -> Self:
        """Refuse an empty conversation. (A minimum length on the field would also complain about broken turns.)"""
        if not self.turns:
            raise ValueError("turns is empty; write at least one reply")
        return self

    def reply(self, turn: int) -> ScriptedTurn | None:
        """The n-th reply, from 0; None past the end."""
        replies = [entry for entry in self.turns if entry.error is None]
        return replies[turn] if turn < len(replies) else None

    def error_before(self, turn: int, seen: int) -> ScriptedTurn | None:
        """The error that attempt `seen` (from 0) at the n-th reply gets; None once they are used up."""
        replies = 0
        for entry in self.turns:
            if entry.error is None:
                replies += 1
            elif replies == turn:
                if seen < entry.times:
                    return entry
                seen -= entry.times
        return None


class Script(Input):
    """All conversations of a file. The first that matches is played, so put more specific ones first."""

    conversations: tuple[ScriptedConversation, ...]


def load_script(path: Path) -> Script:
    """Read and check a script. Raises `Misconfigured` with file, line and field of every problem."""
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=_Loader)
        repeated = next(_repeated_keys(root), None) if root else None
        if repeated:
            raise Misconfigured(f"{path}:{repeated.start_mark.line + 1}: {repeated.value} is written twice; remove one")
        return Script.model_validate(yaml.load(text, Loader=_Loader))  # noqa: S506 - a SafeLoader, see below
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"script {path} cannot be read: {error}; check the path in the route") from None
    except yaml.YAMLError as error:
        raise Misconfigured(f"script {path} is not YAML: {error}") from None
    except ValidationError as error:
        raise Misconfigured(_problems(path, root, error)) from None


class _Loader(yaml.SafeLoader):
    """Safe YAML with JSON's plain values only: dates, `no`, `12:30` and `010` stay text."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|)$", ["~", "n", ""]),
    ("bool", r"^(?:true|false)$", list("tf")),
    ("int", r"^-?(?:0|[1-9][0-9]*)$", list("-0123456789")),
    ("float", r"^(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|-?\.inf|\.nan)$", list("-.0123456789")),
    ("merge", r"^<<$", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def _repeated_keys(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    """Keys that occur twice in one mapping: YAML would silently take the last."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_keys(item)
    elif isinstance(node, yaml.MappingNode):
        seen: set[Hashable] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    yield key
                seen.add(key.value)
            yield from _repeated_keys(value)


def _problems(path: Path, root: yaml.Node | None, error: ValidationError) -> str:
    """Every problem on a line of its own: file, line, field, what is wrong."""
    lines = []
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        field = ".".join(str(part) for part in item["loc"]) or "(whole file)"
        unknown = item["type"] == "extra_forbidden"
        said = "is not a known key; remove it or correct its spelling" if unknown else item["msg"].removeprefix("Value error, ")
        lines.append(f"{path}:{_line(root, item['loc'])}: {field}: {said}")
    return "\n".join(lines)


def _line(node: yaml.Node | None, loc: tuple[int | str, ...]) -> int:
    """The line of the innermost part of `loc` that exists in the file."""
    line = 1
    for part in loc:
        found: Any = None
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = (node.value[part], node.value[part])
        elif isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == part), None)
        if found is None:
            return line
        line, node = found[0].start_mark.line + 1, found[1]
    return line
