"""The commands in the pages do what the pages say, on a real server with a real worker."""

import re
from collections.abc import Iterator

import pytest

from commands import server
from tests.demo import COMMAND, Ran
from tests.docs.machine import Machine, set_up
from tests.docs.pages import ROOT, Block, blocks
from tests.stack import git

RUN = ("README.md", "docs/operating.md")
"""Pages whose commands are run, in this order and on one machine. `docs/extending.md` has a test of its own."""

TESTED = [block for name in RUN for block in blocks(ROOT / name) if block.mark == "tested"]
OUTPUTS = [block for name in RUN for block in blocks(ROOT / name) if block.mark == "output of"]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """One machine for all blocks. What they started is ended by its process id."""
    made = set_up(tmp_path_factory.mktemp("machine"))
    try:
        yield made
    finally:
        for name in ("worker", "server"):
            server.stop(made.state, name)


@pytest.mark.parametrize("block", TESTED, ids=lambda block: block.where)
def test_commands_in_pages_run(machine: Machine, block: Block) -> None:
    """Whoever copies the page's commands, in their order, gets the exit codes that the page promises."""
    machine.run(block, str(machine.shop))


def test_what_the_readme_did_is_in_the_users_repository(machine: Machine) -> None:
    """Both deliveries of the README are branches of the user's repository, and what the user works on is as it was."""
    branches = git(machine.shop, "branch", "--format=%(refname:short)").split()
    assert len([name for name in branches if name.startswith("baton/")]) == 2
    assert git(machine.shop, "status", "--porcelain", "--branch") == "## main...origin/main"


@pytest.mark.parametrize("block", OUTPUTS, ids=lambda block: block.where)
def test_outputs_in_pages_are_true(demo: Ran, block: Block) -> None:
    """What a page shows as a command's output is what the command prints, in that order. So far only the demo's is shown."""
    assert (block.argument, demo.code) == (COMMAND, 0), demo.printed
    printed = demo.printed.splitlines()
    at = 0
    for line in block.text.splitlines():
        if line.strip() == "…":
            continue
        pattern = re.compile(_pattern(line))
        found = next((number for number in range(at, len(printed)) if pattern.fullmatch(printed[number])), None)
        assert found is not None, (
            f"{block.where}: the page shows {line!r}, and after line {at} this was printed:\n"
            + "\n".join(printed[at : at + 40])
        )
        at = found + 1


def _pattern(line: str) -> str:
    """A regular expression for a shown line: `…` is anything, and what differs from run to run is not compared."""
    pattern = re.escape(line.rstrip()).replace("…", ".*")
    pattern = re.sub(r"\d\d:\d\d:\d\d", r"\\d\\d:\\d\\d:\\d\\d", pattern)
    pattern = re.sub(r"127\\\.0\\\.0\\\.1:\d+", r"127\\.0\\.0\\.1:\\d+", pattern)
    return pattern + r"\s*"


def test_the_check_of_outputs_can_fail() -> None:
    """A line that is not printed is found, and a cut or another time is none."""
    assert re.fullmatch(_pattern("  10:11:12  relay: delivered: push …"), "  02:45:55  relay: delivered: push 8f31")
    assert not re.fullmatch(_pattern("REPORT run: done"), "REPORT run: could_not")


def test_every_tested_block_is_run_by_a_test() -> None:
    """No other page marks a block as tested: it would be run by nobody."""
    marked = {path for path in (ROOT / "docs").rglob("*.md") if any(one.mark == "tested" for one in blocks(path))}
    assert {path.relative_to(ROOT).as_posix() for path in marked} <= {*RUN, "docs/extending.md"}
