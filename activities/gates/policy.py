"""policy.toml: who may decide what, and what it takes to perform actions. Read once when the worker starts."""

import tomllib
from collections.abc import Container
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field

from contracts.actions import ActionPolicy, Tier
from contracts.base import Input, Span, sha256
from contracts.errors import ContractViolation, Misconfigured
from contracts.gates import GateKind, GatePolicy, Verb


class Person(Input):
    """Somebody who may decide, with roles."""

    roles: tuple[str, ...] = ()


class Defaults(Input):
    """Values for what an input leaves open."""

    owner: str = ""
    effort: Literal["full", "auto"] = "full"


class GateRule(GatePolicy):
    """One gate's policy as people write it: unknown keys and impossible durations are refused."""

    model_config = ConfigDict(extra="forbid")

    deadline: Span
    reminder: Span | None = None


UNDECLARED_CEILING = GatePolicy(who=("owner",), deadline=timedelta(days=3))
"""For policy files that are older than this kind of gate: the run's owner decides, and silence stops the run."""


class Policy(Input, name="policy/1"):
    """The whole policy file."""

    identity: Literal["any", "known"] = "any"
    defaults: Defaults = Defaults()
    people: dict[str, Person] = Field(default_factory=dict)
    gates: dict[GateKind, GateRule]
    actions: dict[str, ActionPolicy] = Field(default_factory=dict)
    digest: str = Field(default="", exclude=True)

    def gate(self, kind: GateKind) -> GatePolicy:
        """The rules for this kind of gate. Raises `Misconfigured` if the file has no table for it."""
        rule = self.gates.get(kind)
        if rule is None and kind == "ceiling":
            return UNDECLARED_CEILING
        if rule is None:
            raise Misconfigured(f"policy.toml has no [gates.{kind}]; add who, deadline and expiry for it")
        return GatePolicy.model_validate(rule.model_dump())

    def tier(self, action: str) -> Tier:
        """What it takes to perform this type of action. Raises `Misconfigured` if it is not declared."""
        declared = self.actions.get(action)
        if declared is None:
            raise Misconfigured(
                f'policy.toml declares no action {action!r}; add [actions."{action}"] with its tier, or run something else'
            )
        return declared.tier

    def adapters(self, known: Container[str]) -> dict[str, str]:
        """The adapter of each declared type. Raises `Misconfigured` for one that the worker does not have."""
        for action, declared in self.actions.items():
            if declared.adapter not in known:
                raise Misconfigured(
                    f'policy.toml: [actions."{action}"] names the adapter {declared.adapter!r}, which there is not; '
                    "docs/actions.md lists them"
                )
        return {action: declared.adapter for action, declared in self.actions.items()}

    def undone_by(self) -> dict[str, str]:
        """Which type takes back which, where `reversible` says `by TYPE`."""
        named = {action: declared.reversible.partition("by ") for action, declared in self.actions.items()}
        return {action: by for action, (before, said, by) in named.items() if said and not before}

    def refuses(self, rule: GatePolicy, verb: Verb, by: str, owner: str) -> str | None:
        """Why this person may not decide this, or None. Names and roles count; '*' is anybody; 'owner' is the run's owner."""
        if by.startswith("agent:"):
            return "agents never decide at a gate"
        if self.identity == "known" and by not in self.people:
            return f"{by!r} is not one of the people in policy.toml, and identity is 'known'"
        if verb in ("approve", "raise_ceiling") and not rule.requester_may_approve and by == owner:
            return f"{by!r} asked for this run and may not approve it"
        # With identity `any` nobody proves who they are, so a name brings no role with it; and a role is no name.
        roles = set(self.people[by].roles) if self.identity == "known" else set()
        is_role = by == "owner" or any(by in person.roles for person in self.people.values())
        allowed = set(rule.who)
        if "*" in allowed or (by in allowed and not is_role) or roles & allowed or ("owner" in allowed and by == owner):
            return None
        return f"{by!r} may not decide here; policy allows {', '.join(rule.who)}"


def load_policy(path: Path) -> Policy:
    """Read and check the policy file. Raises `Misconfigured`, naming the key that is wrong."""
    try:
        raw = path.read_bytes()
        parsed = tomllib.loads(raw.decode())
        if "ceilings" in parsed:
            raise Misconfigured(f"{path}: [ceilings] is read from baton.toml now; move the table there, as it is")
        return Policy.read_typed_by_people(parsed).model_copy(update={"digest": sha256(raw)})
    except OSError as error:
        raise Misconfigured(f"the policy file {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} is not TOML: {error}") from None
    except ContractViolation as error:
        raise Misconfigured(f"{path}: {'; '.join(error.problems)}") from None
