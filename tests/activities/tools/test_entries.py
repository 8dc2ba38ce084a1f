"""Files as entries: deleting, moving, modes and links, for text and binary files alike; links are never followed."""

import os
from pathlib import Path

import pytest

from activities.tools.base import Tool
from activities.tools.edits import EDIT_FILE, WRITE_FILE
from activities.tools.entries import DELETE_FILE, MOVE_FILE, SET_EXECUTABLE, WRITE_LINK
from activities.tools.files import LIST_FILES, READ_FILE
from activities.tools.patches import APPLY_PATCH
from activities.tools.search import SEARCH
from tests.activities.tools.test_patches import diff
from tests.activities.tools.tooling import call, problem

BINARY = b"\x89PNG\0\r\n\xff"
TARGETS = {
    "inside": "docs/a.md",
    "folder": "docs",
    "dangling": "no/such",
    "loop": "loop",
    "long": "x/" * 2000 + "y",
    "up": "../secret",
    "away": "/etc/passwd",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with a text file, a binary file and links of every kind, and a secret beside it."""
    (tmp_path / "secret").write_text("beyond the fence")
    top = tmp_path / "root"
    (top / "docs").mkdir(parents=True)
    (top / "docs" / "a.md").write_text("hello\n")
    (top / "logo.png").write_bytes(BINARY)
    for name, target in TARGETS.items():
        (top / name).symlink_to(target)
    return top


@pytest.mark.parametrize("name", TARGETS)
async def test_nothing_is_read_or_written_through_a_link(root: Path, name: str) -> None:
    """Every tool says what the link is, and the link and what it leads to stay as they are."""
    for tool, more in (
        (READ_FILE, {}),
        (WRITE_FILE, {"content": "text"}),
        (EDIT_FILE, {"old": "hello", "new": "bye"}),
        (SET_EXECUTABLE, {"executable": True}),
    ):
        assert f"{name} is a symbolic link to" in await problem(tool, root, path=name, **more)
    for patch in (diff(name, b"hello\n", b"bye\n"), diff(name, None, b"x\n"), diff(name, b"hello\n", None)):
        assert f"{name} is a symbolic link to" in await problem(APPLY_PATCH, root, patch=patch)
    for tool, more in ((WRITE_FILE, {"content": "x"}), (READ_FILE, {})):
        assert f"{name} is a symbolic link to" in await problem(tool, root, path=f"{name}/below", **more)
    assert os.readlink(root / name) == TARGETS[name]
    assert (root.parent / "secret").read_text() == "beyond the fence"
    listed = await call(LIST_FILES, root, path=None)
    assert {one.path for one in listed.entries if one.kind == "link"} == set(TARGETS)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("inside", 'to "docs/a.md", which leads to the file docs/a.md; links are never followed: name docs/a.md.'),
        ("folder/a.md", 'to "docs", which leads to the folder docs; links are never followed: name docs/a.md'),
        ("dangling", "where nothing is; nothing is read or written through it"),
        ("loop", "which leads back to itself"),
        ("up", "which leads out of the workspace"),
        ("away", "which leads out of the workspace"),
        ("away/x", "which leads out of the workspace"),
    ],
)
async def test_what_a_link_is_and_what_to_name_instead(root: Path, path: str, said: str) -> None:
    """The message names the target and, where there is one, the path that works."""
    assert said in await problem(READ_FILE, root, path=path)
    assert said in await problem(LIST_FILES, root, path=path)
    assert said in await problem(SEARCH, root, path=path, pattern="hello")


@pytest.mark.parametrize("name", TARGETS)
async def test_a_link_can_be_deleted_and_replaced(root: Path, name: str) -> None:
    """It is deleted itself, and what it leads to stays; then a file can take its place."""
    deleted = await call(DELETE_FILE, root, path=name)
    assert deleted.done == "deleted: it was a link, and what it leads to is still there"
    assert (root / "docs" / "a.md").read_text() == "hello\n"
    await call(WRITE_FILE, root, path=name, content="a file now\n")
    assert not (root / name).is_symlink()
    assert (root / name).read_text() == "a file now\n"


async def test_links_are_made_and_led_elsewhere(root: Path) -> None:
    """To a file or a folder of the workspace; a link that is there is led elsewhere in one step."""
    await call(WRITE_LINK, root, path="docs/here", target="a.md")
    await call(WRITE_LINK, root, path="new/logo", target="../logo.png")
    changed = await call(WRITE_LINK, root, path="away", target="docs")
    assert changed.done == "a symbolic link to docs"
    found = [os.readlink(root / name) for name in ("docs/here", "new/logo", "away")]
    assert found == ["a.md", "../logo.png", "docs"]
    assert (root / "new" / "logo").read_bytes() == BINARY


@pytest.mark.parametrize(
    ("path", "target", "why"),
    [
        ("l", "/etc/passwd", "is absolute"),
        ("l", "../secret", "out of it"),
        ("l", ".", "leads to the top of the workspace"),
        ("docs/l", "../../secret", "out of it"),
        ("l", "no/such", "there is no no/such"),
        ("l", "l", "is the link itself"),
        ("l", "loop", "loop is a symbolic link"),
        ("l", "up/x", "up is a symbolic link"),
        ("l", "docs/../logo.png", "goes down and up again"),
        ("l", ".git/config", ".git folder"),
        ("l", "docs/a.md\n", "control or invisible characters"),
        (".gitattributes", "docs/a.md", "git does not read .gitattributes where it is a link"),
        ("logo.png", "docs", "logo.png is a file; a link takes no other entry's place: delete_file first"),
        ("docs", "logo.png", "docs is a folder; a link takes no other entry's place"),
        ("away/l", "docs", "which leads out of the workspace"),
    ],
)
async def test_links_that_lead_elsewhere_are_not_made(root: Path, path: str, target: str, why: str) -> None:
    """A link leads to what is there, in the workspace, and by the way that is written."""
    assert why in await problem(WRITE_LINK, root, path=path, target=target)
    assert not (root / "l").is_symlink()


async def test_binary_files_are_moved_deleted_and_made_executable(root: Path) -> None:
    """Without their content, which no tool for text could write."""
    await call(SET_EXECUTABLE, root, path="logo.png", executable=True)
    moved = await call(MOVE_FILE, root, path="logo.png", to="assets/img/ü logo.png")
    assert (moved.path, moved.done) == ("assets/img/ü logo.png", "moved from logo.png")
    new = root / "assets" / "img" / "ü logo.png"
    assert (new.read_bytes(), new.stat().st_mode & 0o777) == (BINARY, 0o755)
    assert (await call(SET_EXECUTABLE, root, path=moved.path, executable=True)).done == "already executable"
    assert (await call(SET_EXECUTABLE, root, path=moved.path, executable=False)).done == "not executable now"
    assert new.stat().st_mode & 0o777 == 0o644
    assert (await call(DELETE_FILE, root, path=moved.path)).done == "deleted"
    assert not new.exists()


async def test_a_link_moves_within_its_folder(root: Path) -> None:
    """Elsewhere its relative target would mean another file."""
    await call(MOVE_FILE, root, path="inside", to="renamed")
    assert os.readlink(root / "renamed") == "docs/a.md"
    assert "it would lead elsewhere" in await problem(MOVE_FILE, root, path="renamed", to="docs/renamed")


@pytest.mark.parametrize(
    ("tool", "arguments", "why"),
    [
        (DELETE_FILE, {"path": "docs"}, "docs is a folder"),
        (DELETE_FILE, {"path": "logo.jpg"}, "there is no logo.jpg; similar: logo.png"),
        (DELETE_FILE, {"path": "../secret"}, "it leads upwards"),
        (DELETE_FILE, {"path": "folder/a.md"}, "folder is a symbolic link"),
        (MOVE_FILE, {"path": "docs", "to": "d"}, "docs is a folder"),
        (MOVE_FILE, {"path": "logo.png", "to": "docs/a.md"}, "docs/a.md is there already"),
        (MOVE_FILE, {"path": "logo.png", "to": "docs"}, "docs is there already"),
        (MOVE_FILE, {"path": "logo.png", "to": "inside"}, "inside is there already"),
        (MOVE_FILE, {"path": "logo.png", "to": "docs/a.md/x"}, "is a file or lies below one"),
        (MOVE_FILE, {"path": "logo.png", "to": "away/x"}, "leads out of the workspace"),
        (MOVE_FILE, {"path": "logo.png", "to": ".git/x"}, ".git folder"),
        (MOVE_FILE, {"path": "none", "to": "x"}, "there is no none"),
        (SET_EXECUTABLE, {"path": "docs", "executable": True}, "docs is a folder"),
        (SET_EXECUTABLE, {"path": "none", "executable": True}, "there is no none"),
    ],
)
async def test_what_cannot_be_done_is_said(root: Path, tool: Tool, arguments: dict[str, object], why: str) -> None:
    """Nothing is overwritten, no folder taken for a file, and no link followed."""
    assert why in await problem(tool, root, **arguments)
