"""Outside programs in the sandbox, friendly and hostile: what they are given, what counts of it, and what is left of them."""

import asyncio
import json
import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.git import Mirrors
from activities.repositories.workspaces import Workspaces
from activities.sandbox import Sandbox
from activities.tools.base import ToolContext, ToolOutcome, ToolProblem
from activities.tools.program import ANSWERING, WRITING
from activities.tools.programs import Programs
from contracts.programs import ProgramCall, ProgramRan, ProgramSetting, ProgramTask
from contracts.repositories import WorkspaceRef
from tests.activities.actions.servers import web
from tests.repositories import plain, repository

NAME = "01990000-trace/write/item-1"
SECRET = "sk-0123456789abcdef"
TASK = ProgramTask(
    agent="writer",
    instruction="Fix it",
    takes="write_task/1",
    task={"n": 1},
    returns="write_summary/1",
    body_schema={},
    writes=True,
)
DONE = 'print(\'{"outcome": "done", "summary": "did it", "confidence": 700}\')'


@dataclass
class Place:
    """A workspace on a machine of its own, and what runs programs there."""

    workspaces: Workspaces
    ref: WorkspaceRef

    async def run(self, text: str, variables: Mapping[str, str] | None = None, **more: Any) -> tuple[ProgramRan, str, bytes]:
        """How a program in Python ends, its output, and the change that stays of it."""
        done, patch = await self.outcome(text, variables, **more)
        assert isinstance(done.result, ProgramRan)
        return done.result, done.sources[0].data.decode(), patch

    async def outcome(
        self,
        text: str,
        variables: Mapping[str, str] | None = None,
        *,
        check: str = "",
        prepared: Path | None = None,
        **more: Any,
    ) -> tuple[ToolOutcome, bytes]:
        """The outcome of the tool in the workspace, made anew before. `check` and what is `prepared` for it are the step's."""
        table: dict[str, Any] = {"about": "a test", "argv": ("python3", "-c", text)} | more
        names = {name: name for name in variables or {}}
        programs = Programs({"ours": ProgramSetting(**table, variables=names)}, (variables or {}).__getitem__)
        self.workspaces.remove(NAME)
        folder = self.workspaces.ensure(NAME, self.ref, None, lambda _: b"")
        self.workspaces.begin_change(NAME)

        async def patch() -> bytes:
            return await asyncio.to_thread(self.workspaces.patch, NAME)

        given = {"sandbox": Sandbox.find(), "programs": programs, "patch": patch, "environment": prepared}
        context = ToolContext("t", "p", "writer", folder, **given)  # type: ignore[arg-type]  # each as it is declared
        task = TASK.model_copy(update={"check": check})
        done = await WRITING.call(context, ProgramCall(program="ours", task=task).stored())
        return done, b"" if done.undone else await patch()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A workspace of two files."""
    source = repository(tmp_path / "source", {"a.txt": b"1\n", "b.txt": b"b\n"})
    workspaces = Workspaces(tmp_path / "workspaces", Mirrors(tmp_path / "mirrors"))
    return Place(workspaces, WorkspaceRef(repository=str(source), base=plain(source, "rev-parse", "HEAD")))


async def test_it_is_given_its_task_and_what_it_leaves_is_the_change(place: Place) -> None:
    """The task is one JSON object on its input; its last line says how it went, and words of others behind it do no harm."""
    text = f"""
import json, os, sys
told = json.load(sys.stdin)
assert told["version"] == "program_task/1" and told["task"] == {{"n": 1}} and told["writes"], told
open("a.txt", "a").write(told["agent"] + "\\n")
assert sorted(name for name in os.environ if "KEY" in name) == ["KEY"], os.environ
print("the key is", os.environ["KEY"])
{DONE}
print("a warning at exit", file=sys.stderr)
"""
    ran, output, patch = await place.run(text, {"KEY": SECRET})
    assert (ran.outcome, ran.summary, ran.confidence, ran.exit_code) == ("done", "did it", 700, 0), ran
    assert b"+writer" in patch
    assert "the key is [KEY]" in output
    assert SECRET not in output + ran.end_of_output


async def test_who_says_nothing_is_done_and_neither_sure_nor_unsure(place: Place) -> None:
    """Without a last line the diff speaks for itself; `unsure` keeps the change, with its reason."""
    ran, _, patch = await place.run("open('a.txt', 'a').write('2\\n')")
    assert (ran.outcome, ran.confidence, ran.summary) == ("done", 500, "")
    assert b"+2" in patch
    said = json.dumps({"outcome": "unsure", "reason": "two ways"})
    ran, _, patch = await place.run(f"open('a.txt', 'a').write('2\\n'); print({said!r})")
    assert (ran.outcome, ran.reason) == ("unsure", "two ways")
    assert b"+2" in patch


WRITES = "open('a.txt', 'a').write('2\\n')\n"

FAILED = {
    "nothing changed": (f"{DONE}", "it changed nothing: did it"),
    "it says so": (WRITES + 'print(\'{"outcome": "could_not", "reason": "no idea"}\')', "no idea"),
    "no reason": (WRITES + 'print(\'{"outcome": "unsure"}\')', "gave no reason"),
    "exit code": (WRITES + "print('broken'); raise SystemExit(3)", "ours ended with 3: broken"),
    "a bad last line": (WRITES + 'print(\'{"outcome": "perfect"}\')', "no program_end/1"),
    "a huge body": (WRITES + 'print(\'{"outcome": "done", "body": {"x": "\' + \'x\' * 30000 + \'"}}\')', "more than 24000"),
    "it hangs": (WRITES + "import time; print('hm', flush=True); time.sleep(100000)", "did not end in time"),
    "a repository": (WRITES + "import os; os.makedirs('sub/.git')", "is a repository of its own"),
    "a pipe": (WRITES + "import os; os.mkfifo('pipe')", "no file, folder or link"),
    "an unreadable folder": (WRITES + "import os; os.mkdir('x'); os.chmod('x', 0)", "cannot be stored"),
    "an unreadable file": (WRITES + "import os; open('x', 'w'); os.chmod('x', 0)", "cannot be stored"),
    "its secret": ("import os; open('a.txt', 'a').write(os.environ['KEY'])", "holds the value of KEY"),
}


@pytest.mark.parametrize("case", FAILED)
async def test_what_did_not_end_well_leaves_nothing(place: Place, case: str) -> None:
    """The reason is said, and no file of it stays."""
    if case.startswith("an unreadable") and os.geteuid() == 0:
        # Root reads all: then it is an ordinary change.
        ran, _, patch = await place.run(FAILED[case][0])
        assert (ran.outcome, b"+2" in patch) == ("done", True)
        return
    text, why = FAILED[case]
    limit = timedelta(seconds=2) if case == "it hangs" else timedelta(minutes=1)
    ran, _, patch = await place.run(text, {"KEY": SECRET}, timeout=limit)
    assert ran.outcome == "could_not"
    assert why in ran.reason
    assert patch == b""


async def test_a_hostile_program_reaches_nothing_outside_and_leaves_no_process(place: Place, tmp_path: Path) -> None:
    """It forks, prints without end, writes outside, plants hooks and links that lead out: its change is its files alone."""
    text = f"""
import os, subprocess, sys
for name in ("/workspace/../out", "/usr/out", "/etc/out", "/baton/out", {str(tmp_path / "out")!r}):
    try:
        open(name, "w").write("x")
        print("WROTE", name)
    except OSError:
        pass
os.makedirs(".git/hooks")
open(".git/hooks/post-index-change", "w").write("#!/bin/sh\\ntouch {tmp_path}/hooked\\n")
os.chmod(".git/hooks/post-index-change", 0o755)
config = "[core]\\n\\tfsmonitor = touch {tmp_path}/monitored\\n"
open(".git/config", "w").write(config + "[filter \\"x\\"]\\n\\tclean = touch {tmp_path}/cleaned\\n")
open(".gitattributes", "w").write("* filter=x\\n")
os.symlink({str(tmp_path)!r}, "away")
os.symlink("/etc/passwd", "names")
open("tool", "w").write("#!/bin/sh\\n")
os.chmod("tool", 0o4755)
for _ in range(400):
    try:
        subprocess.Popen(["sleep", "{os.getpid()}00000"])
    except OSError:
        break
sys.stdout.write("x" * 5_000_000 + "\\n")
{DONE}
"""
    ran, output, patch = await place.run(text, output_kib=16)
    assert ran.outcome == "done", ran
    assert "WROTE" not in output
    assert len(output) < 20_000
    assert "left out" in output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mirrors", "source", "workspaces"]
    names = {line.split()[2].decode() for line in patch.splitlines() if line.startswith(b"diff --git")}
    assert names == {"a/.gitattributes", "a/away", "a/names", "a/tool"}
    assert b"root:" not in patch
    assert not [one for one in Path("/proc").glob("[0-9]*/cmdline") if f"{os.getpid()}00000".encode() in _read(one)]
    # Nobody but the worker gets near a program that could be run as it.
    assert stat.S_IMODE((tmp_path / "workspaces" / "files").stat().st_mode) == 0o700


UNITTEST = "python -m unittest -q test_it"

SPOILS = """
import os, subprocess, sys, flavour
site = os.path.dirname(flavour.__file__)
spoiled = ["import unittest; unittest.main = None\\n", "#!/bin/sh\\nexit 0\\n"]
for name in (site + "/sitecustomize.py", site + "/flavour.py", sys.prefix + "/bin/python", "/baton/check"):
    for act in (lambda: open(name, "w").write(spoiled[0]), lambda: os.remove(name), lambda: os.chmod(name, 0o777)):
        try:
            act()
            print("CHANGED", name)
        except OSError:
            pass
open("test_it.py", "w").write("import unittest, flavour\\nclass T(unittest.TestCase):\\n"
    "    def test(self): self.assertEqual(flavour.NAME, 'salt'); open('left', 'w')\\n")
print("check", subprocess.call(["/baton/check"]), os.path.exists("left"))
open("test_it.py", "a").write("    def test_more(self): self.fail(str('KEY' in __import__('os').environ))\\n")
print("check", subprocess.call(["/baton/check"]))
"""
"""Writes a test that needs the environment, runs the check on it, and tries to bend what it is going to be judged by."""


async def test_a_program_sees_what_is_prepared_for_the_check_and_cannot_change_it(place: Place, tmp_path: Path) -> None:
    """It imports the project's packages and runs the project's check, which leaves nothing in its folder and has none of its
    secrets; nothing of the environment, and not the way to run the check, can be written to."""
    prepared = venv(tmp_path / "prepared", {"flavour.py": "NAME = 'salt'\n"})
    before = contents(prepared)
    ran, output, patch = await place.run(SPOILS, {"KEY": SECRET}, check=UNITTEST, prepared=prepared)
    assert (ran.outcome, "CHANGED" in output) == ("done", False), output
    assert "check 0 False\n" in output
    assert "AssertionError: False" in output
    assert "check 1\n" in output
    assert contents(prepared) == before
    assert {line.split()[2] for line in patch.splitlines() if line.startswith(b"diff --git")} == {b"a/test_it.py"}


async def test_a_programs_own_environment_comes_before_the_checks(place: Place, tmp_path: Path) -> None:
    """Its programs are found first, then those of the check; the check is run with its own alone. Where nothing is prepared
    that is Baton's Python with pytest. Without a check there is no way to run one."""
    own = venv(tmp_path / "own", {"flavour.py": "NAME = 'pepper'\n"})
    (own / "bin" / "agent").write_text('#!/bin/sh\nexec python -c "$1"\n')
    (own / "bin" / "agent").chmod(0o755)
    prepared = venv(tmp_path / "prepared", {"flavour.py": "NAME = 'salt'\n"})
    for name in ("agent", "linter"):
        (prepared / "bin" / name).write_text("#!/bin/sh\necho lint\n")
        (prepared / "bin" / name).chmod(0o755)
    text = f"import flavour, subprocess; print(flavour.NAME, flush=True); subprocess.call(['linter'])\n{WRITES}"
    test = "open('test_it.py', 'w').write('import flavour\\ndef test(): assert flavour.NAME == \"salt\"\\n')\n"
    asks = f"{test}print('check', subprocess.call(['/baton/check']), flush=True)"
    more: dict[str, Any] = {"argv": ("agent", f"{text}{asks}"), "environment": own}
    imports = "python -c 'import test_it; test_it.test()'"
    ran, output, _ = await place.run("", check=imports, prepared=prepared, **more)
    assert (ran.outcome, output) == ("done", "pepper\nlint\ncheck 0\n")
    passes = "open('test_it.py', 'w').write('def test(): pass\\n')\n"
    runs = f"import os, subprocess\n{passes}print('check', subprocess.call(['/baton/check']), sorted(os.listdir()))"
    ran, output, _ = await place.run("", check="pytest -q", argv=("agent", runs), environment=own)
    assert (ran.outcome, "1 passed" in output, "check 0 ['a.txt', 'b.txt', 'test_it.py']" in output) == ("done", True, True), (
        output
    )
    piped = f"import subprocess; print('check', subprocess.call(['/baton/check']))\n{WRITES}"
    ran, output, _ = await place.run(piped, check='echo "it\'s $PWD" | grep -v /workspace | (cat; exit 3) | cat')
    assert (ran.outcome, output.count("it's /tmp/"), output.endswith("check 3\n")) == ("done", 1, True), output
    ran, output, _ = await place.run(f"import os; print(os.path.exists('/baton/check'))\n{WRITES}")
    assert (ran.outcome, output) == ("done", "False\n")


def venv(folder: Path, modules: Mapping[str, str]) -> Path:
    """A Python environment with these modules."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for name, text in modules.items():
        (site / name).write_text(text)
    return folder


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and content of each of its files."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes()) for path in files}


async def test_it_reaches_declared_hosts_and_no_other(place: Place) -> None:
    """By the proxy's variables; without hosts there is no way out at all, and the way is no part of its folder."""
    with web() as site, web() as other:
        text = f"""
import os, urllib.request as u
assert not os.path.exists(".baton")
for address in ({site.address!r}, {other.address!r}):
    try:
        print(u.urlopen(address + "/hook", b"1", timeout=20).status)
    except OSError as error:
        print(getattr(error, "code", "no way"))
{WRITES}
"""
        for hosts, said in (((site.address.removeprefix("http://"),), "201\n403\n"), ((), "no way\nno way\n")):
            ran, output, _ = await place.run(text, hosts=hosts)
            assert (ran.outcome, output) == ("done", said)
        assert (len(site.book), other.book) == (1, [])


async def test_a_step_without_a_workspace_is_answered_by_the_last_line() -> None:
    """It runs in an empty folder, whose files count for nothing."""
    text = 'import os; assert os.listdir() == []; open(\'x\', \'w\'); print(\'{"outcome": "done", "body": {"a": 1}}\')'
    programs = Programs({"ours": ProgramSetting(about="a test", argv=("python3", "-c", text))})
    context = ToolContext("t", "p", "mapper", sandbox=Sandbox.find(), programs=programs)
    done = await ANSWERING.call(context, ProgramCall(program="ours", task=TASK).stored())
    assert isinstance(done.result, ProgramRan)
    assert (done.result.outcome, done.result.body) == ("done", {"a": 1})


async def test_what_cannot_be_run_is_said(place: Place) -> None:
    """A program that is not there, one that no table declares, a variable that is not set, a worker without a sandbox."""
    ran, _, _ = await place.run("", argv=("no-such-agent", "--go"))
    assert (ran.outcome, "there is no such program in the sandbox" in ran.reason) == ("could_not", True)
    with pytest.raises(ToolProblem, match="which the worker does not have"):
        await place.run(DONE, {"KEY": ""})
    for sandbox, programs, why in (
        (Sandbox.find(), Programs(), "no program is called 'ours'"),
        (None, Programs(), "no sandbox"),
    ):
        context = ToolContext("t", "p", "a", sandbox=sandbox, programs=programs)
        with pytest.raises(ToolProblem, match=why):
            await ANSWERING.call(context, ProgramCall(program="ours", task=TASK).stored())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
