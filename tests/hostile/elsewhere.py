"""Repositories that lead out of their own folder: by links, borrowed objects, files that name others, and submodules."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.hostile import careless
from tests.hostile.tricks import Make, Trick, trips
from tests.hostile.world import World
from tests.repositories import change, plain, repository

LEAK = trips("leaked")


def _linked(name: str, target: Callable[[World], Path]) -> Make:
    """A repository in which one part of git's own files is a link."""

    def make(world: World, path: Path) -> Path:
        repository(path)
        there = path / ".git" / name
        if there.is_dir():
            shutil.rmtree(there)
        there.unlink(missing_ok=True)
        there.symlink_to(target(world))
        return path

    return make


def _whole(world: World, path: Path) -> Path:
    path.mkdir()
    (path / ".git").symlink_to(world.private / ".git")
    return path


def _parts(world: World, path: Path) -> Path:
    """A bare repository whose parts are all somebody else's."""
    path.mkdir()
    for name in ("objects", "refs"):
        (path / name).symlink_to(world.private / ".git" / name)
    (path / "HEAD").write_text("ref: refs/heads/main\n")
    return path


def _one_object(world: World, path: Path) -> Path:
    """Our commit, with a file whose object is a link to an object of the private repository."""
    repository(path)
    blob = plain(world.private, "rev-parse", "HEAD:secret.txt")
    there = path / ".git" / "objects" / blob[:2]
    there.mkdir(exist_ok=True)
    (there / blob[2:]).symlink_to(world.private / ".git" / "objects" / blob[:2] / blob[2:])
    tree = plain(path, "mktree", feed=f"100644 blob {blob}\tstolen.txt\n".encode())
    plain(path, "update-ref", "refs/heads/main", plain(path, "commit-tree", tree, "-m", "theirs"))
    return path


def _branch_is_a_link(world: World, path: Path) -> Path:
    """Whoever writes the branch `baton/new` writes the file that it leads to."""
    repository(path)
    folder = path / ".git" / "refs" / "heads" / "baton"
    folder.symlink_to(world.outside / "empty")
    return path


def _borrowed(world: World, path: Path) -> Path:
    """The private repository's commit as our main branch, its objects by objects/info/alternates."""
    repository(path)
    (path / ".git" / "objects" / "info").mkdir(exist_ok=True)
    lines = ["#" * 5000, str(world.private / ".git" / "objects"), ""]
    (path / ".git" / "objects" / "info" / "alternates").write_text("\n".join(lines))
    (path / ".git" / "refs" / "heads" / "main").write_text(plain(world.private, "rev-parse", "HEAD") + "\n")
    return path


def _named(world: World, path: Path) -> Path:
    path.mkdir()
    (path / ".git").write_text(f"gitdir: {world.private}/.git\n")
    return path


def _named_worktree(world: World, path: Path) -> Path:
    """A worktree's administration of our own making that claims the private repository as the one it belongs to."""
    path.mkdir()
    own = path.with_name("ours") / "worktrees" / "x"
    own.mkdir(parents=True)
    (own / "HEAD").write_text("ref: refs/heads/main\n")
    (own / "gitdir").write_text(f"{path}/.git\n")
    (own / "commondir").write_text(f"{world.private}/.git\n")
    (path / ".git").write_text(f"gitdir: {own}\n")
    return path


def _pipe(name: str) -> Make:
    """A pipe that nobody writes to, where git expects a file."""

    def make(world: World, path: Path) -> Path:
        repository(path)
        (path / ".git" / name).unlink(missing_ok=True)
        os.mkfifo(path / ".git" / name)
        return path

    return make


def _submodule(url: Callable[[World], str]) -> Make:
    """A repository that wants another one fetched with it."""

    def make(world: World, path: Path) -> Path:
        repository(path)
        commit = plain(world.private, "rev-parse", "HEAD")
        modules = f'[submodule "s"]\n\tpath = s\n\turl = {url(world)}\n'
        (path / ".gitmodules").write_text(modules)
        plain(path, "add", ".gitmodules")
        plain(path, "update-index", "--add", "--cacheinfo", f"160000,{commit},s")
        plain(path, "commit", "--quiet", "-m", "submodule")
        return path

    return make


def _links(world: World, path: Path) -> Path:
    """Tracked links to a file, to a folder, through one another, up and out, and to what the kernel tells of a process."""
    path.mkdir(parents=True)
    (path / "file").symlink_to(world.secret_file)
    (path / "folder").symlink_to(world.outside)
    (path / "one").symlink_to("two")
    (path / "two").symlink_to("folder/secret.txt")
    (path / "up").symlink_to(os.path.relpath(world.secret_file, path))
    (path / "process").symlink_to("/proc/self/environ")
    (path / "root").symlink_to("/proc/self/root")
    (path / "loop").symlink_to("loop")
    (path / "pyproject.toml").symlink_to(world.secret_file)
    plain(path, "init", "--quiet", "--initial-branch=main")
    change(path, {"a.txt": b"a\n"})
    return path


def _replaced(world: World, path: Path) -> Path:
    """A branch whose commit is another one for whoever obeys refs/replace, and a graft to a commit that is not its parent."""
    repository(path, {"a.txt": b"honest\n"})
    honest = plain(path, "rev-parse", "HEAD")
    change(path, {"a.txt": f"{world.secret}\n".encode()})
    plain(path, "replace", honest, "HEAD")
    plain(path, "update-ref", "refs/heads/main", honest)
    (path / ".git" / "info").mkdir(exist_ok=True)
    (path / ".git" / "info" / "grafts").write_text(f"{honest} {'1' * 40}\n")
    return path


ELSEWHERE = (
    Trick("objects-linked", _parts, careless.copy, LEAK, refused="objects is a link"),
    Trick("git-folder-linked", _whole, careless.copy, LEAK, refused=r"\.git is a link to another repository"),
    Trick("one-object-linked", _one_object, careless.copy, LEAK, refused="is a link"),
    Trick("packed-refs-linked", _linked("packed-refs", lambda world: world.secret_file), careless.copy, LEAK, "is a link"),
    Trick("shallow-linked", _linked("shallow", lambda world: world.secret_file), careless.copy, LEAK, "is a link"),
    Trick("branch-linked", _branch_is_a_link, careless.push, trips("written outside"), refused="baton is a link"),
    Trick("borrowed", _borrowed, careless.copy, LEAK, refused="borrows objects from"),
    Trick("git-file", _named, careless.copy, LEAK, refused="does not name .* as a folder of its own"),
    Trick("git-file-worktree", _named_worktree, careless.copy, LEAK, refused="does not name .* as a folder of its own"),
    Trick("pipe-as-branch", _pipe("refs/heads/main"), careless.wait, trips("hangs"), refused="is a pipe"),
    Trick("pipe-as-packed-refs", _pipe("packed-refs"), careless.wait, trips("hangs"), refused="is a pipe"),
    Trick("pipe-as-head", _pipe("HEAD"), careless.wait, trips("hangs")),
    Trick("submodule-private", _submodule(lambda world: str(world.private)), careless.copy, LEAK),
    Trick(
        "submodule-program",
        _submodule(lambda world: f"ext::sh -c touch% {world.marks}/submodule"),
        careless.copy,
        trips("submodule"),
    ),
    Trick("links", _links, careless.copy, trips("leaked", "written outside")),
    Trick("replaced", _replaced, careless.look, LEAK),
)
