"""What the deliveries of the storm work on: a small repository that books its own pushes, and the model's script."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.scripts import a_tester, answer, edit, item, plan, read, save, says, write, writer
from tests.stack import git

CHECK = "grep -q 'half a cent rounds up' README.md"
TURNS = 9
"""Of every delivery, when nothing is lost and nothing done twice."""
THINKING_MS = 120
"""How long the provider takes for an answer, so that kills land in the middle of calls, too."""

BEATING_MS = 1300
"""How long it takes for the last one: longer than a worker waits before it gives a sign of life."""

_FILES = {"README.md": "Prices are whole cents.\n", "rate.txt": "percent=10\n", "limit.txt": "cents=100\n"}

_HOOK = """\
#!/bin/sh
while read -r old new ref; do
    printf '{"ref": "%s", "old": "%s", "new": "%s", "tree": "%s"}\\n' "$ref" "$old" "$new" "$(git rev-parse "$new^{tree}")"
done >> "{book}" && sync "{book}"
"""
"""Runs in the origin, after it has taken a push and before it says so. Whoever pushed has no part in it."""


@dataclass(frozen=True)
class Scene:
    """Where it all lies."""

    folder: Path
    origin: Path
    script: Path

    @property
    def pushes(self) -> list[dict[str, Any]]:
        """The origin's own book: every change of a branch that it took."""
        return lines_of(self.folder / "pushes.book")

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The provider's book: every call that it got, and every answer that it gave."""
        return lines_of(self.folder / "calls.book")


def lines_of(file: Path) -> list[dict[str, Any]]:
    """The facts of a book, oldest first."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def make(folder: Path) -> Scene:
    """Build origin, hook and script."""
    work = folder / "work"
    work.mkdir(parents=True)
    for name, text in _FILES.items():
        (work / name).write_text(text)
    git(work, "init", "--quiet", "--initial-branch=main")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message=The shop")
    origin = folder / "origin.git"
    git(folder, "clone", "--quiet", "--bare", str(work), str(origin))
    git(origin, "config", "core.logAllRefUpdates", "always")
    git(origin, "config", "gc.auto", "0")
    hook = origin / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(_HOOK.replace("{book}", str(folder / "pushes.book")))
    hook.chmod(0o755)
    return Scene(folder, origin, _script(folder))


def _script(folder: Path) -> Path:
    """Short turns: a plan with two items side by side, three edits and a new file, a read in between."""
    rule = edit("README.md", "Prices are whole cents.", "Prices are whole cents; half a cent rounds up.")
    conversations = [
        says("planner", read("README.md"), answer(plan(item("rule", ["README.md"]), item("rate", ["rate.txt", "limit.txt"])))),
        writer("rule", rule),
        writer("rate", edit("rate.txt", "percent=10", "percent=11"), edit("limit.txt", "cents=100", "cents=99")),
        a_tester(write("tests/edges.txt", "999 at 50 percent: 500\n")),
    ]
    for one in conversations:
        one["delay_ms"] = THINKING_MS
    conversations[-1]["turns"][-1]["delay_ms"] = BEATING_MS
    return save(folder / "script.yaml", *conversations)
