"""Policies for tests: a small one as text, changes of it, and any policy at all."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as some

from activities.gates.policy import (
    AgentFloor,
    Defaults,
    GateChange,
    GateRule,
    Owners,
    Person,
    PipelineGates,
    Policy,
    read_policy,
)
from contracts.actions import TIERS, ActionPolicy, Rate
from contracts.console import ConsoleAccess
from contracts.rules import Rule

TEXT = """
identity = "known"

[owners]
who = ["owner-role"]

[people.olga]
roles = ["lead", "owner-role"]
[people.otto]
roles = ["lead", "owner-role"]
[people.maria]
roles = ["developer"]

[gates.plan]
who = ["developer", "lead"]
deadline = "P1D"

[gates.change]
who = ["lead"]
deadline = "P1D"
approvals = 2

[gates.action]
who = ["lead"]
deadline = "P1D"
[gates.unknown]
who = ["lead"]
deadline = "P1D"
[gates.draft]
who = ["lead"]
deadline = "P1D"

[actions."git.push"]
adapter = "git.push"
tier = "confirm"
reversible = "yes"
accountable = "owner"
rate = { most = 10, per = "P1D" }

[actions.note]
adapter = "note"
tier = "auto"
reversible = "by git.push"
accountable = "lead"

[console]
read = ["developer", "lead"]
operate = ["lead"]

[[rules]]
name = "release branches"
why = "customers get them"
action = "git.push"
when = [{ field = "arguments.branch", is = "matches", value = "release/*" }]
approvals = 2
"""


def policy(*changes: tuple[str, str], text: str = TEXT) -> Policy:
    """The policy of this text with these changes; each has to be one."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return read_policy(text.encode(), "policy.toml")


WHO = some.lists(some.sampled_from(["*", "owner", "lead", "developer", "olga"]), min_size=1, max_size=3, unique=True).map(tuple)
DAYS = some.integers(1, 4).map(lambda days: timedelta(days=days))


def _maybe(strategy: some.SearchStrategy[Any]) -> some.SearchStrategy[Any]:
    return some.none() | strategy


RATES = some.builds(
    Rate,
    most=some.integers(1, 3),
    per=DAYS,
    of=some.sampled_from(["target", "project", "all"]),
    over=some.sampled_from(["ask", "wait"]),
)
GATES = some.builds(
    GateRule,
    who=WHO,
    deadline=DAYS,
    reminder=_maybe(DAYS),
    escalation=some.lists(some.sampled_from(["owner", "lead", "olga"]), max_size=2, unique=True).map(tuple),
    expiry=some.sampled_from(["reject", "escalate"]),
    requester_may_approve=some.booleans(),
    most_usd=_maybe(some.integers(1, 3).map(Decimal)),
    approvals=some.integers(1, 3),
    also=some.lists(WHO, max_size=2).map(tuple),
)
CHANGES = some.builds(GateChange, who=_maybe(WHO), deadline=_maybe(DAYS), approvals=_maybe(some.integers(1, 3)))
ACTIONS = some.builds(
    ActionPolicy,
    adapter=some.sampled_from(["git", "ledger"]),
    tier=some.sampled_from(TIERS),
    tier_when_tainted=_maybe(some.sampled_from(TIERS)),
    reversible=some.sampled_from(["yes", "no", "by note", "by git.push"]),
    accountable=some.sampled_from(["owner", "lead"]),
    who=_maybe(WHO),
    approvals=some.integers(1, 3),
    requester_may_approve=some.booleans(),
    deadline=_maybe(DAYS),
    escalation=_maybe(some.sampled_from([(), ("accountable",), ("lead", "accountable")])),
    expiry=_maybe(some.sampled_from(["reject", "escalate"])),
    rate=_maybe(RATES),
)
KEYS = [f"ed25519:{letter * 42}A" for letter in "ab"]

_CONDITION = some.sampled_from(
    [{"field": "confidence", "is": "below", "value": 700}, {"field": "paths", "is": "matches", "value": "deploy/**"}]
)
RULES = some.builds(
    Rule,
    name=some.sampled_from(["one", "two"]),
    why=some.just("because"),
    action=some.sampled_from(["git.push", "*"]),
    when=some.lists(_CONDITION, max_size=2).map(tuple),
    tier=_maybe(some.sampled_from(TIERS)),
    approvals=_maybe(some.integers(1, 3)),
    who=_maybe(WHO),
)
_SOME = some.lists(some.sampled_from(["*", "lead", "x", "olga"]), max_size=3, unique=True).map(tuple)
POLICIES = some.builds(
    Policy,
    identity=some.sampled_from(["any", "known", "signed"]),
    defaults=some.builds(Defaults, owner=some.sampled_from(["", "olga"]), effort=some.sampled_from(["full", "auto"])),
    people=some.dictionaries(
        some.sampled_from(["olga", "otto"]),
        some.builds(
            Person,
            roles=some.lists(some.sampled_from(["lead", "x"]), unique=True).map(tuple),
            keys=some.lists(some.sampled_from(KEYS), unique=True).map(tuple),
        ),
    ),
    console=some.builds(ConsoleAccess, readers=_maybe(_SOME), operators=_maybe(_SOME)),
    owners=_maybe(some.builds(Owners, who=WHO, approvals=some.integers(1, 2))),
    gates=some.dictionaries(some.sampled_from(["plan", "change", "ceiling"]), GATES),
    pipelines=some.just({})
    | some.builds(
        lambda change: {"review": PipelineGates(gates={"plan": change})},
        CHANGES,
    ),
    actions=some.dictionaries(some.sampled_from(["git.push", "note"]), ACTIONS),
    agents=some.dictionaries(some.just("planner"), some.builds(AgentFloor, minimum_confidence=some.integers(0, 3))),
    rules=some.lists(RULES, max_size=2).map(tuple),
).filter(lambda made: "plan" in made.gates or not made.pipelines)
"""Any policy, also ones that no file can say."""
