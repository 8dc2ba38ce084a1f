"""One agent version: its file `agents/<name>/vN.md` (front matter + instructions), read and checked."""

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import StrictUndefined, Template
from jinja2.exceptions import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from activities.agents.readers import check_reader
from activities.agents.routes import steps_up_to
from activities.providers.schema import closed_schema
from activities.tools.base import Tool
from contracts.agents import AgentFile, AgentPin, Choice, ToolPin
from contracts.base import Contract, canonical, digest_of
from contracts.conversation import ToolSpec
from contracts.errors import ContractViolation, Misconfigured, NotFound
from contracts.handoff import Answer
from contracts.programs import PROGRAM
from contracts.registry import named

_PARTS = re.compile(r"\A---\n(.*?)\n---\n(.*)\Z", re.DOTALL)
# Strict: a misspelled variable is an error, not a gap in a prompt. No escaping: a prompt is no HTML.
_TEMPLATES = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)


@dataclass(frozen=True)
class Agent:
    """One agent version. `digest` covers the file and the schemas of its tools, its task and its result."""

    file: AgentFile
    instructions: str
    text: str
    digest: str
    tools: tuple[Tool, ...]
    takes: type[Contract]
    returns: type[Contract]

    @functools.cached_property
    def answer_type(self) -> type[Answer[Any]]:
        """`Answer[...]` around the agent's result contract."""
        return Answer[self.returns]  # type: ignore[name-defined]

    @functools.cached_property
    def answer_schema(self) -> Mapping[str, Any]:
        """The schema of the agent's final output. Computed once: it takes longer than a ledger transaction."""
        return closed_schema(self.answer_type)

    @functools.cached_property
    def tool_specs(self) -> tuple[ToolSpec, ...]:
        """The agent's tools as a model sees them."""
        return tuple(
            ToolSpec(name=tool.name, description=tool.description, parameters=closed_schema(tool.takes)) for tool in self.tools
        )

    @functools.cached_property
    def _template(self) -> Template:
        return _TEMPLATES.from_string(self.instructions)

    @property
    def version(self) -> str:
        """As people write it: v1."""
        return f"v{self.file.version}"

    def render(self, task: Contract) -> str:
        """The instructions with their variables filled in. Raises `Misconfigured` if the text uses one that does not exist."""
        variables: Mapping[str, Any] = {
            "agent": self.file,
            "tools": [{"name": tool.name, "description": tool.description} for tool in self.tools],
            "task": task.model_dump(mode="json"),
        }
        try:
            return self._template.render(variables)
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
            raise Misconfigured(
                f"agents/{self.file.name}/{self.version}.md: {error}; "
                f"instructions may use agent, tools and task (a {self.takes.contract})"
            ) from None

    def pin(self, choices: tuple[Choice, ...]) -> AgentPin:
        """What a run pins of this agent. Without a choice it is keyless: what its file declares stands in from the start."""
        return AgentPin(
            name=self.file.name,
            version=self.version,
            digest=self.digest,
            scripted=choices[0].provider == "scripted" if choices else False,
            keyless=not choices,
            unmetered=any(one.provider == PROGRAM for one in choices),
            takes=self.file.takes,
            returns=self.file.returns,
            tools=tuple(ToolPin(name=tool.name, effect=tool.effect) for tool in self.tools),
            resources=self.file.resources,
            limits=self.file.limits,
            parallel=self.file.parallel,
            minimum_confidence=self.file.minimum_confidence,
            choices=choices,
            fallback=self.file.fallback or "",
            steps_up=bool(steps_up_to(choices, "unsure")),
            reader=self.file.reader,
            suspects=self.file.suspects or "",
        )


def _front_matter(text: str) -> object:
    """YAML read by libyaml where PyYAML has it, in a tenth of the time; what that refuses PyYAML itself explains better."""
    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are SafeLoaders
    except yaml.YAMLError:
        return yaml.safe_load(text)


def load_agent(path: Path, tools: Mapping[str, Tool]) -> Agent:
    """Read and check one agent file. Raises `Misconfigured`, naming the key that is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} cannot be read as text: {error}") from None
    parts = _PARTS.match(text)
    if parts is None:
        raise Misconfigured(f"{path}: an agent file begins with front matter between two lines of '---'")
    try:
        file = AgentFile.read_typed_by_people(_front_matter(parts[1]))
        takes, returns = named(file.takes), named(file.returns)
    except yaml.YAMLError as error:
        raise Misconfigured(f"{path}: the front matter is not YAML: {error}") from None
    except ContractViolation as error:
        raise Misconfigured(f"{path}: {'; '.join(error.problems)}") from None
    except NotFound as error:
        raise Misconfigured(f"{path}: {error}") from None
    if (path.parent.name, path.stem) != (file.name, f"v{file.version}"):
        raise Misconfigured(f"{path}: the file says it is {file.name}/v{file.version}.md; name and version must match its path")
    unknown = [name for name in file.tools if name not in tools]
    if unknown:
        raise Misconfigured(f"{path}: there is no tool {', '.join(unknown)}; there are {', '.join(sorted(tools))}")
    used = tuple(tools[name] for name in file.tools)
    _check_resources(path, file, used)
    check_reader(path, file, takes, returns)
    target = file.limits.context_target
    if target is not None and ("read_artifact" not in file.tools or target >= file.limits.context):
        raise Misconfigured(
            f"{path}: limits.context_target replaces older tool results by references: give the agent the tool read_artifact, "
            f"which shows them again, and set the target below limits.context ({file.limits.context})"
        )
    # A prompt depends on these, too: a tool that changes under a pinned agent makes it a different agent.
    schemas = [[tool.name, tool.description, closed_schema(tool.takes)] for tool in used]
    digest = digest_of(text, canonical(schemas), canonical([closed_schema(takes), closed_schema(returns)]))
    return Agent(file, parts[2].strip() + "\n", text, digest, used, takes, returns)


def _check_resources(path: Path, file: AgentFile, tools: Sequence[Tool]) -> None:
    """Raise `Misconfigured` where a tool needs what the agent does not declare: no step could give it that."""
    if file.resources.get("logs") == "write":
        raise Misconfigured(f"{path}: resources: logs can only be read; write `logs: read`")
    for tool in tools:
        need = tool.needs
        if need is None:
            continue
        has = file.resources.get(need.kind)
        if has is None or (need.access == "write" and has == "read"):
            said = f"only `{need.kind}: {has}`" if has else "no such line"
            raise Misconfigured(
                f"{path}: the tool {tool.name} works on `{need.kind}: {need.access}`, and resources has {said}; "
                f"add it to resources, or take {tool.name} out of tools"
            )
