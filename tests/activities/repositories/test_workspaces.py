"""Workspaces: whatever was killed where, the folder is exactly the recorded state, and it can be made again anywhere."""

import subprocess
import sys
import tempfile
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.files.locks import Busy
from activities.git import Mirrors, RevisionUnknown
from activities.repositories.workspaces import WorkspaceDamaged, Workspaces
from contracts.base import sha256
from contracts.errors import NotFound, Refused
from contracts.repositories import WorkspaceRef
from tests import children
from tests.depth import count
from tests.repositories import change, plain, repository

NAME = "01990000-trace/write/item-1"
REPOSITORY = Path(__file__).parents[3]


class Machine:
    """A worker's machine: its own disk with mirrors and workspaces. The artifacts are shared, as the ledger is."""

    def __init__(self, root: Path, artifacts: dict[str, bytes]) -> None:
        self.root = root
        self.artifacts = artifacts
        self.workspaces = Workspaces(root / "workspaces", Mirrors(root / "mirrors"))

    def store(self, data: bytes) -> str:
        """Keep some bytes as an artifact."""
        self.artifacts[sha256(data)] = data
        return sha256(data)

    def ensure(self, ref: WorkspaceRef, state: str | None = None, name: str = NAME) -> Path:
        """The workspace in the recorded state."""
        return self.workspaces.ensure(name, ref, state, self.artifacts.__getitem__)

    def edit(self, ref: WorkspaceRef, files: dict[str, str], state: str | None = None) -> str:
        """One whole change, as a tool call makes it; the new state."""
        folder = self.ensure(ref, state)
        self.workspaces.begin_change(NAME)
        for name, text in files.items():
            (folder / name).write_text(text)
        new = self.store(self.workspaces.patch(NAME))
        self.workspaces.end_change(NAME, new)
        return new


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A repository with two files."""
    return repository(tmp_path / "source", {"a.txt": b"1\n2\n3\n", "b.txt": b"b\n"})


@pytest.fixture
def ref(source: Path) -> WorkspaceRef:
    """The workspace that starts at its main branch."""
    return WorkspaceRef(repository=str(source), base=plain(source, "rev-parse", "HEAD"))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine that has done nothing yet."""
    return Machine(tmp_path / "one", {})


def contents(folder: Path) -> dict[str, str]:
    """All files beneath a folder."""
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_recorded_state_is_used_as_it_is(machine: Machine, ref: WorkspaceRef) -> None:
    """A folder whose marker says the recorded state is not built again; one with another state or origin is."""
    folder = machine.ensure(ref)
    assert contents(folder) == {"a.txt": "1\n2\n3\n", "b.txt": "b\n"}
    state = machine.edit(ref, {"a.txt": "changed\n", "new": "n"})
    inode = (folder / "a.txt").stat().st_ino
    assert machine.ensure(ref, state) == folder
    assert (folder / "a.txt").stat().st_ino == inode
    assert contents(machine.ensure(ref)) == {"a.txt": "1\n2\n3\n", "b.txt": "b\n"}
    assert contents(machine.ensure(ref, state)) == {"a.txt": "changed\n", "b.txt": "b\n", "new": "n"}


def test_an_empty_disk_gets_the_same_files(machine: Machine, ref: WorkspaceRef, tmp_path: Path) -> None:
    """A machine that never saw the work builds base, patches and state, and its next patch is from the same start."""
    first = machine.edit(ref, {"a.txt": "0\n1\n2\n3\n"})
    second = machine.edit(ref, {"b.txt": "B\n"})
    stacked = ref.model_copy(update={"patches": (first,)})
    state = machine.edit(stacked, {"c.txt": "c\n"})
    other = Machine(tmp_path / "two", machine.artifacts)
    assert contents(other.ensure(stacked, state)) == {"a.txt": "0\n1\n2\n3\n", "b.txt": "b\n", "c.txt": "c\n"}
    assert sha256(other.workspaces.patch(NAME)) == state
    assert other.workspaces.start_tree(NAME) == machine.workspaces.start_tree(NAME)
    assert other.workspaces.snapshot(NAME)[1] == machine.workspaces.snapshot(NAME)[1]
    assert contents(other.ensure(ref, second))["b.txt"] == "B\n"


KILLED = """
import os, signal, sys
from pathlib import Path
from activities.git import Mirrors
from activities.repositories.workspaces import Workspaces
from contracts.repositories import WorkspaceRef
root, repository, base, where = Path(sys.argv[1]), *sys.argv[2:]
workspaces = Workspaces(root / "workspaces", Mirrors(root / "mirrors"))
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
if where == "build":
    Mirrors(root / "mirrors").open(repository).__class__.checkout = lambda *_, **__: die()
folder = workspaces.ensure("%s", WorkspaceRef(repository=repository, base=base), None, {}.__getitem__)
if where == "scratch":
    with workspaces.scratch(*workspaces.snapshot("%s")) as scratch:
        die()
workspaces.begin_change("%s")
(folder / "a.txt").write_text("half of an ed")
(folder / "junk").write_text("junk")
die()
""" % (NAME, NAME, NAME)  # noqa: UP031 (the text has braces)


def killed(machine: Machine, ref: WorkspaceRef, where: str) -> None:
    """A worker on this machine that is killed there."""
    argv = [sys.executable, "-c", KILLED, str(machine.root), ref.repository, ref.base, where]
    assert subprocess.run(argv, cwd=REPOSITORY, check=False).returncode == -9


@pytest.mark.parametrize("where", ["build", "edit"])
def test_a_killed_worker_leaves_no_half_edit(machine: Machine, ref: WorkspaceRef, where: str) -> None:
    """SIGKILL while building or in the middle of an edit: the next worker gets the recorded state, without the rest."""
    state = machine.edit(ref, {"b.txt": "B\n"})
    killed(machine, ref, where)
    assert contents(machine.ensure(ref, state)) == {"a.txt": "1\n2\n3\n", "b.txt": "B\n"}
    killed(machine, ref, where)
    assert contents(machine.ensure(ref)) == {"a.txt": "1\n2\n3\n", "b.txt": "b\n"}


def test_a_marker_that_cannot_be_read_means_build_again(machine: Machine, ref: WorkspaceRef) -> None:
    """A damaged marker, and a folder that is gone, lead to a new folder, never to a wrong one."""
    folder = machine.ensure(ref)
    (marker,) = (machine.root / "workspaces" / "marks").glob("*.json")
    for damage in (b"", b"{}", b"\xff", b'{"ref": 1}'):
        marker.write_bytes(damage)
        (folder / "a.txt").write_text("wrong")
        assert contents(machine.ensure(ref))["a.txt"] == "1\n2\n3\n"
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert contents(machine.ensure(ref))["a.txt"] == "1\n2\n3\n"


def test_what_cannot_be_built_is_told(machine: Machine, ref: WorkspaceRef, source: Path) -> None:
    """A patch that is damaged or does not fit, and a base that does not exist, are named; nothing half-built is used."""
    state = machine.edit(ref, {"a.txt": "changed\n"})
    other = WorkspaceRef(repository=str(source), base=change(source, {"a.txt": b"elsewhere\n"}))
    with pytest.raises(WorkspaceDamaged, match=r"does not fit in a\.txt"):
        machine.ensure(other, state)
    machine.artifacts[state] += b"x"
    with pytest.raises(WorkspaceDamaged, match="is damaged"):
        machine.ensure(other, state)
    with pytest.raises(RevisionUnknown):
        machine.ensure(ref.model_copy(update={"base": "0" * 40}))
    assert machine.workspaces.marker(NAME) is None
    with pytest.raises(NotFound, match="`ensure` makes it"):
        machine.workspaces.begin_change(NAME)


def test_a_base_may_be_a_tree(machine: Machine, ref: WorkspaceRef, source: Path, tmp_path: Path) -> None:
    """A tree id stands for its files, also on a machine that has to fetch it first."""
    tree = plain(source, "rev-parse", "HEAD^{tree}")
    assert contents(Machine(tmp_path / "two", {}).ensure(ref.model_copy(update={"base": tree}))) == contents(
        machine.ensure(ref)
    )


@pytest.mark.parametrize(
    "name",
    ["", "/", "a/", "/a", "..", "a/../b", "a//b", "a~b", ".hidden", "a/.git", "a b", "a\nb", "a\0", "x" * 201, "é", "-a"],
)
def test_names_cannot_lead_out(machine: Machine, ref: WorkspaceRef, name: str) -> None:
    """A name that could leave the folder of workspaces, or stand for another name, is refused before anything is touched."""
    for act in (lambda: machine.ensure(ref, name=name), lambda: machine.workspaces.remove(name)):
        with pytest.raises(Refused, match="cannot be a workspace's name"):
            act()
    assert not (machine.root / "workspaces").exists()


def test_one_holder_at_a_time(machine: Machine, ref: WorkspaceRef) -> None:
    """A second worker waits for the first, gets a clear error after its deadline, and goes on when the first is killed."""
    script = (
        "import sys\nfrom activities.repositories.workspaces import *\n"
        "with Workspaces(Path(sys.argv[1]), None).lease(sys.argv[2]):\n    print('held', flush=True); sys.stdin.read()"
    )
    argv = [sys.executable, "-c", script, str(machine.root / "workspaces"), NAME]
    with children.started(*argv, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(Busy, match=r"workspace .*item-1 is in use by another process and was not free within 0\.1 s"),
            machine.workspaces.lease(NAME, timedelta(seconds=0.1)),
        ):
            pass
        assert machine.ensure(ref, name="trace/other").is_dir()
        assert machine.workspaces.sweep(set()) == ("trace/other",)
        waiting = threading.Thread(target=machine.ensure, args=(ref,))
        waiting.start()
        holder.kill()
        waiting.join(timeout=children.PATIENCE)
        assert not waiting.is_alive()
    with machine.workspaces.lease(NAME) as lease:
        machine.workspaces.begin_change(NAME, lease=lease)
        machine.workspaces.end_change(NAME, None, lease=lease)


def test_many_workers_one_workspace(machine: Machine, ref: WorkspaceRef) -> None:
    """Eight threads that ensure, remove and sweep the same workspace at once never break it for one another."""
    problems: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for _ in range(4):
                assert machine.ensure(ref).name
                if number % 4 == 0:
                    machine.workspaces.remove(NAME)
        except BaseException as problem:  # noqa: BLE001 (told to the test's own thread)
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert contents(machine.ensure(ref)) == {"a.txt": "1\n2\n3\n", "b.txt": "b\n"}


def test_removing_and_sweeping(machine: Machine, ref: WorkspaceRef) -> None:
    """A removal takes the names beneath it along, and a sweep leaves only what is to be kept: no file, marker or lock."""
    names = ["one", "one/write/a", "one/write/b", "onemore/write/a", "two/write/a", "two/test"]
    for name in names:
        machine.ensure(ref, name=name)
    (machine.root / "workspaces" / "marks" / ".one~write~a.json.0123abcd").touch()  # of a writer that was killed
    machine.workspaces.remove("one")
    machine.workspaces.remove("one")
    assert machine.workspaces.sweep({"two"}) == ("onemore/write/a",)
    for kind in ("files", "marks", "leases"):
        left = sorted(path.name.split(".")[0] for path in (machine.root / "workspaces" / kind).iterdir())
        assert left == ["two~test", "two~write~a"]


def test_scratch_folders_do_not_stay(machine: Machine, ref: WorkspaceRef, source: Path) -> None:
    """A scratch folder has real links, is gone after an error, and what a killed worker left is swept, but not one in use."""
    (source / "link").symlink_to("a.txt")
    linked = WorkspaceRef(repository=str(source), base=change(source, {}))
    assert (machine.ensure(linked) / "link").is_symlink()
    mirror, tree = machine.workspaces.snapshot(NAME)
    scratches = machine.root / "workspaces" / "scratch"
    with pytest.raises(FileExistsError), machine.workspaces.scratch(mirror, tree) as folder:
        (folder / "link").mkdir()
    assert list(scratches.iterdir()) == []
    killed(machine, linked, "scratch")
    assert len(list(scratches.iterdir())) == 2
    (scratches / "0123456789abcdef.lock").touch()  # of one that was killed before it had made the folder
    with machine.workspaces.scratch(mirror, tree) as folder:
        assert (folder / "link").is_symlink()
        assert machine.workspaces.sweep({NAME}) == ()
        assert [path for path in scratches.iterdir() if path.is_dir()] == [folder]
    assert list(scratches.iterdir()) == []


def test_a_scratch_folder_is_a_checkout(machine: Machine, source: Path) -> None:
    """Its text has the line ends and encodings that a clone's has; a workspace holds what is stored."""
    attributes = b"*.bat eol=crlf\n*.rc working-tree-encoding=UTF-16LE-BOM\n"
    change(source, {".gitattributes": attributes})
    stored = change(source, {"a.bat": b"x\n", "a.rc": b"\xff\xfe" + "ü\n".encode("utf-16-le")})
    ref = WorkspaceRef(repository=str(source), base=stored)
    folder = machine.ensure(ref)
    assert ((folder / "a.bat").read_bytes(), (folder / "a.rc").read_bytes()) == (b"x\n", "ü\n".encode())
    mirror, tree = machine.workspaces.snapshot(NAME)
    with machine.workspaces.scratch(mirror, tree) as scratch:
        assert (scratch / "a.bat").read_bytes() == b"x\r\n"
        assert (scratch / "a.rc").read_bytes() == b"\xff\xfe" + "ü\n".encode("utf-16-le")


def test_a_folder_with_links_as_text_files_is_made_again(machine: Machine, ref: WorkspaceRef, source: Path) -> None:
    """As an earlier release left it; read as it stands, its links would have become files."""
    (source / "link").symlink_to("a.txt")
    linked = WorkspaceRef(repository=str(source), base=change(source, {}))
    folder = machine.ensure(linked)
    (folder / "link").unlink()
    (folder / "link").write_text("a.txt")
    (mark,) = (machine.root / "workspaces" / "marks").iterdir()
    mark.write_text(mark.read_text().replace('"links":true', '"links":false'))
    assert (machine.ensure(linked) / "link").is_symlink()
    assert machine.workspaces.patch(NAME) == b""


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["a.txt", "b.txt", "link", "tool.sh", "new/c.txt"]),
        st.sampled_from(["", "x\n", "y\n", "!gone", "!exec"]),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=count(5, soak=400))
@given(EDITS)
def test_what_is_remembered_of_files_never_changes_what_is_stored(edits: list[tuple[str, str]]) -> None:
    """After any edits, deletions and changes of mode the patch is that of a machine which reads every file anew."""
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        source = repository(top / "source", {"a.txt": b"x\n", "b.txt": b"y\n", "tool.sh": b"#!/bin/sh\n"})
        (source / "link").symlink_to("a.txt")
        change(source, {})
        ref = WorkspaceRef(repository=str(source), base=plain(source, "rev-parse", "HEAD"))
        machine, careful = Machine(top / "one", {}), Machine(top / "two", {})
        for one in (machine, careful):
            one.ensure(ref)
        for path, how in edits:
            for one in (machine, careful):
                _do(one.ensure(ref) / path, how)
            (careful.root / "workspaces" / "indexes" / NAME.replace("/", "~")).unlink(missing_ok=True)
            assert machine.workspaces.patch(NAME) == careful.workspaces.patch(NAME)


def _do(file: Path, how: str) -> None:
    if how == "!gone":
        file.unlink(missing_ok=True)
    elif how == "!exec":
        if file.exists():
            file.chmod(0o755)
    else:
        file.parent.mkdir(exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(how)


@pytest.mark.parametrize("damage", [b"", b"DIRC", b"nonsense" * 100])
def test_an_index_that_cannot_be_read_is_made_again(machine: Machine, ref: WorkspaceRef, damage: bytes) -> None:
    """It is a cache: what the files hold counts."""
    state = machine.edit(ref, {"a.txt": "changed\n"})
    (index,) = (machine.root / "workspaces" / "indexes").iterdir()
    index.write_bytes(damage)
    again = machine.edit(ref, {"b.txt": "too\n"}, state)
    assert b"changed" in machine.artifacts[again]
    assert b"too" in machine.artifacts[again]


def test_a_workspace_that_is_built_with_changes_reads_only_what_differs(
    machine: Machine, ref: WorkspaceRef, tmp_path: Path
) -> None:
    """Another machine takes over in the middle: its patches go from the same start, and nothing is lost."""
    state = machine.edit(ref, {"a.txt": "changed\n"})
    other = Machine(tmp_path / "other", machine.artifacts)
    again = other.edit(ref, {"b.txt": "too\n"}, state)
    assert again == machine.edit(ref, {"b.txt": "too\n"}, state)


def test_removing_a_workspace_leaves_no_index(machine: Machine, ref: WorkspaceRef) -> None:
    """Nor the copies of snapshots that were killed."""
    machine.edit(ref, {"a.txt": "changed\n"})
    indexes = machine.root / "workspaces" / "indexes"
    (indexes / f"{next(indexes.iterdir()).name}-0123456789abcdef.lock").write_bytes(b"left by a killed worker")
    machine.workspaces.remove(NAME)
    assert list(indexes.iterdir()) == []
