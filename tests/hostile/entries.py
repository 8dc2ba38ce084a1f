"""Trees that no working folder ever gave: written object by object, with names that lead elsewhere or stand for others."""

from pathlib import Path

from tests.hostile import careless
from tests.hostile.objects import commit_of, entry, write
from tests.hostile.tricks import Make, Trick, trips
from tests.hostile.world import World
from tests.repositories import repository

Entry = tuple[str, bytes, str]
"""Mode, name, and what it is: `file`, `folder`, `git` (a .git folder with a program in it), `link` or `missing`."""

OUT = trips("written outside")
RAN = trips("nested")
HOLE = trips("incomplete")
TWICE = trips("overwritten")
ODD = "which git does not write"


def _made(*entries: Entry) -> Make:
    """A repository whose branch `evil` has this tree. Names may hold OUT for a folder of somebody else."""

    def make(world: World, path: Path) -> Path:
        repository(path)
        parts = _parts(world, path)
        body = b"".join(entry(mode, name.replace(b"OUT", bytes(world.outside)), parts[what]) for mode, name, what in entries)
        commit_of(path, write(path, "tree", body), "evil")
        return path

    return make


def _parts(world: World, path: Path) -> dict[str, str]:
    """Objects for the entries."""
    program = f"[core]\n\tfsmonitor = {world.mark('nested')}\n".encode()
    file, config, link = (write(path, "blob", data) for data in (b"escaped\n", program, bytes(world.outside)))
    folder = write(path, "tree", entry("100644", b"escaped", file))
    inner = write(path, "tree", entry("100644", b"config", config))
    return {"file": file, "folder": folder, "git": inner, "link": link, "missing": "1" * 40}


def _git(name: str) -> Trick:
    """A nested repository under a name that some file system takes for .git."""
    title = f"git-as-{name.encode('ascii', 'backslashreplace').decode()}"
    return Trick(title, _made(("40000", name.encode(), "git")), careless.export, RAN, "cannot be used: .*invalid path", "evil")


ENTRIES = (
    *(_git(name) for name in (".git", ".GIT", "git~1", "GIT~1", ".g\u200cit", ".git::$INDEX_ALLOCATION", ".git ", ".git.")),
    Trick("up-file", _made(("100644", b"../../world/outside/escaped", "file")), careless.export, OUT, ODD, "evil"),
    Trick("up-folder", _made(("40000", b"..", "folder")), careless.export, trips("written above"), "invalid path", "evil"),
    Trick("absolute", _made(("100644", b"OUT/escaped", "file")), careless.export, OUT, ODD, "evil"),
    Trick("dot", _made(("40000", b".", "git"), ("40000", b".git", "git")), careless.export, RAN, "invalid path", "evil"),
    Trick("link-and-folder", _made(("120000", b"a", "link"), ("40000", b"a", "folder")), careless.export, OUT, ODD, "evil"),
    Trick(
        "link-and-file", _made(("120000", b"a", "link"), ("100644", b"a/escaped", "file")), careless.export, OUT, ODD, "evil"
    ),
    Trick("twice", _made(("100644", b"a", "file"), ("100755", b"a", "link")), careless.export, TWICE, ODD, "evil"),
    Trick("modules-link", _made(("120000", b".gitmodules", "link")), careless.export, trips("linked"), "invalid path", "evil"),
    Trick("object-missing", _made(("100644", b"a", "missing")), careless.export, HOLE, "could not be read", "evil"),
    Trick(
        "folder-as-file", _made(("100644", b"a", "folder")), careless.export, HOLE, "is listed as a file but is none", "evil"
    ),
)
