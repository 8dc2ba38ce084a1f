"""Calls tools as a model does, and checks what every call promises."""

import json
from pathlib import Path
from typing import Any

import pytest

from activities.tools.base import RESULT_LIMIT, Tool, ToolContext, ToolOutcome, ToolProblem
from contracts.text import visible

POEM = b"one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n"


def source_tree(folder: Path) -> Path:
    """A workspace with a few files, git's own beside them, and links that lead out of it."""
    (folder / "secret").write_text("outside")
    top = folder / "root"
    (top / "src" / "deep").mkdir(parents=True)
    (top / ".git").mkdir()
    (top / ".git" / "config").write_text("hidden")
    (top / "src" / "main.py").write_text("import os\n\n\ndef main() -> None:\n    print(os.name)\n")
    (top / "src" / "deep" / "util.py").write_text("NAME = 1\n")
    (top / "README.md").write_text("# Title\n")
    (top / "link").symlink_to(folder / "secret")
    (top / "away").symlink_to(folder)
    return top


def poem_tree(folder: Path) -> Path:
    """A workspace with one poem, and links that lead out of it."""
    (folder / "secret").write_bytes(b"outside")
    top = folder / "root"
    top.mkdir()
    (top / "poem.txt").write_bytes(POEM)
    (top / "link").symlink_to(folder / "secret")
    (top / "away").symlink_to(folder)
    return top


async def call(tool: Tool, root: Path | None, **arguments: Any) -> Any:
    """The result of a call."""
    return (await outcome(tool, root, **arguments)).result


async def outcome(tool: Tool, root: Path | None, **arguments: Any) -> ToolOutcome:
    """The outcome of a call with JSON, after checking that a model may see all of its result."""
    done = await tool.call(ToolContext("trace", "path", "agent", root), json.dumps(arguments).encode())
    sources = [{"name": one.name, "artifact": "0" * 64} for one in done.sources]
    shown = json.dumps({"result": done.result.model_dump(mode="json"), "artifacts": sources}, ensure_ascii=False)
    assert len(shown) <= RESULT_LIMIT
    assert visible(shown) == shown
    return done


async def problem(tool: Tool, root: Path, **arguments: Any) -> str:
    """The refusal, after checking that nothing changed and that a model may see it."""
    before = tree(root)
    with pytest.raises(ToolProblem) as caught:
        await call(tool, root, **arguments)
    assert tree(root) == before
    text = str(caught.value)
    assert len(text) < RESULT_LIMIT
    assert visible(text) == text
    return text


def tree(root: Path) -> dict[str, bytes]:
    """Every file beneath the folder with its bytes; links are left out."""
    files = (path for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}
