"""The commands in the pages do what the pages say, on a real server with a real worker."""

import re
from collections.abc import Callable, Iterable, Iterator

import pytest

from commands import processes
from tests.demo import COMMAND, Ran
from tests.docs.machine import Machine, set_up
from tests.docs.pages import ROOT, Block, blocks, name_of, pages
from tests.stack import git

Journey = tuple[str, ...]
USING: Journey = ("README.md", "docs/operating.md", "docs/schedules.md", "docs/review.md")
EXAMPLE: Journey = ("docs/checks.md", "docs/after-the-push.md")
LOADING: Journey = ("docs/load.md",)
DIAGNOSING: Journey = ("docs/diagnosis.md",)
ANSWERING: Journey = ("docs/support.md",)
JOURNEYS = (USING, EXAMPLE, LOADING, DIAGNOSING, ANSWERING)
"""Pages whose commands are run: those of a line in this order and on one machine. `docs/extending.md` has a test of its own,
and `tests/operator` goes by `docs/runbooks.md`."""

ABOVE = "the block above"
STEPS = [
    pytest.param(journey, block, id=block.where)
    for journey in JOURNEYS
    for name in journey
    for block in blocks(ROOT / name)
    if block.mark == "tested" or block.argument == ABOVE
]
DEMO = [block for block in blocks(ROOT / "README.md") if block.mark == "output of"]


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Journey], Machine]]:
    """One machine for all blocks of a journey, made when first asked for: then nothing runs any more on those before it.

    What they started is ended by its process id.
    """
    made: dict[Journey, Machine] = {}

    def machine_of(journey: Journey) -> Machine:
        if journey not in made:
            _stop(made.values())
            made[journey] = set_up(tmp_path_factory.mktemp("machine"), keyless=journey == ANSWERING)
        return made[journey]

    try:
        yield machine_of
    finally:
        _stop(made.values())


def _stop(machines: Iterable[Machine]) -> None:
    for machine in machines:
        for name in processes.PARTS:
            processes.stop(machine.state, name)


@pytest.mark.parametrize(("journey", "block"), STEPS)
def test_commands_in_pages_run(machines: Callable[[Journey], Machine], journey: Journey, block: Block) -> None:
    """Whoever copies the pages' commands, in their order, gets the exit codes and the output that the pages promise."""
    machine = machines(journey)
    if block.mark == "tested":
        machine.run(block, str(machine.shop))
    else:
        shown_in(block, machine.printed)


def test_what_the_readme_did_is_in_the_users_repository(machines: Callable[[Journey], Machine]) -> None:
    """Both deliveries of the README are branches of the user's repository, and what the user works on is as it was."""
    machine = machines(USING)
    branches = git(machine.shop, "branch", "--format=%(refname:short)").split()
    assert len([name for name in branches if name.startswith("baton/")]) == 2
    assert git(machine.shop, "status", "--porcelain", "--branch") == "## main...origin/main"


def test_what_the_page_on_checks_did_is_in_the_users_repository(machines: Callable[[Journey], Machine]) -> None:
    """The web project has one commit on the branch that the page names, with the fix and a test that shows it."""
    tearoom = machines(EXAMPLE).folder / "home" / "src" / "tearoom"
    assert git(tearoom, "rev-list", "--count", "main..unknown-names") == "1"
    assert "abort(404)" in git(tearoom, "show", "unknown-names:app.py")
    assert git(tearoom, "diff", "--name-only", "main", "unknown-names").split() == ["app.py", "test_unknown.py"]
    assert git(tearoom, "status", "--porcelain", "--branch") == "## main"


@pytest.mark.parametrize("block", DEMO, ids=lambda block: block.where)
def test_outputs_of_the_demo_are_true(demo: Ran, block: Block) -> None:
    """What the README shows of the demo is what it prints, in that order."""
    assert (block.argument, demo.code) == (COMMAND, 0), demo.printed
    shown_in(block, demo.printed)


def shown_in(block: Block, printed: str) -> None:
    """Each line that the page shows was printed, in that order."""
    lines, at = printed.splitlines(), 0
    for line in block.text.splitlines():
        if line.strip() == "…":
            continue
        pattern = re.compile(_pattern(line))
        found = next((number for number in range(at, len(lines)) if pattern.fullmatch(lines[number])), None)
        assert found is not None, (
            f"{block.where}: the page shows {line!r}, and after line {at} this was printed:\n" + "\n".join(lines[at : at + 40])
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
    """No other page marks a block as tested, or as an output: it would be run by nobody, and compared with nothing."""
    marked = {name_of(path) for path in pages() if any(one.mark in {"tested", "output of"} for one in blocks(path))}
    assert marked <= {name for journey in JOURNEYS for name in journey} | {"docs/extending.md", "docs/runbooks.md"}
    shown = [one for path in pages() for one in blocks(path) if one.mark == "output of" and one.argument != ABOVE]
    assert [one.where for one in shown] == [one.where for one in DEMO]
