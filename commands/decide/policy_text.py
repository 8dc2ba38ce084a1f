"""The policy as people read it: tables, a page, and what in it is probably not meant."""

from collections.abc import Iterable, Iterator

from activities.gates.policy import Policy
from activities.gates.rights import operators, readers
from contracts.gates import GatePolicy
from contracts.rules import Rule

GATES = ("GATE", "WHO", "HOW MANY", "DEADLINE", "THEN")
ACTIONS = ("ACTION", "TIER", "WHEN TAINTED", "HOW MANY", "UNDONE", "RATE", "WHO")


def tables(policy: Policy) -> Iterator[tuple[tuple[str, ...], list[list[str]]]]:
    """Gates and actions, each as a head and rows."""
    gates = [[kind, *_gate(policy.gate(kind))] for kind in policy.gates]
    gates += [
        [f"{kind} of {name}", *_gate(policy.gate(kind, name))] for name, own in policy.pipelines.items() for kind in own.gates
    ]
    yield GATES, gates
    yield ACTIONS, [[name, *_action(policy, name)] for name in policy.actions]


def _gate(gate: GatePolicy) -> list[str]:
    who = " and ".join(" or ".join(one) or "nobody" for one in (gate.who, *gate.also))
    asks = ", ".join(gate.escalation) if gate.expiry == "escalate" else ""
    other = "" if gate.requester_may_approve else ", not the requester"
    return [f"{who}{other}", str(gate.approvals), str(gate.deadline), f"asks {asks}, then rejects" if asks else "rejects"]


def _action(policy: Policy, name: str) -> list[str]:
    one = policy.actions[name]
    rate = "" if one.rate is None else f"{one.rate.most} in {one.rate.per} by {one.rate.of}, then {one.rate.over}s"
    return [one.tier, one.tainted_tier, str(one.approvals), one.reversible, rate or "-", ", ".join(one.who or ("as its gate",))]


def page(policy: Policy) -> str:
    """The policy in Markdown."""
    people = [f"- {name}: {', '.join(person.roles) or 'no role'}" for name, person in policy.people.items()]
    parts = [
        f"# Policy {policy.digest[:12]}",
        f"Identity: `{policy.identity}`.",
        f"Console: {console(policy)}.",
        "## People",
        "\n".join(people) or "Nobody is named.",
    ]
    for head, rows in tables(policy):
        title = {"GATE": "Gates", "ACTION": "Actions"}[head[0]]
        lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
        parts += [f"## {title}", "\n".join([*lines, *(f"| {' | '.join(_cell(one) for one in row)} |" for row in rows)])]
    rules = [f"- **{rule.name}**: {rule.why}. {_told(rule)}" for rule in policy.rules]
    return "\n\n".join([*parts, *(("## Rules", "\n".join(rules)) if rules else ())]) + "\n"


def console(policy: Policy) -> str:
    """Who may do what in the console, in one line."""
    return f"read by {', '.join(readers(policy)) or 'nobody'}, operated by {', '.join(operators(policy)) or 'nobody'}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _told(rule: Rule) -> str:
    about = f"For {rule.action}" if rule.action else f"For what {rule.agent} hands off"
    when = " and ".join(f"`{one}`" for one in rule.when) or "always"
    effects = [f"tier at least {rule.tier}"] if rule.tier else []
    effects += [f"{rule.approvals} different people"] if rule.approvals else []
    effects += [f"only {', '.join(rule.who)}"] if rule.who else []
    effects += ["not the requester"] if rule.requester_may_approve is False else []
    effects += [f"a gate {rule.gate}"] if rule.gate else []
    return f"{about}, when {when}: {', '.join(effects)}."


def doubts(policy: Policy, agents: Iterable[str]) -> list[str]:
    """What a file says that can be read, and is probably not meant."""
    known = set(agents)
    found = [f"agents.{name}: there is no such agent" for name in policy.agents if name not in known]
    found += [
        f"rule {one.name!r}: there is no agent {one.agent!r}" for one in policy.rules if one.agent not in (None, "*", *known)
    ]
    several = [f"gates.{kind}" for kind, gate in policy.gates.items() if gate.approvals > 1]
    several += [f'actions."{name}"' for name, action in policy.actions.items() if action.approvals > 1]
    several += [f"rule {rule.name!r}" for rule in policy.rules if (rule.approvals or 1) > 1]
    if several and policy.identity == "any":
        found.append(f"{', '.join(several)}: with identity any one person can type two names; four eyes need known people")
    found += list(_console_doubts(policy))
    if policy.owning() is None:
        found.append("owners: nobody is named, so nothing can ever be loosened; add [owners]")
    return found


def _console_doubts(policy: Policy) -> Iterator[str]:
    roles = {role for person in policy.people.values() for role in person.roles}
    known = {"*", *policy.people, *roles}
    for key, who in policy.console.said():
        for one in who or ():
            if policy.identity == "any" and one in roles:
                yield f"console.{key}: with identity any a name brings no role with it, so the role {one!r} lets nobody in"
            elif policy.identity != "any" and one not in known:
                yield f"console.{key}: there is neither a person nor a role {one!r}"
