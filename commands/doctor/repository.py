"""What `baton checks` looks at: a repository's files, and one run of its check. Imported inside the command: it is slow."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from activities.git import Mirror, Mirrors
from activities.git.command import PASSED_ON
from activities.repositories.check_run import run_check
from activities.repositories.checks import as_contract
from activities.repositories.detection import detect
from activities.repositories.fetch import INPUT_ERRORS
from activities.repositories.usability import Trouble, trouble
from activities.repositories.workspaces import Workspaces
from activities.sandbox import Sandbox, SandboxUnavailable
from commands.errors import Code, Usage
from config import Settings
from contracts.base import ArtifactRef, sha256
from contracts.detection import Detected
from contracts.repositories import CheckRun


@dataclass(frozen=True)
class Asked:
    """What was typed. `run` None: where there is a sandbox."""

    repository: str
    base: str | None
    check: str | None
    environment: Path | None
    run: bool | None


@dataclass(frozen=True)
class Looked:
    """What was found. `ran` None: the check was not run, for the reason in `unproven`, or because there is none."""

    repository: str
    commit: str
    tree: str
    detected: Detected
    command: str | None
    source: str
    ran: CheckRun | None = None
    trouble: Trouble | None = None
    unproven: str = ""

    @property
    def code(self) -> Code:
        """NOT_FOUND where there is no check, FAILED where it proves nothing."""
        if self.command is None:
            return Code.NOT_FOUND
        return Code.FAILED if self.trouble else Code.DONE


def look(found: Settings, asked: Asked, place: Path) -> Looked:
    """Fetch into the folder `place` of its own, look, and run. Nothing else is written: no worker's copy is touched.

    Raises `Usage` for a repository or revision that cannot be used, `SandboxUnavailable` where the run was asked for.
    """
    with checkout(found, asked.repository, asked.base, place) as (opened, directory):
        detected = detect(directory, asked.environment)
    best = detected.best
    command, source = (asked.check, "--check") if asked.check else (best.command, best.source) if best else (None, "")
    looked = Looked(opened.mirror.repository, opened.commit, opened.tree, detected, command, source)
    return _proven(found, asked, opened, looked)


@dataclass(frozen=True)
class Opened:
    """A repository that was fetched into a folder of its own, at one commit."""

    workspaces: Workspaces
    mirror: Mirror
    commit: str
    tree: str


@contextmanager
def checkout(found: Settings, repository: str, base: str | None, place: Path) -> Iterator[tuple[Opened, Path]]:
    """Fetch into the folder `place`, and hold a throw-away checkout of the commit inside the block. Raises `Usage`."""
    mirrors = Mirrors(place / "mirrors", found.environment(PASSED_ON), found.mirror_mib << 20)
    workspaces = Workspaces(place / "workspaces", mirrors)
    try:
        mirror = mirrors.open(repository)
        fetched = mirror.fetch(base)
        mirror.check(fetched.tree)
        with workspaces.scratch(mirror, fetched.tree) as directory:
            yield Opened(workspaces, mirror, fetched.commit, fetched.tree), directory
    except INPUT_ERRORS as error:
        raise Usage(str(error)) from None


def _proven(found: Settings, asked: Asked, opened: Opened, looked: Looked) -> Looked:
    """With the run of the check, where it is to be run and can be."""
    if looked.command is None or asked.run is False:
        return replace(looked, unproven="--no-run was given" if looked.command else "")
    try:
        sandbox = Sandbox.find(found.bubblewrap, found.checks)
        ran = asyncio.run(
            run_check(sandbox, opened.workspaces, opened.mirror, looked.tree, looked.command, environment=asked.environment)
        )
    except SandboxUnavailable as error:
        if asked.run:
            raise
        return replace(looked, unproven=str(error))
    shown = as_contract(ran, looked.tree, ArtifactRef(digest=sha256(ran.output), size=len(ran.output)))
    return replace(looked, ran=shown, trouble=trouble(shown))
