"""What somebody may do in the console, by the policy: to read, to decide at gates, to operate. Nothing that is not said."""

from activities.gates.policy import Policy
from contracts.console import RIGHTS, Right


def knows(policy: Policy, by: str) -> bool:
    """True if the policy takes this name at all: any but an agent's, or only those of its people."""
    return bool(by) and not by.startswith("agent:") and (policy.identity == "any" or by in policy.people)


def readers(policy: Policy) -> tuple[str, ...]:
    """Who may read: everybody whom the policy knows, unless it says who."""
    return ("*",) if policy.console.readers is None else policy.console.readers


def operators(policy: Policy) -> tuple[str, ...]:
    """Who may operate. If it is not said, everybody where any name counts anyway, and nobody where people are known."""
    if policy.console.operators is not None:
        return policy.console.operators
    return ("*",) if policy.identity == "any" else ()


def rights_of(policy: Policy, by: str) -> frozenset[Right]:
    """What this person may do. Whoever may operate may read; whoever may read may decide what the gate's `who` lets them."""
    if not knows(policy, by):
        return frozenset()
    if policy.is_in(operators(policy), by, ""):
        return frozenset(RIGHTS)
    return frozenset({"read", "decide"}) if policy.is_in(readers(policy), by, "") else frozenset()


def lacking(policy: Policy, by: str, right: Right) -> str:
    """Why this person may not do this, with what to do about it; "" if they may."""
    if right in rights_of(policy, by):
        return ""
    if not knows(policy, by):
        return f"{by!r} is not one of the people in policy.toml, and identity is {policy.identity!r}; add this one to [people]"
    who, key = (operators(policy), "operate") if right == "operate" else (readers(policy), "read")
    named = ", ".join(who) or "nobody"
    return f"{by!r} may not {right} here; the policy lets {named}. It is said in [console] {key} of policy.toml"
