"""`baton policy`: what an action would take, what a file loosens, and that loosening it counts only once owners approve."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from activities.gates.standing import Standing
from commands.errors import Code
from ledger import feed
from ledger.db import Ledger
from tests.activities.gates.policies import TEXT, policy
from tests.commands.conftest import Baton

RULES = """
[[rules]]
name = "paths"
why = "deployments are looked at by two"
action = "*"
when = [{ field = "paths", is = "matches", value = "deploy/**" }]
approvals = 2
[[rules]]
name = "environment"
why = "production is for people"
action = "git.push"
when = [{ field = "environment", is = "is", value = "production" }, { field = "lines", is = "above", value = 100 }]
tier = "draft"
[[rules]]
name = "confidence"
why = "nobody was sure"
action = "note"
when = [{ field = "confidence", is = "below", value = 700 }]
tier = "confirm"
[[rules]]
name = "risk"
why = "a high risk is nobody's alone"
action = "note"
when = [{ field = "risk", is = "at_least", value = "high" }]
tier = "confirm"
who = ["lead"]
requester_may_approve = false
[[rules]]
name = "argument"
why = "this one is told to customers"
action = "note"
when = [{ field = "arguments.name", is = "is", value = "public" }]
tier = "draft"
"""

TRIED = [
    (["git.push", "--arguments", '{"branch": "release/1"}'], "confirm", "action", 2, ["release branches"]),
    (["git.push", "--arguments", '{"branch": "main"}'], "confirm", "action", 1, []),
    (["git.push"], "confirm", "action", 2, ["release branches"]),
    (["git.push", "--arguments", "{}", "--path", "src/a.py", "--path", "deploy/x/y.yml"], "confirm", "action", 2, ["paths"]),
    (["git.push", "--arguments", "{}", "--environment", "production", "--lines", "101"], "draft", "draft", 1, ["environment"]),
    (["git.push", "--arguments", "{}", "--environment", "production", "--lines", "100"], "confirm", "action", 1, []),
    (["note", "--arguments", '{"name": "x"}', "--confidence", "700"], "auto", None, None, []),
    (["note", "--arguments", '{"name": "x"}', "--confidence", "699"], "confirm", "action", 1, ["confidence"]),
    (["note", "--arguments", '{"name": "x"}', "--unsure", "1"], "confirm", "action", 1, ["risk"]),
    (["note", "--arguments", '{"name": "public"}', "--degraded", "1"], "draft", "draft", 1, ["risk", "argument"]),
]


def text(*changes: tuple[str, str]) -> str:
    """The policy of these tests."""
    whole = TEXT + RULES
    for old, new in changes:
        assert old in whole, old
        whole = whole.replace(old, new, 1)
    return whole


@pytest.fixture
def files(baton: Baton) -> Path:
    """A folder with the policy file that commands and workers read."""
    (baton.folder / "policy.toml").write_text(text())
    baton.set(BATON_POLICY=baton.folder / "policy.toml")
    return baton.folder


@pytest.mark.parametrize("row", TRIED, ids=lambda row: " ".join(row[0]))
def test_every_rule_is_seen_to_fire(
    baton: Baton, files: Path, row: tuple[Sequence[str], str, str | None, int | None, Sequence[str]]
) -> None:
    """On one side of its limit it fires and on the other it does not; tier, gate, people and reasons are told."""
    asked, tier, gate, approvals, rules = row
    found = baton("policy", "try", *asked, "--json").json
    assert [found[name] for name in ("tier", "gate", "approvals", "rules")] == [tier, gate, approvals, list(rules)]
    if "risk" in rules:
        assert ["lead"] in found["who"]
        assert not found["requester_may_approve"]
    told = baton("policy", "try", *asked).out
    assert all(f"rule {name}: " in told for name in rules)


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ('field = "arguments.brnch", is = "is", value = "x"', "there is no field 'arguments.brnch' of git.push; there are"),
        ('field = "amount", is = "above", value = 5', "there is no field 'amount' of git.push"),
        ('field = "lines", is = "matches", value = "x"', "lines is a number, which takes is, is_not, above"),
        ('field = "lines", is = "above", value = "many"', "lines is compared with a number, not 'many'"),
        ('field = "lines", is = "above", value = 1.5', 'write 1.5 in quotes: "1.5"'),
        ('field = "risk", is = "above", value = "huge"', "risk is low, medium, high, not 'huge'"),
        ('field = "tainted", is = "is", value = "yes"', "tainted is true or false, not 'yes'"),
        ('field = "lines", is = "roughly", value = 5', "rules.0.when.0.is: Input should be 'is'"),
    ],
)
def test_a_condition_that_can_never_be_asked_is_refused(baton: Baton, files: Path, field: str, said: str) -> None:
    """By name, with what there is instead; nothing is guessed."""
    (files / "new.toml").write_text(text(('field = "arguments.branch", is = "matches", value = "release/*"', field)))
    ran = baton("policy", "check", "new.toml")
    assert ran.code == Code.USAGE
    assert said in ran.err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('tier = "confirm"', 'tier = "confirm"\ntier_when_tainted = "auto"', "auto asks for less than the tier confirm"),
        ('reversible = "by git.push"', 'reversible = "by git.pull"', "no action 'git.pull' is declared"),
        ('accountable = "lead"', 'accountable = "lead"\nescalation = ["lead"]', 'write "accountable" as the last one'),
        ("[gates.unknown]", '[gates.clarify]\nwho=["*"]\ndeadline="P1D"\napprovals=2\n[gates.unknown]', "one person says each"),
        (
            "[gates.unknown]",
            "[pipelines.reviw.gates.plan]\napprovals = 2\n[gates.unknown]",
            "act, delivery, diagnosis, load, review, support",
        ),
        ('name = "paths"', 'name = "risk"', "'risk' is there twice"),
        ('tier = "confirm"\n[[rules]]', "[[rules]]", "rule 'confidence': it does nothing"),
        ('action = "git.push"\nwhen', 'action = "git.pish"\nwhen', "no action 'git.pish' is declared"),
        ('action = "*"', 'action = "*"\nagent = "planner"', "`action` or `agent`, one of the two"),
    ],
)
def test_what_cannot_be_meant_is_refused(baton: Baton, files: Path, old: str, new: str, said: str) -> None:
    """With what to do about it."""
    (files / "new.toml").write_text(text((old, new)))
    ran = baton("policy", "check", "new.toml")
    assert (ran.code, said in ran.err) == (Code.USAGE, True), ran.err


def test_loosening_counts_once_owners_have_approved_it(baton: Baton, ledger: Ledger, files: Path) -> None:
    """A file alone changes nothing but a warning; what it tightens counts; owners approve the rest, for all workers."""
    assert ledger.tx_now(Standing(policy(text=text()), "policy.toml").take_up, "worker-1").changes == ()
    loose = text(('tier = "confirm"', 'tier = "auto"'), ("most = 10", "most = 5"), ('deadline = "P1D"', 'deadline = "PT1H"'))
    (files / "policy.toml").write_text(loose)
    running = Standing(policy(text=loose), "policy.toml")
    pending = ledger.tx_now(running.take_up, "worker-2")
    # What outside text has flowed into still takes a person: the entry would have to say otherwise.
    assert [one.key for one in pending.changes] == ['actions."git.push".tier']
    now = ledger.read_now(running.now)
    assert (now.tier("git.push"), now.terms("git.push").rate.most) == ("confirm", 5)  # type: ignore[union-attr]
    assert (str(now.gate("plan").deadline), len(ledger.read_now(feed.after))) == ("1:00:00", 2)
    assert ledger.tx_now(running.take_up, "worker-2").changes == pending.changes  # twice is once
    assert "nobody has approved it: actions" in baton("policy", "show").err
    assert "loosens what its owners have not approved" in baton("doctor", "--offline").out
    diff = baton("policy", "diff", "policy.toml").out
    assert 'loosened   actions."git.push".tier: confirm -> auto' in diff
    made = baton("policy", "propose", "policy.toml", "-m", "they are all approved", "--by", "maria", "--json").json
    assert made["figures"][0].startswith("git.push, last 90 days: 0 actions; approved 0 unchanged and 0 changed, 0 rejected")
    refused = baton("policy", "approve", made["id"], "--by", "maria", "--yes")
    assert (refused.code, "'maria' may not decide here; policy allows owner-role" in refused.err) == (Code.REFUSED, True)
    assert ledger.read_now(running.now).tier("git.push") == "confirm"
    assert baton("policy", "approve", made["id"], "--by", "olga", "--yes").code == 0
    assert ledger.read_now(running.now).tier("git.push") == "auto"  # a worker that runs
    assert baton("policy", "try", "git.push", "--arguments", "{}", "--json").json["tier"] == "auto"
    assert "loosens" not in baton("doctor", "--offline").out
    lines = [f"{one.actor}: {one.did}" for one in ledger.read_now(feed.after)]
    assert [one.partition("(")[0].strip() for one in lines] == [
        "policy: took the policy file as it is: it is the first one",
        "policy: the policy file loosens something that nobody has approved: the stricter entries stay",
        "maria: proposed a looser policy",
        "maria: tried to approve policy proposal " + made["id"] + " and was refused",
        "policy: an approved policy is in force",
        "olga: approved policy proposal " + made["id"] + ': actions."git.push".tier: confirm -> auto',
    ]
    assert "| git.push | auto |" in baton("policy", "show", "--as-page").out


def test_several_owners_approve_and_an_outdated_proposal_does_not(baton: Baton, ledger: Ledger, files: Path) -> None:
    """Two different people; whoever proposed it may be kept out; what was compared with an older policy is proposed again."""
    owners = ('who = ["owner-role"]', 'who = ["owner-role"]\napprovals = 2\nrequester_may_approve = false')
    ledger.tx_now(Standing(policy(text=text(owners)), "policy.toml").take_up, "worker-1")
    (files / "loose.toml").write_text(text(owners, ("most = 10", "most = 50")))
    first = baton("policy", "propose", "loose.toml", "-m", "more", "--by", "maria", "--json").json["id"]
    assert baton("policy", "approve", first, "--by", "olga", "--yes", "--json").json["missing"] == 1
    again = baton("policy", "approve", first, "--by", "olga", "--yes")
    assert (again.code, "it takes 2 different people" in again.err) == (Code.REFUSED, True)
    assert ledger.tx_now(Standing(policy(text=text(owners, ("P1D", "PT9H"))), "p").take_up, "w")
    late = baton("policy", "approve", first, "--by", "otto", "--yes")
    assert (late.code, "propose it again" in late.err) == (Code.REFUSED, True)
    second = baton("policy", "propose", "loose.toml", "-m", "more", "--by", "olga", "--json").json["id"]
    own = baton("policy", "approve", second, "--by", "olga", "--yes")
    assert (own.code, "proposed it and may not approve it" in own.err) == (Code.REFUSED, True)
    assert baton("policy", "approve", second, "--by", "otto", "--yes", "--json").json["missing"] == 1
    assert json.loads(baton("policy", "show", "--json").out)["proposals"][-1]["approved_by"] == ["otto"]
    nothing = baton("policy", "propose", "policy.toml", "-m", "x")
    assert (nothing.code, "owners" in nothing.out + nothing.err) == (Code.DONE, True)  # the file here loosens the owners
