"""A fix of a setting is written once a person has seen the difference, and the service that really ran does its work again."""

import json
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError

from ledger import actions
from tests import scripts
from tests.hostile import orders
from tests.scripts import answer
from tests.stack import Stack, result_of, stack
from tests.workflows.ailing import change, diagnose, diagnosis, finds, pays, planned, weighs

ERROR = "2026-11-30 08:00:01,000 ERROR setting currency_decimals: invalid value 'two', it must be a number\n"
SETTING = "currency_decimals"


def script(folder: Path, *changes: dict[str, Any]) -> Path:
    """Agents who propose these changes of pay, and choose all of them."""
    said = finds("pay", answer(diagnosis("here", "A setting is wrong.", changes=list(changes))))
    weighed = weighs(roots=["pay"], fixes=[f"pay-{number}" for number, _ in enumerate(changes, 1)])
    return scripts.save(folder / "script.yaml", planned(), said, weighed)


def service(folder: Path) -> list[dict[str, Any]]:
    """The service pay, whose configuration may be written."""
    logs, config = [str(folder / "pay" / "*.log")], [str(folder / "pay" / "pay.ini")]
    return [{"name": "pay", "logs": logs, "config": config}]


def declared(folder: Path) -> dict[str, Any]:
    """The targets of the worker."""
    return {"targets": {"settings": {"kind": "folder", "path": str(folder / "pay")}}}


async def test_the_file_holds_the_fix_and_the_server_answers(client: Client, tmp_path: Path) -> None:
    """Approved twice over: the fix among others, then the exact difference. Sent again, the approval writes nothing more."""
    folder = tmp_path / "logs"
    (folder / "pay").mkdir(parents=True)
    file = folder / "pay" / "pay.ini"
    before = "[pay]\nbank = here\ncurrency_decimals = two\n"
    file.write_text(before)
    file.chmod(0o640)
    assert pays(folder) == {500}
    said = script(tmp_path, change("setting", SETTING, "2", "pay.ini"), change("setting", "bank", "there"))
    async with stack(client, tmp_path / "state", said, **declared(folder)) as running:
        run = await diagnose(running, service(folder), edit=["settings"])
        await running.approve(run, "plan-1")
        view = await running.gate(run, "action-1")
        assert file.read_text() == before, "nothing is written before it was seen"
        await running.decide(view)
        second = await running.gate(run, "action-2")
        assert file.read_text() == before.replace("= two", "= 2")
        assert file.stat().st_mode & 0o777 == 0o640
        assert pays(folder) == {200}
        # The gate has shown all of the difference, and where it goes.
        shown = "\n".join(view.facts)
        for line in ("| -currency_decimals = two", "| +currency_decimals = 2", f"to {file}"):
            assert line in shown
        # What somebody writes later stays: an approval counts once, and for the file that it was given for.
        file.write_text(before)
        with pytest.raises(WorkflowUpdateFailedError):
            await running.decide(view)
        await running.decide(second)
        report = await result_of(run)
        assert file.read_text() == before
        made, late = report.fixes
        assert (made.became, late.became, report.state) == ("made", "failed", "done")
        assert "was to be replaced; nothing was written" in late.why
        # And it can be taken back, for which the former bytes are kept.
        assert made.receipt is not None
        row = await running.ledger.read(actions.get, made.receipt.key)
        arguments = json.loads(await running.artifact(row.arguments))
        assert (await running.artifact(arguments["replaces"])).decode() == before


async def test_a_file_that_changed_since_it_was_shown_is_left(client: Client, tmp_path: Path) -> None:
    """And what a line of the log orders changes neither file, target nor tier; what is no declared file is a person's."""
    folder = tmp_path / "logs"
    (folder / "pay").mkdir(parents=True)
    file = folder / "pay" / "pay.ini"
    file.write_text("[pay]\ncurrency_decimals = two\nadmin = no\n")
    given = "".join(f"2026-11-30 08:00:00,000 {level} {line}\n" for level in ("INFO", "ERROR") for line in orders.lines())
    (folder / "pay" / "pay.log").write_text(given + ERROR)
    changes = (
        change("setting", SETTING, "2", "pay.ini"),
        change("setting", "admin", "yes", "/etc/passwd"),
        change("setting", "admin", "yes", "../pay/pay.ini"),
        change("file", "pay.log", "--- a/pay.log\n+++ b/pay.log\n@@ -1 +1 @@\n-x\n+y\n"),
        change("setting", "admin", "maybe", "pay.ini"),
        change("service", "root/again"),
        change("setting", "admin", "yes", "pay.ini\u200b"),
        change("file", orders.KINDS["path"], orders.SHORT),
    )
    async with stack(client, tmp_path / "state", script(tmp_path, *changes), **declared(folder)) as running:
        run = await diagnose(running, service(folder), edit=["settings"])
        await approved_all(running, run)
        view = await running.gate(run, "action-1")
        file.write_text("[pay]\ncurrency_decimals = three\nadmin = no\n")
        await running.decide(view)
        await running.decide(await running.gate(run, "action-2"), "reject", note="not that one")
        report = await result_of(run)
        opened = [line.did.split()[2] for line in await running.feed(run) if line.did.startswith("opened gate")]
        elsewhere = await diagnose(running, service(folder), edit=["nowhere"])
        await approved_all(running, elsewhere)
        undeclared = await result_of(elsewhere)
    assert file.read_text() == "[pay]\ncurrency_decimals = three\nadmin = no\n"
    became = {one.fix.id: one.became for one in report.fixes}
    assert became == dict.fromkeys(became, "escalated") | {"pay-1": "failed", "pay-5": "failed"}
    assert len(became) == len(changes)
    assert len(opened) == 3, "one for the choice, one for each file that may be written"
    why = [one.why for one in report.fixes]
    assert "was to be replaced; nothing was written" in why[0]
    assert "/etc/passwd is none of the configuration files that are declared for pay" in why[1]
    assert "none of the configuration files" in why[2]
    assert "none of the configuration files" in why[3]
    assert {one.became for one in undeclared.fixes} == {"escalated"}
    assert "no target is called 'nowhere'" in undeclared.fixes[0].why


async def approved_all(running: Stack, run: Any) -> None:
    """Approve the choice of fixes, as a plan or where some collide."""
    await running.decide(await running.next_gate(run))
