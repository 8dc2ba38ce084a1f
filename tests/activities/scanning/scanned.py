"""A change of real files in a real repository, as both scans see it."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.testing import ActivityEnvironment

from activities.git import Mirrors
from activities.repositories.comparison import Comparison
from activities.repositories.shared import Repositories
from activities.repositories.workspaces import Workspaces
from activities.scanning.scan import Scans
from contracts.findings import Findings
from contracts.repositories import Compared, CompareRevisions, Workspace
from contracts.runs import RunRef
from ledger import artifacts
from ledger.db import Ledger
from tests import ledgers
from tests.repositories import change, plain, repository

RUN = RunRef(trace="trace-1", workflow_id="w", path="")


@contextmanager
def repositories(folder: Path) -> Iterator[Repositories]:
    """Mirrors and a ledger below this folder."""
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}", folder / "artifacts")
    ledgers.migrate(ledger)
    mirrors = Mirrors(folder / "mirrors", {}, 1 << 30, lambda digest: ledger.read_now(artifacts.get, ledger.files, digest))
    try:
        yield Repositories(ledger, mirrors, Workspaces(folder / "workspaces", mirrors))
    finally:
        ledger.close()


@dataclass(frozen=True)
class Scanned:
    """What both scans say."""

    compared: Compared
    bugs: Findings
    holes: Findings

    @property
    def rows(self) -> set[tuple[str, str, int]]:
        """Rule, file and line of every finding."""
        return {(one.rule, one.file, one.line) for body in (self.bugs, self.holes) for one in body.findings}

    @property
    def rules(self) -> set[str]:
        """The rules alone."""
        return {rule for rule, _, _ in self.rows}

    def told(self, text: str) -> bool:
        """True if it says that something was not looked at, in these words."""
        return any(text in one for body in (self.bugs, self.holes) for one in body.not_looked_at)


async def scan(
    folder: Path, before: Mapping[str, bytes | str], after: Mapping[str, bytes | str | None], **more: Any
) -> Scanned:
    """Commit `before`, then `after` on top of it (None removes a file), and have both scans look at the difference."""
    work = repository(folder / "work", {"README.md": b"hello\n", **_bytes(before)})
    base = plain(work, "rev-parse", "HEAD")
    for name in (name for name, text in after.items() if text is None):
        (work / name).unlink()
    for name, target in more.get("links", {}).items():
        (work / name).symlink_to(target)
    head = change(work, _bytes(after))
    with repositories(folder) as repos:
        asked = CompareRevisions(run=RUN, repository=str(work), base=base, head=head, patch=None)
        compared: Compared = await ActivityEnvironment().run(Comparison(repos).compare_revisions, asked)
        workspace, scans = Workspace(name="w", ref=compared.ref), Scans(repos)
        bugs, holes = await asyncio.gather(
            scans.bugs(compared.patch.digest, workspace), scans.holes(compared.patch.digest, workspace)
        )
    return Scanned(compared, bugs, holes)


def _bytes(files: Mapping[str, bytes | str | None]) -> dict[str, bytes]:
    return {name: text.encode() if isinstance(text, str) else text for name, text in files.items() if text is not None}
