"""Agents as files: `agents/<name>/vN.md` = front matter + instructions. Read once when the worker starts."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import Field, model_validator

from activities.agents.agent import Agent
from activities.agents.fallback_chain import chain_of
from activities.providers.schema import closed_schema
from activities.tools.base import Tool
from contracts.agents import MODEL, AgentFile, AgentRef, Choice, DatedPrice, Risk
from contracts.base import Input, canonical, digest_of
from contracts.errors import ContractViolation, Misconfigured, NotFound
from contracts.registry import named

_PARTS = re.compile(r"\A---\n(.*?)\n---\n(.*)\Z", re.DOTALL)


class Routes(Input):
    """routes.toml: choices for each class, prices that come before the list's, and the quality that a risk demands."""

    classes: dict[str, tuple[Choice, ...]] = Field(min_length=1)
    prices: dict[Annotated[str, Field(pattern=MODEL)], DatedPrice] = Field(default_factory=dict)
    minimum: dict[str, dict[Risk, int]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _usable(self) -> Self:
        for name, choices in self.classes.items():
            if not any("first" in choice.when for choice in choices):
                raise ValueError(f"class {name!r} has no choice that is tried first")
        if unknown := sorted(set(self.minimum) - set(self.classes)):
            raise ValueError(f"minimum names {', '.join(unknown)}, which is no class")
        return self


@dataclass(frozen=True)
class Catalogue:
    """All agent versions there are, and which choices a class has here."""

    agents: tuple[Agent, ...]
    routes: Routes

    def newest(self, name: str) -> Agent:
        """The live version of an agent: the highest. Raises `NotFound`."""
        found = [agent for agent in self.agents if agent.file.name == name]
        if not found:
            names = ", ".join(sorted({agent.file.name for agent in self.agents})) or "none"
            raise NotFound(f"there is no agent {name!r}; there are: {names}")
        return max(found, key=lambda agent: agent.file.version)

    def pinned(self, pin: AgentRef) -> Agent:
        """Exactly the version that a run pinned. Raises `Misconfigured` where this worker has other bytes under its name."""
        for agent in self.agents:
            if agent.digest == pin.digest:
                return agent
        raise Misconfigured(
            f"the run pinned {pin.name}@{pin.version} with digest {pin.digest[:12]}…, and this worker has no such file. "
            "A released agent file never changes: restore it, and put changes into a new version"
        )


def load_catalogue(folder: Path, tools: Mapping[str, Tool]) -> Catalogue:
    """Read every agent file and routes.toml. Raises `Misconfigured`, naming file and key."""
    paths = sorted(folder.glob("*/v*.md"))
    if not paths:
        raise Misconfigured(f"there are no agent files under {folder}; set `agents` to the folder that holds them")
    catalogue = Catalogue(tuple(load_agent(path, tools) for path in paths), _routes(folder / "routes.toml"))
    for agent in catalogue.agents:
        if agent.file.model_class not in catalogue.routes.classes:
            known = ", ".join(sorted(catalogue.routes.classes))
            raise Misconfigured(f"agents/{agent.file.name}: class {agent.file.model_class!r} is not in routes.toml ({known})")
    # Of older versions a run has pinned what stood in for them then; their files may not change to fit what does today.
    for name in sorted({agent.file.name for agent in catalogue.agents}):
        chain_of(catalogue.newest(name), catalogue.newest)
    return catalogue


def load_agent(path: Path, tools: Mapping[str, Tool]) -> Agent:
    """Read one agent file. Raises `Misconfigured`, naming the key that is wrong."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} cannot be read as text: {error}") from None
    parts = _PARTS.match(text)
    if parts is None:
        raise Misconfigured(f"{path}: an agent file begins with front matter between two lines of '---'")
    try:
        file = AgentFile.read_typed_by_people(yaml.safe_load(parts[1]))
        takes, returns = named(file.takes), named(file.returns)
    except yaml.YAMLError as error:
        raise Misconfigured(f"{path}: the front matter is not YAML: {error}") from None
    except ContractViolation as error:
        raise Misconfigured(f"{path}: {'; '.join(error.problems)}") from None
    except NotFound as error:
        raise Misconfigured(f"{path}: {error}") from None
    if (path.parent.name, path.stem) != (file.name, f"v{file.version}"):
        raise Misconfigured(
            f"{path}: the file says it is {file.name}/v{file.version}.md; name and version must agree with its place"
        )
    unknown = [name for name in file.tools if name not in tools]
    if unknown:
        raise Misconfigured(f"{path}: there is no tool {', '.join(unknown)}; there are {', '.join(sorted(tools))}")
    target = file.limits.context_target
    if target is not None and ("read_artifact" not in file.tools or target >= file.limits.context):
        raise Misconfigured(
            f"{path}: limits.context_target replaces older tool results by references: give the agent the tool read_artifact, "
            f"which shows them again, and set the target below limits.context ({file.limits.context})"
        )
    used = tuple(tools[name] for name in file.tools)
    schemas = [[tool.name, tool.description, closed_schema(tool.takes)] for tool in used]
    digest = digest_of(text, canonical(schemas), canonical([closed_schema(takes), closed_schema(returns)]))
    return Agent(file, parts[2].strip() + "\n", text, digest, used, takes, returns)


def _routes(path: Path) -> Routes:
    try:
        return Routes.read_typed_by_people(tomllib.loads(path.read_text()))
    except OSError as error:
        raise Misconfigured(f"the routes file {path} cannot be read: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{path} is not TOML: {error}") from None
    except ContractViolation as error:
        raise Misconfigured(f"{path}: {'; '.join(error.problems)}") from None


def read_lock(path: Path) -> dict[str, str]:
    """The released agent versions with their digests, from released.lock: lines of `name@vN DIGEST`, # comments."""
    lock: dict[str, str] = {}
    for number, line in enumerate(path.read_text().splitlines() if path.exists() else [], 1):
        words = line.split("#")[0].split()
        if words and (len(words) != 2 or "@v" not in words[0]):
            raise Misconfigured(f"{path} line {number}: a line is `name@vN DIGEST`, not {line[:80]!r}")
        if words:
            lock[words[0]] = words[1]
    return lock


def freeze(path: Path, agent: Agent) -> bool:
    """Write an agent version into released.lock: from then on its file and schemas must not change. False if it was there.

    Raises `Misconfigured` where it was released with other bytes: a release is never replaced.
    """
    name, lock = f"{agent.file.name}@{agent.version}", read_lock(path)
    if name in lock and lock[name] != agent.digest:
        raise Misconfigured(f"{name} is released with digest {lock[name][:12]}… already; put the change into a new version")
    if name in lock:
        return False
    lines = sorted(f"{one} {digest}" for one, digest in (lock | {name: agent.digest}).items())
    head = "# Released agent versions. A line is never changed: what it names is frozen. `baton agents freeze` adds one."
    path.write_text("\n".join([head, *lines]) + "\n")
    return True


def lock_problems(catalogue: Catalogue, lock: Mapping[str, str]) -> list[str]:
    """What differs between the files and released.lock, one readable line each; empty when all is as released."""
    have = {f"{agent.file.name}@{agent.version}": agent.digest for agent in catalogue.agents}
    problems = [f"{name} is released and its file is gone; restore it" for name in sorted(set(lock) - set(have))]
    for name, digest in sorted(have.items()):
        if name in lock and lock[name] != digest:
            problems.append(
                f"{name} is released with digest {lock[name][:12]}… and has {digest[:12]}… now: its file, or the schema of "
                "a tool, its task or its result changed. Restore it, and put the change into a new version"
            )
    return problems
