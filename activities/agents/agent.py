"""One agent version: its file with the contracts and tools that it names, as it is asked."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import StrictUndefined, Template
from jinja2.exceptions import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from activities.providers.schema import closed_schema
from activities.tools.base import Tool
from contracts.agents import AgentFile, AgentPin, Choice, ToolPin
from contracts.base import Contract
from contracts.conversation import ToolSpec
from contracts.errors import Misconfigured
from contracts.handoff import Answer

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
    def answer_schema(self) -> dict[str, Any]:
        """The schema of the agent's final output. Made once: it takes longer than a ledger transaction."""
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
        """The instructions with their variables filled in. Raises `Misconfigured` where the text wants one that is missing."""
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
        """What a run keeps of this agent."""
        return AgentPin(
            name=self.file.name,
            version=self.version,
            digest=self.digest,
            scripted=choices[0].provider == "scripted" if choices else False,
            takes=self.file.takes,
            returns=self.file.returns,
            tools=tuple(ToolPin(name=tool.name, effect=tool.effect) for tool in self.tools),
            limits=self.file.limits,
            parallel=self.file.parallel,
            minimum_confidence=self.file.minimum_confidence,
            choices=choices,
            fallback=self.file.fallback or "",
            steps_up=any("unsure" in choice.when for choice in choices),
        )
