"""What the target has before anything is paid for: taken, checked-out and colliding names, uncommitted work."""

import itertools
import os
import time
from pathlib import Path

import pytest

from activities.git import Mirror, Mirrors
from activities.git.standing import Standing
from tests.repositories import plain, repository


def mirror_of(folder: Path, origin: Path) -> Mirror:
    """The mirror of that repository."""
    return Mirrors(folder / "mirrors").open(str(origin))


def standing(*names: str) -> Standing:
    """A target with these branches."""
    return Standing(dict.fromkeys(names, "c" * 40))


@pytest.mark.parametrize(
    ("there", "wanted", "why"),
    [
        ("fix", "fix", "is there already, at cccccccccccc"),
        ("a", "a/b", "cannot stand beside the branch 'a'"),
        ("a/b/c", "a/b", "cannot stand beside the branch 'a/b/c'"),
        ("Fix-It", "fix-it", "in case or form of letters only"),
        ("Topic", "topic/x", "cannot stand beside the branch 'Topic'"),
        ("stra\u00dfe", "STRASSE", "in case or form of letters only"),
        ("cafe\u0301", "caf\u00e9", "in case or form of letters only"),
    ],
)
def test_a_name_that_no_new_branch_can_have(there: str, wanted: str, why: str) -> None:
    """Taken, in the way of a folder, the same on a disk that ignores case: said with a name that is free."""
    found = standing("main", there)
    assert why in found.problem(wanted)
    free = found.problem(wanted).rsplit("'", 2)[1]
    assert found.problem(free) == ""


@pytest.mark.parametrize("wanted", ["fix-2", "ab", "a-b", "topic/y"])
def test_names_beside_others_are_free(wanted: str) -> None:
    """A common beginning is no collision."""
    assert standing("main", "fix", "a", "topic/x").problem(wanted) == ""


def test_a_target_is_asked_for_its_branches_and_what_is_checked_out(tmp_path: Path) -> None:
    """In the main folder, in a worktree and before its first commit; not in a bare repository."""
    origin = repository(tmp_path / "origin")
    plain(origin, "branch", "taken")
    plain(origin, "worktree", "add", "-q", str(tmp_path / "tree"), "-b", "elsewhere")
    mirror = mirror_of(tmp_path, origin)
    assert set(mirror.standing("x").heads) == {"main", "taken", "elsewhere"}
    for name, folder in (("main", origin), ("elsewhere", tmp_path / "tree")):
        assert f"is checked out in {folder}, and" in mirror.standing(name).problem(name)
    plain(origin, "checkout", "-q", "--orphan", "unborn")
    assert "is checked out" in mirror.standing("unborn").problem("unborn")
    assert "is there already" in mirror.standing("taken").problem("taken")
    bare = tmp_path / "bare.git"
    plain(tmp_path, "clone", "-q", "--bare", str(origin), str(bare))
    assert "is there already" in mirror_of(tmp_path, bare).standing("main").problem("main")


def test_uncommitted_work_is_counted(tmp_path: Path) -> None:
    """Changed, staged, deleted and new files; not what is ignored, not in a bare repository; a clean folder has none."""
    origin = repository(tmp_path / "origin", {"a": b"1\n", "b": b"1\n", "c": b"1\n", ".gitignore": b"*.log\n"})
    mirror = mirror_of(tmp_path, origin)
    assert str(mirror.uncommitted()) == ""
    (origin / "a").write_bytes(b"22\n")
    (origin / "b").unlink()
    (origin / "c").write_bytes(b"333\n")
    plain(origin, "add", "c")
    for name in ("new", "x.log", "folder/deep", "mine"):
        (origin / name).parent.mkdir(exist_ok=True)
        (origin / name).write_bytes(b"x")
    with (origin / ".git/info/exclude").open("a") as excluded:
        excluded.write("mine\n")
    assert str(mirror.uncommitted()) == "3 changed and 2 new files"
    assert plain(origin, "status", "--porcelain", "-uall").count("\n") == 4
    bare = tmp_path / "bare.git"
    plain(tmp_path, "clone", "-q", "--bare", str(origin), str(bare))
    assert mirror_of(tmp_path, bare).uncommitted() is None


def test_looking_for_uncommitted_work_starts_nothing_of_the_repositorys(tmp_path: Path) -> None:
    """A filter and a file system monitor that the repository names are not run; CRLF that its settings ask for is no change."""
    origin = repository(tmp_path / "origin", {"a": b"1\n", "b": b"x\n", ".gitattributes": b"a filter=evil\n"})
    plain(origin, "config", "core.autocrlf", "true")
    (origin / "b").unlink()
    plain(origin, "checkout", "b")
    assert (origin / "b").read_bytes() == b"x\r\n"
    os.utime(origin / "b", (1, 1))
    for name in ("filter.evil.clean", "core.fsmonitor"):
        plain(origin, "config", name, f"touch {tmp_path}/ran; true")
    (origin / "a").write_bytes(b"2\n")
    assert str(mirror_of(tmp_path, origin).uncommitted()) == "1 changed file"
    assert not (tmp_path / "ran").exists()
    plain(origin, "status")
    assert (tmp_path / "ran").exists()


def test_a_file_of_the_same_size_in_the_same_second_is_seen(tmp_path: Path) -> None:
    """Changed in the second in which the index was written, and looked at in a later one: by size and time it is the same."""
    for number in itertools.count():
        origin = repository(tmp_path / f"origin-{number}", {"a": b"1\n"})
        (origin / "a").write_bytes(b"2\n")
        if int((origin / "a").stat().st_ctime) == int((origin / ".git/index").stat().st_mtime):
            break
    changed = (origin / "a").stat().st_ctime
    while time.time() < int(changed) + 1:
        time.sleep(0.01)
    assert str(mirror_of(tmp_path, origin).uncommitted()) == "1 changed file"


def test_a_worktree_has_uncommitted_work_of_its_own(tmp_path: Path) -> None:
    """Each working folder is compared by its own index."""
    origin = repository(tmp_path / "origin", {"a": b"1\n"})
    plain(origin, "worktree", "add", "-q", str(tmp_path / "tree"), "-b", "elsewhere")
    (tmp_path / "tree" / "n").write_bytes(b"x")
    assert str(mirror_of(tmp_path, tmp_path / "tree").uncommitted()) == "1 new file"
    assert str(mirror_of(tmp_path, origin).uncommitted()) == ""
