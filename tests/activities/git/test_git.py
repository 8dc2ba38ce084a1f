"""Git, with real git: files come and go byte for byte, and what cannot be done says why. See also tests/hostile."""

import os
import socket
import stat
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.git import (
    Applied,
    Mirror,
    Mirrors,
    NoRepository,
    PatchUnusable,
    PushRefused,
    RemoteUnknown,
    RepositoryUnreachable,
    RevisionUnknown,
    TreeRefused,
    command,
)
from tests.depth import count
from tests.repositories import change, plain, repository

WHEN = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


@pytest.fixture
def mirrors(tmp_path: Path) -> Mirrors:
    """Mirrors of a fresh worker."""
    return Mirrors(tmp_path / "mirrors")


@pytest.fixture
def mirror(mirrors: Mirrors, tmp_path: Path) -> Mirror:
    """The mirror of a small repository, fetched."""
    opened = mirrors.open(str(repository(tmp_path / "source", {"a.txt": b"1\n2\n3\n4\n5\n6\n7\n8\n9\n", "b.txt": b"b\n"})))
    opened.fetch()
    return opened


def tree_of(mirror: Mirror, folder: Path, files: dict[str, bytes], parent: str) -> str:
    """The tree of a folder that holds exactly these files."""
    mirror.checkout(parent, folder)
    for path in list(folder.rglob("*")):
        if path.is_file():
            path.unlink()
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return mirror.snapshot(folder, parent)


def test_links_arrive_as_links_and_are_never_followed(mirror: Mirror, tmp_path: Path) -> None:
    """A link is one in the folder and in the next tree, and replacing the folder leaves what it leads to alone."""
    source, folder = tmp_path / "source", tmp_path / "folder"
    for name, target in {"out": "/etc/passwd", "gone": "no/such", "loop": "loop", "long": "x/" * 2000 + "y"}.items():
        (source / name).symlink_to(target)
    change(source, {})
    start = mirror.fetch()
    mirror.check(start.tree)
    mirror.checkout(start.tree, folder)
    assert os.readlink(folder / "out") == "/etc/passwd"
    assert mirror.snapshot(folder, start.tree) == start.tree
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    (folder / "away").symlink_to(outside)
    mirror.checkout(start.tree, folder)
    assert (outside / "kept").exists()
    assert mirror.snapshot(folder, start.tree) == start.tree


@pytest.mark.parametrize(("target", "why"), [(b"", "that is empty"), (b"x" * 4096, "4096 bytes"), (b"a.txt\0b", "a NUL in it")])
def test_a_link_that_no_system_can_make_is_refused_by_name(mirror: Mirror, tmp_path: Path, target: bytes, why: str) -> None:
    """Where it cannot be checked out, the entry and what to do are named before anybody works on it."""
    source = tmp_path / "source"
    blob = plain(source, "hash-object", "-w", "--stdin", feed=target)
    plain(source, "update-index", "--add", "--cacheinfo", f"120000,{blob},odd")
    plain(source, "commit", "-m", "odd")
    start = mirror.fetch()
    with pytest.raises(TreeRefused, match=f"'odd' is a symbolic link .*{why}.*; delete it"):
        mirror.check(start.tree)


def test_a_checkout_replaces_everything(mirror: Mirror, tmp_path: Path) -> None:
    """Whatever was in the folder, afterwards it holds exactly the tree: modes, odd names, and no file of git."""
    source, folder = tmp_path / "source", tmp_path / "folder"
    change(
        source,
        {"run.sh": b"#!/bin/sh\n", "sub/ünï cödé \t.txt": b"x", os.fsdecode(b"sub/\xff"): b"y", ".gitignore": b"*.log\n"},
    )
    (source / "run.sh").chmod(0o755)
    change(source, {"kept.log": b"ignored but tracked"})
    start = mirror.fetch()
    (folder / "left" / "over").mkdir(parents=True)
    (folder / ".git").write_text("gitdir: /tmp/evil")
    (folder / "left").chmod(0o000)
    mirror.checkout(start.tree, folder)
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    tracked = plain(source, "ls-tree", "-r", "-z", "--name-only", "HEAD").split("\0")
    assert len(found) == len([name for name in tracked if name])
    assert stat.S_IMODE((folder / "run.sh").stat().st_mode) == 0o755
    assert mirror.snapshot(folder, start.tree) == start.tree
    assert not list(mirror.directory.glob("index-*"))


def test_a_snapshot_loses_nothing_silently(mirror: Mirror, tmp_path: Path) -> None:
    """Ignored files are stored; a nested repository and a pipe are refused by name."""
    folder, start = tmp_path / "folder", mirror.fetch()
    mirror.checkout(start.tree, folder)
    (folder / ".gitignore").write_text("*\n")
    (folder / "ignored.log").write_text("x")
    tree = mirror.snapshot(folder, start.tree)
    assert {change.path for change in mirror.changes(start.tree, tree)} == {".gitignore", "ignored.log"}
    os.mkfifo(folder / "pipe")
    with pytest.raises(TreeRefused, match="'pipe' is no file"):
        mirror.snapshot(folder, start.tree)
    (folder / "pipe").unlink()
    for name in (".git", "sub/.GIT"):
        (folder / name).mkdir(parents=True)
        with pytest.raises(TreeRefused, match="repository of its own"):
            mirror.snapshot(folder, start.tree)
        (folder / name).rmdir()


_FILES = st.dictionaries(
    st.sampled_from(["a", "b.txt", "dir/c", "dir/d e", "ünï", "dir2/x", "-n", "a\tb"]),
    st.binary(max_size=40) | st.text("ab\n\r", max_size=60).map(str.encode),
    max_size=6,
)


@settings(max_examples=count(8, soak=150))
@given(one=_FILES, two=_FILES)
def test_a_patch_carries_every_change(mirror: Mirror, tmp_path: Path, one: dict[str, bytes], two: dict[str, bytes]) -> None:
    """For any two folders the patch from one to the other gives exactly the other, and names the changed files."""
    start = mirror.fetch().tree
    old, new = tree_of(mirror, tmp_path / "w", one, start), tree_of(mirror, tmp_path / "w", two, start)
    assert mirror.apply(old, mirror.diff(old, new)) == Applied(new)
    assert mirror.apply(new, mirror.diff(new, old)) == Applied(old)
    differing = {name for name in one.keys() | two.keys() if one.get(name) != two.get(name)}
    assert {changed.path for changed in mirror.changes(old, new)} == differing


def test_changes_tell_kind_and_size(mirror: Mirror, tmp_path: Path) -> None:
    """Added, modified, deleted and changed type are told apart, with line counts, and none for binary files."""
    folder, start = tmp_path / "folder", mirror.fetch()
    mirror.checkout(start.tree, folder)
    (folder / "a.txt").write_bytes(b"1\n2\n")
    (folder / "b.txt").unlink()
    (folder / "b.txt").symlink_to("a.txt")
    (folder / "new.bin").write_bytes(b"\0\1")
    tree = mirror.snapshot(folder, start.tree)
    found = [(item.path, item.status, item.added, item.removed) for item in mirror.changes(start.tree, tree)]
    assert found == [("a.txt", "modified", 0, 7), ("b.txt", "type", 1, 1), ("new.bin", "added", None, None)]
    assert mirror.apply(start.tree, mirror.diff(start.tree, tree)) == Applied(tree)


def test_applying_is_three_way_and_names_conflicts(mirror: Mirror, tmp_path: Path) -> None:
    """A patch fits where other lines moved; where the same lines changed the paths are named; garbage is refused."""
    start, folder = mirror.fetch().tree, tmp_path / "w"
    lines = [b"%d\n" % number for number in range(1, 10)]
    files = {"a.txt": b"".join(lines), "b.txt": b"b\n"}
    last = tree_of(mirror, folder, files | {"a.txt": b"".join(lines[:-1]) + b"nine\n"}, start)
    first = tree_of(mirror, folder, files | {"a.txt": b"top\nmore\n" + b"".join(lines)}, start)
    other = tree_of(mirror, folder, files | {"a.txt": b"".join(lines[:-1]) + b"NINE\n"}, start)
    both = tree_of(mirror, folder, files | {"a.txt": b"top\nmore\n" + b"".join(lines[:-1]) + b"nine\n"}, start)
    patch = mirror.diff(start, last)
    assert mirror.apply(first, patch) == Applied(both)
    assert mirror.apply(other, patch) == Applied(None, ("a.txt",))
    assert mirror.apply(start, b"") == Applied(start)
    gone = tree_of(mirror, folder, {"b.txt": b"b\n"}, start)
    assert mirror.apply(gone, patch) == Applied(None, ("a.txt",))
    for garbage in (b"hello", b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n"):
        with pytest.raises(PatchUnusable, match="no patch that git can read"):
            mirror.apply(start, garbage)
    escape = b"diff --git a/../x b/../x\nnew file mode 100644\n--- /dev/null\n+++ b/../x\n@@ -0,0 +1 @@\n+evil\n"
    assert mirror.apply(start, escape).tree is None
    assert not list(mirror.directory.glob("index-*"))


def test_merging_is_of_trees(mirror: Mirror, tmp_path: Path) -> None:
    """Changes to different lines and files come together; clashing ones are named; commits may stand for their trees."""
    start, folder = mirror.fetch(), tmp_path / "w"
    lines = [b"%d\n" % number for number in range(1, 10)]
    whole = b"".join(lines)
    left = tree_of(mirror, folder, {"a.txt": b"one\n" + b"".join(lines[1:]), "b.txt": b"b\n", "l": b"l"}, start.tree)
    right = tree_of(mirror, folder, {"a.txt": b"".join(lines[:-1]) + b"nine\n", "r": b"r"}, start.tree)
    merged = mirror.merge(start.commit, left, right)
    wanted = {"a.txt": b"one\n" + b"".join(lines[1:-1]) + b"nine\n", "l": b"l", "r": b"r"}
    assert merged == Applied(tree_of(mirror, folder, wanted, start.tree))
    clash = tree_of(mirror, folder, {"a.txt": b"uno\n" + b"".join(lines[1:]), "b.txt": b"B\n"}, start.tree)
    assert mirror.merge(start.tree, left, clash) == Applied(None, ("a.txt",))
    assert mirror.merge(start.tree, right, clash).conflicts == ("b.txt",)
    assert whole


def test_equal_commits_have_equal_ids(mirror: Mirror) -> None:
    """The same arguments give the same id, whatever the zone; an author that would break the format is refused."""
    start = mirror.fetch()
    first = mirror.commit(start.tree, start.commit, "why\n\nbody", author="Ä B", email="a@example.org", when=WHEN)
    again = mirror.commit(start.tree, start.commit, "why\n\nbody", author="Ä B", email="a@example.org", when=WHEN.astimezone())
    assert first == again
    with pytest.raises(ValueError, match="author"):
        mirror.commit(start.tree, None, "x", author="a <b>", email="a@example.org", when=WHEN)


def test_revisions_are_found(mirror: Mirror, tmp_path: Path, mirrors: Mirrors) -> None:
    """Main branch, branch, tags, and full ids are fetched, moved branches seen; what is not there is refused with advice."""
    source = tmp_path / "source"
    plain(source, "tag", "light")
    plain(source, "tag", "-a", "annotated", "-m", "x")
    plain(source, "branch", "feature/x")
    first = mirror.fetch()
    assert (first.branch, first.commit) == ("main", plain(source, "rev-parse", "HEAD"))
    assert first.tree == plain(source, "rev-parse", "HEAD^{tree}")
    assert first.committed_at.tzinfo == UTC
    assert [mirror.fetch(name).commit for name in ("light", "annotated", "feature/x", first.commit)] == [first.commit] * 4
    assert [mirror.fetch(name).branch for name in ("annotated", "feature/x")] == [None, "feature/x"]
    second = change(source, {"new": b"x"})
    assert mirror.fetch("main").commit == second
    plain(source, "reset", "--quiet", "--hard", first.commit)
    assert mirror.fetch().commit == first.commit
    assert mirror.fetch(second).commit == second
    fresh = Mirrors(tmp_path / "other").open(str(source))
    assert fresh.fetch(second).commit == second  # no branch names it any more, but the repository still has it
    for missing in ("nope", first.commit[:10], "0" * 40, "-x", "a..b", "x\ny", "refs/heads/", "main^{tree}"):
        with pytest.raises(RevisionUnknown):
            mirror.fetch(missing)
    with pytest.raises(RevisionUnknown, match="is it empty"):
        mirrors.open(str(repository(tmp_path / "empty", bare=True))).fetch()


def test_every_shape_of_local_repository(mirrors: Mirrors, tmp_path: Path) -> None:
    """Bare, worktree, submodule, packed and shallow repositories, other hash and other owner, are all read."""
    source = repository(tmp_path / "source")
    head = plain(source, "rev-parse", "HEAD")
    plain(source, "worktree", "add", "--quiet", str(tmp_path / "worktree"), "-b", "side")
    plain(tmp_path, "clone", "--quiet", "--bare", str(source), "bare.git")
    plain(tmp_path, "clone", "--quiet", str(source), "other")
    super_project = repository(tmp_path / "super")
    plain(super_project, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(source), "sub")
    plain(tmp_path, "clone", "--quiet", "--depth=1", f"file://{source}", "shallow")
    plain(tmp_path / "bare.git", "pack-refs", "--all")
    for name in ("source", "worktree", "bare.git", "super/sub", "shallow"):
        assert mirrors.open(str(tmp_path / name)).fetch().commit == head
    (tmp_path / "wide").mkdir()
    plain(tmp_path / "wide", "init", "--quiet", "--object-format=sha256", "--initial-branch=main")
    assert mirrors.open(str(tmp_path / "wide")).directory.is_dir()
    assert mirrors.open(f"file://{change(tmp_path / 'wide', {'x': b'y'}) and tmp_path / 'wide'}").fetch().branch == "main"
    assert mirrors.open(f"file://{source}/").directory == mirrors.open(str(source)).directory
    if os.getuid() == 0:
        subprocess.run(["chown", "-R", "65534", str(tmp_path / "other")], check=True)
        assert plain(tmp_path / "other", "rev-parse", "HEAD", check=False) == ""  # plain git obeys no stranger's
        assert Mirrors(tmp_path / "again").open(str(tmp_path / "other")).fetch().commit == head


@pytest.mark.parametrize(
    "address",
    [
        *("", "  ", "-u", "--upload-pack=touch x", "ext::sh -c touch% x", "fd::17", "::x", "http://example.org/x", "ftp://x/y"),
        *("ssh://-oProxyCommand=x/y", "ssh://-x@h/y", "https:///x", "a\nb", "-x@host:path", "host:-path", "ext://x", "a\0b"),
    ],
)
def test_dangerous_addresses_are_refused(mirrors: Mirrors, address: str) -> None:
    """An address that git would take for an option, a helper or a plain-text transport is refused before git sees it."""
    with pytest.raises(NoRepository):
        mirrors.open(address)


def test_unreachable_repositories_are_told(mirrors: Mirrors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No repository, no host, no answer: each is an error with the address, without the password in it, and in time."""
    (tmp_path / "nothing").mkdir()
    with pytest.raises(RepositoryUnreachable, match="no git repository at"):
        mirrors.open(str(tmp_path / "nothing")).fetch()
    with pytest.raises(RepositoryUnreachable) as told:
        mirrors.open("https://me:secret@127.0.0.1:1/team/x.git").fetch()
    assert "127.0.0.1:1/team/x.git" in str(told.value)
    assert "secret" not in str(told.value) + str(mirrors.open("https://me:secret@127.0.0.1:1/team/x.git").directory)
    monkeypatch.setattr(command, "ASKING", timedelta(seconds=1))
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(RepositoryUnreachable, match="within 1 s"):
        mirrors.open(f"git://127.0.0.1:{silent.getsockname()[1]}/x").fetch()


def test_pushing_needs_the_expected_state(mirror: Mirror, tmp_path: Path) -> None:
    """A push makes or moves only the named branch, only from the expected commit; else it is refused in git's words."""
    source, start = tmp_path / "source", mirror.fetch()
    commits = [mirror.commit(start.tree, start.commit, f"{number}", author="A", email="a@b", when=WHEN) for number in range(3)]
    assert mirror.remote_head("work/x") is None
    mirror.push(commits[0], "work/x", expected=None)
    with pytest.raises(PushRefused, match="stale info"):
        mirror.push(commits[1], "work/x", expected=None)
    with pytest.raises(PushRefused, match="stale info"):
        mirror.push(commits[1], "work/x", expected=commits[2])
    mirror.push(commits[1], "work/x", expected=commits[0])
    found = mirror.remote_head("work/x")
    assert found is not None
    assert (found.commit, found.tree) == (commits[1], start.tree)
    assert plain(source, "for-each-ref", "--format=%(refname)").splitlines() == ["refs/heads/main", "refs/heads/work/x"]
    with pytest.raises(PushRefused, match="checked out"):
        mirror.push(commits[1], "main", expected=start.commit)
    for bad in ("", "-f", "a b", "x:y", "../x", "x.lock"):
        with pytest.raises(RevisionUnknown, match="cannot be the name"):
            mirror.push(commits[1], bad, expected=None)


KILL = '#!/bin/sh\n[ "$1" = "{when}" ] && kill -9 $PPID\nexit 0\n'


def test_a_remote_that_refuses_or_vanishes(tmp_path: Path) -> None:
    """Over ssh a hook's refusal is told in its words; a connection that ends before the answer is `RemoteUnknown`."""
    source = repository(tmp_path / "source")
    shell = executable(tmp_path / "shell", '#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n')
    mirror = Mirrors(tmp_path / "mirrors", {"GIT_SSH_COMMAND": str(shell), "GIT_DIR": "/nonexistent"}).open(f"host:{source}")
    start = mirror.fetch()
    commit = mirror.commit(start.tree, start.commit, "x", author="A", email="a@b", when=WHEN)
    hooks = source / ".git" / "hooks"
    hook = executable(hooks / "pre-receive", "#!/bin/sh\nprintf 'policy: no \\033[31mpushes\\033[0m' >&2\nexit 1\n")
    with pytest.raises(PushRefused, match=r"pre-receive hook declined.*policy: no") as told:
        mirror.push(commit, "work", expected=None)
    assert "\033" not in str(told.value)
    executable(hook, KILL.format(when=""))
    with pytest.raises(RemoteUnknown, match="gave no answer"):
        mirror.push(commit, "work", expected=None)
    assert mirror.remote_head("work") is None
    hook.unlink()
    executable(hooks / "reference-transaction", KILL.format(when="committed"))
    with pytest.raises(RemoteUnknown, match="gave no answer"):
        mirror.push(commit, "work", expected=None)
    found = mirror.remote_head("work")
    assert found is not None
    assert found.commit == commit
    shell.unlink()
    with pytest.raises(RepositoryUnreachable):
        mirror.push(commit, "other", expected=None)


CLOSED = [
    "ERROR: Permission to team/shop denied to bot.",
    "remote: The project you were looking for is archived and read-only.",
    "ERROR: The key you are authenticating with has been marked as read only.",
    "",
]


@pytest.mark.parametrize("words", CLOSED)
def test_a_remote_that_can_be_read_and_takes_no_push(tmp_path: Path, words: str) -> None:
    """It is told at once in its words, as refused and not as unknown: nothing was sent. Once it takes pushes, it takes this."""
    source, gate = repository(tmp_path / "source"), tmp_path / "gate"
    gate.write_text(words)
    refuse = f'case "$last" in git-receive-pack*) if [ -e {gate} ]; then cat {gate} >&2; exit 1; fi ;; esac'
    shell = executable(tmp_path / "shell", f'#!/bin/sh\nfor last; do :; done\n{refuse}\nexec sh -c "$last"\n')
    mirror = Mirrors(tmp_path / "mirrors", {"GIT_SSH_COMMAND": str(shell)}).open(f"host:{source}")
    start = mirror.fetch()
    commit = mirror.commit(start.tree, start.commit, "x", author="A", email="a@b", when=WHEN)
    said = f"can be read, but takes no push from this machine: {words}"
    with pytest.raises(PushRefused) as told:
        mirror.push(commit, "work", expected=None)
    assert said in str(told.value)
    assert said in mirror.closed(start.commit, "work")
    assert mirror.remote_head("work") is None
    gate.unlink()
    assert mirror.closed(start.commit, "work") == ""
    assert mirror.remote_head("work") is None, "asking pushes nothing"
    mirror.push(commit, "work", expected=None)
    assert mirror.closed(commit, "main") == "", "what it says to one branch is the push's to hear"
    shell.unlink()
    assert mirror.closed(start.commit, "other") == "", "it does not answer: nobody knows"


def executable(path: Path, text: str) -> Path:
    """A program with this text."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_many_users_of_one_mirror(tmp_path: Path) -> None:
    """Eight threads that open, fetch and check out the same repository at once all get the same files."""
    source = repository(tmp_path / "source", {f"file-{number}": b"x" * number for number in range(50)})
    barrier = threading.Barrier(8)

    def work(number: int) -> str:
        barrier.wait()
        mirror = Mirrors(tmp_path / "mirrors").open(str(source))
        start = mirror.fetch()
        mirror.checkout(start.tree, tmp_path / f"out-{number}")
        return mirror.snapshot(tmp_path / f"out-{number}", start.tree)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(work, range(8)))) == 1


def test_a_converted_checkout_is_what_git_makes(mirrors: Mirrors, tmp_path: Path) -> None:
    """Line ends and encodings as a clone has them, with rules in any folder; no filter is run; stored bytes otherwise."""
    attributes = (
        b"*.bat eol=crlf\n*.txt text=auto\n*.utf16 working-tree-encoding=UTF-16\n"
        b"*.rc working-tree-encoding=ISO-8859-1 eol=crlf\n*.id ident\n*.bin filter=evil\nz/*.bat -text\n"
    )
    files = {
        "!first.bat": b"a\nb\n",
        "z/a.bat": b"a\nb\n",
        "deep/.gitattributes": b"*.sh eol=crlf\n",
        "deep/a.sh": b"x\n",
        "a.txt": b"a\nb\n",
        "a.utf16": "ü€\n".encode("utf-16"),
        "a.rc": b"\xfc\r\n",
        "a.id": b"$Id$\n",
        "a.bin": b"raw\n",
    }
    source = repository(tmp_path / "attributed", {".gitattributes": attributes})
    change(source, files)
    mirror = mirrors.open(str(source))
    start, folder = mirror.fetch(), tmp_path / "folder"
    plain(tmp_path, "clone", "--quiet", str(source), "clone")
    mirror.checkout(start.tree, folder, converted=True)
    for name in files:
        assert (folder / name).read_bytes() == (tmp_path / "clone" / name).read_bytes()
    assert (folder / "!first.bat").read_bytes() == b"a\r\nb\r\n"
    mirror.checkout(start.tree, folder)
    assert (folder / "a.utf16").read_bytes() == "ü€\n".encode()
    assert (folder / "a.rc").read_bytes() == "ü\n".encode()
    assert mirror.snapshot(folder, start.tree) == start.tree


def test_a_file_that_cannot_be_converted_is_checked_out_as_it_is(mirrors: Mirrors, tmp_path: Path) -> None:
    """An encoding that nobody knows, or a character that it lacks, leaves the stored bytes, as in git."""
    source = repository(tmp_path / "attributed", {"a.odd": "5 €\n".encode(), "b.rc": "5 €\n".encode()})
    change(
        source,
        {".gitattributes": b"*.odd working-tree-encoding=NONE-SUCH\n*.rc working-tree-encoding=ISO-8859-1\n"},
        "* -text !working-tree-encoding",
    )
    start = (mirror := mirrors.open(str(source))).fetch()
    mirror.checkout(start.tree, tmp_path / "folder", converted=True)
    assert [(tmp_path / "folder" / name).read_bytes() for name in ("a.odd", "b.rc")] == ["5 €\n".encode()] * 2


@pytest.mark.parametrize("lock", ["refs/heads/work.lock", "refs/heads/deep/work.lock"])
def test_a_stale_lock_is_told_by_the_users_own_path(mirror: Mirror, tmp_path: Path, lock: str) -> None:
    """Whoever has to remove it finds it there; the stand-in that git was given is gone by then."""
    start = mirror.fetch()
    commit = mirror.commit(start.tree, start.commit, "x", author="A", email="a@b", when=WHEN)
    stale = tmp_path / "source" / ".git" / lock
    stale.parent.mkdir(exist_ok=True)
    stale.touch()
    branch = lock.removeprefix("refs/heads/").removesuffix(".lock")
    with pytest.raises(PushRefused) as told:
        mirror.push(commit, branch, expected=None)
    assert str(stale) in str(told.value)
    assert "stand-in" not in str(told.value)
    stale.unlink()
    mirror.push(commit, branch, expected=None)


def test_damage_of_a_repository_is_told_by_its_own_path(mirrors: Mirrors, tmp_path: Path) -> None:
    """What a fetch meets there as well, also in a worktree, whose objects lie elsewhere."""
    source = repository(tmp_path / "source")
    plain(source, "worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    for name in list((source / ".git" / "objects").glob("??/*")):
        name.chmod(0o600)
        name.write_bytes(b"damaged")
    for place in (source, tmp_path / "side"):
        with pytest.raises(RepositoryUnreachable) as told:
            mirrors.open(str(place)).fetch()
        assert "is corrupt" in str(told.value)
        assert "stand-in" not in str(told.value)
