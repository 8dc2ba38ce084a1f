"""Which agents' steps an outside program may do, and whether those that routes name are declared."""

from collections.abc import Callable, Iterable

from activities.agents.agent import Agent
from activities.agents.catalogue import Catalogue
from activities.tools.programs import Programs
from contracts.agents import Choice
from contracts.errors import Misconfigured
from contracts.programs import PROGRAM


def check_programs(catalogue: Catalogue, programs: Programs, routed: Callable[[Agent], Iterable[Choice]]) -> None:
    """Raise `Misconfigured` where a route names a program that is not declared, or that cannot do its agent's step.

    `routed` gives an agent's choices. Of each agent the newest version counts: no new run has another.
    """
    for name in programs.tables:
        programs.variables(name)
    for name in sorted({agent.file.name for agent in catalogue.agents}):
        agent = catalogue.newest(name)
        for choice in routed(agent):
            if choice.provider == PROGRAM:
                programs.get(choice.model_name)
                _check_step(agent, choice)


def _check_step(agent: Agent, choice: Choice) -> None:
    """Raise `Misconfigured` unless the step returns what it writes to a workspace, or what it says without any tool."""
    if agent.file.resources.get("workspace") == "write" or not (agent.tools or agent.file.resources):
        return
    tools = ", ".join(tool.name for tool in agent.tools) or "what its steps give it to read"
    raise Misconfigured(
        f"routes.toml: {choice.model} cannot do the steps of {agent.file.name}, which works with {tools}: a program has none. "
        "It can do a step that writes a workspace, or that needs nothing but its task; give single agents a route of their own "
        "in [agents]"
    )
