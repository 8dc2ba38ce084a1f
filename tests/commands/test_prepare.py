"""`baton prepare`: environments that pip and npm really make of what a repository declares, without a network."""

import json
import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest

from activities.repositories.preparing import MARKER
from tests import depth, forks
from tests.children import PATIENCE
from tests.commands.conftest import Baton
from tests.repositories import plain, repository
from tests.wheels import npm_registry, wheel, wheelhouse

USES = b"import prices\n\ndef test_a(): assert prices.VALUE == 7\n"
PYTHON = (
    {"pyproject.toml": b"[project]\nname = 'shop'\ndependencies = ['prices>=1']\n", "tests/test_a.py": USES},
    *depth.soak(
        {"requirements.txt": b"-r requirements/base.txt\n", "requirements/base.txt": b"prices\n", "test_a.py": USES},
        {"tox.ini": b"[testenv]\ndeps = prices\ncommands = pytest\n", "src/shop/__init__.py": b"", "tests/test_a.py": USES},
        {
            "setup.cfg": b"[options.extras_require]\ntest = prices\n",
            "t/tests.py": b"from unittest import TestCase\nimport prices\n\n"
            b"class All(TestCase):\n    def test_a(self): self.assertEqual(prices.VALUE, 7)\n",
        },
    ),
)
"""What is read of each kind of file is in `tests/activities/repositories/test_declared.py`; here one is installed."""
ABOUT = {"name": "echoing", "version": "1.0.0", "bin": {"echoing": "run.js"}, "scripts": {"install": "echo > ran"}}
ECHO = {
    "package.json": json.dumps(ABOUT),
    "index.js": "module.exports = 7\n",
    "run.js": "#!/usr/bin/env node\nconsole.log('ran', process.argv[2])\n",
}
REQUIRES, IMPORTS = "process.exit(require('echoing') - 7)", "import seven from 'echoing'; process.exit(seven - 7)"
NODE: tuple[tuple[dict[str, object], dict[str, str]], ...] = (
    (
        {"scripts": {"test": "echoing all && node a.js && node b.mjs"}, "devDependencies": {"echoing": "^1.0.0"}},
        {"a.js": REQUIRES, "b.mjs": IMPORTS},
    ),
    *depth.soak(
        ({"scripts": {"test": "node check.js"}, "dependencies": {"echoing": "*"}}, {"check.js": REQUIRES}),
        ({"type": "module", "dependencies": {"echoing": "1.x"}}, {"test.js": IMPORTS}),
    ),
)


@pytest.fixture
def offline(baton: Baton, tmp_path: Path) -> Path:
    """pip finds what it needs in a folder, and nothing anywhere else; the folder."""
    house = wheelhouse(tmp_path / "wheels")
    wheel(house, "prices", "1.4", {"prices.py": "VALUE = 7\n"})
    wheel(house, "prices", "1.5", {"prices.py": "VALUE = 8\n"})
    (tmp_path / "pins.txt").write_text("prices<1.5\n")
    baton.set(PIP_NO_INDEX="1", PIP_FIND_LINKS=house, PIP_CONSTRAINT=tmp_path / "pins.txt", PIP_CONFIG_FILE="/dev/null")
    return house


@pytest.mark.parametrize("files", PYTHON, ids=[" ".join(files) for files in PYTHON])
def test_a_check_that_lacks_a_package_names_the_way_and_it_works(
    baton: Baton, tmp_path: Path, offline: Path, files: dict[str, bytes]
) -> None:
    """Alone the check cannot run and says `baton prepare`; that makes the environment; with it the check proves something."""
    source = repository(tmp_path / "shop", files)
    alone = baton("checks", str(source), "--json")
    assert (alone.code, "the Python package prices is not in the environment" in alone.json["mend"]) == (1, True)
    assert "baton prepare PATH" in alone.json["mend"]
    made = baton("prepare", str(source), "--yes", "--json")
    assert (made.code, made.json["made"]) == (0, True), made.err
    assert made.json["python"][-1].startswith("prices")
    marker = Path(made.json["folder"]) / MARKER
    os.utime(marker, (1, 1))
    proven = baton("checks", str(source), "--environment", made.json["folder"], "--json")
    assert (proven.code, proven.json["usable"], proven.json["ran"]["total"]) == (0, True, 1), proven.json
    assert proven.json["needs"] == []
    assert marker.stat().st_mtime > 1  # used, so that no worker removes it
    again = baton("prepare", str(source), "--yes", "--json").json
    assert (again["folder"], again["made"]) == (made.json["folder"], False)
    assert plain(source, "status", "--porcelain") == ""


@pytest.mark.parametrize(("package", "more"), NODE, ids=[str(row[0]) for row in NODE])
def test_npm_packages_are_found_from_the_checkout(
    baton: Baton, tmp_path: Path, package: dict[str, object], more: dict[str, str]
) -> None:
    """Programs, `require` and `import` find what npm installed beside the checkout, and no script of a package has run."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    files = {"package.json": json.dumps(package).encode(), **{name: text.encode() for name, text in more.items()}}
    source = repository(tmp_path / "shop", files)
    assert baton("checks", str(source), "--json").code == 1
    with npm_registry({"echoing": ECHO}) as address:
        baton.set(npm_config_registry=address, npm_config_cache=tmp_path / "cache")
        made = baton("prepare", str(source), "--yes", "--into", str(tmp_path / "made"), "--json")
    assert (made.code, [one.split("@")[0] for one in made.json["npm"]]) == (0, ["echoing"]), made.err
    assert not (tmp_path / "made" / "node_modules" / "echoing" / "ran").exists()
    proven = baton("checks", str(source), "--environment", str(tmp_path / "made"), "--json")
    assert (proven.code, proven.json["usable"]) == (0, True), proven.json


def test_the_list_is_shown_before_anything_is_installed(baton: Baton, tmp_path: Path, offline: Path) -> None:
    """At a terminal one is asked, and no installs nothing; without one `--yes` is wanted; what is left out is named."""
    files = {"requirements.txt": b"prices\nother @ https://example.org/o.whl\n", "test_a.py": USES}
    source = repository(tmp_path / "shop", files)
    refused = baton("prepare", str(source))
    assert (refused.code, "add --yes" in refused.err) == (2, True)
    asked = baton.process("prepare", str(source), "--into", str(tmp_path / "made"), typed=[("Install these into", "n\n")])
    assert asked.code == 5
    for part in ("prices", "left out", "other @ https://example.org/o.whl"):
        assert part in asked.out
    assert not (tmp_path / "made").exists()


def test_a_question_that_nobody_can_see_is_not_asked(baton: Baton, tmp_path: Path, offline: Path) -> None:
    """Somebody may type while what is asked goes into a file: `--yes` is wanted, and nothing is installed."""
    source = repository(tmp_path / "shop", {"requirements.txt": b"prices\n", "test_a.py": USES})
    command = [*forks.program(), "prepare", str(source), "--into", str(tmp_path / "made")]
    ours, theirs = pty.openpty()
    try:
        os.write(ours, b"y\n")
        done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, timeout=PATIENCE)
    finally:
        os.close(ours)
        os.close(theirs)
    assert (done.returncode, "add --yes" in done.stderr) == (2, True)
    assert not (tmp_path / "made").exists()


def test_what_cannot_be_installed_is_refused_with_the_installers_words(baton: Baton, tmp_path: Path, offline: Path) -> None:
    """Exit code 5 and the package; the folder does not count as an environment, and can be made again."""
    source = repository(tmp_path / "shop", {"requirements.txt": b"not-there-at-all\n", "test_a.py": USES})
    ran = baton("prepare", str(source), "--yes")
    assert (ran.code, "not-there-at-all" in ran.err, "unexpected" in ran.err) == (5, True, False)
    wheel(offline, "not_there_at_all", "1", {"there.py": ""})
    assert baton("prepare", str(source), "--yes").code == 0


WRONG: list[tuple[tuple[str, ...], int, str]] = [
    (("nowhere",), 2, "there is no folder"),
    (("empty", "--yes"), 3, "nothing to install"),
    (("good", "--yes", "--into", "good"), 5, "was not made by this command"),
    (("good", "--base", "nope", "--yes"), 2, "nope"),
]


@pytest.mark.parametrize(("typed", "code", "said"), WRONG, ids=[" ".join(row[0]) for row in WRONG])
def test_wrong_inputs_are_named(baton: Baton, typed: tuple[str, ...], code: int, said: str) -> None:
    """What is wrong and what to do; a folder that somebody else made is not touched."""
    repository(baton.folder / "good", {"requirements.txt": b"prices\n"})
    repository(baton.folder / "empty", {"README.md": b"x"})
    ran = baton("prepare", *typed)
    assert (ran.code, said in ran.out + ran.err) == (code, True), ran
    assert (baton.folder / "good" / "requirements.txt").read_bytes() == b"prices\n"


def test_installers_see_none_of_the_operators_secrets(baton: Baton, tmp_path: Path) -> None:
    """pip and npm get their own settings and nothing else of the environment."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "npm").write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\nmkdir node_modules\n")
    (programs / "npm").chmod(0o755)
    source = repository(tmp_path / "shop", {"package.json": b'{"dependencies": {"a": "1"}}'})
    baton.set(
        PATH=f"{programs}:/usr/bin:/bin", OPENAI_API_KEY="sk-secret", MY_TOKEN="t0ken", npm_config_registry="http://127.0.0.1:9"
    )
    assert baton("prepare", str(source), "--yes").code == 0
    seen = (tmp_path / "seen").read_text()
    assert "npm_config_registry=http://127.0.0.1:9" in seen
    assert "secret" not in seen
    assert "t0ken" not in seen
