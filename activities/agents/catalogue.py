"""All agents of a worker, by name and version. Read once, when the worker starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from activities.agents.agent import Agent, load_agent
from activities.agents.fallback_chain import chain_of
from activities.agents.routes import Routes, load_routes
from activities.agents.suspects import suspect_of
from activities.tools.base import Tool
from contracts.agents import AgentRef
from contracts.errors import Misconfigured, NotFound

WITHDRAWN = "withdrawn.lock"
"""The file in the folder of agents that names versions which are passed over: lines of `name@vN`, # comments."""


@dataclass(frozen=True)
class Catalogue:
    """All agent versions, and the routes of their classes."""

    agents: tuple[Agent, ...]
    routes: Routes
    withdrawn: frozenset[str] = frozenset()

    def newest(self, name: str) -> Agent:
        """The live version of an agent: the highest that was not withdrawn. Raises `NotFound`."""
        found = [
            agent
            for agent in self.agents
            if agent.file.name == name and f"{agent.file.name}@{agent.version}" not in self.withdrawn
        ]
        if not found:
            names = ", ".join(sorted({agent.file.name for agent in self.agents})) or "none"
            if any(agent.file.name == name for agent in self.agents):
                raise NotFound(
                    f"every version of agent {name!r} was withdrawn; take a line out of {WITHDRAWN}, or write a new one"
                )
            raise NotFound(f"there is no agent {name!r}; there are: {names}")
        return max(found, key=lambda agent: agent.file.version)

    def live(self) -> dict[str, str]:
        """What new runs get: each agent's newest version with the beginning of its digest, such as "v3 0a1b2c3d4e5f"."""
        newest = [self.newest(name) for name in sorted({agent.file.name for agent in self.agents})]
        return {agent.file.name: f"{agent.version} {agent.digest[:12]}" for agent in newest}

    def pinned(self, pin: AgentRef) -> Agent:
        """Exactly the version that a run pinned. Raises `Misconfigured` if this worker does not have it byte for byte."""
        for agent in self.agents:
            # Not by name and version: a file that was edited in place is another agent.
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
    agents = tuple(load_agent(path, tools) for path in paths)
    catalogue = Catalogue(agents, load_routes(folder / "routes.toml"), _withdrawn(folder / WITHDRAWN, agents))
    for agent in catalogue.agents:
        if agent.file.model_class not in catalogue.routes.classes:
            known = ", ".join(sorted(catalogue.routes.classes))
            raise Misconfigured(f"agents/{agent.file.name}: class {agent.file.model_class!r} is not in routes.toml ({known})")
    if unknown := sorted(set(catalogue.routes.agents) - {agent.file.name for agent in catalogue.agents}):
        names = ", ".join(sorted({agent.file.name for agent in catalogue.agents}))
        raise Misconfigured(f"{folder / 'routes.toml'}: [agents] names {', '.join(unknown)}; there are {names}")
    # Newest versions only: runs have pinned the fallbacks of older ones, and those files may not change to fit today's.
    for name in sorted({agent.file.name for agent in catalogue.agents}):
        chain_of(catalogue.newest(name), catalogue.newest)
        suspect_of(catalogue.newest(name), catalogue.newest)
    return catalogue


def _withdrawn(path: Path, agents: Sequence[Agent]) -> frozenset[str]:
    if not path.exists():
        return frozenset()
    there = {f"{agent.file.name}@{agent.version}" for agent in agents}
    named = [words[0] for line in path.read_text(encoding="utf-8").splitlines() if (words := line.split("#")[0].split())]
    if unknown := sorted(set(named) - there):
        raise Misconfigured(f"{path} names {', '.join(unknown)}, and there is no such agent version; take the line out")
    return frozenset(named)
