"""Two policies compared: each key's looser and stricter side, and that both together are never looser than either."""

import pytest
from hypothesis import given, settings

from activities.gates.comparison import UNORDERED, compare, loosened, together
from activities.gates.policy import Policy
from tests.activities.gates.policies import KEYS, POLICIES, policy
from tests.depth import count

LOOSER = [
    ("identity", ('identity = "known"', 'identity = "any"')),
    ("people.maria.keys", ("[people.maria]", f'[people.maria]\nkeys = ["{KEYS[0]}"]')),
    ("people.maria.roles", ('["developer"]', '["developer", "lead"]')),
    ("people.petra", ("[people.maria]", '[people.petra]\nroles = ["lead"]\n[people.maria]')),
    ("owners", ('who = ["owner-role"]', 'who = ["owner-role", "maria"]')),
    ("console.operate", ('operate = ["lead"]', 'operate = ["lead", "maria"]')),
    ("console.read", ('read = ["developer", "lead"]', 'read = ["*"]')),
    ("console.operate", ('operate = ["lead"]', 'operate = ["*"]')),
    ("gates.plan.who", ('["developer", "lead"]', '["developer", "lead", "petra"]')),
    ("gates.plan.deadline", ('lead"]\ndeadline = "P1D"', 'lead"]\ndeadline = "P2D"')),
    ("gates.change.approvals", ("approvals = 2", "approvals = 1")),
    ("gates.plan.escalation", ('"P1D"', '"P1D"\nescalation = ["maria"]\nexpiry = "escalate"')),
    ("gates.stuck", ("[gates.change]", '[gates.stuck]\nwho = ["*"]\ndeadline = "P1D"\n[gates.change]')),
    ('actions."git.push".tier', ('tier = "confirm"', 'tier = "auto"')),
    ('actions."git.push".rate', ("most = 10", "most = 11")),
    ('actions."git.push".rate', ('per = "P1D"', 'per = "PT1H"')),
    ('actions."git.push".adapter', ('adapter = "git.push"', 'adapter = "git.revert"')),
    ('actions."git.push".reversible', ('reversible = "yes"', 'reversible = "yes"\ntier_when_tainted = "draft"')),
    ('actions."note".reversible', ('reversible = "by git.push"', 'reversible = "yes"')),
]


@pytest.mark.parametrize(("key", "change"), LOOSER, ids=lambda row: str(row)[:40])
def test_each_key_has_a_looser_side_and_a_stricter_one(key: str, change: tuple[str, str]) -> None:
    """One way it is loosened, the other way it is not; the two together are the stricter one, wherever there is one."""
    before, after = policy(), policy(change)
    if change[1].endswith('tier_when_tainted = "draft"'):
        before, after, key = after, before, 'actions."git.push".tier_when_tainted'
    # A tier is the least that holds for what is tainted, too.
    found = [one.key for one in loosened(before, after)]
    assert found[0] == key
    assert all(one.startswith(key) for one in found)
    back = [one.key for one in loosened(after, before)]
    assert back == ([key] if key in ("owners", 'actions."git.push".adapter') else [])
    assert compare(together(before, after), before) == ()


def test_rules_are_compared_by_what_they_do() -> None:
    """Without a rule, with fewer approvals or more conditions it is looser; another name or reason is nothing."""
    before = policy()
    rule = before.rules[0]
    other = {"name": "another", "why": "another reason"}
    assert compare(before, before.model_copy(update={"rules": (rule.model_copy(update=other),)})) == ()
    narrower = rule.model_copy(update={"when": (*rule.when, rule.when[0].model_copy(update={"value": "release/1"}))})
    for rules in ((), (rule.model_copy(update={"approvals": None, "tier": "confirm"}),), (narrower,)):
        after = before.model_copy(update={"rules": rules})
        assert [one.key for one in loosened(before, after)] == ['rules."release branches"']
        assert rule in together(before, after).rules
    wider = rule.model_copy(update={"when": (), "action": "*"})
    assert loosened(before, before.model_copy(update={"rules": (wider,)})) == ()


def test_of_two_lists_of_people_whoever_is_in_both_may_decide() -> None:
    """A gate of developers that becomes one of leads is neither looser nor stricter: until it is approved it takes both."""
    before = policy()
    after = policy(('who = ["developer", "lead"]', 'who = ["owner-role"]'))
    both = together(before, after)
    assert both.refuses(both.gate("plan"), "approve", "olga", "x") is None
    assert both.refuses(both.gate("plan"), "approve", "maria", "x") == "'maria' may not decide this; it takes owner-role"
    assert both.refuses(both.gate("plan"), "reject", "maria", "x") is None


def test_who_uses_the_console_is_compared_as_it_holds() -> None:
    """A table that is left out means what identity makes of it; of two lists whoever is in both may."""
    without = policy(('[console]\nread = ["developer", "lead"]\noperate = ["lead"]\n', ""))
    assert [str(one) for one in compare(without, policy())] == [
        "console.read: * -> developer, lead",
        "console.operate: nobody -> lead",
    ]
    assert [one.key for one in loosened(without, policy())] == ["console.operate"]
    both = together(without, policy())
    assert (both.console.readers, both.console.operators) == (("developer", "lead"), ())
    other = policy(('operate = ["lead"]', 'operate = ["owner-role", "lead"]'))
    assert together(other, policy(('operate = ["lead"]', 'operate = ["owner-role"]'))).console.operators == ("owner-role",)
    assert compare(policy(), policy(('["developer", "lead"]\noperate', '["lead", "developer"]\noperate'))) == ()
    # An older policy keeps its bytes, and so its digest where it is kept.
    assert "console" not in without.model_dump(mode="json", by_alias=True)
    assert policy().model_dump(mode="json", by_alias=True)["console"] == {"read": ["developer", "lead"], "operate": ["lead"]}


def test_owners_are_named_without_owners() -> None:
    """Where nobody could approve anything, an owner counts at once; afterwards the owners decide who owns it."""
    none = policy(('[owners]\nwho = ["owner-role"]\n', ""))
    assert none.owning() is None
    assert loosened(none, policy()) == ()
    assert [one.key for one in loosened(policy(), none)] == ["owners"]


@settings(max_examples=count(50, soak=150), deadline=None)
@given(POLICIES, POLICIES)
def test_together_they_are_never_looser_than_either(old: Policy, new: Policy) -> None:
    """Whatever two policies say. Of keys without a stricter side the one in force stays; twice is once."""
    both = together(old, new)
    assert loosened(old, both) == ()
    assert [one for one in loosened(new, both) if not any(part in one.key for part in UNORDERED)] == []
    assert compare(old, old) == compare(both, together(both, both)) == ()
    assert loosened(old, new) or loosened(both, new) == ()
