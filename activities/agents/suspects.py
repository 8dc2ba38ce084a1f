"""Which agent re-checks the claims of another: one of another class, that takes claims and gives verdicts."""

from collections.abc import Callable

from activities.agents.agent import Agent
from contracts.errors import Misconfigured, NotFound
from contracts.rechecks import ClaimsTask, Rechecked


def suspect_of(agent: Agent, newest: Callable[[str], Agent]) -> Agent | None:
    """The agent that re-checks the claims of this one; None if none does.

    Raises `Misconfigured` for one that cannot: the agent itself, one of the same class, whose models would repeat the mistake,
    one that takes or returns something else, and one that works on what a step of this agent does not have.
    """
    name = agent.file.suspects
    if name is None:
        return None
    if name == agent.file.name:
        raise _wrong(agent, "an agent does not re-check its own claims; name another one, of another class")
    try:
        other = newest(name)
    except NotFound as error:
        raise _wrong(agent, str(error)) from None
    if other.file.model_class == agent.file.model_class:
        same = f"both are of the class {other.file.model_class!r}"
        raise _wrong(agent, f"{name} answers with the same models, {same}; give it a class with others")
    wanted, has = (ClaimsTask.contract, Rechecked.contract), (other.file.takes, other.file.returns)
    if has != wanted:
        raise _wrong(agent, f"{name} turns {has[0]} into {has[1]}, but has to turn {wanted[0]} into {wanted[1]}")
    more = [kind for kind, access in other.file.resources.items() if access == "write" or kind not in agent.file.resources]
    if more:
        lacks = ", ".join(more)
        raise _wrong(agent, f"{name} works on {lacks}; it can only read, and only what a step of {agent.file.name} is given")
    if other.file.suspects is not None:
        raise _wrong(agent, f"{name} has `suspects` itself; what re-checks is not re-checked again")
    return other


def _wrong(agent: Agent, problem: str) -> Misconfigured:
    return Misconfigured(f"agents/{agent.file.name}/{agent.version}.md: suspects: {problem}")
