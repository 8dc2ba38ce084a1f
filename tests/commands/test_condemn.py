"""`baton condemn` and `baton condemned`: from a wrong plan, over what it holds, to what had happened and is settled."""

from pathlib import Path

import pytest

from activities.actions.sending import LEASE_US
from activities.gates import condemning
from activities.gates.mending import Proposer
from commands.errors import Code
from config import HOME
from contracts.actions import Receipt
from contracts.base import sha256
from ledger import actions, runs
from ledger.db import Ledger
from tests.commands.conftest import Baton, Serve, asking
from tests.ledger import samples
from tests.ledger.contents import begin
from tests.ledger.test_proposals import POLICY, revert, says
from tests.ledger.traced import SOURCE, traced
from tests.stack import git, until

OLD = ("--reason", "it was an old list")


@pytest.fixture
def both(ledger: Ledger) -> dict[str, str]:
    """Two runs that read one source; the id of each one's handoff. The action of the first has happened."""
    made = {}
    for trace in ("trace-1", "trace-2"):
        begin(ledger, trace)
        made[trace] = ledger.tx_now(traced, ledger, trace, f"cents {trace}")
    key = samples.intent("trace-1", arguments="trace-1").key
    _, lease = ledger.tx_now(actions.claim, key, "w", LEASE_US)
    assert lease is not None
    done = Receipt(key=key, type="git.push", state="delivered", summary="push trace-1", reference="c0ffee")
    assert ledger.tx_now(actions.settle, lease, done)
    return made


async def test_a_wrong_plan_from_its_condemnation_to_the_push_that_came_of_it(baton: Baton, serve: Serve, origin: Path) -> None:
    """Found, previewed, condemned, held, let on with a note; then its push is condemned and settled, and it all verifies."""
    async with serve() as stack:
        run = (await baton.live(*asking(origin, "--branch", "clearer", "--wait-for-gate", "--json"))).json["run"]
        [plan] = (await baton.live("find", "--agent", "planner", "--json")).json["handoffs"]
        looked = await baton.live("condemn", plan["id"][:12], "--preview", "--json")
        assert [one["gate"] for one in looked.json["reach"]["gates"]] == ["plan-1"]
        assert (await baton.live("condemned", "list")).out == "no condemnation is open\n"
        done = await baton.live("condemn", plan["id"][:12], "--by", "maria", *OLD, "--json")
        id = done.json["id"]
        assert (done.code, done.json["told"]) == (0, {"runs": 1, "told": 1, "why": ""})

        async def held() -> bool | None:
            row = await stack.ledger.read(runs.find, run)
            return True if row.state == "held" else None

        await until(held, "the run, which was told, asks at its gate held")
        assert f"CONDEMNED by maria ({id}): it was an old list" in (await baton.live("why", f"{run}/plan-1")).out
        shown = await baton.live("show", run, "--gate", "plan-1")
        assert f"condemned by maria ({id}): it was an old list" in shown.out
        refused = await baton.live("approve", run, "plan-1", "--yes")
        assert (refused.code, "came from something condemned" in refused.err) == (5, True)
        refused = await baton.live("approve", run, "held", "--yes")
        assert (refused.code, "approve needs a reason: add -m" in refused.err) == (2, True)
        assert (await baton.live("approve", run, "held", "--yes", "-m", "the plan is right all the same")).code == 0
        assert (await baton.live("approve", run, "plan-1", "--yes")).code == 0
        await stack.gate(stack.client.get_workflow_handle(run), "change-1")
        assert (await baton.live("approve", run, "change-1", "--yes")).code == 0
        assert (await baton.live("result", run, "--wait")).code == 0
        [settled] = (await baton.live("condemned", "list", "--all", "--json")).json["condemnations"]
        assert (settled["state"], [one["went_on"] for one in settled["reach"]["executed"]]) == ("settled", [True])
        await baton.live("condemned", "undo", id, "-m", "it was the right one")
        again = (await baton.live("condemn", f"{run}/change-1", *OLD, "--json")).json
        [push] = again["reach"]["executed"]
        assert (again["state"], push["effect"]["type"], push["open"]) == ("open", "git.push", True)
        ran = await baton.live("condemned", "settle", again["id"], push["effect"]["key"], "--done", "-m", "reverted by hand")
        assert (ran.code, ran.out) == (0, "recorded: it was made good; no action is left to settle\n")
        checked = await baton.live("verify", "--all")
        assert checked.code == 0, checked.out
        told = (await baton.live("feed", "--jsonl")).out
        for said in ("condemned handoff", "undid the condemnation of handoff", "made good: push"):
            assert said in told


def test_a_preview_changes_nothing_and_says_all(baton: Baton, ledger: Ledger, both: dict[str, str]) -> None:
    """What would be held in which runs, and which executed action is touched; nothing is written, and no reason is needed."""
    del both
    ran = baton("condemn", "--source", "shop/pricing.py", "--preview")
    assert ran.code == 0
    for said in (
        "would condemn what was read as shop/pricing.py (1 thing); nothing was changed",
        "holds    run delivery-trace-2",
        "holds    baton show delivery-trace-2 --gate plan-1",
        "approved: push trace-2 (run delivery-trace-2)",
        "delivered: push trace-1 (run delivery-trace-1)  c0ffee",
        "policy has nothing that takes it back",
    ):
        assert said in ran.out
    assert baton("condemned", "list", "--all").out == "nothing is condemned\n"


def test_a_kind_of_source_alone_is_refused_and_a_part_of_it_is_not(baton: Baton, both: dict[str, str]) -> None:
    """All that ever came from pages is not one wrong thing; what came from them since yesterday may be."""
    del both
    ran = baton("condemn", "--source", "web", "--preview")
    assert ran.code == Code.REFUSED
    assert "web is a kind of source: all that ever came from it, in every run, would be held" in ran.err
    ran = baton("condemn", "--source", "web", "--since", "2020-01-01", "--preview")
    assert "there are no handoffs that came from web since 2020-01-01 00:00 UTC" in ran.err


def test_it_counts_whether_or_not_temporal_answers(baton: Baton, ledger: Ledger, both: dict[str, str]) -> None:
    """Without a server the runs are not told, and that is said; what is held is held, and the list has it."""
    del both
    ran = baton("condemn", sha256(SOURCE), "--by", "maria", *OLD)
    assert ran.code == 0
    assert "told     0 of 2 open runs" in ran.out
    assert "those runs learn it from the ledger before their next use of it" in ran.err
    [one] = baton("condemned", "list", "--json").json["condemnations"]
    assert (one["by"], one["why"], one["state"]) == ("maria", "it was an old list", "open")
    listed = baton("actions", "list", "--state", "held", "--json").json["actions"]
    assert [one["summary"] for one in listed] == ["push trace-2"]
    table = baton("condemned", "list").out
    assert "it was an old list" in table
    shown = baton("condemned", "show", one["id"][:6]).out
    assert f"baton condemned settle {one['id']}" in shown
    assert "CONDEMNED by maria" in baton("read", sha256(SOURCE)).out
    assert "CONDEMNED by maria" in baton("impact", sha256(SOURCE)).out
    again = baton("condemn", sha256(SOURCE), "--by", "olga", *OLD)
    assert f"condemned already, by maria ({one['id']})" in again.out


def test_a_selection_condemns_the_handoffs_that_it_finds(baton: Baton, ledger: Ledger, both: dict[str, str]) -> None:
    """As `baton find` finds them, which marks them from then on; one action is let go on, the other one's run is undone."""
    ran = baton("condemn", "--agent", "planner@v2", "--claim", "cents trace-2", *OLD, "--json")
    assert (ran.code, ran.json["new"], ran.json["what"]) == (0, 1, "handoffs of planner@v2 with a claim 'cents trace-2'")
    found = {one["id"]: one["condemned"] for one in baton("find", "--agent", "planner", "--json").json["handoffs"]}
    assert (found[both["trace-1"]], "CONDEMNED" in found[both["trace-2"]]) == ("", True)
    assert f"{both['trace-2'][:12]}  CONDEMNED" in baton("find", "--agent", "planner").out
    key = ran.json["reach"]["pending"][0]["key"]
    assert "may have happened" not in baton("condemned", "show", ran.json["id"]).out
    gone_on = baton("condemned", "settle", ran.json["id"], key[:8], "--go-on", "-m", "the price is right", "--json")
    assert (gone_on.code, gone_on.json["reach"]["pending"]) == (0, [])
    assert ledger.read_now(actions.get, key).state == "approved"
    undone = baton("condemned", "undo", ran.json["id"], "-m", "it was right", "--by", "olga")
    assert (undone.code, "what it alone held goes on" in undone.out) == (0, True)
    assert "undone by olga" in baton("condemned", "show", ran.json["id"]).out


def test_doctor_and_the_list_of_actions_say_what_is_open(baton: Baton, ledger: Ledger, both: dict[str, str]) -> None:
    """What is held, what is left to settle, since when, and the command to look; nothing once nothing is left to do."""
    del both
    assert _findings(baton) == [("ok", "no condemnation is open", "")]
    id = baton("condemn", sha256(SOURCE), "--by", "maria", *OLD, "--json").json["id"]
    [(level, text, mend)] = _findings(baton)
    assert (level, mend) == ("warn", f"`baton condemned show {id}`")
    assert text.startswith("artifact ")
    assert f"({id}): holds 2 open runs, 2 gates, 1 action; 1 executed action left to settle" in text
    assert f"holds 2 open runs, 2 gates, 1 action; 1 executed action left to settle; `baton condemned show {id}`" in (
        baton("actions", "list").err
    )
    [one] = baton("actions", "list", "--json").json["condemned"]
    assert (one["id"], one["runs"], one["gates"], one["pending"], one["left"]) == (id, 2, 2, 1, 1)
    baton("condemned", "undo", id, "-m", "it was right")
    assert (_findings(baton)[0][0], baton("actions", "list", "--json").json["condemned"]) == ("ok", [])


def test_of_many_open_ones_doctor_names_the_first(baton: Baton, ledger: Ledger, both: dict[str, str]) -> None:
    """And counts the others: a hundred do not hide what else is wrong."""
    del both
    for number in range(7):
        begin(ledger, f"more-{number}")
        made = ledger.tx_now(traced, ledger, f"more-{number}", f"cents {number}")
        assert baton("condemn", made, *OLD).code == 0
    found = _findings(baton)
    assert (len(found), found[-1]) == (6, ("warn", "2 more are open", "`baton condemned list`"))


def _findings(baton: Baton) -> list[tuple[str, str, str]]:
    """Of `baton doctor`, about what is condemned."""
    found = baton("doctor", "--json", "--offline").json["findings"]
    return [(one["level"], one["text"], one["mend"]) for one in found if one["name"] == "condemned"]


@pytest.mark.parametrize(
    ("typed", "code", "says"),
    [
        (("condemn",), 2, "name one thing by its id, or select handoffs"),
        (("condemn", "KEY", "--agent", "planner", *OLD), 2, "name one thing by its id, or select handoffs"),
        (("condemn", "--project", "shop", *OLD), 2, "name one thing by its id, or select handoffs"),
        (("condemn", "KEY"), 2, "say why it is condemned"),
        (("condemn", "KEY", "--reason", " "), 2, "-m is empty"),
        (("condemn", "ffffffff", *OLD), 3, "no run, gate, effect, handoff, turn or artifact begins with 'ffffffff'"),
        (("condemn", "--agent", "planner@v9", *OLD), 3, "there are no handoffs of planner@v9, so nothing was condemned"),
        (("condemned", "show", "ffff"), 3, "there is no condemnation 'ffff'"),
        (("condemned", "undo", "ffff", "-m", "x"), 3, "there is no condemnation 'ffff'"),
        (("condemned", "settle", "ffff", "KEY", "-m", "x"), 2, "say one of --done, --declined"),
        (("condemned", "settle", "ffff", "KEY", "-m", "x", "--done", "--go-on"), 2, "say one of --done, --declined"),
        (("condemned", "settle", "ffff", "KEY", "--done"), 2, "Missing option '--message'"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    baton: Baton, ledger: Ledger, both: dict[str, str], typed: tuple[str, ...], code: int, says: str
) -> None:
    """Nothing is condemned; the exit code tells which, and the text what to do."""
    ran = baton(*(both["trace-1"] if one == "KEY" else one for one in typed))
    assert (ran.code, says in ran.err) == (code, True), ran.err
    assert baton("condemned", "list", "--all").out == "nothing is condemned\n"


def test_who_may_not_is_told_where_that_stands(baton: Baton, ledger: Ledger, both: dict[str, str]) -> None:
    """A policy that knows people and names a role for the gate `held`: a stranger's is refused, with exit code 5."""
    text = Path(__file__).parents[2].joinpath("policy.toml").read_text()
    text = text.replace('identity = "any"', 'identity = "known"').replace(
        '[gates.held]\nwho = ["*"]', '[gates.held]\nwho = ["operator"]'
    )
    (baton.folder / "policy.toml").write_text(text)
    baton.set(BATON_POLICY=baton.folder / "policy.toml")
    ran = baton("condemn", both["trace-1"], "--by", "eva", *OLD)
    assert (ran.code, "'eva' is not one of the people in policy.toml" in ran.err) == (5, True)
    assert baton("condemn", both["trace-1"], "--by", "operator", *OLD).code == 0


REVERTS = """
[actions."git.revert"]
adapter = "git.revert"
tier = "confirm"
reversible = "by git.revert"
accountable = "owner"
"""


def reverting(folder: Path) -> Path:
    """The policy that we ship, with what takes a push back."""
    text = (HOME / "policy.toml").read_text()
    before, push, after = text.partition('[actions."git.push"]')
    policy = folder / "reverts.toml"
    policy.write_text(before + push + after.replace('reversible = "yes"', 'reversible = "by git.revert"', 1) + REVERTS)
    return policy


async def test_a_push_is_taken_back_as_it_was_proposed(baton: Baton, serve: Serve, origin: Path, tmp_path: Path) -> None:
    """Previewed, proposed with the condemnation, begun by one of two runs, approved at its gate, pushed once, and settled."""
    policy = reverting(tmp_path)
    baton.set(BATON_POLICY=policy)
    async with serve(policy=policy) as stack:
        run = (await baton.live(*asking(origin, "--branch", "clearer", "--wait-for-gate", "--json"))).json["run"]
        for gate in ("plan-1", "change-1"):
            await stack.gate(stack.client.get_workflow_handle(run), gate)
            assert (await baton.live("approve", run, gate, "--yes")).code == 0
        assert (await baton.live("result", run, "--wait")).code == 0
        looked = await baton.live("condemn", f"{run}/change-1", "--preview")
        assert "would propose" in looked.out
        assert "git.revert: revert" in looked.out
        assert (await baton.live("actions", "list")).out == "no action is left to do\n"
        done = (await baton.live("condemn", f"{run}/change-1", *OLD, "--json")).json
        [back], [push] = done["proposed"], done["reach"]["executed"]
        key, id, pushed = back["key"], done["id"], push["effect"]["key"]
        assert (back["takes_back"], push["compensation"]["state"]) == (pushed, "proposed")
        [listed] = (await baton.live("actions", "list", "--json")).json["actions"]
        assert (listed["key"], listed["state"]) == (key, "proposed")
        start = ("act", "--type", "git.revert", "--proposed", key)
        for words in (("actions", "show", key[:12]), ("condemned", "show", id)):
            assert f"baton {' '.join(start)}" in (await baton.live(*words)).out, words
        assert pushed[:12] in (await baton.live("why", key)).out
        ran = await baton.live(*start, "--wait-for-gate", "--json")
        act = ran.json["run"]
        again = await baton.live(*start, "--wait")
        assert (again.code, f"was begun by run {act}, which goes on" in again.err) == (Code.USAGE, True), again.err
        assert (await baton.live("actions", "decline", key[:12], "-m", "no")).code == 5
        assert git(origin, "branch", "--list", "revert/*") == ""
        assert f"is being taken back by {key[:12]} proposed" in (await baton.live("condemned", "show", id)).out
        assert (await baton.live("approve", act, "action-1", "--yes")).code == 0
        assert (await baton.live("result", act, "--wait")).code == 0
        [branch] = git(origin, "branch", "--list", "revert/*", "--format=%(refname:short)").split()
        assert git(origin, "rev-list", "--count", f"clearer..{branch}").strip() == "1"
        [settled] = (await baton.live("condemned", "list", "--all", "--json")).json["condemnations"]
        assert (settled["state"], settled["reach"]["executed"][0]["compensation"]["state"]) == ("settled", "delivered")
        again = await baton.live(*start, "--wait")
        assert "is delivered, and not proposed any more" in again.err
        checked = await baton.live("verify", "--all")
        assert checked.code == 0, checked.out


def test_what_cannot_be_proposed_is_said_and_what_is_can_be_declined(
    baton: Baton, ledger: Ledger, both: dict[str, str], tmp_path: Path
) -> None:
    """The reason stands in the preview, with the condemnation, and where it is shown; declined with a reason it is settled."""
    baton.set(BATON_POLICY=reverting(tmp_path))
    pushed = samples.intent("trace-1", arguments="trace-1").key
    why = f"not proposed for {pushed[:12]}: "
    assert why in baton("condemn", both["trace-1"], "--preview").out
    ran = baton("condemn", both["trace-1"], *OLD)
    assert why in ran.out
    [one] = baton("condemned", "list", "--json").json["condemnations"]
    assert why in baton("condemned", "show", one["id"]).out
    assert why in baton("condemned", "propose", one["id"]).out
    ledger.tx_now(condemning.propose, POLICY, one["id"], "maria", Proposer(ledger.files, says))
    assert baton("condemned", "propose", one["id"]).out == "nothing is left to propose\n"
    key = revert(pushed).key()
    assert "`baton actions decline` is for what is proposed" in baton("actions", "abandon", key, "-m", "no").err
    ran = baton("actions", "decline", key[:12], "-m", "nobody uses it", "--by", "olga", "--json")
    assert (ran.code, ran.json["key"], ran.json["condemnations"]) == (0, key, {one["id"]: "open"})
    [executed] = baton("condemned", "show", one["id"], "--json").json["reach"]["executed"]
    assert (executed["remedy"]["how"], executed["remedy"]["by"], executed["open"]) == ("declined", "olga", False)
