"""For each kind of value in policy.toml, which of two is looser, and the loosest that is no looser than either. Pure.

Every order has `looser(old, new)` (True if `new` allows anything that `old` does not) and `both(old, new)` (what allows only
what both allow). Where two values cannot be compared, each is looser than the other, and `both` allows less than either.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.actions import TIERS, Rate
from contracts.gates import GatePolicy
from contracts.rules import Rule

Clauses = tuple[tuple[str, ...], ...]
"""Lists of names and roles: somebody has to be in each of them."""


@dataclass(frozen=True)
class Order:
    """How values of one key are compared and brought together."""

    looser: Callable[[Any, Any], bool]
    both: Callable[[Any, Any], Any]


def ranked(*strictest_last: Any) -> Order:
    """Values of a closed list, the loosest first."""
    rank = strictest_last.index
    return Order(lambda old, new: rank(new) < rank(old), lambda old, new: max(old, new, key=rank))


def least(unlimited: Any = None) -> Order:
    """Amounts of which less is stricter; `unlimited` is more than any."""
    return Order(
        lambda old, new: old != unlimited and (new == unlimited or new > old),
        lambda old, new: min((one for one in (old, new) if one != unlimited), default=unlimited),
    )


MOST = Order(lambda old, new: new < old, max)
"""Amounts of which more is stricter."""


def _never(old: Any, new: Any) -> bool:
    del old, new
    return False


def _the_new(old: Any, new: Any) -> Any:
    del old
    return new


def _the_old(old: Any, new: Any) -> Any:
    del new
    return old


NEUTRAL = Order(_never, _the_new)
"""Keys that allow nothing and forbid nothing, such as a reminder: the new value counts."""

UNORDERED = Order(lambda old, new: old != new, _the_old)
"""Keys of which no value is stricter than another, such as who owns the policy: a change counts once it is approved."""

SUBSET = Order(
    lambda old, new: not set(new) <= set(old),
    lambda old, new: tuple(one for one in old if one in new),
)
"""Names of which fewer are stricter."""

IDENTITY = ranked("any", "known", "signed-in", "signed")
EFFORT = ranked("auto", "full")
TIER = ranked(*TIERS)
EXPIRY = ranked("escalate", "reject")
MAY = ranked(True, False)


def _narrower(one: Sequence[str], other: Sequence[str]) -> bool:
    """True if whoever is in the one list is in the other as well."""
    return "*" in other or set(one) <= set(other)


def _clauses_looser(old: Clauses, new: Clauses) -> bool:
    return not all(any(_narrower(mine, wanted) for mine in new) for wanted in old)


def _clauses_both(old: Clauses, new: Clauses) -> Clauses:
    return smallest((*old, *new))


def smallest(clauses: Iterable[Sequence[str]]) -> Clauses:
    """The lists without those that another one includes already."""
    kept: list[tuple[str, ...]] = []
    for one in dict.fromkeys(("*",) if "*" in clause else tuple(clause) for clause in clauses):
        if not any(_narrower(there, one) for there in kept):
            kept = [there for there in kept if not _narrower(one, there)] + [one]
    return tuple(kept)


ADDED = Order(_never, _the_new)
"""Owners where there were none: where nobody can approve anything, naming somebody is no way around an approval."""

OWNER = Order(lambda old, new: new not in (old, ""), lambda old, new: new if new == "" else old)
"""The owner of runs that name nobody; "" is the strictest: such a run does not start."""

CLAUSES = Order(_clauses_looser, _clauses_both)


def in_all(clauses: Clauses) -> tuple[str, ...]:
    """One list of whoever is in each of these lists."""
    return tuple(one for one in clauses[0] if all(one in clause for clause in clauses))


def in_order(who: Iterable[str]) -> tuple[str, ...]:
    """The same people and roles, so that two lists are equal if they name the same."""
    return tuple(sorted(set(who)))


LIST = Order(lambda old, new: not _narrower(new, old), lambda old, new: in_all(smallest((old, new))))
"""One list of people and roles, or "*"."""


def clauses_of(gate: GatePolicy) -> Clauses:
    """Who may say yes at a gate, as lists that somebody has to be in."""
    return smallest((gate.who, *gate.also))


def escalation_of(gate: GatePolicy) -> tuple[str, ...]:
    """Who may decide as well once the deadline is over."""
    return gate.escalation if gate.expiry == "escalate" else ()


def _undone(how: str) -> tuple[int, str]:
    return ("yes", "by", "no").index(how.split()[0]), how


def _undone_both(old: str, new: str) -> str:
    if _undone(old)[0] == _undone(new)[0] and old != new:
        return "no"
    return max(old, new, key=_undone)


REVERSIBLE = Order(lambda old, new: old != new and _undone(new)[0] <= _undone(old)[0], _undone_both)


def _rate_looser(old: Rate | None, new: Rate | None) -> bool:
    if old is None or new is None:
        return new is None and old is not None
    counted = new.of in (old.of, "all")
    waits = old.over == "ask" or new.over == "wait"
    return not (new.most <= old.most and new.per >= old.per and counted and waits)


def _rate_both(old: Rate | None, new: Rate | None) -> Rate | None:
    if old is None or new is None:
        return old or new
    return Rate(
        most=min(old.most, new.most),
        per=max(old.per, new.per),
        of=old.of if old.of == new.of else "all",
        over="wait" if "wait" in (old.over, new.over) else "ask",
    )


RATE = Order(_rate_looser, _rate_both)


def _optional_both(order: Order, nothing: Any) -> Callable[[Any, Any], Any]:
    def both(old: Any, new: Any) -> Any:
        if old == new:
            return old
        return nothing if old is None or new is None else order.both(old, new)

    return both


def inherited(order: Order, nothing: Any) -> Order:
    """Keys whose None means the gate's own value: None and a value cannot be compared, and `nothing` is as strict as both."""
    return Order(
        lambda old, new: old != new and new != nothing and (old is None or new is None or order.looser(old, new)),
        _optional_both(order, nothing),
    )


def covers(rule: Rule, other: Rule) -> bool:
    """True if the rule fires wherever the other one does, and asks for as much: then the other one adds nothing."""
    about = rule.action == other.action or (rule.action == "*" and other.action is not None)
    about = about and (rule.agent == other.agent or (rule.agent == "*" and other.agent is not None))
    if not about or not set(map(str, rule.when)) <= set(map(str, other.when)):
        return False
    tier = other.tier is None or (rule.tier is not None and not TIER.looser(other.tier, rule.tier))
    people = (rule.approvals or 1) >= (other.approvals or 1)
    named = other.who is None or (rule.who is not None and _narrower(rule.who, other.who))
    asks = other.requester_may_approve is None or rule.requester_may_approve is False
    return tier and people and named and asks and (other.gate is None or rule.gate == other.gate)
