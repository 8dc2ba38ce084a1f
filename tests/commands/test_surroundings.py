"""What surrounds a command: encodings of terminals, closed outputs, other people's folders, a PYTHONPATH, install paths."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from commands.server import ROOT
from tests import depth
from tests.children import PATIENCE
from tests.commands.conftest import Baton, Begin, Ran
from tests.stack import git

BATON = Path(sys.prefix) / "bin" / "baton"
INSTRUCTION = "Grüße — 5 € → Σ"
FITS = {"latin-1": "Grüße", "ascii": "Gr"}
"""The part of it that comes before the first character that the encoding lacks."""

NO_RIGHTS = "-dac_override,-dac_read_search,-net_bind_service"
"""Capabilities by which root reads and writes everything, and has every port."""


def ran(command: Sequence[str | Path], **how: object) -> Ran:
    """Run a program to its end; bytes that are not UTF-8 are shown as `\\xe9`."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False, **how)  # type: ignore[call-overload]
    return Ran(done.returncode, *(said.decode(errors="backslashreplace") for said in (done.stdout, done.stderr)))


def as_ordinary_user(*arguments: str) -> list[str]:
    """The command line for somebody who is not root; for root itself one who has the rights of an ordinary user."""
    command = [sys.executable, str(ROOT / "starter.py"), *arguments]
    return command if os.geteuid() else ["setpriv", f"--bounding-set={NO_RIGHTS}", *command]


@pytest.fixture(scope="session")
def latin_1(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The variables of a German terminal of before UTF-8. The locale is made here; no machine has to have it."""
    folder = tmp_path_factory.mktemp("locales")
    command = ["localedef", "-i", "de_DE", "-f", "ISO-8859-1", str(folder / "de_DE.ISO-8859-1")]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return {"LOCPATH": str(folder), "LC_ALL": "de_DE.ISO-8859-1", "LANG": "de_DE.ISO-8859-1"}


@pytest.mark.parametrize("encoding", ["latin-1", *depth.soak("ascii")])
def test_characters_that_do_not_fit_are_replaced(baton: Baton, begin: Begin, latin_1: Mapping[str, str], encoding: str) -> None:
    """A terminal that lacks a character shows another in its place; JSON has an escape and loses none."""
    run = begin(input={"instruction": INSTRUCTION})
    variables = dict(latin_1) if encoding == "latin-1" else {"PYTHONIOENCODING": "ascii"}
    command = [sys.executable, str(ROOT / "starter.py")]
    table = subprocess.run(
        [*command, "runs"], env={**os.environ, **variables}, capture_output=True, timeout=PATIENCE, check=False
    )
    assert table.returncode == 0, table.stderr
    assert FITS[encoding] in table.stdout.decode(encoding)
    assert "5 ? ? ?" in table.stdout.decode(encoding)
    as_json = ran([*command, "show", run, "--json"], env={**os.environ, **variables})
    assert as_json.code == 0, as_json.err
    assert json.loads(as_json.out)["input"]["instruction"] == INSTRUCTION


def test_files_of_ours_are_read_as_utf_8_everywhere(baton: Baton, latin_1: Mapping[str, str]) -> None:
    """The digests of agents that were released are the same in a locale that is not UTF-8, and what they say is as written."""
    command = ("agents", "show", "planner", "--json")
    here, there = baton(*command), ran([sys.executable, str(ROOT / "starter.py"), *command], env={**os.environ, **latin_1})
    assert (here.code, there.code) == (0, 0), there.err
    assert json.loads(here.out) == json.loads(there.out)


@pytest.mark.parametrize("arguments", ["runs", "deliver -r . -i Fix --json"])
def test_a_closed_output_is_refused_before_anything_is_done(baton: Baton, arguments: str) -> None:
    """`>&-`: exit 2 with what to do, not a traceback, and no file of ours takes the place of the output."""
    done = ran(["sh", "-c", f'"$0" "$1" {arguments} >&-', sys.executable, str(ROOT / "starter.py")])
    assert (done.code, done.out) == (2, "")
    assert "standard output is closed" in done.err
    assert "Traceback" not in done.err
    assert not baton.state.exists()


def test_closed_inputs_and_error_outputs_are_no_trouble(baton: Baton) -> None:
    """`<&- 2>&-`: the command does what it does, with nothing to read and nowhere to complain."""
    done = ran(["sh", "-c", '"$0" "$1" context list --json <&- 2>&-', sys.executable, str(ROOT / "starter.py")])
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["in_force"] == "default"


def test_an_output_that_is_full_is_said(baton: Baton) -> None:
    """`>/dev/full`: the reason, no traceback, and not the exit code of success."""
    for arguments in ("context list", "context list --json"):
        done = ran(["sh", "-c", f'"$0" "$1" {arguments} >/dev/full', sys.executable, str(ROOT / "starter.py")])
        assert done.code == 1
        assert "the output cannot be written: No space left on device" in done.err
        assert "Traceback" not in done.err


FOLDERS = [("another user's", "runs"), ("read-only", "up"), *depth.soak(("another user's", "up"), ("read-only", "runs"))]


@pytest.mark.parametrize(("whose", "command"), FOLDERS)
def test_a_folder_that_this_user_may_not_use_is_named(baton: Baton, tmp_path: Path, whose: str, command: str) -> None:
    """State of somebody else, or without the right to write: exit 2, which folder, which user, what to do."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    if whose == "another user's" and os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
        folder.chmod(0o700)
    else:
        folder.chmod(0o500)
    try:
        done = ran(as_ordinary_user(command), env={**os.environ, "BATON_STATE": str(folder)})
        assert done.code == 2, done.err
        assert str(folder) in done.err
        assert "user " in done.err
        assert "unexpected" not in done.err
    finally:
        folder.chmod(0o700)


def test_a_worker_that_cannot_use_its_state_folder_says_so(baton: Baton) -> None:
    """`python worker.py`, too: exit 2, the folder and what to do, without a traceback."""
    baton.state.write_text("not a folder")
    done = ran([sys.executable, str(ROOT / "worker.py")])
    assert done.code == 2
    assert done.err.startswith(f"baton worker: the state folder {baton.state} cannot be used: {baton.state} is a file")
    assert "Traceback" not in done.err


def test_a_file_of_somebody_else_in_the_state_folder_is_named(baton: Baton) -> None:
    """A log that another user has left, as after one `sudo baton up`: the log is named, not the program."""
    (baton.state / "logs").mkdir(parents=True)
    log = baton.state / "logs" / "server.log"
    log.touch()
    log.chmod(0o400)
    if os.geteuid() == 0:
        os.chown(log, 65534, 65534)
    done = ran(as_ordinary_user("up", "--port", "1025", "--ui-port", "1026"))
    assert (done.code, f"{log}: Permission denied (user" in done.err) == (2, True), done.err


def test_a_repository_that_may_not_be_read_is_named(baton: Baton, tmp_path: Path) -> None:
    """Of another user, closed to all: exit 2, the folder and the user, before anything is started."""
    folder = tmp_path / "closed"
    folder.mkdir()
    git(folder, "init", "--quiet")
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
    folder.chmod(0o000)
    try:
        done = ran(as_ordinary_user("deliver", "-r", str(folder), "-i", "Fix it"))
    finally:
        folder.chmod(0o700)
    assert (done.code, f"--repository: {folder} cannot be read" in done.err) == (2, True), done.err
    assert "(user " in done.err


def test_a_port_for_root_alone_is_named(baton: Baton) -> None:
    """`--port 80` as an ordinary user: not "in use", but whose it is and which to choose."""
    first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if first == 0:
        pytest.skip("on this machine every user may have every port")
    for ports in (("--port", "7400", "--ui-port", str(first - 1)), *depth.soak(("--port", str(first - 1)))):
        done = ran(as_ordinary_user("up", *ports))
        assert (done.code, f"port {first - 1} is for root alone" in done.err) == (2, True), done.err


MODULES = ("config", "connection", "contexts", "logs", "places", "worker", "starter", "activities", "contracts", "ledger")
PACKAGES = ("commands", "agents", "workflows", "tests")


INSTALLED = ("typing_extensions", "yaml", "pydantic", "sqlalchemy", "structlog", "typer", "rich", "temporalio")
THEIRS = {
    "all": [(name, f"{name}/__init__.py") for name in PACKAGES] + [(name, f"{name}.py") for name in (*MODULES, *INSTALLED)],
    "modules": [(name, f"{name}.py") for name in (*MODULES, *PACKAGES)],
    "packages": [(name, f"{name}/__init__.py") for name in (*MODULES, *PACKAGES)],
    "installed": [(name, f"{name}.py") for name in INSTALLED],
}
"""What somebody else has of the same names, and in which file."""


@pytest.mark.parametrize("kind", ["all", *depth.soak("modules", "packages", "installed")])
def test_a_pythonpath_hides_nothing_of_ours(baton: Baton, tmp_path: Path, kind: str) -> None:
    """Neither modules and packages of the same names in a PYTHONPATH are what `baton` loads, nor those in the folder.

    Nor older versions of what it was installed with, as a distribution's tools put them there.
    """
    for folder in (tmp_path / "theirs", baton.folder):
        folder.mkdir(exist_ok=True)
        for name, file in THEIRS[kind]:
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(f"raise SystemExit('somebody else was asked for {name}')\n")
    for arguments in (("runs",), ("agents", "list", "--json")):
        done = ran([BATON, *arguments], env={**os.environ, "PYTHONPATH": str(tmp_path / "theirs")})
        assert done.code == 0, done.err
        assert "somebody else" not in done.out + done.err


def test_nothing_of_ours_is_found_by_a_repositorys_python(tmp_path: Path) -> None:
    """With Baton's environment first on PATH, `from tests.helpers import …` is the repository's, and `config` is nobody's."""
    names = (*MODULES, *PACKAGES, "benchmarks", "converter", "model_choice", "search_attributes")
    program = f"import importlib.util; print([name for name in {names!r} if importlib.util.find_spec(name)])"
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = ran([sys.executable, "-c", program], cwd=tmp_path, env=alone)
    assert done.out.strip() == "[]", done.err
    assert all(importlib.util.find_spec(name) for name in MODULES), "and the names are ours"
    tests = tmp_path / "shop" / "tests"
    tests.mkdir(parents=True)
    (tests / "helpers.py").write_text("VALUE = 4\n")
    (tests / "test_one.py").write_text("from tests.helpers import VALUE\n\n\ndef test_it():\n    assert VALUE == 4\n")
    for program_of in ("python -m pytest", "pytest --rootdir=. -o pythonpath=."):
        path = f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}"
        done = ran([*program_of.split(), "-q", "-p", "no:cacheprovider"], cwd=tmp_path / "shop", env={**alone, "PATH": path})
        assert (done.code, "1 passed" in done.out) == (0, True), done.out


NAMES = ("100% dir", "a#b ?c %(here)s", "{0} %s ${HOME}", "%%(x)s;'\"ü")


def test_an_install_path_may_hold_what_means_something_elsewhere(baton: Baton, tmp_path: Path) -> None:
    """A clone into `100% dir`, `a#b ?c %(here)s` and others: ledgers are made and read there, and a worker starts."""
    for name in (" ".join(NAMES), *depth.soak(*NAMES)):
        clone = tmp_path / name
        shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(".*", "tests", "benchmarks", "docs", "examples", "deploy"))
        state = tmp_path / f"state of {name}"
        (state / "elsewhere").mkdir(parents=True)
        make = "import sys; sys.path.insert(0, sys.argv[1]); import config, ledger.db, ledger.migrate; found = config.load(); "
        make += "ledger.migrate.upgrade(ledger.db.Ledger(found.database, found.artifacts))"
        variables = {**os.environ, "BATON_STATE": str(state)}
        made = ran([sys.executable, "-c", make, str(clone)], env=variables)
        assert made.code == 0, made.err
        done = ran([sys.executable, str(clone / "starter.py"), "runs"], env=variables)
        assert (done.code, "no runs" in done.err) == (0, True), done.err
        assert (state / "ledger.db").exists()
        working = ran([sys.executable, str(clone / "worker.py")], env=variables)
        assert (working.code, "Temporal at" in working.err) == (6, True), working.err
