"""Commands that are printed are pasted into a shell, and do what they say whatever a workflow id holds."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from tests import children, forks
from tests.commands.conftest import Baton, Serve
from tests.stack import Stack

IDS = ["fix $(touch PWNED) x", "--json", "it's; touch PWNED", "-rf", "two\nlines\u202e"]


def pasted(command: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """What a shell makes of it, with `baton` on its PATH."""
    program = forks.script(folder / "bin" / "baton")
    variables = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    streams = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": children.PATIENCE}
    return subprocess.run(["bash", "--norc", "-c", command], cwd=folder, env=variables, check=False, **streams)


async def started(running: Stack, origin: Path, name: str) -> None:
    """As any client of Temporal may start it."""
    asked = {"repository": str(origin), "instruction": "Fix it", "owner": "olga", "check": "true"}
    queue = running.settings.task_queue
    run = await running.client.start_workflow("Delivery", asked, id=name, task_queue=queue)
    await running.gate(run, "plan")


@pytest.mark.parametrize("name", IDS)
async def test_what_is_printed_is_done_to_that_run_and_to_nothing_else(
    baton: Baton, serve: Serve, origin: Path, tmp_path: Path, name: str
) -> None:
    """`show`, and the rejection that `gates` prints: the run is found and ended, and no other command is run."""
    async with serve() as running:
        await started(running, origin, name)
        (gate,) = (await baton.live("gates", "--json")).json["gates"]
        assert gate["run"] == name
        rejects = next(command for command in gate["commands"] if command.startswith("baton reject"))
        answered = await asyncio.to_thread(pasted, rejects.replace("baton reject", "baton reject --yes", 1), tmp_path)
        assert answered.returncode == 0, answered.stderr
        following = next(line for line in answered.stderr.splitlines() if line.startswith("  next"))
        assert (await asyncio.to_thread(pasted, following.removeprefix("  next"), tmp_path)).returncode == 0
        assert (await baton.live("result", "--wait", "--", name)).code == 1
        ended = await baton.live("runs", "--json")
        assert [(one["run"], one["state"]) for one in ended.json["runs"]] == [(name, "could_not")]
    assert list(tmp_path.rglob("PWNED")) == []
