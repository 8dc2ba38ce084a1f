"""What stands in for an agent when no model is available: its declared fallback, that one's own, and so on."""

from collections.abc import Callable

from activities.agents.agent import Agent
from activities.agents.fallback_functions import FUNCTIONS
from contracts.errors import Misconfigured, NotFound
from contracts.step_resources import Access, ResourceKind


def chain_of(agent: Agent, newest: Callable[[str], Agent]) -> tuple[Agent, ...]:
    """The agents that stand in for this one, in order. Raises `Misconfigured` for a chain that is invalid or never ends."""
    found: list[Agent] = []
    while (named := (found or [agent])[-1].file.fallback) is not None:
        kind, _, name = named.partition(":")
        last = (found or [agent])[-1]
        if kind == "function":
            _check_function(last, name)
            return tuple(found)
        other = _other(last, name, newest)
        # By name, because a fallback names no version: whichever is live stands in.
        if name in {one.file.name for one in (agent, *found)}:
            raise _wrong(last, f"the chain of fallbacks comes back to {name!r} and would never end")
        found.append(other)
    return tuple(found)


def _other(agent: Agent, name: str, newest: Callable[[str], Agent]) -> Agent:
    try:
        other = newest(name)
    except NotFound as error:
        raise _wrong(agent, str(error)) from None
    _check(agent, f"agent {name!r}", other.file.takes, other.file.returns)
    more = sorted(f"{kind}: {access}" for kind, access in other.file.resources.items() if not _has(agent, kind, access))
    if more:
        raise _wrong(agent, f"agent {name!r} works on {', '.join(more)}, which a step of {agent.file.name} does not give it")
    return other


def _has(agent: Agent, kind: ResourceKind, access: Access) -> bool:
    return agent.file.resources.get(kind) in (access, "write")


def _check_function(agent: Agent, name: str) -> None:
    function = FUNCTIONS.get(name)
    if function is None:
        raise _wrong(agent, f"there is no function {name!r}; there are {', '.join(sorted(FUNCTIONS))}")
    _check(agent, f"function {name!r}", function.takes.contract, function.returns.contract)


def _check(agent: Agent, what: str, takes: str, returns: str) -> None:
    if (takes, returns) != (agent.file.takes, agent.file.returns):
        needed = f"{agent.file.takes} into {agent.file.returns}"
        raise _wrong(agent, f"{what} turns {takes} into {returns}, but a fallback has to turn {needed}")


def _wrong(agent: Agent, problem: str) -> Misconfigured:
    return Misconfigured(f"agents/{agent.file.name}/{agent.version}.md: fallback: {problem}")
