"""`baton answer` at a gate `work`: the form, a file, field by field, and what is refused before anything is sent."""

import asyncio
import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowUpdateFailedError

from activities.gates.signatures import NOT_SIGNED
from commands.errors import Code
from contracts.handoff import ByPerson, Producer
from ledger import artifacts, handoffs
from ledger.handed_in import in_message
from ledger.views.gates import subject_of
from tests import keys
from tests.activities.agentfiles import routed
from tests.commands.conftest import CONVERSATIONS, Baton, Serve, asking
from tests.scripts import answer, item, plan, says, summary
from tests.stack import git


async def test_a_step_is_handed_in(serve: Serve, baton: Baton, origin: Path, tmp_path: Path) -> None:
    """What is to be done is shown, escaped, and the empty form can be filled in; a wrong file is refused with its field and
    nothing is sent; what was typed is kept until it counts."""
    agents = routed(tmp_path / "agents", planner='[{ model = "human" }]')
    async with serve(*CONVERSATIONS[1:], agents=agents) as stack:
        begun = await baton.live(*asking(origin, "--json"))
        run = json.loads(begun.out)["run"]
        await stack.gate(stack.client.get_workflow_handle(run), "work-1")
        shown = await baton.live("show", run, "--gate", "work-1")
        assert "│ You are the planner" in shown.out
        assert "Say it clearer" in shown.out
        assert f"baton answer {run} work-1 --file FILE" in shown.out
        form = json.loads((await baton.live("answer", run, "--form")).out)
        assert (form["outcome"], form["body"]["items"]) == ("done", [])
        whole = baton.folder / "plan.json"
        whole.write_text(json.dumps(form))
        wrong = await baton.live("answer", run, "--yes", "--file", str(whole))
        assert (wrong.code, "nothing was sent: it does not fit plan/2: body." in wrong.err) == (2, True)
        assert (await baton.live("answer", run, "--yes")).code == 2
        typed = [
            ("could_not): ", "unsure\n"),
            ("is not done): ", "no time\n"),
            ("one? [y/N]: ", "n\n"),
            ("as it goes? [y/N]", "n\n"),
            ("maria? [y/N]: ", "n\n"),
        ]
        declined = await asyncio.to_thread(baton.process, "answer", run, "--by", "maria", typed=typed)
        assert (declined.code, "nothing was sent" in declined.out) == (1, True)
        kept = list((stack.settings.state / "drafts").iterdir())
        assert json.loads(kept[0].read_text())["reason"] == "no time"
        whole.write_text(json.dumps(answer(plan(item("fix", ["README.md"])))["answer"]))
        sent = await baton.live("answer", run, "--yes", "--file", str(whole), "--by", "maria")
        assert (sent.code, list(kept[0].parent.iterdir())) == (0, [])
        why = await baton.live("why", f"{run}/work-1")
        assert "answer by maria" in why.out
        await stack.gate(stack.client.get_workflow_handle(run), "plan-1")


OLD = "    return int(cents * (100 - percent) / 100)"
NEW = "    return (cents * (100 - percent) + 50) // 100"
PLANNER = says("planner", answer(plan(item("fix", ["shop/pricing.py"]))))


async def test_a_large_patch_is_handed_in_whole(serve: Serve, baton: Baton, origin: Path, tmp_path: Path) -> None:
    """300 KiB go in one, and reach the change; above the limit nothing is sent, and the error says what to do; one whose stored
    bytes were changed is refused by the run, and the gate stays open."""
    git(tmp_path, "clone", "--quiet", str(origin), "work")
    work, file = tmp_path / "work", tmp_path / "work" / "shop" / "pricing.py"
    file.write_text(file.read_text().replace(OLD, NEW) + "# a long explanation of this\n" * 11_000)
    patch, whole = baton.folder / "change.patch", baton.folder / "answer.json"
    patch.write_text(git(work, "diff", "--binary") + "\n")
    assert patch.stat().st_size > 300 * 1024
    whole.write_text(json.dumps(answer(summary())["answer"]))
    agents = routed(tmp_path / "agents", writer='[{ model = "human" }]')
    async with serve(PLANNER, CONVERSATIONS[2], agents=agents) as stack:
        run = (await baton.live(*asking(origin, "--json"))).json["run"]
        handle = stack.client.get_workflow_handle(run)
        await stack.approve(handle, "plan-1")
        view = await stack.gate(handle, "work")
        hand_in = ("answer", run, view.gate, "--yes", "--by", "maria", "--file", str(whole), "--patch")
        large = baton.folder / "large.patch"
        large.write_bytes(patch.read_bytes() * 4)
        refused = await baton.live(*hand_in, str(large))
        assert (
            refused.code,
            "more than 1048576 bytes, which is the limit. Nothing was sent. Hand in a part" in refused.err,
        ) == (2, True)
        other = stack.ledger.tx_now(in_message, stack.ledger.files, view, {"patch": patch.read_text() + " "})["patch"]
        artifacts.location(stack.ledger.files, other.removeprefix("artifact:")).write_text("changed")
        with pytest.raises(WorkflowUpdateFailedError) as why:
            await stack.decide(view, "answer", made=json.loads(whole.read_text()), patch=other)
        assert "does not match its digest" in str(why.value.cause)
        sent = await baton.live(*hand_in, str(patch))
        assert sent.code == 0, sent.err
        change = await stack.gate(handle, "change-1")
        found = await stack.ledger.read(subject_of, stack.ledger.files, run, change.gate)
    assert found.patch is not None
    assert found.patch.count(b"+# a long explanation of this") == 11_000


SIGNED = f"""{keys.TEXT}
[gates.work]
who = ["developer"]
deadline = "P1D"
"""


async def test_a_signature_covers_what_is_handed_in(serve: Serve, baton: Baton, origin: Path, tmp_path: Path) -> None:
    """Under `identity = "signed"` a claim is refused, and so is another answer or another person's key under a signature; what
    was signed counts through any client, and whoever did the step is known."""
    (baton.folder / "policy.toml").write_text(SIGNED)
    baton.set(XDG_CONFIG_HOME=tmp_path / "config", BATON_POLICY=baton.folder / "policy.toml")
    for name in ("olga", "maria"):
        keys.write(baton.folder / f"{name}.pem", name)
    whole, made = baton.folder / "plan.json", answer(plan(item("fix", ["README.md"])))["answer"]
    whole.write_text(json.dumps(made))
    agents = routed(tmp_path / "agents", planner='[{ model = "human" }]')
    async with serve(*CONVERSATIONS[1:], agents=agents, policy=baton.folder / "policy.toml") as stack:
        run = (await baton.live(*asking(origin, "--owner", "olga", "--wait-for-gate", "--json"))).json["run"]
        hand_in = ("answer", run, "work-1", "--yes", "--file", str(whole), "--by", "maria", "--json")
        claimed = await baton.live(*hand_in)
        assert (claimed.code, claimed.json["reason"]) == (Code.REFUSED, NOT_SIGNED)
        posing = await baton.live(*hand_in, "--sign", "--key", "olga.pem")
        assert (posing.code, "is no key of 'maria'" in posing.json["reason"]) == (Code.REFUSED, True)
        printed = await baton.live(*hand_in[:-1], "--sign", "--key", "maria.pem", "--print")
        said, handle = json.loads(printed.out), stack.client.get_workflow_handle(run)
        other = answer(plan(item("fix", ["pyproject.toml"])))["answer"]
        for bent in ({"made": other}, {"made": made | {"confidence": 1}}, {"by": "otto"}):
            with pytest.raises(WorkflowUpdateFailedError):
                await handle.execute_update("answer", said | bent)
        await handle.signal("answer", said)
        view = await stack.gate(handle, "plan-1")
        planned = (await stack.ledger.read(handoffs.of_trace, view.trace))[0]
        assert (await baton.live("verify", run)).code == 0
        shown = (await baton.live("why", f"{run}/work-1")).out
    person = Producer.model_validate_json(planned.producer).person
    assert person == ByPerson(name="maria", gate="work-1", channel="cli", authenticated=True)
    assert "signed with key" in shown
