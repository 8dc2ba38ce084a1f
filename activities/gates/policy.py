"""policy.toml: who may decide what, and what it takes to perform actions. A worker reads it when it starts."""

import tomllib
import unicodedata
from collections.abc import Container, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from pydantic import ConfigDict, Field
from sqlalchemy import Connection

from contracts.actions import ActionPolicy, ActionTerms, Approvals, Tier, stricter
from contracts.base import Input, PerMille, Span, is_empty, is_none, sha256
from contracts.console import ConsoleAccess, is_left_out
from contracts.errors import ContractViolation, Misconfigured
from contracts.gates import SAYS_NO, SAYS_YES, SEVERAL_SAY, UNDECLARED_HELD, VERBS, GateKind, GatePolicy, Verb
from contracts.keys import PublicKey
from contracts.money import Usd
from contracts.pipelines import PIPELINES
from contracts.rules import Rule
from contracts.terms import ACCOUNTABLE

Identity = Literal["any", "known", "signed-in", "signed"]
"""From the one that asks least. What a signature has to be, and who has signed in, `signatures` says."""


class Person(Input):
    """Somebody who may decide, with roles, and the public keys that their decisions are signed with."""

    roles: tuple[str, ...] = ()
    keys: tuple[PublicKey, ...] = Field(default=(), exclude_if=is_empty)


class Defaults(Input):
    """Values for what an input leaves open."""

    owner: str = ""
    effort: Literal["full", "auto"] = "full"


class Owners(Input):
    """Who may approve that the policy itself becomes looser."""

    who: tuple[str, ...] = Field(min_length=1)
    approvals: Approvals = 1
    requester_may_approve: bool = True


class GateRule(GatePolicy):
    """One gate's policy as people write it: unknown keys and impossible durations are refused."""

    model_config = ConfigDict(extra="forbid")

    deadline: Span
    reminder: Span | None = None


class GateChange(Input):
    """What is different at one gate in one pipeline. A key that is left out is the gate's own."""

    who: tuple[str, ...] | None = None
    deadline: Span | None = None
    reminder: Span | None = None
    escalation: tuple[str, ...] | None = None
    expiry: Literal["reject", "escalate"] | None = None
    requester_may_approve: bool | None = None
    most_usd: Usd | None = None
    approvals: Approvals | None = None
    also: tuple[tuple[str, ...], ...] | None = None


class PipelineGates(Input):
    """What is different in one pipeline."""

    gates: dict[GateKind, GateChange] = Field(default_factory=dict)


class AgentFloor(Input):
    """What is asked of one agent beyond its own file. It can only ask for more."""

    minimum_confidence: PerMille = 0


UNDECLARED_CEILING = GatePolicy(who=("owner",), deadline=timedelta(days=3))
"""For policy files that are older than this kind of gate: the run's owner decides, and silence stops the run."""

UNDECLARED: dict[GateKind, GatePolicy] = {"ceiling": UNDECLARED_CEILING, "held": UNDECLARED_HELD}

UNDECLARED_ACTION = UNDECLARED_CEILING
"""For policy files in which no action asks a person, where text from outside has one asked. After silence it is not done."""


class Policy(Input, name="policy/1"):
    """The whole policy file."""

    identity: Identity = "any"
    defaults: Defaults = Defaults()
    people: dict[str, Person] = Field(default_factory=dict)
    owners: Owners | None = Field(default=None, exclude_if=is_none)
    console: ConsoleAccess = Field(default=ConsoleAccess(), exclude_if=is_left_out)
    gates: dict[GateKind, GateRule]
    pipelines: dict[str, PipelineGates] = Field(default_factory=dict, exclude_if=is_empty)
    actions: dict[str, ActionPolicy] = Field(default_factory=dict)
    agents: dict[str, AgentFloor] = Field(default_factory=dict, exclude_if=is_empty)
    rules: tuple[Rule, ...] = Field(default=(), exclude_if=is_empty)
    digest: str = Field(default="", exclude=True)

    def now(self, connection: Connection) -> Self:
        """This policy, whatever a ledger says: for those who need none. `Standing` has the one in force."""
        del connection
        return self

    def gate(self, kind: GateKind, pipeline: str = "") -> GatePolicy:
        """The rules for this kind of gate, in a pipeline (its workflow type; "" for all).

        Raises `Misconfigured` if the file has no table for it.
        """
        rule = self.gates.get(kind)
        if rule is None and kind in UNDECLARED:
            return UNDECLARED[kind]
        if rule is None:
            raise Misconfigured(f"policy.toml has no [gates.{kind}]; add who, deadline and expiry for it")
        whole = GatePolicy.model_validate(rule.model_dump())
        of = self.pipelines.get(pipeline.lower())
        change = of.gates.get(kind) if of is not None else None
        if change is None:
            return whole
        given = {name: value for name, value in change if value is not None}
        return whole.model_copy(update=given)

    def tier(self, action: str) -> Tier:
        """What it takes to perform this type of action. Raises `Misconfigured` if it is not declared."""
        return self.terms(action).tier

    def terms(self, action: str) -> ActionTerms:
        """All that it takes to perform this type of action. Raises `Misconfigured` if it is not declared."""
        declared = self.actions.get(action)
        if declared is None:
            raise Misconfigured(
                f'policy.toml declares no action {action!r}; add [actions."{action}"] with its tier, or run something else'
            )
        # Said, so that a run goes by what it has pinned: an entry without it meant another tier once.
        tainted = None if declared.tainted_tier == declared.tier else declared.tainted_tier
        return ActionTerms.model_validate(declared.model_dump(exclude={"adapter"}) | {"tier_when_tainted": tainted})

    def strictest(self, action: str) -> set[Tier]:
        """The tiers that an action of this type may have, going by what its entry and the rules about it say."""
        terms, declared = self.terms(action), self.actions[action]
        there = {terms.tier, stricter(terms.tier, declared.tier_when_tainted or terms.tier)}
        raised = (rule.tier for rule in self.rules if rule.action in (action, "*") and rule.tier is not None)
        return there | {stricter(one, tier) for tier in raised for one in there}

    def owning(self) -> Owners | None:
        """Who may approve that the policy becomes looser; None: nobody is named, not even a default owner."""
        if self.owners is not None:
            return self.owners
        return Owners(who=(self.defaults.owner,)) if self.defaults.owner else None

    def check_adapters(self, known: Container[str]) -> None:
        """Raise `Misconfigured` for an adapter that the worker does not have."""
        for action, declared in self.actions.items():
            if declared.adapter not in known:
                raise Misconfigured(
                    f'policy.toml: [actions."{action}"] names the adapter {declared.adapter!r}, which there is not; '
                    "docs/actions.md lists them"
                )

    def adapters(self) -> dict[str, str]:
        """The adapter of each declared type."""
        return {action: declared.adapter for action, declared in self.actions.items()}

    def undone_by(self) -> dict[str, str]:
        """Which type takes back which, where `reversible` says `by TYPE`."""
        named = {action: declared.reversible.partition("by ") for action, declared in self.actions.items()}
        return {action: by for action, (before, said, by) in named.items() if said and not before}

    def refuses(self, rule: GatePolicy, verb: Verb, by: str, owner: str, *, works: bool = False) -> str | None:
        """Why this person may not decide this, or None. Names and roles count; '*' is anybody; 'owner' is the run's owner.

        `works`: it is a gate `work`, where whoever answers does an agent's step.
        """
        # By the name alone: `signatures` shows before that whose name it is, where identity asks for that.
        if by.startswith("agent:"):
            return "agents never decide at a gate"
        if self.identity != "any" and by not in self.people:
            return f"{by!r} is not one of the people in policy.toml, and identity is {self.identity!r}"
        if (works or verb in SAYS_YES) and not rule.requester_may_approve and same_person(by, owner):
            return f"{by!r} asked for this run and may not {'do its steps' if works else 'approve it'}"
        if not self.is_in(rule.who, by, owner):
            return f"{by!r} may not decide here; policy allows {', '.join(rule.who)}"
        for more in rule.also if verb not in SAYS_NO else ():
            if not self.is_in(more, by, owner):
                return f"{by!r} may not decide this; it takes {', '.join(more)}"
        return None

    def keys_of(self, by: str) -> tuple[PublicKey, ...]:
        """The public keys of somebody; none for a stranger."""
        return self.people[by].keys if by in self.people else ()

    def is_in(self, who: Iterable[str], by: str, owner: str) -> bool:
        """True if this person is in a list of names, roles, "*" and "owner"."""
        # With identity `any` nobody proves who they are, so a name brings no role with it; and a role is no name.
        roles = set(self.people[by].roles) if self.identity != "any" else set()
        is_role = by == "owner" or any(by in person.roles for person in self.people.values())
        allowed = set(who)
        return bool(
            "*" in allowed or (by in allowed and not is_role) or roles & allowed or ("owner" in allowed and by == owner)
        )

    def problems(self) -> Iterator[str]:
        """What the keys say together that cannot be meant, each with what to do."""
        known = {one.workflow.lower() for one in PIPELINES}
        for name in self.pipelines.keys() - known:
            yield f"pipelines.{name}: there is no such pipeline; there are {', '.join(sorted(known))}"
        for name, own in self.pipelines.items():
            for kind in own.gates.keys() - self.gates.keys():
                yield f"pipelines.{name}.gates.{kind}: there is no [gates.{kind}] that it could change; add that table first"
        for name, action in self.actions.items():
            yield from (f'actions."{name}".{said}' for said in self._wrong_with(action))
        for kind, gate in self._all_gates():
            if gate.approvals > 1 and not SEVERAL_SAY & set(VERBS[kind]):
                yield f"gates.{kind}.approvals: it takes {', '.join(VERBS[kind])}, and one person says each of these"
            if not all(gate.also):
                yield f"gates.{kind}.also: an empty list lets nobody decide; name somebody, or leave it out"
        yield from (*self.console.problems(), *self._wrong_rules(), *self._wrong_keys())

    def _all_gates(self) -> Iterator[tuple[GateKind, GatePolicy]]:
        for kind in self.gates:
            for pipeline in ("", *self.pipelines):
                yield kind, self.gate(kind, pipeline)

    def _wrong_with(self, action: ActionPolicy) -> Iterator[str]:
        if action.tier_when_tainted not in (None, stricter(action.tier, action.tier_when_tainted or action.tier)):
            less = f"{action.tier_when_tainted} asks for less than the tier {action.tier}"
            yield f"tier_when_tainted: {less}; it may only ask for more"
        undone_by = action.reversible.removeprefix("by ")
        if action.reversible.startswith("by ") and undone_by not in self.actions:
            yield f'reversible: no action {undone_by!r} is declared; add [actions."{undone_by}"], or say "no"'
        if action.escalation and action.escalation[-1] != ACCOUNTABLE:
            yield f'escalation: it ends with whoever is accountable; write "{ACCOUNTABLE}" as the last one'
        if action.expiry == "escalate" and action.escalation == ():
            yield "expiry: it escalates to nobody; name somebody in escalation, or say reject"

    def _wrong_keys(self) -> Iterator[str]:
        everybody = [(key, name) for name, person in self.people.items() for key in person.keys]
        for key in dict.fromkeys(key for key, _ in everybody):
            whose = [name for one, name in everybody if one == key]
            if len(whose) > 1:
                yield f"people: {', '.join(whose)} have the same key; make one for each of them: `baton keys new`"
        if self.identity == "signed" and not everybody:
            yield "identity: with 'signed' somebody needs a key, or nobody can decide; `baton keys new` makes one"

    def _wrong_rules(self) -> Iterator[str]:
        names = [rule.name for rule in self.rules]
        for name in dict.fromkeys(one for one in names if names.count(one) > 1):
            yield f"rules: {name!r} is there twice; every rule has a name of its own"
        for rule in self.rules:
            about = self.actions.get(rule.action or "")
            yield from rule.problems(about.adapter if about is not None else "")
            if rule.action not in (None, "*", *self.actions):
                yield f'rule {rule.name!r}: no action {rule.action!r} is declared; add [actions."{rule.action}"] for it'
            if rule.gate is not None and rule.gate not in self.gates:
                yield f"rule {rule.name!r}: it opens gate {rule.gate}, and there is no [gates.{rule.gate}]; add that table"


def same_person(one: str, other: str) -> bool:
    """True if two names are one person: however they are capitalised, composed or padded."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def read_policy(raw: bytes, where: str) -> Policy:
    """Parse and check a policy's text. Raises `Misconfigured`, naming `where` and the key that is wrong."""
    try:
        parsed = tomllib.loads(raw.decode())
        if "ceilings" in parsed:
            raise Misconfigured(f"{where}: [ceilings] is read from baton.toml now; move the table there, as it is")
        read = Policy.read_typed_by_people(parsed).model_copy(update={"digest": sha256(raw)})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{where} is not TOML: {error}") from None
    except ContractViolation as error:
        raise Misconfigured(f"{where}: {'; '.join(error.problems)}") from None
    if wrong := tuple(read.problems()):
        raise Misconfigured(f"{where}: {'; '.join(wrong)}")
    return read


def load_policy(path: Path) -> Policy:
    """Read and check the policy file. Raises `Misconfigured`, naming the key that is wrong."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"the policy file {path} cannot be read: {error.strerror}") from None
    return read_policy(raw, str(path))
