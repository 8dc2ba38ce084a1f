"""The page on extending Baton: its files and changes, made in a copy of this repository, do what the page says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, blocks

PAGE = blocks(ROOT / "docs" / "extending.md")
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "results", "docs")
PATIENCE = 600.0


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository with all that the page adds."""
    folder = tmp_path_factory.mktemp("copy") / "baton"
    shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
    for block in PAGE:
        if block.mark == "file":
            _write(folder, block)
        if block.mark == "edit":
            _edit(folder, block)
    return folder


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
def test_the_examples_work(copy: Path, block: Block) -> None:
    """The page's commands succeed on the page's files: contracts are kept, the agent loads, the stage runs, tests pass."""
    _run(copy, block.text)


def test_the_lock_names_an_agent_that_changed_after_its_release(copy: Path) -> None:
    """With the line that the page adds the agent is released, and one changed word in its file is seen."""
    assert "scribe@v1: released, live" in _run(copy, "baton agents show scribe")
    file = copy / "agents" / "scribe" / "v1.md"
    file.write_text(file.read_text().replace("one line", "two lines"))
    assert "scribe@v1: CHANGED since its release" in _run(copy, "baton agents show scribe")


def _run(copy: Path, script: str) -> str:
    """Run commands in the copy, with the copy's own `baton`; gives back what they print."""
    shim = copy / "bin" / "baton"
    shim.parent.mkdir(exist_ok=True)
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{copy / "starter.py"}" "$@"\n')
    shim.chmod(0o755)
    path = f"{shim.parent}:{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=copy,
        env={"PATH": path, "HOME": str(copy), "LANG": "C.UTF-8", "PYTHONPATH": str(copy)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, f"exit code {done.returncode}\n{script}\n{done.stdout[-6000:]}"
    return done.stdout


def test_the_page_shows_each_file_once() -> None:
    """Two blocks never write the same file, so that the page can be followed from top to bottom."""
    files = [block.argument for block in PAGE if block.mark == "file"]
    assert len(files) == len(set(files))
