"""Rules of policy.toml: conditions on an action's arguments and on what agents handed off, and what they make stricter.

A condition is a field, a comparison and a value; all conditions of a rule have to hold. There is no expression language. A rule
can only make things stricter: it has no way to say that less is needed.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from contracts.actions import Approvals, Tier
from contracts.agents import Risk
from contracts.base import Contract, Input, Line, PerMille, is_empty, is_none
from contracts.effects.every import ARGUMENTS
from contracts.globs import fits
from contracts.handoff import Outcome
from contracts.risk import LEVELS
from contracts.sinks import KEYED, decoded

Kind = Literal["number", "text", "names", "risk", "flag"]
Comparison = Literal["is", "is_not", "above", "below", "at_least", "at_most", "matches", "has"]

_ORDERED: tuple[Comparison, ...] = ("is", "is_not", "above", "below", "at_least", "at_most")
COMPARISONS: Mapping[Kind, tuple[Comparison, ...]] = {
    "number": _ORDERED,
    "text": ("is", "is_not", "matches"),
    "names": ("has", "matches"),
    "risk": _ORDERED,
    "flag": ("is",),
}
"""A closed list: what may be asked of each kind of field. `matches` takes a glob; of several names one has to fit."""

_COMMON: Mapping[str, Kind] = {
    "project": "text",
    "pipeline": "text",
    "tainted": "flag",
    "taint": "names",
    "confidence": "number",
    "unsupported": "number",
    "degraded": "number",
}
OF_ACTIONS: Mapping[str, Kind] = {
    **_COMMON,
    "environment": "text",
    "paths": "names",
    "files": "number",
    "lines": "number",
    "unsure": "number",
    "risk": "risk",
}
"""Fields of every action, beside its `arguments.NAME`."""
OF_HANDOFFS: Mapping[str, Kind] = {**_COMMON, "outcome": "text", "claims": "number"}
"""Fields of what an agent hands off."""


def _no_float(value: object) -> object:
    # Binary fractions would make 0.1 + 0.2 a different amount on the way; contracts hold none.
    if isinstance(value, float):
        raise ValueError(f'write {value} in quotes: "{value}"')
    return value


class Condition(Input):
    """One comparison: `{ field = "arguments.branch", is = "matches", value = "release/*" }`."""

    field: Line = Field(min_length=1, max_length=200)
    is_: Comparison = Field(alias="is")
    value: Annotated[bool | int | str, BeforeValidator(_no_float)]

    def __str__(self) -> str:
        return f"{self.field} {self.is_.replace('_', ' ')} {self.value}"


class Rule(Input):
    """A rule about actions of a type (`action`) or about what an agent hands off (`agent`); `*` is every one of them."""

    name: Line = Field(min_length=1, max_length=80, description="unique in the file")
    why: Line = Field(min_length=1, max_length=500, description="shown where it fires")
    action: str | None = Field(default=None, exclude_if=is_none)
    agent: str | None = Field(default=None, exclude_if=is_none)
    when: tuple[Condition, ...] = Field(default=(), description="all of them; none: always")
    tier: Tier | None = Field(default=None, exclude_if=is_none, description="at least this tier")
    approvals: Approvals | None = Field(default=None, exclude_if=is_none, description="at least so many people")
    who: tuple[str, ...] | None = Field(default=None, exclude_if=is_none, description="only these, of those who may anyway")
    requester_may_approve: Literal[False] | None = Field(default=None, exclude_if=is_none)
    gate: Literal["policy"] | None = Field(default=None, exclude_if=is_none, description="of an agent's step: ask a person")

    @field_validator("gate")
    @classmethod
    def _is_about_steps(cls, gate: str | None, known: ValidationInfo) -> str | None:
        if gate is not None and known.data.get("agent") is None:
            raise ValueError("only a rule with `agent` opens a gate; one with `action` raises its tier")
        return gate

    def problems(self, adapter: str = "") -> tuple[str, ...]:
        """What is wrong with it as a whole: what it is about, what it does, and fields that cannot exist.

        `adapter` is the one of the action that it is about, whose arguments it may name; "" for one about every action.
        """
        if (self.action is None) == (self.agent is None):
            return (f"rule {self.name!r}: say what it is about: `action` or `agent`, one of the two",)
        effects = (self.tier, self.approvals, self.who, self.requester_may_approve)
        if self.agent is not None and any(one is not None for one in effects):
            return (f"rule {self.name!r}: tier, approvals, who and requester_may_approve are for rules with `action`",)
        if self.agent is not None and self.gate is None:
            return (f'rule {self.name!r}: it does nothing; add gate = "policy"',)
        if self.action is not None and all(one is None for one in effects):
            return (f"rule {self.name!r}: it does nothing; add tier, approvals, who or requester_may_approve = false",)
        return tuple(f"rule {self.name!r}: {said}" for one in self.when if (said := _wrong_with(one, self.action, adapter)))


class Facts(Contract):
    """What a run knows when an action, or what an agent handed off, is judged by rules. Nothing here is a model's word but
    `confidence`.
    """

    project: str = ""
    pipeline: str = ""
    taint: tuple[str, ...] = Field(default=(), exclude_if=is_empty)
    confidence: PerMille | None = Field(default=None, exclude_if=is_none, description="the lowest; None: no agent was asked")
    unsupported: int = Field(default=0, exclude_if=is_empty)
    degraded: int = Field(default=0, exclude_if=is_empty)
    unsure: int = Field(default=0, exclude_if=is_empty)
    environment: str = Field(default="", exclude_if=is_empty)
    paths: tuple[str, ...] = Field(default=(), exclude_if=is_empty)
    files: int = Field(default=0, exclude_if=is_empty)
    lines: int = Field(default=0, exclude_if=is_empty)
    risk: Risk = Field(default="low", exclude_if=lambda risk: risk == "low")
    outcome: Outcome = Field(default="done", exclude_if=lambda outcome: outcome == "done")
    claims: int = Field(default=0, exclude_if=is_empty)

    @property
    def tainted(self) -> bool:
        """True if an untrusted source flowed in."""
        return bool(self.taint)


def fires(rule: Rule, facts: Facts, arguments: Mapping[str, Any] | None = None) -> bool:
    """True if all conditions of the rule hold. `arguments`: the action's; None: not known, and what asks for them holds."""
    return all(_holds(one, facts, arguments) for one in rule.when)


def _holds(one: Condition, facts: Facts, arguments: Mapping[str, Any] | None) -> bool:
    head, _, name = one.field.partition(".")
    if head == "arguments":
        # Not known is not harmless: a rule that cannot be judged counts as one that fires.
        return arguments is None or _holds_of(one, name, arguments)
    return _compares(one, getattr(facts, head, None))


def _holds_of(one: Condition, name: str, arguments: Mapping[str, Any]) -> bool:
    """Whether a condition holds of an argument, or of an entry of one: `values.cents`."""
    field, dot, entry = name.partition(".")
    if not dot:
        return _compares(one, arguments.get(field))
    entries = decoded(arguments.get(field))
    found = entries.get(entry) if isinstance(entries, Mapping) else None
    numeric = _number(one.value) is not None and not isinstance(one.value, bool)
    # An entry that is not there, or is no number where one is compared, is not known either.
    if found is None or (numeric and _number(found) is None):
        return True
    return _compares(one, found)


def _compares(one: Condition, found: Any) -> bool:
    if isinstance(found, list | tuple):
        wanted = str(one.value)
        return any(str(name) == wanted if one.is_ == "has" else fits(str(name), wanted) for name in found)
    if one.is_ == "matches":
        return fits(str(found if found is not None else ""), str(one.value))
    if isinstance(found, bool) or isinstance(one.value, bool):
        return bool(found) == one.value
    return _ORDER[one.is_](*_comparable(found, one.value))


_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "is": lambda found, value: found == value,
    "is_not": lambda found, value: found != value,
    "above": lambda found, value: found is not None and found > value,
    "below": lambda found, value: found is not None and found < value,
    "at_least": lambda found, value: found is not None and found >= value,
    "at_most": lambda found, value: found is not None and found <= value,
}


def _comparable(found: Any, value: int | str) -> tuple[Any, Any]:
    if value in LEVELS and found in LEVELS:
        return LEVELS.index(found), LEVELS.index(value)
    if found is None:
        return ("" if isinstance(value, str) and _number(value) is None else None), value
    numbers = _number(found), _number(value)
    if None not in numbers:
        return numbers
    return str(found), str(value)


def _number(value: object) -> Decimal | None:
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _wrong_with(one: Condition, action: str | None, adapter: str) -> str:
    """Why this condition can never be asked; "" if it can."""
    if _is_entry(one.field, adapter):
        return ""
    kind, why = _kind_of(one.field, action, adapter)
    if kind is None:
        return why
    if one.is_ not in COMPARISONS[kind]:
        return f"{one.field} is a {kind}, which takes {', '.join(COMPARISONS[kind])}, not {one.is_}"
    if kind == "number" and (isinstance(one.value, bool) or _number(one.value) is None):
        return f"{one.field} is compared with a number, not {one.value!r}"
    if kind == "risk" and one.value not in LEVELS:
        return f"{one.field} is {', '.join(LEVELS)}, not {one.value!r}"
    if kind == "flag" and not isinstance(one.value, bool):
        return f"{one.field} is true or false, not {one.value!r}"
    if kind in ("text", "names") and not isinstance(one.value, str):
        return f"{one.field} is compared with a text: write {str(one.value).lower()} in quotes"
    if one.field == "outcome" and one.value not in get_args(Outcome):
        return f"outcome is {', '.join(get_args(Outcome))}, not {one.value!r}"
    return ""


def _is_entry(field: str, adapter: str) -> bool:
    """True for an entry that operators have named, such as `arguments.values.cents`: its kind is up to them."""
    head, _, name = field.partition(".")
    argument, dot, entry = name.partition(".")
    return head == "arguments" and bool(dot and entry) and argument in KEYED.get(adapter, ())


def _kind_of(field: str, action: str | None, adapter: str) -> tuple[Kind | None, str]:
    """What kind of field this is; else None, and which fields there are."""
    known = OF_HANDOFFS if action is None else OF_ACTIONS
    head, dot, name = field.partition(".")
    if not dot and head in known:
        return known[head], ""
    arguments = _fields_of(adapter)
    if head == "arguments" and name in arguments:
        return arguments[name], ""
    if head == "arguments" and action == "*":
        return None, f"there is no field {field!r} that every action has; name one type as `action`"
    of = "what an agent hands off" if action is None else action
    entries = (f"arguments.{one}.NAME" for one in KEYED.get(adapter, ()))
    there = (*known, *(f"arguments.{one}" for one in arguments), *entries)
    return None, f"there is no field {field!r} of {of}; there are {', '.join(there)}"


def _fields_of(adapter: str) -> dict[str, Kind]:
    """The arguments of an action that a rule can compare."""
    contract = ARGUMENTS.get(adapter)
    if contract is None:
        return {}
    found = {name: _kind(field.annotation) for name, field in contract.model_fields.items()}
    return {name: kind for name, kind in found.items() if kind is not None}


def _kind(annotation: Any) -> Kind | None:
    if get_origin(annotation) in (Union, UnionType):
        kinds = {_kind(one) for one in get_args(annotation) if one is not type(None)}
        return kinds.pop() if len(kinds) == 1 else None
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return "text"
    if get_origin(annotation) is tuple:
        return "names" if _kind(get_args(annotation)[0]) == "text" else None
    simple: Mapping[Any, Kind] = {bool: "flag", int: "number", Decimal: "number", str: "text"}
    return simple.get(annotation)
