"""`baton policy try`: what an action would take, judged by the same functions that runs use."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from activities.gates.policy import Policy
from commands.errors import Usage
from contracts.gates import VERBS, GateKind, GatePolicy
from contracts.risk import LEVELS, Assessed, Circumstances, risk_of
from contracts.rules import Facts
from contracts.terms import Ruling, at_gate, own_gate, ruling


@dataclass(frozen=True)
class Asked:
    """What is tried: a type of action, its arguments as they were typed, the gate that shows it, and what is known of it."""

    action: str
    arguments: str | None
    gate: str
    about: Facts


@dataclass(frozen=True)
class Tried:
    """What it would take. `gate` None: nobody is asked."""

    action: str
    made: Ruling
    risk: Assessed
    kind: str
    gate: GatePolicy | None
    rate: str

    def fields(self) -> dict[str, Any]:
        """As JSON."""
        who = None if self.gate is None else [list(self.gate.who), *(list(one) for one in self.gate.also)]
        return {
            "action": self.action,
            "tier": self.made.tier,
            "gate": self.kind or None,
            "who": who,
            "approvals": None if self.gate is None else self.gate.approvals,
            "requester_may_approve": None if self.gate is None else self.gate.requester_may_approve,
            "deadline": None if self.gate is None else self.gate.deadline,
            "risk": self.risk.level,
            "rules": list(self.made.names),
            "fired": list(self.made.fired),
        }

    def lines(self) -> list[tuple[str, str]]:
        """As text: a name and what there is to say."""
        told = [("tier", self.made.tier), ("gate", self.kind or "none: nobody is asked")]
        if self.gate is not None:
            who = " and ".join(" or ".join(one) or "nobody" for one in (self.gate.who, *self.gate.also))
            other = "" if self.gate.requester_may_approve else "; not whoever asked for the run"
            count = f"{self.gate.approvals} different people: " if self.gate.approvals > 1 else ""
            told += [("who", f"{count}{who}{other}"), ("deadline", f"{self.gate.deadline}, then {_then(self.gate)}")]
        told += [("risk", str(self.risk))]
        told += [("rate", self.rate)] if self.rate else []
        told += [("because", why) for why in self.made.fired] or [("because", "its type's own terms; no rule fires")]
        return told


def _then(gate: GatePolicy) -> str:
    return f"{', '.join(gate.escalation)} as well" if gate.expiry == "escalate" and gate.escalation else "it rejects"


def trial(policy: Policy, asked: Asked) -> Tried:
    """Judge it. Raises `Misconfigured` for a type that is not declared, and `Usage` for arguments that are none."""
    terms, arguments = policy.terms(asked.action), _arguments(asked.arguments)
    about = asked.about
    risk = risk_of(
        Circumstances(
            reversible=terms.reversible,
            taint=about.taint,
            lines=about.lines,
            environment=about.environment,
            unsupported=about.unsupported,
            degraded=("a step",) * min(about.degraded, 1),
            unsure=("a step",) * min(about.unsure, 1),
        )
    )
    about = about.model_copy(update={"risk": max(about.risk, risk.level, key=LEVELS.index)})
    made = ruling(asked.action, terms, policy.rules, about, arguments)
    kind: GateKind | str = asked.gate or made.gate
    gate = None
    if kind:
        if kind not in VERBS:
            raise Usage(f"--gate: there is no kind of gate {kind!r}; there are {', '.join(VERBS)}")
        gate = policy.gate(kind, about.pipeline)
        gate = own_gate(gate, terms) if kind in ("action", "draft") else gate
        gate = at_gate(gate, made)
    rate = terms.rate
    told = "" if rate is None else f"at most {rate.most} in {rate.per} for each {rate.of}, then it {rate.over}s"
    return Tried(asked.action, made, risk, kind, gate, told if made.tier == "auto" else "")


def _arguments(typed: str | None) -> dict[str, Any] | None:
    if typed is None:
        return None
    try:
        text = Path(typed[1:]).read_text() if typed.startswith("@") else typed
        found = json.loads(text)
    except OSError as error:
        raise Usage(f"--arguments: {typed[1:]} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise Usage(f"--arguments is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise Usage(f"--arguments is one JSON object with the action's fields, not {type(found).__name__}")
    return found
