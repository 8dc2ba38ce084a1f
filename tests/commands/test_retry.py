"""`baton retry`: a run that has ended is done again, anew or from one of its stages; both ways lead from one to the other."""

from pathlib import Path

import pytest

from ledger.db import Ledger
from tests.commands.conftest import Baton, Begin, Serve, asking
from tests.repositories import plain
from tests.scripts import could_not, says


async def test_a_new_run_from_the_same_input(baton: Baton, serve: Serve, origin: Path) -> None:
    """Everything it was asked, but for the request key; who and why in the feed of the first, and links in both."""
    async with serve():
        command = asking(origin, "--request-key", "ticket-1", "--rework", "1", "--wait-for-gate", "--owner", "maria", "--json")
        first = (await baton.live(*command)).json["run"]
        await baton.live("reject", first, "--yes", "-m", "not now")
        assert (await baton.live("result", first, "--wait")).code == 1
        again = await baton.live("retry", first, "--by", "tom", "-m", "now it is", "--wait-for-gate", "--json")
        assert (again.code, again.json["new"]) == (4, True), again.err
        second = again.json["run"]
        was, now = [(await baton.live("show", name, "--json")).json for name in (first, second)]
        assert second != first
        assert (now["retry_of"], was["retried_as"], now["started_by"]) == (first, [second], "tom")
        kept = ("repository", "instruction", "check", "rework", "owner", "project")
        assert {name: now["input"][name] for name in kept} == {name: was["input"][name] for name in kept}
        assert now["input"]["request_key"] is None
        told = was | {"line": (await baton.live("feed", first, "--json")).json["lines"][-1]}
        assert (told["line"]["actor"], told["line"]["why"]) == ("tom", "now it is")
        assert f"retried as  {second}" in (await baton.live("show", first)).out
        assert f"retry of    {first}" in (await baton.live("show", second)).out
        await baton.live("cancel", second)


async def test_from_a_stage_on_the_same_run_goes_on(baton: Baton, serve: Serve, origin: Path) -> None:
    """Rejected at its change, it is decided again: the plan's approval still counts, nothing is paid twice, it is pushed."""
    async with serve():
        run = (await baton.live(*asking(origin, "--wait-for-gate", "--json"))).json["run"]
        await baton.live("approve", run, "plan-1", "--yes")
        assert (await baton.live("result", run, "--wait-for-gate")).code == 4
        await baton.live("reject", run, "change-1", "--yes", "-m", "wrong", "--by", "maria")
        assert (await baton.live("result", run, "--wait")).code == 1
        calls = (await baton.live("show", run, "--json")).json["calls"]
        again = await baton.live(
            "retry", run, "--from", "change", "--by", "tom", "-m", "it was right", "--wait-for-gate", "--json"
        )
        assert (again.code, again.json.get("gates")) == (4, ["change-1"]), again.err
        shown = (await baton.live("show", run, "--json")).json
        assert (shown["state"], shown["calls"], shown["retried_as"]) == ("waiting", calls, [run])
        counts = {one["gate"]: one["outcome"] for one in shown["decisions"]}
        assert counts == {"plan-1": "won", "change-1": "superseded"}
        lines = (await baton.live("feed", run, "--json")).json["lines"]
        mine = next(line for line in lines if line["stage"] == "retry")
        assert (mine["actor"], mine["did"], mine["why"]) == (
            "tom",
            "retried from change; the run had ended as could_not",
            "it was right",
        )
        await baton.live("approve", run, "change-1", "--yes")
        assert (await baton.live("result", run, "--wait")).code == 0
        assert "baton/" in plain(origin, "branch", "--list", "baton/*")


async def test_from_an_earlier_stage_its_gates_are_asked_again(baton: Baton, serve: Serve, origin: Path) -> None:
    """Back at the plan, which was approved before: it is decided anew, and the earlier approval is on record."""
    async with serve():
        run = (await baton.live(*asking(origin, "--wait-for-gate", "--json"))).json["run"]
        await baton.live("approve", run, "plan-1", "--yes")
        await baton.live("result", run, "--wait-for-gate")
        await baton.live("cancel", run)
        again = await baton.live("retry", run, "--from", "plan", "--wait-for-gate", "--json")
        assert (again.code, again.json["gates"]) == (4, ["plan-1"]), again.err
        counts = [(one["gate"], one["outcome"]) for one in (await baton.live("show", run, "--json")).json["decisions"]]
        assert counts == [("plan-1", "superseded")]
        await baton.live("cancel", run)


async def test_where_it_makes_no_sense_it_is_refused(baton: Baton, serve: Serve, origin: Path) -> None:
    """While it runs: 5, with how to end it. A stage that is not one: 2, with those there are."""
    async with serve(says("planner", could_not("there is nothing to change"))):
        run = (await baton.live(*asking(origin, "--wait", "--json"))).json["run"]
        wrong = await baton.live("retry", run, "--from", "deploy")
        assert (wrong.code, "there are: intake, base, plan" in wrong.err) == (2, True), wrong.err
        never = await baton.live("retry", run, "--from", "write")
        assert never.code == 2
    async with serve():
        run = (await baton.live(*asking(origin, "--wait-for-gate", "--json"))).json["run"]
        for more in ((), ("--from", "plan")):
            busy = await baton.live("retry", run, *more)
            assert (busy.code, f"`baton cancel {run}`" in busy.err) == (5, True), busy.err
        await baton.live("cancel", run)


async def test_without_a_worker_a_stage_is_not_known(baton: Baton, serve: Serve, origin: Path) -> None:
    """Exit code 7 and what to start; nothing was reset."""
    async with serve(says("planner", could_not("there is nothing to change"))):
        run = (await baton.live(*asking(origin, "--wait", "--json"))).json["run"]
    ran = await baton.live("retry", run, "--from", "plan", "--timeout", "3")
    assert (ran.code, "no worker answered" in ran.err) == (7, True), ran.err
    assert (await baton.live("show", run, "--json")).json["state"] == "could_not"


@pytest.mark.parametrize("more", [(), ("--from", "plan")])
def test_a_run_that_is_not_there_is_not_found(baton: Baton, ledger: Ledger, begin: Begin, more: tuple[str, ...]) -> None:
    """As for every command."""
    begin()
    assert baton("retry", "nothing-0001", *more).code == 3
