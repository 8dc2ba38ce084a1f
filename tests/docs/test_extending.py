"""The page on extending Baton: its files and changes, made in a copy of this repository, do what the page says."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import processes
from tests import depth, forks, scripts
from tests.docs.machine import Machine
from tests.docs.pages import ROOT, Block, blocks
from tests.ports import reserved
from tests.replay.test_saved import HISTORIES, workflow_type
from tests.scripts import answer, says

PAGE = blocks(ROOT / "docs" / "extending.md")
LEFT_OUT = shutil.ignore_patterns(".*", "results", "docs")
"""What is compiled is copied along: Python compiles again what the page changes."""
EXAMPLE = ROOT / "examples" / "triage"
LINES = 80
"""A pipeline's contracts, story and test together stay below this, blank lines not counted."""

ASSIGNED = {"kind": "complaint", "message": "Why was I charged twice?", "wanted": "that we look into it"}
MODELS = (says("dispatcher", answer(ASSIGNED)), says("answerer", answer({"text": "We are looking into it."})))


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with a copy of this repository and all that the page adds. What it started is ended by its process id."""
    made = Machine(tmp_path_factory.mktemp("copy"), reserved(), reserved())
    shutil.copytree(ROOT, made.here, ignore=LEFT_OUT)
    for block in PAGE:
        if block.mark == "file":
            _write(made.here, block)
        if block.mark == "edit":
            _edit(made.here, block)
    _leave_out_histories(made.here)
    made.variables = _variables(made)
    try:
        yield made
    finally:
        for name in processes.PARTS:
            processes.stop(made.state, name)


def _variables(machine: Machine) -> dict[str, str]:
    """What the page's reader has set: the copy's own `baton`, and models that play what stands here."""
    shim = forks.script(machine.here / "bin" / "baton", machine.here)
    return {
        "PATH": f"{shim.parent}:{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}",
        "HOME": str(machine.folder),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(machine.here),
        "TEMPORAL_ADDRESS": f"127.0.0.1:{machine.port}",
        "BATON_MODEL": "scripted:page",
        "BATON_SCRIPT": str(scripts.save(machine.folder / "script.yaml", *MODELS)),
    }


def _leave_out_histories(folder: Path) -> None:
    """The page's changes meet the longest saved history of each workflow; the code as it is meets all in `tests/replay`."""
    longest_first = sorted(HISTORIES, key=lambda path: path.stat().st_size, reverse=True)
    kept = depth.of_each_kind(longest_first, workflow_type)
    for path in set(HISTORIES) - set(kept):
        (folder / path.relative_to(ROOT)).unlink()


def _write(folder: Path, block: Block) -> None:
    target = folder / block.argument
    assert not target.exists(), f"{block.where}: {block.argument} is there already"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(block.text)


def _edit(folder: Path, block: Block) -> None:
    """Apply a change by its lines. What it leaves and what it takes away has to stand in the file, once."""
    target, lines = folder / block.argument, block.text.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] in " -")
    after = "".join(line[1:] for line in lines if line[0] in " +")
    text = target.read_text()
    assert text.count(before) == 1, f"{block.where}: this stands {text.count(before)} times in {block.argument}:\n{before}"
    target.write_text(text.replace(before, after))


@pytest.mark.parametrize("block", [one for one in PAGE if one.mark == "tested"], ids=lambda block: block.where)
def test_the_examples_work(machine: Machine, block: Block) -> None:
    """The page's commands succeed on the page's files: contracts are kept, agents load, runs start and end, tests pass."""
    machine.run(block)


def test_the_command_has_the_answer(machine: Machine) -> None:
    """Both runs of the page, started by command and by the Temporal CLI, ended with what the worker wrote."""
    for run in ("triage-default-0001", "charged-twice"):
        told = machine.command("result", "baton", "result", run)
        assert "answer    We are looking into it." in told, told


def test_the_lock_names_an_agent_that_changed_after_its_release(machine: Machine) -> None:
    """With the line that the page adds the agent is released, and one changed word in its file is seen."""
    show = ("baton", "agents", "show", "scribe")
    assert "scribe@v1: released, live" in machine.command("show", *show)
    file = machine.here / "agents" / "scribe" / "v1.md"
    file.write_text(file.read_text().replace("one line", "two lines"))
    assert "scribe@v1: CHANGED since its release" in machine.command("show", *show)


def test_the_page_shows_each_file_once() -> None:
    """Two blocks never write the same file, so that the page can be followed from top to bottom."""
    files = [block.argument for block in PAGE if block.mark == "file"]
    assert len(files) == len(set(files))


def test_the_page_and_the_example_are_the_same() -> None:
    """Each file of `examples/triage` stands in the page at its path, byte for byte, and none is left out."""
    shown = {block.argument: block.text for block in PAGE if block.mark == "file"}
    kept = {
        path.relative_to(EXAMPLE).as_posix(): path.read_text()
        for path in sorted(EXAMPLE.rglob("*"))
        if path.suffix in {".py", ".md"}
    }
    assert len(kept) == 5
    assert {name: shown.get(name) for name in kept} == kept


def test_a_pipeline_is_short() -> None:
    """Contracts, story and test of a supervisor and a worker: what the frame gives is not written again."""
    written = [line for path in EXAMPLE.rglob("*.py") for line in path.read_text().splitlines() if line.strip()]
    assert 0 < len(written) < LINES
