"""What a naive application does with a repository: the same tricks must work here, or the tests prove nothing.

Each function works as somebody would who trusts the repository, ignores errors, and returns what the tricks achieved.
"""

import os
import subprocess
import sys
import time
import unicodedata
from contextlib import suppress
from itertools import islice
from pathlib import Path

from tests import children
from tests.children import PATIENCE
from tests.hostile.world import World
from tests.repositories import CLEAN


def look(world: World, path: Path, folder: Path) -> set[str]:
    """Looks at the repository with plain git, in its own folder."""
    said = [_git(path, "status"), _git(path, "log", "-p", "--all", "--ext-diff", "--textconv"), _git(path, "show", "HEAD^0")]
    said += [_git(path, "cat-file", "-p", line.split()[2]) for line in _git(path, "ls-tree", "-r", "HEAD").splitlines()]
    return _shown(world, [folder], said)


def work(world: World, path: Path, folder: Path) -> set[str]:
    """Works in the repository and in a clone of it with plain git, and pushes."""
    look(world, path, folder)
    (path / "a.txt").write_bytes(b"other\n")
    for arguments in (
        *(["diff"], ["show", "--textconv"], ["add", "a.txt"], ["st"], ["commit", "--quiet", "-m", "naive"]),
        *(["commit", "--quiet", "--amend"], ["worktree", "add", str(folder / "naive"), "-b", "naive"]),
        ["checkout", "--force", "HEAD", "--", "."],
    ):
        _git(path, *arguments)
    clone = _clone(path, folder)
    _git(clone, "push", "--quiet", "origin", "HEAD:refs/heads/pushed")
    return _shown(world, [clone], [])


def copy(world: World, path: Path, folder: Path) -> set[str]:
    """Clones it with its submodules, and reads, writes and reports whatever has a name."""
    clone = _clone(path, folder, "--recurse-submodules")
    said = [_git(path, "log", "-p", "--all"), *_read(clone)]
    for name in os.listdir(clone) if clone.exists() else ():
        with suppress(OSError):
            (clone / name / "new.txt").write_text("written by an agent")
    return _shown(world, [clone], said)


def export(world: World, path: Path, folder: Path) -> set[str]:
    """Writes the files of the tree itself, on a file system that folds names, and runs git in it."""
    out = folder / "export"
    out.mkdir(parents=True)
    for line in _raw(path, "ls-tree", "-r", "-z", "evil").split(b"\0"):
        about, _, name = line.partition(b"\t")
        with suppress(OSError, ValueError):
            _write(out, about.split(), os.fsdecode(name), path)
    _git(out, "init", "--quiet")
    said = [_git(out, "status"), *_read(out)]
    seen = {
        "written above": (folder / "escaped").exists(),
        "linked": (out / ".gitmodules").is_symlink(),
        "overwritten": (out / "a").is_file() and (out / "a").read_bytes() == bytes(world.outside),
        "incomplete": (out / "a").is_file() and not (out / "a").stat().st_size,
    }
    return _shown(world, [out], said) | {name for name, true in seen.items() if true}


def push(world: World, path: Path, folder: Path) -> set[str]:
    """Pushes a branch from a clone."""
    _git(_clone(path, folder), "push", "--quiet", "origin", "HEAD:refs/heads/baton/new")
    return _shown(world, [], [])


def wait(world: World, path: Path, folder: Path) -> set[str]:
    """Asks git for the history, and waits for an answer."""
    try:
        subprocess.run(["git", "log", "-1"], cwd=path, env=CLEAN, capture_output=True, check=False, timeout=1)
    except subprocess.TimeoutExpired:
        return {"hangs"}
    return set()


def by_name(world: World, path: Path, folder: Path) -> set[str]:
    """Hands names of branches and tags to git as they come."""
    clone = _clone(path, folder)
    for line in _git(path, "for-each-ref", "--format=%(refname:lstrip=2)").splitlines():
        _git(clone, "fetch", "origin", line)
    return _shown(world, [], [])


def check(world: World, path: Path, folder: Path) -> set[str]:
    """Runs the tests where it stands, and does not look what is left of them."""
    clone = _clone(path, folder)
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=clone, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=PATIENCE)
    ends = time.monotonic() + PATIENCE
    while not (world.marks / "daemon").exists() and time.monotonic() < ends:
        time.sleep(0.05)
    return _shown(world, [clone], [done.stdout.decode(errors="replace")])


def report(world: World, path: Path, folder: Path) -> set[str]:
    """Tells what it finds in git's own files, and which files there are, as it stands there."""
    git = path / ".git"
    said = [(git / "HEAD").read_text(errors="replace")]
    with suppress(OSError):
        said.append((git / said[0].removeprefix("ref: ").strip()).read_text())
    with suppress(OSError):
        said.append((git / "packed-refs").read_text())
    said.append(_git(path, "log", "--all", "--name-only", "-z"))
    raw = {"raw"} if any(sign in "".join(said) for sign in ("\x1b", "\u202e")) else set()
    return _shown(world, [], said) | raw


def measure(world: World, path: Path, folder: Path) -> set[str]:
    """Counts what a checkout would write, as far as anybody would wait for it."""
    command = ["git", "ls-tree", "-r", "-z", "--long", "HEAD"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with children.started(*command, cwd=path, env=CLEAN, **streams) as listing:
        data = b"".join(islice(iter(lambda: listing.stdout.read(1 << 16), b""), 200))
    entries = [line.partition(b"\t") for line in data.split(b"\0")[:-1]]
    size = sum(int(about.split()[3]) for about, _, _ in entries if about.split()[3].isdigit())
    longest = max((len(name) for _, _, name in entries), default=0)
    return {"overfull"} if len(entries) > 100_000 or size > 1 << 28 or longest > 1500 else set()


def _clone(path: Path, folder: Path, *options: str) -> Path:
    clone = folder / "clone"
    folder.mkdir(parents=True, exist_ok=True)
    _git(folder, "clone", "--quiet", "--no-local", *options, "--", str(path), str(clone))
    return clone


def _read(folder: Path) -> list[str]:
    """Whatever open() gives for each name, links followed."""
    said = []
    for top, folders, names in os.walk(folder):
        for name in (*names, *folders):
            with suppress(OSError), open(os.path.join(top, name), errors="replace") as file:
                said.append(file.read(1 << 20))
        for name in folders:
            with suppress(OSError):
                said += [Path(top, name, inner).read_text(errors="replace") for inner in os.listdir(Path(top, name))]
    return said


def _write(out: Path, about: list[bytes], name: str, path: Path) -> None:
    mode, _, blob = about
    target = Path(os.path.join(out, *(_folded(part) if part else "/" for part in name.split("/"))))
    target.parent.mkdir(parents=True, exist_ok=True)
    data = _raw(path, "cat-file", "blob", blob.decode())
    if mode == b"120000":
        target.symlink_to(os.fsdecode(data))
    else:
        target.write_bytes(data)


def _folded(part: str) -> str:
    """What some file system takes the name for: case, invisible letters, short names, streams, trailing dots."""
    seen = "".join(letter for letter in part if unicodedata.category(letter) != "Cf").split(":")[0].rstrip(" ") or part
    plain_name = seen if seen in (".", "..") else seen.rstrip(".")
    return ".git" if plain_name.casefold() in (".git", "git~1") else part


def _git(where: Path, *arguments: str) -> str:
    """Plain git's output and errors; errors end nothing."""
    return _raw(where, *arguments).decode(errors="replace")


def _raw(where: Path, *arguments: str) -> bytes:
    variables = CLEAN | {"HOME": str(where), "GIT_ALLOW_PROTOCOL": "file:ext:https"}
    if not where.exists():
        return b""
    done = subprocess.run(
        ["git", *arguments],
        cwd=where,
        env=variables,
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
    )
    return done.stdout + (b"" if arguments[0] in ("ls-tree", "cat-file") else done.stderr)


def _shown(world: World, places: list[Path], said: list[str]) -> set[str]:
    leaked = world.leaks([place for place in places if place.exists()], *said)
    return world.fired() | ({"leaked"} if leaked else set())
