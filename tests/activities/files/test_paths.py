"""Paths: whatever name comes in and whoever changes the folders meanwhile, nothing outside the root is touched."""

import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from activities.files import beneath, paths
from activities.files.paths import PathRefused
from tests.depth import count

SECRET = b"outside"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with files, and with links of every kind that lead out of it."""
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(SECRET)
    top = tmp_path / "root"
    (top / "src" / "deep").mkdir(parents=True)
    (top / "src" / "main.py").write_bytes(b"inside")
    (top / "link").symlink_to(tmp_path / "secret")
    (top / "src" / "up").symlink_to("../../outside")
    (top / "loop").symlink_to("loop")
    (top / "proc").symlink_to("/proc/self/root")
    os.link(tmp_path / "secret", top / "hard")
    os.mkfifo(top / "pipe")
    return top


@pytest.fixture(params=["kernel", "steps"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to open: the kernel's own check, and folder by folder as on a kernel without it."""
    if request.param == "steps":
        monkeypatch.setattr(beneath, "_open_by_kernel", lambda *_: None)
    return str(request.param)


@pytest.mark.parametrize(
    "bad",
    [
        *("", ".", "./", "/etc/passwd", "..", "a/../b", "a/..", "../x", "a\0b", "a\nb", "a\x7f", "a\x9b", "a\\b", "..\\x"),
        *("a/\u202egnp.py", "zero\u200bwidth", "\ud800", "x" * 256, "a/" * 600, "é" * 200),
        *(".git", ".GIT/config", "a/.Git", ".git.", ".git ", ".git . .", ".git::$INDEX_ALLOCATION", "GIT~1", "\uff0egit"),
    ],
)
def test_dangerous_names_are_refused(bad: str) -> None:
    """Every spelling that could lead elsewhere or into a .git folder is refused with the path, why, and what to do."""
    with pytest.raises(PathRefused, match=r"^path '.*' refused: .+; .+"):
        paths.validate(bad)


def test_ordinary_names_pass() -> None:
    """Names that only look alike are allowed, and `./` and doubled slashes are taken out."""
    for good in (".gitignore", ".github/workflows/ci.yml", "a..b", "...", "git", "spaced name.txt", "päth/日本.txt"):
        assert paths.validate(good) == good
    assert paths.validate("./src//main.py") == "src/main.py"


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("path", ["link", "src/up/secret", "src/up", "loop", "proc/etc/hostname", "hard"])
def test_links_are_never_followed(root: Path, path: str) -> None:
    """A symbolic or hard link to the outside cannot be read, on the way or at the end."""
    with pytest.raises(PathRefused):
        paths.read_file(root, path)


@pytest.mark.usefixtures("way")
def test_reading_says_what_is_so(root: Path) -> None:
    """A regular file is read; a missing one, a folder, a pipe and a file that is too long each give their own error."""
    assert paths.read_file(root, "src/main.py") == b"inside"
    with pytest.raises(FileNotFoundError):
        paths.read_file(root, "src/none.py")
    with pytest.raises(IsADirectoryError):
        paths.read_file(root, "src")
    with pytest.raises(NotADirectoryError):
        paths.read_file(root, "src/main.py/x")
    with pytest.raises(PathRefused, match="device, pipe"):
        paths.read_file(root, "pipe")
    with pytest.raises(PathRefused, match="larger than 3 bytes"):
        paths.read_file(root, "src/main.py", limit=3)


@pytest.mark.usefixtures("way")
def test_writing_replaces_in_one_step(root: Path) -> None:
    """A written file keeps its mode, leaves no temporary file, and never writes through a link or a second name."""
    (root / "src" / "main.py").chmod(0o755)
    paths.write_file(root, "src/main.py", b"new")
    assert (root / "src" / "main.py").read_bytes() == b"new"
    assert (root / "src" / "main.py").stat().st_mode & 0o777 == 0o755
    paths.write_file(root, "hard", b"mine")
    for linked in ("link", "src/up/secret", "src/up/new"):
        with pytest.raises(PathRefused):
            paths.write_file(root, linked, b"stolen")
    with pytest.raises(IsADirectoryError):
        paths.write_file(root, "src", b"")
    assert (root.parent / "secret").read_bytes() == SECRET
    assert sorted(os.listdir(root.parent / "outside")) == ["secret"]
    assert not [name for name in os.listdir(root) + os.listdir(root / "src") if name.startswith(paths.TEMPORARY)]


@pytest.mark.usefixtures("way")
def test_parents_and_removal_stay_inside(root: Path) -> None:
    """Folders are made where missing, files removed, and neither goes through a link."""
    paths.make_parents(root, "new/a/b/file.txt")
    paths.make_parents(root, "new/a/b/file.txt")
    paths.write_file(root, "new/a/b/file.txt", b"x")
    paths.remove_file(root, "new/a/b/file.txt")
    with pytest.raises(FileNotFoundError):
        paths.remove_file(root, "new/a/b/file.txt")
    for refused in ("src/up/new/file", "link/x/file"):
        with pytest.raises((PathRefused, NotADirectoryError)):
            paths.make_parents(root, refused)
    with pytest.raises(PathRefused):
        paths.remove_file(root, "src/up/secret")
    assert sorted(os.listdir(root.parent / "outside")) == ["secret"]


@pytest.mark.usefixtures("way")
def test_walk_names_everything(root: Path) -> None:
    """A walk is sorted, names links and devices without following them, and says when it was cut."""
    (root / os.fsdecode(b"bad\xff")).write_bytes(b"12")
    listing = paths.walk(root)
    assert [(entry.path, entry.kind) for entry in listing.entries] == [
        (os.fsdecode(b"bad\xff"), "file"),
        ("hard", "file"),
        ("link", "symlink"),
        ("loop", "symlink"),
        ("pipe", "other"),
        ("proc", "symlink"),
        ("src", "directory"),
        ("src/deep", "directory"),
        ("src/main.py", "file"),
        ("src/up", "symlink"),
    ]
    assert not listing.truncated
    assert [entry.path for entry in paths.walk(root, "src").entries] == ["src/deep", "src/main.py", "src/up"]
    cut = paths.walk(root, limit=3)
    assert cut.truncated
    assert len(cut.entries) == 3
    with pytest.raises(PathRefused):
        paths.walk(root, "src/up")


_PIECE = st.sampled_from(
    ["..", ".", "", "src", "deep", "up", "link", "loop", "proc", "hard", "secret", "root", "main.py", ".git"]
)
_NAME = st.lists(_PIECE | st.text(max_size=8), max_size=6).map("/".join) | st.text(max_size=40)


@settings(max_examples=count(60, soak=8000))
@given(name=_NAME, flags=st.sampled_from([os.O_RDONLY, os.O_RDWR, os.O_PATH]))
@example(name="src/up/../secret", flags=os.O_RDONLY)
def test_any_name_stays_inside(root: Path, way: str, name: str, flags: int) -> None:
    """Whatever the name, what was opened lies beneath the root and is not a link."""
    try:
        descriptor = paths.open_beneath(root, name, flags)
    except (PathRefused, FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return
    try:
        where = os.readlink(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
    assert where.startswith(f"{root}/")


@pytest.mark.usefixtures("way")
def test_swapping_a_folder_for_a_link_never_wins(root: Path) -> None:
    """A folder that is exchanged for a link all the time is read as itself or refused; the naive check loses this race."""
    (root / "swap").mkdir()
    (root / "swap" / "secret").write_bytes(b"inside")
    (root / "away").symlink_to("../outside")
    stop = threading.Event()
    racer = threading.Thread(target=_swap, args=(root, stop))
    racer.start()
    try:
        safe = {_safe(root) for _ in range(4000)}
        naive = _naive_until_lost(root)
    finally:
        stop.set()
        racer.join()
    assert SECRET not in safe
    assert b"inside" in safe
    assert naive == SECRET


def _swap(root: Path, stop: threading.Event) -> None:
    while not stop.is_set():
        for one, two, three in (("swap", "held", "away"), ("swap", "away", "held")):
            os.rename(root / one, root / two)
            os.rename(root / three, root / one)


def _safe(root: Path) -> bytes | None:
    with suppress(PathRefused, OSError):
        return paths.read_file(root, "swap/secret")
    return None


def _naive_until_lost(root: Path) -> bytes | None:
    for _ in range(200_000):
        with suppress(OSError):
            target = root / "swap" / "secret"
            if target.resolve().is_relative_to(root) and target.read_bytes() == SECRET:
                return SECRET
    return None
