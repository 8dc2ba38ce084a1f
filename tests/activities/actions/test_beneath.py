"""`file.write` stays beneath its folder, replaces only what it was told to, and leaves no half file."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from activities.actions import file_write
from activities.actions.adapter import TargetRefused
from activities.actions.declared import Targets
from activities.actions.file_write import FileWriteAdapter
from activities.files.paths import PathRefused
from contracts.actions import Receipt
from contracts.base import sha256
from contracts.effects.file_write import FileWrite
from contracts.effects.targets import FolderTarget
from contracts.errors import ContractViolation, NotFound

NOW = datetime(2026, 11, 20, tzinfo=UTC)
KEPT = {sha256(one): one for one in (b"kept", b"old\n")}


def _kept(digest: str) -> bytes:
    if digest not in KEPT:
        raise NotFound(f"there is no artifact {digest}")
    return KEPT[digest]


@pytest.fixture
def adapter(tmp_path: Path) -> FileWriteAdapter:
    """An adapter of one folder, beside a secret."""
    (tmp_path / "notices").mkdir()
    (tmp_path / "secret").write_text("s")
    return FileWriteAdapter(Targets({"notices": FolderTarget(kind="folder", path=tmp_path / "notices")}), _kept)


def stored(path: str = "a/today.txt", **changes: Any) -> bytes:
    """Arguments as they are kept."""
    contents = {} if "artifact" in changes else {"text": "new\n"}
    return FileWrite.read_typed_by_people({"target": "notices", "path": path} | contents | changes).stored()


def test_a_file_is_written_found_replaced_and_put_back(adapter: FileWriteAdapter, tmp_path: Path) -> None:
    """Only in place of the file that was named; the compensation writes what stood there, where that is kept."""
    file = tmp_path / "notices" / "a" / "today.txt"
    assert adapter.find(stored(text="old\n")) is None
    assert adapter.send(stored(text="old\n"), NOW) == adapter.find(stored(text="old\n")) == sha256(b"old\n")
    file.chmod(0o640)
    with pytest.raises(TargetRefused, match="and none was to be replaced; nothing was written"):
        adapter.send(stored(), NOW)
    with pytest.raises(TargetRefused, match="was to be replaced; nothing was written"):
        adapter.send(stored(replaces="0" * 64), NOW)
    replacing = stored(replaces=sha256(b"old\n"))
    adapter.send(replacing, NOW)
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("new\n", 0o640)
    receipt = Receipt(key="0" * 64, type="file.write", state="delivered", summary="w")
    back = adapter.compensation(replacing, receipt)
    assert isinstance(back, FileWrite)
    adapter.send(back.stored(), NOW)
    assert file.read_text() == "old\n"
    assert adapter.compensation(stored(), receipt) is None
    adapter.send(stored("kept.bin", artifact=sha256(b"kept")), NOW)
    assert sorted(one.name for one in (tmp_path / "notices").rglob("*")) == ["a", "kept.bin", "today.txt"]


@pytest.mark.parametrize(
    "path", ["../secret", "/etc/passwd", "a/../../secret", "a\\b", ".git/config", "a/.GIT/x", "x\u202e.txt", "a" * 300]
)
def test_a_path_that_leads_elsewhere_is_refused_before_an_intent(adapter: FileWriteAdapter, path: str) -> None:
    """Upwards, absolute, into git's own files, or one that does not look like what it is."""
    with pytest.raises(PathRefused):
        adapter.check(stored(path))


def test_what_changes_while_it_is_written_stays(
    adapter: FileWriteAdapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody saves the file between the comparison and the new name: theirs is kept, and nothing is left beside it."""
    file = tmp_path / "notices" / "shop.ini"
    file.write_text("old\n")
    monkeypatch.setattr(file_write, "reach", lambda point: file.write_text("theirs\n"))
    with pytest.raises(TargetRefused, match="was to be replaced; nothing was written"):
        adapter.send(stored("shop.ini", replaces=sha256(b"old\n")), NOW)
    assert (file.read_text(), [one.name for one in file.parent.iterdir()]) == ("theirs\n", ["shop.ini"])


def test_a_file_keeps_its_owner(adapter: FileWriteAdapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given to the new file, or the file is left alone: its program could not read it any more."""
    file = tmp_path / "notices" / "shop.ini"
    file.write_text("old\n")
    given = list[tuple[int, int]]()
    real = os.fstat

    def other(descriptor: int) -> os.stat_result:
        found = list(real(descriptor))
        return os.stat_result([*found[:4], found[4] + 1, *found[5:]])

    def refuse(descriptor: int, owner: int, group: int) -> None:
        given.append((owner, group))
        raise PermissionError

    monkeypatch.setattr(file_write.os, "fstat", other)
    monkeypatch.setattr(file_write.os, "fchown", refuse)
    with pytest.raises(TargetRefused, match="belongs to another user"):
        adapter.send(stored("shop.ini", replaces=sha256(b"old\n")), NOW)
    assert (file.read_text(), [one.name for one in file.parent.iterdir()]) == ("old\n", ["shop.ini"])
    assert given == [(file.stat().st_uid, file.stat().st_gid)]


def test_no_link_is_followed(adapter: FileWriteAdapter, tmp_path: Path) -> None:
    """At the end, on the way, and hard: what lies outside is neither read nor written."""
    folder = tmp_path / "notices"
    (folder / "file.txt").symlink_to(tmp_path / "secret")
    (folder / "out").symlink_to(tmp_path)
    (folder / "hard.txt").hardlink_to(tmp_path / "secret")
    for path in ("file.txt", "out/secret", "hard.txt"):
        for replaces in (None, sha256(b"s")):
            with pytest.raises((PathRefused, TargetRefused)):
                adapter.send(stored(path, **({"replaces": replaces} if replaces else {})), NOW)
    assert (tmp_path / "secret").read_text() == "s"


def test_what_a_killed_attempt_left_is_removed(adapter: FileWriteAdapter, tmp_path: Path) -> None:
    """A half file under its temporary name, and the second name of a whole one."""
    wanted = FileWrite.read(stored())
    folder = tmp_path / "notices" / "a"
    folder.mkdir()
    left = folder / f".baton-{wanted.key()[:32]}"
    left.write_text("ne")
    assert adapter.find(stored()) is None
    adapter.send(stored(), NOW)
    left.hardlink_to(folder / "today.txt")
    assert adapter.find(stored()) == sha256(b"new\n")
    assert [one.name for one in folder.iterdir()] == ["today.txt"]


def test_contents_are_one_thing(adapter: FileWriteAdapter) -> None:
    """Text or kept bytes, not both and not neither; bytes that are not kept are refused before an intent."""
    for changes in ({"artifact": "0" * 64, "text": "x"}, {"text": None}):
        with pytest.raises(ContractViolation, match="give either text or artifact"):
            stored(**changes)
    with pytest.raises(NotFound):
        adapter.check(stored(artifact="0" * 64))
