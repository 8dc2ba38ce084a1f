"""Branches and tags whose names are options, commands or orders to a terminal."""

import os
from pathlib import Path

from tests.hostile import careless
from tests.hostile.tricks import Trick, trips
from tests.hostile.world import World
from tests.repositories import plain, repository


def _option(world: World, path: Path) -> Path:
    """A branch that a command line takes for an option which starts a program."""
    repository(path)
    name = f"--upload-pack=touch${{IFS}}{world.marks}/option;"
    for kind in ("heads", "tags"):
        plain(path, "update-ref", f"refs/{kind}/{name}", "HEAD")
    plain(path, "symbolic-ref", "HEAD", f"refs/heads/{name}")
    return path


def _head_leads_out(world: World, path: Path) -> Path:
    repository(path)
    (path / ".git" / "HEAD").write_text(f"ref: refs/heads/{os.path.relpath(world.secret_file, path / '.git/refs/heads')}\n")
    return path


def _head_steers(world: World, path: Path) -> Path:
    repository(path)
    (path / ".git" / "HEAD").write_text("ref: refs/heads/\x1b[2J\n")
    return path


def _packed(world: World, path: Path) -> Path:
    """A list of branches with control characters, twice the same name, and an id of nothing."""
    repository(path)
    commit = plain(path, "rev-parse", "HEAD")
    lines = [f"{commit} refs/heads/\x1b]0;title\x07", f"{commit} refs/heads/main", f"{'1' * 40} refs/heads/main", ""]
    (path / ".git" / "refs" / "heads" / "main").unlink()
    (path / ".git" / "packed-refs").write_text("# pack-refs with: peeled fully-peeled sorted \n" + "\n".join(lines))
    return path


def _control(world: World, path: Path) -> Path:
    """File names and messages that steer a terminal."""
    names = ("\x1b]0;title\x07.txt", "a\nb.txt", "\u202etxt.exe", "-rf", "a.txt")
    repository(path, dict.fromkeys(names, b"a\n"))
    plain(path, "commit", "--quiet", "--allow-empty", "-m", "\x1b[2Jgone\x9b1m")
    return path


NAMES = (
    Trick("option", _option, careless.by_name, trips("option")),
    Trick("packed", _packed, careless.report, trips("raw"), refused="could not be read|has no main branch|did not take"),
    Trick("control", _control, careless.report, trips("raw")),
    Trick("head-leads-out", _head_leads_out, careless.report, trips("leaked"), "has no main branch"),
    Trick("head-steers", _head_steers, careless.report, trips("raw")),
)
