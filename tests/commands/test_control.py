"""Who and why are on record for every act of a person, not only at gates."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from ledger import feed
from ledger.db import Ledger
from tests import children
from tests.commands.conftest import Baton, Begin, Serve, asking
from tests.commands.test_shell import PROGRAM
from tests.ledger import samples


async def test_who_and_why_of_pause_resume_and_cancel_are_on_record(baton: Baton, serve: Serve, origin: Path) -> None:
    """In the feed, and for a cancellation in the report; the first line says who started the run, and so does `show`."""
    async with serve():
        run = (await baton.live(*asking(origin, "--wait-for-gate", "--by", "tom", "--owner", "maria", "--json"))).json["run"]
        assert (await baton.live("pause", run, "--by", "olga", "-m", "the release is frozen")).code == 0
        assert (await baton.live("resume", run, "--by", "paul", "-m", "it is out")).code == 0
        cancelled = await baton.live("cancel", run, "--by", "maria", "-m", "no longer needed", "--json")
        assert (cancelled.json["by"], cancelled.json["state"]) == ("maria", "cancelled")
        lines = (await baton.live("feed", run, "--json")).json["lines"]
        said = {(line["actor"], line["did"], line["why"]) for line in lines}
        assert ("olga", "paused the run", "the release is frozen") in said
        assert ("paul", "resumed the run", "it is out") in said
        assert "started by tom" in lines[0]["did"]
        report = (await baton.live("result", run, "--json")).json["report"]
        assert report["reason"] == "cancelled by maria: no longer needed"
        shown = await baton.live("show", run, "--json")
        assert (shown.json["owner"], shown.json["started_by"]) == ("maria", "tom")


async def test_without_a_reason_the_name_is_on_record(baton: Baton, serve: Serve, origin: Path) -> None:
    """The current user, unless --by says otherwise; whoever starts a run without --by is recorded as well."""
    from commands.context import os_user

    async with serve() as running:
        run = (await baton.live(*asking(origin, "--wait-for-gate", "--json"))).json["run"]
        await baton.live("pause", run)
        await baton.live("cancel", run, "--by", "maria")
        lines = (await baton.live("feed", run, "--json")).json["lines"]
        paused = next(line for line in lines if line["did"] == "paused the run")
        assert paused["actor"] == os_user()
        assert f"started by {os_user()}" in lines[0]["did"]
        assert (await baton.live("result", run, "--json")).json["report"]["reason"] == "cancelled by maria"
        # Another client gives Temporal's own reason, and no name.
        other = await running.deliver(origin, check="true")
        await running.gate(other, "plan")
        await other.cancel(reason="wrong repository")
        ended = await baton.live("result", other.id, "--wait", "--json")
        assert ended.json["report"]["reason"] == "cancelled by an operator: wrong repository"


@pytest.mark.parametrize("command", [("result", "RUN", "--wait"), ("feed", "RUN", "--follow")], ids=["result", "feed"])
def test_ctrl_c_says_that_the_run_goes_on(baton: Baton, ledger: Ledger, begin: Begin, command: tuple[str, ...]) -> None:
    """Exit code 130, and how to watch it again."""
    run = begin()
    ledger.tx_now(feed.append, samples.ref(), [samples.note("1")])
    arguments = [run if one == "RUN" else one for one in command]
    with children.started(*PROGRAM, *arguments, stdout=-1, stderr=-1, env=dict(os.environ)) as process:
        streams = {"result": process.stderr, "feed": process.stdout}
        while "did 1" not in _line(streams[command[0]]):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=children.PATIENCE)
    text = said if isinstance(said, str) else said.decode()
    assert process.returncode == 130
    assert f"{run} goes on. `baton result {run} --wait` watches it again" in text


def _line(stream: object) -> str:
    line = stream.readline()  # type: ignore[attr-defined]  # one of the process's pipes
    return line if isinstance(line, str) else str(line.decode())


async def test_ctrl_c_while_a_start_is_watched_names_the_run(baton: Baton, serve: Serve, origin: Path) -> None:
    """The run was started: it is named, and it does go on."""
    async with serve():
        command = asking(origin, "--wait")
        with children.started(*PROGRAM, *command, stdout=-1, stderr=-1, env=dict(os.environ)) as process:
            while "GATE plan-1" not in await asyncio.to_thread(_line, process.stderr):
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            _, said = await asyncio.to_thread(process.communicate, None, children.PATIENCE)
        text = said if isinstance(said, str) else said.decode()
        run = (await baton.live("runs", "--json")).json["runs"][0]
        assert process.returncode == 130
        assert f"{run['run']} goes on" in text
        assert run["state"] == "waiting"
        await baton.live("cancel", run["run"])


def test_a_run_that_goes_on_is_no_failure(baton: Baton, begin: Begin) -> None:
    """`result` of a run that works exits with 9: neither a failure, nor waiting for a person."""
    run = begin()
    ran = baton("result", run, "--json")
    assert (ran.code, json.loads(ran.out)["report"]) == (9, None)


@pytest.mark.parametrize(
    "command",
    [
        ("approve", "deliv", "plan-1", "--yes"),
        ("reject", "deliv", "--yes", "-m", "no"),
        ("cancel", "deliv"),
        ("retry", "deliv"),
        ("budget", "raise", "deliv", "--to", "5", "-m", "why"),
        ("budget", "stop", "deliv", "-m", "why"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_taken_back_wants_the_whole_id(baton: Baton, begin: Begin, command: tuple[str, ...]) -> None:
    """A beginning is refused with the runs that begin so; commands that look take it."""
    run = begin()
    ran = baton(*command)
    assert (ran.code, run in ran.err, "whole id" in ran.err) == (3, True, True), ran.err
    assert baton("show", "deliv").code == 0
