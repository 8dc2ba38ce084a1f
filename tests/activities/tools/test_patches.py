"""Patches: all of one or nothing, exactly where its lines stand, and no part of it lost silently."""

import asyncio
import difflib
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from activities.tools.diffs import parse
from activities.tools.hunks import PatchProblem, apply_hunks
from activities.tools.patches import APPLY_PATCH
from tests.activities.tools.tooling import POEM, call, poem_tree, problem, tree
from tests.children import PATIENCE


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The workspace of these tests."""
    return poem_tree(tmp_path)


def diff(path: str, old: bytes | None, new: bytes | None, context: int = 3) -> str:
    """A unified diff as difflib makes it, with the mark for a missing line end that difflib forgets."""
    names = ("/dev/null" if old is None else f"a/{path}", "/dev/null" if new is None else f"b/{path}")
    before, after = (_lines((side or b"").decode()) for side in (old, new))
    made = difflib.unified_diff(before, after, *names, n=context)
    text = "".join(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in made)
    return text or f"--- {names[0]}\n+++ {names[1]}\n"


def _lines(text: str) -> list[str]:
    pieces = text.split("\n")
    return [piece + "\n" for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])


async def test_one_patch_creates_changes_and_deletes(root: Path) -> None:
    """A patch over several files does all of it, and the result counts lines."""
    (root / "old.txt").write_bytes(b"gone\n")
    (root / "empty").touch()
    patch = (
        diff("poem.txt", POEM, POEM.replace(b"two", b"2").replace(b"nine\n", b"nine\nnine and a half\n"))
        + diff("new/file.py", None, b"print()\n")
        + diff("old.txt", b"gone\n", None)
        + diff("blank", None, b"")
        + diff("empty", b"", None)
    )
    done = await call(APPLY_PATCH, root, patch=patch)
    assert [(one.path, one.outcome, one.lines_added, one.lines_removed) for one in done.files] == [
        ("poem.txt", "modified", 2, 1),
        ("new/file.py", "created", 1, 0),
        ("old.txt", "deleted", 0, 1),
        ("blank", "created", 0, 0),
        ("empty", "deleted", 0, 0),
    ]
    wanted = POEM.replace(b"two", b"2").replace(b"nine\n", b"nine\nnine and a half\n")
    assert tree(root) == {"poem.txt": wanted, "new/file.py": b"print()\n", "blank": b""}


async def test_all_or_nothing(root: Path) -> None:
    """One hunk that does not fit keeps every file as it was, and all the failures are named at once."""
    patch = (
        diff("poem.txt", POEM, POEM.replace(b"two", b"2"))
        + diff("made.txt", None, b"x\n")
        + "--- a/poem2.txt\n+++ b/poem2.txt\n@@ -1 +1 @@\n-a\n+b\n"
    )
    said = await problem(APPLY_PATCH, root, patch=patch)
    assert "nothing was changed:\nthere is no poem2.txt; similar: poem.txt" in said
    (root / "poem2.txt").write_bytes(b"A\n")
    said = await problem(APPLY_PATCH, root, patch=patch.replace("-two", "-zwei"))
    assert 'poem.txt, hunk 1: line 2 should be "zwei\\n", but is "two\\n"' in said
    assert 'poem2.txt, hunk 1: line 1 should be "a\\n", but is "A\\n" (they differ in upper and lower case)' in said


async def test_a_failure_while_writing_is_undone(root: Path) -> None:
    """When a later file cannot be written, the earlier ones are put back, with their modes."""
    (root / "run").write_bytes(b"x\n")
    (root / "run").chmod(0o755)
    patch = (
        diff("poem.txt", POEM, POEM + b"eleven\n")
        + diff("made", None, b"x\n")
        + diff("run", b"x\n", None)
        + diff("made/below", None, b"cannot be\n")
    )
    assert "nothing was changed" in await problem(APPLY_PATCH, root, patch=patch)
    assert (root / "run").stat().st_mode & 0o777 == 0o755


async def test_a_hunk_is_found_nearby_but_only_once(root: Path) -> None:
    """Wrong line numbers are tolerated where the old lines stand at exactly one place nearby, else refused with the places."""
    moved = b"new\n" * 30 + POEM
    (root / "poem.txt").write_bytes(moved)
    await call(APPLY_PATCH, root, patch=diff("poem.txt", POEM, POEM.replace(b"five", b"5")))
    assert (root / "poem.txt").read_bytes() == moved.replace(b"five", b"5")
    (root / "poem.txt").write_bytes(b"top\n" + POEM * 2)
    said = await problem(APPLY_PATCH, root, patch=diff("poem.txt", POEM, POEM.replace(b"five", b"5")))
    assert "are not at line 2, but at lines 3, 13" in said
    (root / "poem.txt").write_bytes(b"top\n" * 150 + POEM)
    said = await problem(APPLY_PATCH, root, patch=diff("poem.txt", POEM, POEM.replace(b"five", b"5")))
    assert "are at line 152, more than 100 lines away" in said


async def test_hunks_keep_their_order(root: Path) -> None:
    """Later hunks follow the shift of earlier ones and never lie before them."""
    twice = POEM * 2
    (root / "poem.txt").write_bytes(b"a\n" * 12 + twice)
    changed = twice.replace(b"two", b"2")
    (root / "poem.txt").write_bytes(b"a\n" * 12 + twice)
    patch = diff("poem.txt", twice, changed).replace("@@ -1,5 ", "@@ -13,5 ")
    await call(APPLY_PATCH, root, patch=patch)
    assert (root / "poem.txt").read_bytes() == b"a\n" * 12 + changed
    (root / "poem.txt").write_bytes(POEM)
    backwards = "--- a/poem.txt\n+++ b/poem.txt\n@@ -8 +8 @@\n-eight\n+8\n@@ -2 +2 @@\n-two\n+2\n"
    assert "before the end of the hunk above it" in await problem(APPLY_PATCH, root, patch=backwards)


async def test_a_patch_that_was_applied_already_is_recognised(root: Path) -> None:
    """The same patch again is refused with a message of its own for changed, created and absent files."""
    (root / "old").write_bytes(b"x\n")
    patch = diff("poem.txt", POEM, POEM.replace(b"two", b"2")) + diff("new", None, b"n\n")
    await call(APPLY_PATCH, root, patch=patch + diff("old", b"x\n", None))
    said = await problem(APPLY_PATCH, root, patch=patch + diff("old", b"x\n", None))
    assert "poem.txt: already applied" in said
    assert "new cannot be created: already applied" in said
    assert "there is no old" in said
    (root / "new").write_bytes(b"other\n")
    assert "already exists with other content" in await problem(APPLY_PATCH, root, patch=patch)


async def test_an_applied_patch_is_recognised_through_its_own_shift(root: Path) -> None:
    """Where the first hunk moved the second far down, the patch is still seen to be applied."""
    grown = POEM.replace(b"one\n", b"one\n" + b"more\n" * 150).replace(b"ten", b"10")
    patch = diff("poem.txt", POEM, grown)
    await call(APPLY_PATCH, root, patch=patch)
    assert (root / "poem.txt").read_bytes() == grown
    assert "poem.txt: already applied" in await problem(APPLY_PATCH, root, patch=patch)


async def test_deleting_means_the_whole_file(root: Path) -> None:
    """A deletion that does not name every line is refused: the model has not seen what it would delete."""
    said = await problem(APPLY_PATCH, root, patch="--- a/poem.txt\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-one\n-two\n")
    assert "poem.txt cannot be deleted: 8 lines of it are not in the patch" in said
    assert "10 lines" in await problem(APPLY_PATCH, root, patch="--- a/poem.txt\n+++ /dev/null\n")


@pytest.mark.parametrize(
    ("data", "hunk", "why"),
    [
        (b"a", "@@ -1 +1 @@\n-a\n+b\n", "differ in the line end at the end of the file"),
        (b"a\r\nb\n", "@@ -1 +1 @@\n-a\n+b\n", "differ in line ends"),
        (b"\ta\n", "@@ -1 +1 @@\n-    a\n+b\n", "differ in white space"),
        (b"a\nb\n", "@@ -1 +1,2 @@\n a\n+x\n\\ No newline at end of file\n", "but line 2 follows; remove that line"),
        (b"a\nb\n", "@@ -1,0 +2 @@\n+x\n", "add context lines"),
        (b"a\n", "@@ -1,2 +1,1 @@\n a\n-b\n", 'line 2 should be "b\\n", but the file ends after line 1'),
        (b"a\n", "@@ -1,2 +1,1 @@\n a\n-b\n", "or already applied: the file has what the patch leaves"),
        (b"", "@@ -1 +1 @@\n-a\n+b\n", "the file ends after line 0"),
        (b"a\n", "@@ -999999999 +1 @@\n-b\n+c\n", "the file ends after line 1"),
    ],
)
async def test_hunks_that_do_not_fit_say_why(root: Path, data: bytes, hunk: str, why: str) -> None:
    """Every misfit names file, hunk, line and what stands there, with the difference that is easily overlooked."""
    (root / "f").write_bytes(data)
    said = await problem(APPLY_PATCH, root, patch=f"--- a/f\n+++ b/f\n{hunk}")
    assert "f, hunk 1: " in said
    assert why in said


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        ("", "names no file"),
        ("*** Begin Patch\n*** Update File: f\n", "names no file"),
        ("@@ -1 +1 @@\n-a\n+b\n", "line 1: a hunk without a file"),
        ("--- a/f\n+++ b/f\n", "f has no hunks"),
        (
            "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n-a\n+b\n",
            "line 3: the hunk's header announces 3 old and 3 new lines, but 1 and 1",
        ),
        ("--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n+c\n", "announces 1 old and 1 new lines, but 1 and 2 follow"),
        ("--- a/f\n+++ b/f\n@@ -1,2 +1 @@\n-a\n-- \n+b\n", ""),
        ("--- a/f\n+++ b/f\n@@ -1,1 +1,1 @@\n-a\n+b\n-- \n+c\n", "but 2 and 2 follow"),
        ("--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\nb\n+c\n", "every line of a hunk starts with a space"),
        ("--- a/f\n+++ b/f\n@@ ... @@\n-a\n+b\n", "is no hunk header"),
        ("--- a/f\n+++ b/g\n@@ -1 +1 @@\n-a\n+b\n", 'renames "f" to "g"'),
        ("--- /dev/null\n+++ /dev/null\n", "names no file in"),
        ("diff --git a/f b/g\nrename from f\nrename to g\n", "not supported"),
        ("diff --git a/f b/f\nold mode 100644\nnew mode 100755\n", "not supported"),
        ("diff --git a/f b/f\nnew file mode 120000\n--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+/etc\n", "no links"),
        ("diff --git a/f b/f\nnew file mode 100644\nindex 0000..e69d\n", "to create an empty file write"),
        ("--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\nand then\n", '"and then" belongs to no hunk'),
        ("--- a/f\n+++ b/f\n@@ -1,2 +1 @@\n-a\n\\ No newline at end of file\n-b\n+c\n", "remove it"),
        ("--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n" * 2, "f is named twice"),
    ],
)
async def test_what_is_not_understood_is_refused(root: Path, patch: str, why: str) -> None:
    """No part of a patch is skipped silently: miscounts, renames, modes, links and stray lines name their line."""
    (root / "f").write_bytes(b"a\n")
    assert why in await problem(APPLY_PATCH, root, patch=patch)


async def test_patches_are_bounded(root: Path) -> None:
    """Too many files are refused, and many failures are cut and counted."""
    many = "".join(diff(f"f{number}", None, b"x\n") for number in range(51))
    assert "changes 51 files; at most 50" in await problem(APPLY_PATCH, root, patch=many)
    missing = "".join(diff(f"f{number}", b"x\n", b"y\n") for number in range(50))
    assert "and 30 more" in await problem(APPLY_PATCH, root, patch=missing)
    long_names = "".join(diff(f"{number:02}{'ü' * 100}/{'y' * 200}", None, b"x\n") for number in range(50))
    assert len((await call(APPLY_PATCH, root, patch=long_names)).files) == 50


async def test_forms_that_people_and_git_write_are_read(root: Path) -> None:
    """Names without a/ and b/, with times, in quotes; stripped context blanks; a mail around it all."""
    (root / "f").write_bytes(b"a\n\nb\n")
    await call(APPLY_PATCH, root, patch="--- f\t2026-01-01 00:00:00\n+++ f\t2026-01-02\n@@ -1,3 +1,3 @@ def x\n a\n\n-b\n+c")
    assert (root / "f").read_bytes() == b"a\n\nc\n"
    mail = "From: someone\nSubject: x\n---\n f | 2 +-\n\ndiff --git a/f b/f\nindex 1..2 100644\n" + diff(
        "f", b"a\n\nc\n", b"a\n\nd\n"
    )
    await call(APPLY_PATCH, root, patch=mail + "-- \n2.39.2\n\n")
    assert (root / "f").read_bytes() == b"a\n\nd\n"
    await call(APPLY_PATCH, root, patch='--- /dev/null\n+++ "b/\\303\\274 \\"q\\".txt"\n@@ -0,0 +1 @@\n+x\n')
    assert (root / 'ü "q".txt').read_bytes() == b"x\n"
    await call(APPLY_PATCH, root, patch="diff --git a/run b/run\nnew file mode 100755\n" + diff("run", None, b"x\n"))
    assert (root / "run").stat().st_mode & 0o777 == 0o755


async def test_lines_that_look_like_headers_are_content(root: Path) -> None:
    """Removed lines that begin with dashes, or look like the names of a file, are counted and not misread."""
    old = b"-- a/x\n++ b/x\n@@ -1 +1 @@\n- \n\\ x\nend\n"
    (root / "sql").write_bytes(old)
    await call(APPLY_PATCH, root, patch=diff("sql", old, b"++ b/y\n@@ -1 +1 @@\nend\n"))
    assert (root / "sql").read_bytes() == b"++ b/y\n@@ -1 +1 @@\nend\n"


LINES = st.lists(st.sampled_from(["a", "b", "c", "", " ", "-- x", "++ y", "@@ -1 +1 @@", "é\r", "\\ z", "\u202e"]), max_size=25)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Small files with repeated lines, CRLF, lines like headers, and with or without a line end at the end."""
    text = "\n".join(draw(LINES))
    return (text + draw(st.sampled_from(["", "\n"]))).encode()


@given(files(), files(), st.integers(1, 4))
def test_a_diff_reproduces_its_target(old: bytes, new: bytes, context: int) -> None:
    """What difflib makes of two files turns the one into the other, and the reverse diff turns it back."""
    assume(old != new)
    # A hunk without any old line is refused; with context that happens only in an empty file.
    (there,), (back,) = parse(diff("f", old, new, context)), parse(diff("f", new, old, context))
    assert apply_hunks(there, old) == new
    assert apply_hunks(back, new) == old


@given(files(), files(), files())
def test_a_patch_gives_a_right_file_or_none(old: bytes, new: bytes, other: bytes) -> None:
    """On another file a diff either does not fit, or every line that it touches was really there."""
    assume(old != new)
    (patch,) = parse(diff("f", old, new))
    try:
        made = apply_hunks(patch, other)
    except PatchProblem:
        return
    grown = sum(len(hunk.new) - len(hunk.old) for hunk in patch.hunks)
    assert len(_lines(made.decode())) == len(_lines(other.decode())) + grown
    for hunk in patch.hunks:
        assert b"".join(hunk.old) in other
        assert b"".join(hunk.new) in made


PIECES = st.sampled_from([*'-+@ ab/1,\n\\"\r', "--- a/f\n+++ b/f\n", "@@ -1 +1 @@\n", "-a\n+b\n", "-- \n1.0\n"])


@given(st.lists(PIECES, max_size=30).map("".join))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever comes in is read or refused with a message."""
    with suppress(PatchProblem):
        assert parse(text)


@pytest.fixture(scope="module")
def real_git(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which git makes real diffs."""
    made = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", made], check=True, capture_output=True)
    return made


async def test_applies_what_git_makes(root: Path, real_git: Path) -> None:
    """A diff as git prints it, with modes, odd names and missing line ends, gives the same tree as in git."""
    before: dict[str, bytes] = {"a.txt": POEM, "ü b.txt": b"x\r\ny\r\n", "end": b"no end", "gone/deep": b"1\n2\n"}
    after: dict[str, bytes] = {
        "a.txt": POEM.replace(b"two", b"2") + b"eleven",
        "ü b.txt": b"x\r\nz\r\n",
        "end": b"no end\n",
        "new/n": b"n\n",
    }
    for tree_of, side in ((before, "before"), (after, "after")):
        for name, data in tree_of.items():
            target = real_git / side / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    made = subprocess.run(
        ["git", "diff", "--no-index", "--no-renames", "before", "after"], cwd=real_git, capture_output=True, check=False
    ).stdout.decode()
    patch = made.replace("a/before/", "a/").replace("b/after/", "b/").replace("b/before/", "b/").replace("a/after/", "a/")
    (root / "poem.txt").unlink()
    for name, data in before.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    await call(APPLY_PATCH, root, patch=patch)
    assert tree(root) == after


async def test_hostile_sizes_end_soon(root: Path) -> None:
    """A large file and a patch with thousands of hunks that do not fit are answered in seconds."""
    data = b"same line\n" * 300_000
    (root / "big").write_bytes(data)
    hunks = "".join(f"@@ -{number * 50 + 1},2 +{number * 50 + 1},2 @@\n same line\n-other\n+x\n" for number in range(5000))
    said = await asyncio.wait_for(problem(APPLY_PATCH, root, patch=f"--- a/big\n+++ b/big\n{hunks}"), PATIENCE)
    assert "hunk 19 was not looked at" in said
