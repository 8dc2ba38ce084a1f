"""Two policies compared key by key: what the newer one loosens, tightens or changes, and what is as strict as both. Pure.

`together` is what workers go by while something that was loosened is not approved: entry by entry the stricter one.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from activities.gates import orders
from activities.gates.orders import Order
from activities.gates.policy import UNDECLARED, AgentFloor, GateChange, GateRule, Person, PipelineGates, Policy
from activities.gates.rights import operators, readers
from contracts.actions import ActionPolicy
from contracts.base import canonical, sha256
from contracts.console import ConsoleAccess
from contracts.gates import GateKind, GatePolicy

T = TypeVar("T")


@dataclass(frozen=True)
class Change:
    """One key whose value differs. `old` or `new` None: it is not there."""

    key: str
    old: Any
    new: Any
    how: Literal["loosened", "tightened", "changed"]

    def __str__(self) -> str:
        return f"{self.key}: {_shown(self.old)} -> {_shown(self.new)}"


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple | list):
        return ", ".join(_shown(one) for one in value) or "nobody"
    return str(value).lower() if isinstance(value, bool) else str(value)


GATE: Mapping[str, tuple[Callable[[GatePolicy], Any], Order]] = {
    "who": (orders.clauses_of, orders.CLAUSES),
    "deadline": (lambda gate: gate.deadline, orders.least()),
    "reminder": (lambda gate: gate.reminder, orders.NEUTRAL),
    "escalation": (orders.escalation_of, orders.SUBSET),
    "requester_may_approve": (lambda gate: gate.requester_may_approve, orders.MAY),
    "most_usd": (lambda gate: gate.most_usd, orders.least()),
    "approvals": (lambda gate: gate.approvals, orders.MOST),
}

ACTION: Mapping[str, tuple[Callable[[ActionPolicy], Any], Order]] = {
    "adapter": (lambda action: action.adapter, orders.UNORDERED),
    "tier": (lambda action: action.tier, orders.TIER),
    "tier_when_tainted": (lambda action: action.tainted_tier, orders.TIER),
    "reversible": (lambda action: action.reversible, orders.REVERSIBLE),
    "accountable": (lambda action: action.accountable, orders.UNORDERED),
    "who": (lambda action: () if action.who is None else (action.who,), orders.CLAUSES),
    "approvals": (lambda action: action.approvals, orders.MOST),
    "requester_may_approve": (lambda action: action.requester_may_approve, orders.MAY),
    "deadline": (lambda action: action.deadline, orders.least()),
    "reminder": (lambda action: action.reminder, orders.NEUTRAL),
    "escalation": (lambda action: action.escalation, orders.inherited(orders.SUBSET, ())),
    "expiry": (lambda action: action.expiry, orders.inherited(orders.EXPIRY, "reject")),
    "rate": (lambda action: action.rate, orders.RATE),
}

UNORDERED = ("owners", ".adapter", ".accountable", "defaults.owner")
"""Parts of the keys of which no value is stricter than another: see `orders.UNORDERED`."""


def compare(old: Policy, new: Policy) -> tuple[Change, ...]:
    """Every key whose value differs, and whether the newer policy loosens, tightens or only changes it."""
    return tuple(_changes(old, new))


def loosened(old: Policy, new: Policy) -> tuple[Change, ...]:
    """What the newer policy loosens."""
    return tuple(one for one in compare(old, new) if one.how == "loosened")


def _changes(old: Policy, new: Policy) -> Iterator[Change]:
    yield from _compared("identity", old.identity, new.identity, orders.IDENTITY)
    yield from _compared("defaults.owner", old.defaults.owner, new.defaults.owner, orders.OWNER)
    yield from _compared("defaults.effort", old.defaults.effort, new.defaults.effort, orders.EFFORT)
    yield from _compared("owners", old.owners, new.owners, orders.ADDED if old.owning() is None else orders.UNORDERED)
    for name, person, now in _pairs(old.people, new.people):
        if person is None or now is None:
            yield _present(f"people.{name}", person, now)
        else:
            yield from _compared(f"people.{name}.roles", person.roles, now.roles, orders.SUBSET)
            yield from _compared(f"people.{name}.keys", person.keys, now.keys, orders.SUBSET)
    for key, before, after in _console(old, new):
        yield from _compared(f"console.{key}", before, after, orders.LIST)
    for kind, one, other in _pairs(_gates(old), _gates(new)):
        yield from _parts(f"gates.{kind}", one, other, GATE)
    for (pipeline, kind), mine, theirs in _pairs(_own_gates(old, new), _own_gates(new, old)):
        yield from _parts(f"pipelines.{pipeline}.gates.{kind}", mine, theirs, GATE)
    for name, action, later in _pairs(old.actions, new.actions):
        yield from _parts(f'actions."{name}"', action, later, ACTION)
    for name in sorted(old.agents.keys() | new.agents.keys()):
        yield from _compared(f"agents.{name}.minimum_confidence", _floor(old, name), _floor(new, name), orders.MOST)
    yield from _rules(old, new)


def _compared(key: str, old: Any, new: Any, order: Order) -> Iterator[Change]:
    if old == new:
        return
    how: Literal["loosened", "tightened", "changed"] = "loosened" if order.looser(old, new) else "tightened"
    yield Change(key, old, new, "changed" if how == "tightened" and order in (orders.NEUTRAL, orders.ADDED) else how)


def _parts(
    key: str, old: T | None, new: T | None, orders_of: Mapping[str, tuple[Callable[[T], Any], Order]]
) -> Iterator[Change]:
    if old is None or new is None:
        yield _present(key, old, new)
        return
    for name, (value, order) in orders_of.items():
        yield from _compared(f"{key}.{name}", value(old), value(new), order)


def _present(key: str, old: object, new: object) -> Change:
    """A table that was added or removed: what is not there is refused."""
    there = "there" if old is not None else None
    return Change(key, there, "there" if new is not None else None, "loosened" if old is None else "tightened")


def _pairs(old: Mapping[Any, T], new: Mapping[Any, T]) -> Iterator[tuple[Any, T | None, T | None]]:
    for name in dict.fromkeys((*old, *new)):
        yield name, old.get(name), new.get(name)


def _gates(policy: Policy) -> dict[GateKind, GatePolicy]:
    """The gates, with those that have a rule although no table is there."""
    return UNDECLARED | {kind: policy.gate(kind) for kind in policy.gates}


def _console(old: Policy, new: Policy) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Who may do what in the console, by key. Where neither says it, it follows from their identities."""
    for (key, before), (_, after), who in zip(old.console.said(), new.console.said(), (readers, operators), strict=True):
        if (before, after) != (None, None):
            yield key, orders.in_order(who(old)), orders.in_order(who(new))


def _floor(policy: Policy, agent: str) -> int:
    return policy.agents.get(agent, AgentFloor()).minimum_confidence


def _own_gates(policy: Policy, other: Policy) -> dict[tuple[str, GateKind], GatePolicy]:
    """What holds at those gates that either of two policies has a rule for in one pipeline alone."""
    named = {(name, kind) for one in (policy, other) for name, own in one.pipelines.items() for kind in own.gates}
    there = _gates(policy)
    return {(name, kind): policy.gate(kind, name) for name, kind in sorted(named) if kind in there}


def _rules(old: Policy, new: Policy) -> Iterator[Change]:
    for rule in old.rules:
        if not any(orders.covers(one, rule) for one in new.rules):
            changed = next((one for one in new.rules if one.name == rule.name), None)
            yield Change(f'rules."{rule.name}"', "there", "another" if changed else None, "loosened")
    for rule in new.rules:
        if not any(orders.covers(one, rule) for one in old.rules):
            yield Change(f'rules."{rule.name}"', None, "there", "tightened")


def together(old: Policy, new: Policy) -> Policy:
    """The policy that allows only what both allow, key by key; where neither value is stricter, the old one's.

    Bringing a policy together with itself changes nothing.
    """
    if not compare(old, new):
        return new
    made = Policy(
        identity=orders.IDENTITY.both(old.identity, new.identity),
        defaults=new.defaults.model_copy(
            update={
                "owner": orders.OWNER.both(old.defaults.owner, new.defaults.owner),
                "effort": orders.EFFORT.both(old.defaults.effort, new.defaults.effort),
            }
        ),
        people={
            name: Person(
                roles=orders.SUBSET.both(one.roles, new.people[name].roles),
                keys=orders.SUBSET.both(one.keys, new.people[name].keys),
            )
            for name, one in old.people.items()
            if name in new.people
        },
        owners=new.owners if old.owning() is None else old.owners,
        console=ConsoleAccess(**{key: orders.LIST.both(one, other) for key, one, other in _console(old, new)}),
        gates={kind: GateRule.model_validate(one.model_dump()) for kind, one in _both_gates(_gates(old), _gates(new)).items()},
        pipelines=_both_pipelines(old, new),
        actions={name: _both_actions(one, new.actions[name]) for name, one in old.actions.items() if name in new.actions},
        agents={
            name: AgentFloor(
                minimum_confidence=max(one.agents[name].minimum_confidence for one in (old, new) if name in one.agents)
            )
            for name in (*old.agents, *(name for name in new.agents if name not in old.agents))
        },
        rules=(*new.rules, *(one for one in old.rules if not any(orders.covers(other, one) for other in new.rules))),
    )
    return made.model_copy(update={"digest": sha256(canonical(made.model_dump(mode="json", by_alias=True)))})


def _both_gates(old: Mapping[T, GatePolicy], new: Mapping[T, GatePolicy]) -> dict[T, GatePolicy]:
    return {kind: _both_gate(one, new[kind]) for kind, one in old.items() if kind in new}


def _both_gate(old: GatePolicy, new: GatePolicy) -> GatePolicy:
    who, *also = orders.CLAUSES.both(orders.clauses_of(old), orders.clauses_of(new))
    escalation = orders.SUBSET.both(orders.escalation_of(old), orders.escalation_of(new))
    own = {
        name: order.both(value(old), value(new)) for name, (value, order) in GATE.items() if name not in ("who", "escalation")
    }
    return GatePolicy(who=who, also=tuple(also), escalation=escalation, expiry="escalate" if escalation else "reject", **own)


def _both_pipelines(old: Policy, new: Policy) -> dict[str, PipelineGates]:
    made: dict[str, dict[GateKind, GateChange]] = {}
    for (name, kind), gate in _both_gates(_own_gates(old, new), _own_gates(new, old)).items():
        made.setdefault(name, {})[kind] = GateChange(**dict(gate))
    return {name: PipelineGates(gates=gates) for name, gates in made.items()}


def _both_actions(old: ActionPolicy, new: ActionPolicy) -> ActionPolicy:
    own = {name: order.both(value(old), value(new)) for name, (value, order) in ACTION.items() if name != "who"}
    clauses = orders.CLAUSES.both(*((() if one.who is None else (one.who,)) for one in (old, new)))
    # One list is all that an action's entry has: of two, whoever is in both.
    who = orders.in_all(clauses) if clauses else None
    return ActionPolicy(who=who, **own)
