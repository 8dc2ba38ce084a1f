"""What one edit of an agent costs in a small repository and in one of 30,000 files."""

import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from activities.git import Mirrors
from activities.repositories.workspaces import Workspaces
from activities.tools.base import ToolContext
from activities.tools.edits import EDIT_FILE
from benchmarks.report import Say, ratios, spread, table
from contracts.base import canonical, sha256
from contracts.repositories import WorkspaceRef
from tests.repositories import repository

NAME = "trace/write"


@dataclass(frozen=True)
class Sizes:
    """Files of the small repository, the baseline, and of the large one; how many edits are made in each, in turn."""

    small: int = 200
    large: int = 30_000
    edits: int = 10


async def run(sizes: Sizes, say: Say) -> dict[str, Any]:
    """Edit one file after the other in both, print the table and return the seconds of workspaces and edits."""
    with tempfile.TemporaryDirectory(prefix="baton-bench-edits-") as folder:
        places = [_Place(Path(folder) / str(count), count) for count in (sizes.small, sizes.large)]
        for one in places:
            say(f"{one.files} files: the workspace was made in {one.made:.2f} s")
        edits: list[list[float]] = [[], []]
        for number in range(sizes.edits):
            for seconds, one in zip(edits, places, strict=True):
                seconds.append(await one.edit(number))
    rows = [("files", "workspace made, s", "one edit, s", "over the small one")]
    for seconds, one in zip(edits, places, strict=True):
        rows.append((f"{one.files:,}", f"{one.made:.2f}", spread(seconds, 3), spread(ratios(seconds, edits[0]), 1)))
    say(table(rows))
    return {"sizes": asdict(sizes), "made": [one.made for one in places], "edits": edits}


class _Place:
    """A repository of so many files, and a workspace on it."""

    def __init__(self, folder: Path, files: int) -> None:
        self.files = files
        texts = {f"part{at // 100}/module{at}.py": f"def f():\n    return {at}\n".encode() for at in range(files)}
        source = repository(folder / "source", texts)
        mirrors = Mirrors(folder / "mirrors")
        mirror = mirrors.open(str(source))
        self._ref = WorkspaceRef(repository=mirror.repository, base=mirror.fetch().commit)
        self._workspaces = Workspaces(folder / "workspaces", mirrors)
        self._patches: dict[str, bytes] = {}
        self._state: str | None = None
        began = time.monotonic()
        self._ensured()
        self.made = time.monotonic() - began

    async def edit(self, at: int) -> float:
        """The seconds of one edit, with all that the activity does in the workspace, from the state before to the patch."""
        began = time.monotonic()
        root = self._ensured()
        self._workspaces.begin_change(NAME)
        asked = {"path": f"part0/module{at}.py", "old": "return", "new": "return 1 +"}
        await EDIT_FILE.call(ToolContext("trace", "write", "bench", root), canonical(asked))
        patch = self._workspaces.patch(NAME)
        self._state = sha256(patch)
        self._patches[self._state] = patch
        self._workspaces.end_change(NAME, self._state)
        return time.monotonic() - began

    def _ensured(self) -> Path:
        return self._workspaces.ensure(NAME, self._ref, self._state, self._patches.__getitem__)
