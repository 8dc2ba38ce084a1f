"""Deliveries in repositories with files of every kind: what is approved is what git has afterwards."""

import subprocess
from pathlib import Path

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from activities.git.lfs import Store
from tests import lfs
from tests.repositories import CLEAN
from tests.scripts import a_tester, answer, call, calls, item, plan, says, writer
from tests.stack import git, sample
from tests.workflows.conftest import Start
from tests.workflows.test_delivery import FIX

BINARY = b"\x89PNG\0\r\n\xff\n"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
FILES = {
    ".gitattributes": b"*.bat eol=crlf\n*.bin filter=lfs -text\n",
    ".gitignore": b"*.log\n",
    "assets/logo.png": BINARY,
    "assets/old.png": BINARY + b"old",
    "assets/run": BINARY,
    "assets/big.bin": POINTER,
    "latin.txt": b"caf\xe9\nth\xe9\n",
    "dos.txt": b"one\r\ntwo\r\n",
    "target.txt": b"kept\n",
    "caf\u00e9.md": b"x\n",
}


def origin_of(folder: Path) -> Path:
    """The sample with these files, two links, and a file whose name is not UTF-8."""
    origin = sample(folder)
    work = folder / "work"
    for name, data in FILES.items():
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).write_bytes(data)
    with open(bytes(work) + b"/caf\xe9 \n.txt", "wb") as file:
        file.write(b"\xff\r\n\0")
    (work / "link").symlink_to("target.txt")
    (work / "away").symlink_to("../../elsewhere")
    git(work, "-c", "filter.lfs.clean=cat", "add", "--all")
    git(work, "commit", "--quiet", "--message=Files")
    git(work, "push", "--quiet", str(origin), "main")
    return origin


def stored(origin: Path, revision: str) -> dict[bytes, tuple[bytes, bytes]]:
    """Mode and content of every file of a commit, by path, as git has them."""

    def out(*arguments: str) -> bytes:
        done = subprocess.run(["git", *arguments], cwd=origin, env=CLEAN, capture_output=True, check=True)
        return done.stdout

    found = {}
    for line in out("ls-tree", "-r", "-z", revision).split(b"\0"):
        if line:
            about, _, path = line.partition(b"\t")
            mode, _, identity = about.split(b" ")
            found[path] = (mode, out("cat-file", "blob", identity.decode()))
    return found


async def test_files_of_every_kind_arrive_as_they_were_approved(start: Start, tmp_path: Path) -> None:
    """Binary files are moved, deleted, made executable; links replaced and made; text keeps its form; nothing else changes.

    Names in the plan that say the same in other words open no gate.
    """
    origin = origin_of(tmp_path / "sample")
    files = ["./shop/pricing.py", "assets", "latin.txt", "dos.txt", ".//link", "current", "tools/", "README.MD", "trace.log"]
    refused = calls(
        call("write_file", path="link", content="through it\n"),
        call("edit_file", path="away", old="elsewhere", new="here"),
        call("edit_file", path="assets/big.bin", old="12345", new="1"),
        call("edit_file", path="latin.txt", old="café", new="5 €"),
    )
    binary = calls(
        call("move_file", path="assets/logo.png", to="assets/img/logo.png"),
        call("delete_file", path="assets/old.png"),
        call("set_executable", path="assets/run", executable=True),
    )
    texts = calls(
        call("edit_file", path="latin.txt", old="café", new="crème"),
        call("edit_file", path="dos.txt", old="one\ntwo", new="one\n1.5\ntwo"),
        call("delete_file", path="link"),
        call("write_file", path="link", content="a file now\n"),
        call("write_link", path="current", target="target.txt"),
        call("write_file", path="tools/run.bat", content="echo 1\r\necho 2\r\n"),
        call("write_file", path="README.MD", content="other\n"),
        call("write_file", path="trace.log", content="log\n"),
    )
    planner = says("planner", answer(plan(item("fix", files))))
    async with start(planner, writer("fix", FIX, refused, binary, texts), a_tester()) as stack:
        run = await stack.deliver(origin, branch="kinds")
        await stack.approve(run, "plan")
        view = await stack.gate(run, "change-1")
        await stack.decide(view)
        report = await run.result()
        said = await stack.said(run)
    assert (report.state, report.reason) == ("done", ""), said
    before, after = stored(origin, "main"), stored(origin, "kinds")
    assert after.pop(b"shop/pricing.py") != before.pop(b"shop/pricing.py")
    expected = before | {
        b"assets/img/logo.png": (b"100644", BINARY),
        b"assets/run": (b"100755", BINARY),
        b"latin.txt": (b"100644", b"cr\xe8me\nth\xe9\n"),
        b"dos.txt": (b"100644", b"one\r\n1.5\r\ntwo\r\n"),
        b"link": (b"100644", b"a file now\n"),
        b"current": (b"120000", b"target.txt"),
        b"tools/run.bat": (b"100644", b"echo 1\necho 2\n"),
        b"README.MD": (b"100644", b"other\n"),
        b"trace.log": (b"100644", b"log\n"),
    }
    del expected[b"assets/logo.png"], expected[b"assets/old.png"]
    assert after == expected
    for reason in (
        'link is a symbolic link to "target.txt", which leads to the file target.txt',
        'away is a symbolic link to "../../elsewhere", which leads out of the workspace',
        "assets/big.bin is kept with Git LFS",
        '"€" (U+20AC, line 1 of the new text) does not exist in Latin-1 (a guess)',
    ):
        assert reason in said
    facts = "\n".join(view.facts)
    for fact in (
        "README.MD and README.md differ only in upper and lower case",
        "added although .gitignore leaves it out: trace.log",
        "current is new and a symbolic link to target.txt",
        "link: a symbolic link → a file",
        "assets/run: a file → an executable file",
        "assets/old.png (binary",
    ):
        assert fact in facts
    assert view.risk.startswith("high: ")
    assert "names collide where case or accents do not tell files apart" in view.risk


async def test_a_partial_clone_without_its_files_is_refused_at_once(start: Start, tmp_path: Path) -> None:
    """The input is refused with what the clone is and what to do, before anything is planned."""
    origin = origin_of(tmp_path / "sample")
    git(origin, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "--quiet", "--bare", "--filter=blob:none", f"file://{origin}", "partial")
    async with start() as stack:
        run = await stack.deliver(tmp_path / "partial")
        with pytest.raises(WorkflowFailureError) as caught:
            await run.result()
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == "InputRefused"
    assert "is a partial clone (git clone --filter) and lacks files" in cause.message


async def test_what_lfs_keeps_is_refused_and_what_gets_past_that_is_told(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where git-lfs is not installed every tool refuses, and the way around by .gitattributes is told with its files."""
    monkeypatch.setattr(Store, "closed", lambda _: "git-lfs is not installed on the worker")
    origin = origin_of(tmp_path / "sample")
    rules = FILES[".gitattributes"].decode()
    edits = call("edit_file", path="assets/big.bin", old="size 12345", new="size 1")
    writes = call("write_file", path="assets/new.bin", content="raw\n")
    patch = "--- a/assets/big.bin\n+++ b/assets/big.bin\n@@ -3 +3 @@\n-size 12345\n+size 2\n"
    refused = calls(edits, writes, call("apply_patch", patch=patch))
    around = calls(
        call("write_file", path=".gitattributes", content="*.txt text\n"),
        edits,
        writes,
        call("write_file", path=".gitattributes", content=rules),
    )
    planner = says("planner", answer(plan(item("fix", ["shop/pricing.py", "assets", ".gitattributes"]))))
    async with start(planner, writer("fix", FIX, refused, around), a_tester()) as stack:
        run = await stack.deliver(origin, branch="lfs")
        planned = await stack.approve(run, "plan-1")
        view = await stack.gate(run, "change-1")
        await stack.decide(view)
        report = await run.result()
        said = await stack.said(run)
    assert report.state == "done", said
    assert said.count("is kept with Git LFS (filter=lfs in .gitattributes)") == 3
    assert any(fact.startswith("1 file is kept with Git LFS, such as assets/big.bin: ") for fact in planned.facts)
    facts = "\n".join(view.facts)
    assert "assets/new.bin is itself in the repository, and not a pointer of Git LFS" in facts
    assert f"content that nobody here has seen: assets/big.bin (oid sha256:{'0' * 64} size 1)" in facts
    assert not view.risk.startswith("low: ")
    assert stored(origin, "lfs")[b"assets/big.bin"][1] == POINTER.replace(b"12345", b"1")


async def test_what_an_agent_writes_for_lfs_arrives_with_the_push(start: Start, tmp_path: Path) -> None:
    """The check reads it, the gate shows it, the tree has the pointer, and git-lfs finds the content at the target.

    The plan gate says that checks see what is kept, and what nobody has changed is pushed as the pointer that it was.
    """
    lfs.program()
    origin, work = sample(tmp_path / "sample"), tmp_path / "sample" / "work"
    old, new = b"name,cents\ntea,320\n", b"name,cents\ntea,330\n"
    test = f"def test_it():\n    assert open('prices.csv', 'rb').read() in ({old!r}, {new!r})\n"
    test += f"    assert open('big.bin', 'rb').read() == {BINARY!r}\n"
    rules = b"*.csv filter=lfs diff=lfs merge=lfs -text\n" + lfs.RULES
    files = {"prices.csv": lfs.pointer(old), "big.bin": lfs.pointer(BINARY), "tests/test_prices.py": test.encode()}
    for name, data in {".gitattributes": rules, **files}.items():
        (work / name).write_bytes(data)
    git(work, "-c", "filter.lfs.clean=cat", "add", "--all")
    git(work, "commit", "--quiet", "--message=Files")
    git(work, "push", "--quiet", str(origin), "main")
    for kept in (old, BINARY):
        lfs.keep(origin / "lfs" / "objects", kept)
    edits = calls(call("edit_file", path="prices.csv", old="tea,320", new="tea,330"))
    planner = says("planner", answer(plan(item("fix", ["shop/pricing.py", "prices.csv"]))))
    async with start(planner, writer("fix", FIX, edits), a_tester(), check=None) as stack:
        run = await stack.deliver(origin, branch="lfs")
        planned = await stack.approve(run, "plan-1")
        view = await stack.gate(run, "change-1")
        await stack.decide(view)
        report = await run.result()
        said = await stack.said(run)
    assert (report.state, report.tests.verdict) == ("done", "passed"), said
    [kept_there] = [one for one in planned.facts if "kept with Git LFS" in one]
    assert kept_there.startswith("2 files are kept with Git LFS, such as ")
    assert kept_there.endswith(": checks see the content; what agents write there is uploaded with the push")
    assert stored(origin, "lfs")[b"big.bin"][1] == lfs.pointer(BINARY)
    (fact,) = (one for one in view.facts if one.startswith("kept with Git LFS, not in the diff, and uploaded with the push"))
    assert "prices.csv (19 bytes" in fact
    assert "tea,330" in fact
    assert not any("nobody here has seen" in one for one in view.facts)
    assert stored(origin, "lfs")[b"prices.csv"][1] == lfs.pointer(new)
    oid = lfs.digest(new)
    there = origin / "lfs" / "objects" / oid[:2] / oid[2:4] / oid
    assert there.exists(), "the branch is there without its content"
    assert there.read_bytes() == new
