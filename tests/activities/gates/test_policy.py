"""policy.toml: what is wrong is named, and only those decide who may."""

from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest

from activities.gates.policy import Policy, load_policy
from contracts.base import sha256
from contracts.errors import Misconfigured
from contracts.gates import VERBS, GateKind, GatePolicy, Verb

SHIPPED = Path(__file__).parents[3] / "policy.toml"

TEXT = """
identity = "any"
[defaults]
owner = "olga"
[people.olga]
roles = ["lead"]
[people.otto]
roles = ["reviewer", "operator"]
[gates.plan]
who = ["reviewer", "petra"]
deadline = "PT1H"
[actions."git.push"]
adapter = "git.push"
tier = "confirm"
reversible = "yes"
accountable = "owner"
"""


def policy(folder: Path, text: str = TEXT) -> Policy:
    """The policy that such a file says."""
    (folder / "policy.toml").write_text(text)
    return load_policy(folder / "policy.toml")


def rule(*who: str, requester: bool = True) -> GatePolicy:
    """Who may decide."""
    return GatePolicy(who=who, deadline=timedelta(hours=1), requester_may_approve=requester)


def test_the_shipped_policy_can_be_read() -> None:
    """The file that comes with us is right, and closes every gate that it has without approving."""
    shipped = load_policy(SHIPPED)
    assert shipped.defaults.owner in shipped.people
    assert shipped.actions["git.push"].tier == "confirm"
    for kind in shipped.gates:
        assert shipped.gate(kind).expiry in {"reject", "escalate"}


def test_a_policy_says_what_its_file_says(tmp_path: Path) -> None:
    """Durations and rules are read as they are meant; the digest is the file's own."""
    read = policy(tmp_path)
    assert read.gate("plan") == GatePolicy(who=("reviewer", "petra"), deadline=timedelta(hours=1))
    assert read.digest == sha256(TEXT.encode())
    assert policy(tmp_path, TEXT + "\n# a comment").digest != read.digest


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("identity", "identiy", r"identiy: Extra inputs are not permitted"),
        ('"any"', '"anybody"', r"identity: Input should be 'any', 'known', 'signed-in' or 'signed'"),
        ('[defaults]\nowner = "olga"', '[defaults]\nonwer = "olga"', r"defaults\.onwer: Extra inputs"),
        ('roles = ["lead"]', 'role = ["lead"]', r"people\.olga\.role: Extra inputs"),
        ("[gates.plan]", "[gates.plna]", r"gates\.plna"),
        ("who =", "whom =", r"gates\.plan\.whom: Extra inputs"),
        ('deadline = "PT1H"', "", r"gates\.plan\.deadline: Field required"),
        ('"PT1H"', '"an hour"', r"gates\.plan\.deadline: "),
        ('"PT1H"', '"P9999Y"', r"gates\.plan\.deadline: Input should be less than or equal to 366 days"),
        ('"PT1H"', '"-PT1H"', r"gates\.plan\.deadline: Input should be greater than 0 seconds"),
        ('"PT1H"', '"PT0S"', r"gates\.plan\.deadline: Input should be greater than 0 seconds"),
        ('"PT1H"', '"PT1H"\nreminder = "P9999Y"', r"gates\.plan\.reminder: Input should be less than or equal to 366 days"),
        ('"PT1H"', '"PT1H"\nreminder = "-PT1M"', r"gates\.plan\.reminder: Input should be greater than 0 seconds"),
        ('tier = "confirm"', 'tier = "automatic"', r"actions\.git\.push\.tier: Input should be 'auto', 'confirm' or 'draft'"),
        ('tier = "confirm"', "", r"actions\.git\.push\.tier: Field required"),
        ("[people.olga]", "[people.olga", r"is not TOML"),
        ("[gates.plan]", "[ceilings]\nrun_usd = 1\n[gates.plan]", r"\[ceilings\] is read from baton\.toml now"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    """An unknown or missing key, or a value that is none, is refused by name; no default slips in for a tier."""
    with pytest.raises(Misconfigured, match=rf"{tmp_path}/policy\.toml.*{said}"):
        policy(tmp_path, TEXT.replace(old, new, 1))


@pytest.mark.parametrize(
    ("adapter", "tiers", "pinned", "effective"),
    [
        ("git.push", 'tier = "auto"', "confirm", "confirm"),
        ("git.push", 'tier = "auto"\ntier_when_tainted = "auto"', None, "auto"),
        ("git.push", 'tier = "auto"\ntier_when_tainted = "draft"', "draft", "draft"),
        ("git.push", 'tier = "confirm"', None, "confirm"),
        ("note", 'tier = "auto"', None, "auto"),
    ],
)
def test_what_is_tainted_acts_by_itself_only_where_its_entry_says_so(
    tmp_path: Path, adapter: str, tiers: str, pinned: str | None, effective: str
) -> None:
    """Pinned in words, so that a run keeps what held when it began; a note reaches nobody outside."""
    said = TEXT.replace('adapter = "git.push"\ntier = "confirm"', f'adapter = "{adapter}"\n{tiers}')
    terms = policy(tmp_path, said).terms("git.push")
    assert (terms.tier_when_tainted, terms.tainted_tier) == (pinned, effective)


def test_what_a_run_has_pinned_is_read_whatever_it_says() -> None:
    """What is refused in the file today is still read where an earlier release took it: the run that holds it goes on."""
    pinned = GatePolicy.read('{"who": ["*"], "deadline": "-PT1H", "reminder": "P400D"}')
    assert (pinned.deadline, pinned.reminder) == (timedelta(hours=-1), timedelta(days=400))


def test_a_policy_that_is_not_there_is_named(tmp_path: Path) -> None:
    """File and reason."""
    with pytest.raises(Misconfigured, match=r"policy file .*policy\.toml cannot be read: No such file"):
        load_policy(tmp_path / "policy.toml")


def test_a_gate_without_a_rule_is_refused(tmp_path: Path) -> None:
    """A kind of gate that the file does not speak of has no rule, and the message says what to add."""
    with pytest.raises(Misconfigured, match=r"no \[gates\.change\]; add who, deadline and expiry"):
        policy(tmp_path).gate("change")


WHO: list[tuple[str, GatePolicy, str, str | None]] = [
    ("anybody", rule("*"), "somebody", None),
    ("by name", rule("petra"), "petra", None),
    ("by role, while anybody can say any name", rule("reviewer"), "otto", "'otto' may not decide here; policy allows reviewer"),
    ("by the name of a role", rule("reviewer"), "reviewer", "'reviewer' may not decide here; policy allows reviewer"),
    ("by the word owner", rule("owner"), "owner", "'owner' may not decide here; policy allows owner"),
    ("by another's role", rule("reviewer"), "olga", "'olga' may not decide here; policy allows reviewer"),
    ("a stranger", rule("petra", "lead"), "somebody", "'somebody' may not decide here; policy allows petra, lead"),
    ("the run's owner", rule("owner"), "olga", None),
    ("not the owner", rule("owner"), "otto", "'otto' may not decide here; policy allows owner"),
    ("nobody at all", rule(), "olga", "'olga' may not decide here; policy allows "),
    ("an agent, where anybody may", rule("*"), "agent:planner", "agents never decide at a gate"),
    ("an agent by name", rule("agent:planner"), "agent:planner", "agents never decide at a gate"),
    (
        "who asked, where that is forbidden",
        rule("*", requester=False),
        "olga",
        "'olga' asked for this run and may not approve it",
    ),
    ("another one then", rule("*", requester=False), "otto", None),
]


@pytest.mark.parametrize(("given", "by", "said"), [row[1:] for row in WHO], ids=[row[0] for row in WHO])
def test_who_may_approve(tmp_path: Path, given: GatePolicy, by: str, said: str | None) -> None:
    """Names, everybody, the owner; never an agent, and no role where names are not checked; refusals say why."""
    assert policy(tmp_path).refuses(given, "approve", by, "olga") == said


@pytest.mark.parametrize("verb", [verb for verb in get_args(Verb) if verb not in {"approve", "raise_ceiling"}])
def test_who_asked_may_always_say_no(tmp_path: Path, verb: Verb) -> None:
    """Only saying yes to one's own request can be forbidden, with more money as with a plan."""
    assert policy(tmp_path).refuses(rule("*", requester=False), verb, "olga", "olga") is None
    assert policy(tmp_path).refuses(rule("*", requester=False), "raise_ceiling", "olga", "olga") is not None


@pytest.mark.parametrize("verb", get_args(Verb))
def test_agents_say_nothing_at_gates(tmp_path: Path, verb: Verb) -> None:
    """No verb at all is an agent's."""
    assert policy(tmp_path).refuses(rule("*"), verb, "agent:writer", "olga") == "agents never decide at a gate"


def test_where_people_must_be_known_strangers_decide_nothing(tmp_path: Path) -> None:
    """Also where anybody may decide; those whom the file names are judged by its rules."""
    known = policy(tmp_path, TEXT.replace('"any"', '"known"'))
    assert known.refuses(rule("*"), "approve", "olga", "olga") is None
    assert known.refuses(rule("lead"), "approve", "otto", "olga") == "'otto' may not decide here; policy allows lead"
    assert known.refuses(rule("reviewer"), "approve", "otto", "olga") is None
    assert known.refuses(rule("nobody", "operator"), "approve", "otto", "olga") is None
    assert known.refuses(rule("reviewer"), "approve", "reviewer", "olga") is not None  # a role's name is nobody's name
    said = known.refuses(rule("*", "petra"), "approve", "petra", "olga")
    assert said == "'petra' is not one of the people in policy.toml, and identity is 'known'"


def test_every_kind_of_gate_can_have_a_rule(tmp_path: Path) -> None:
    """The kinds of the file are the kinds of gates."""
    rules = "".join(f'[gates.{kind}]\nwho = ["*"]\ndeadline = "P1D"\n' for kind in get_args(GateKind) if kind != "plan")
    read = policy(tmp_path, TEXT + rules)
    assert set(read.gates) == set(VERBS)
