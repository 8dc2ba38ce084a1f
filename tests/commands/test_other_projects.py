"""Projects that are not Python, from `baton deliver` to the pushed branch: their own check, and a gate that tells the truth."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.commands.conftest import Baton, Serve
from tests.depth import soak
from tests.repositories import plain, repository
from tests.scripts import a_tester, answer, edit, item, plan, says, writer
from tests.stack import git

Files = dict[str, bytes]

JS: Files = {
    "price.js": b"function total(cents, percent) {\n  return cents\n}\n\nmodule.exports = { total }\n",
    "test/price.test.js": b"const test = require('node:test')\nconst assert = require('node:assert')\n"
    b"const { total } = require('../price.js')\n\n"
    b"test('no discount', () => assert.strictEqual(total(1000, 0), 1000))\n",
}
BLIND = {"test/price.test.js": b"require('node:test')('nothing', () => {})\n"}
NODE = {"package.json": b'{"name": "shop", "version": "1.0.0"}\n'}
NPM = {"package.json": json.dumps({"name": "shop", "scripts": {"test": "node --test test/"}}).encode()}
SHELL: Files = {
    "Makefile": b"test:\n\tsh check.sh\n",
    "check.sh": b'. ./price.sh\n[ "$(total 1000 0)" = 1000 ] || exit 1\necho fine\n',
    "price.sh": b'total() {\n  echo "$1"\n}\n',
}
LESS = ("return cents", "return cents - Math.floor((cents * percent) / 100)")
LESS_SHELL = ('echo "$1"', "echo $(($1 - $1 * $2 / 100))")


@dataclass(frozen=True)
class Project:
    """One project, the file that is changed with its old and new text, and what the two gates say of it."""

    name: str
    files: Files
    path: str
    change: tuple[str, str]
    check: str
    found: str
    verdict: str
    says: tuple[str, ...]
    risk: str
    needs: str


PROJECTS = [
    *soak(
        Project(
            *("node --test", JS | NODE, "price.js", LESS, "node --test", "package.json and test/price.test.js", "passed"),
            ("changed lines made to raise an error: the check noticed 1 of 1 place",),
            *("low", "node"),
        ),
    ),
    Project(
        *(
            "npm, a blind test",
            JS | NPM | BLIND,
            "price.js",
            LESS,
            "npm test --silent",
            "package.json scripts.test",
            "not_proven",
        ),
        ("no test notices when these changed lines raise an error, or the file is emptied: price.js:2",),
        *("high", "npm"),
    ),
    Project(
        *("make", SHELL, "price.sh", LESS_SHELL, "make test", "Makefile target test", "passed"),
        ("changed lines made to raise an error: the check noticed 1 of 1 place",),
        *("low", "make"),
    ),
]


@pytest.mark.parametrize("project", PROJECTS, ids=[one.name for one in PROJECTS])
async def test_a_project_that_is_not_python_is_delivered(baton: Baton, serve: Serve, tmp_path: Path, project: Project) -> None:
    """Its own check is found, run on the base and on the change, and proven or not; what was approved is what was pushed."""
    if shutil.which(project.needs) is None:
        pytest.skip(f"{project.needs} is not installed")
    source = repository(tmp_path / "shop", project.files)
    plain(tmp_path, "clone", "--quiet", "--bare", str(source), "origin.git")
    origin = tmp_path / "origin.git"
    script = (
        says("planner", answer(plan(item("fix", [project.path])))),
        writer("fix", edit(project.path, *project.change)),
        a_tester(),
    )
    async with serve(*script):
        asked = ("deliver", "-r", str(origin), "-i", "Take the discount off", "--branch", "less", "--wait-for-gate", "--json")
        started = await baton.live(*asked)
        assert started.json["gates"] == ["plan-1"], started.out + started.err
        run = started.json["run"]
        planned = (await baton.live("show", run, "--gate", "plan-1", "--json")).json["gate"]
        assert f"check: {project.check} ({project.found})" in started.err
        assert f"check: {project.check}; on the base: exit code 0" in planned["facts"]
        assert (await baton.live("approve", run, "--yes")).code == 0
        waiting = await baton.live("result", run, "--wait-for-gate", "--json")
        assert waiting.json["gates"] == ["change-1"], waiting.out + waiting.err
        gate = (await baton.live("show", run, "--gate", "change-1", "--json")).json["gate"]
        facts = "\n".join(gate["facts"])
        assert f"tests: {project.verdict}: {project.check}: exit code 0" in facts
        assert gate["risk"].startswith(f"{project.risk}: "), gate["risk"]
        for said in project.says:
            assert said in facts
        assert (await baton.live("approve", run, "--yes")).code == 0
        ended = await baton.live("result", run, "--wait", "--json")
        assert ended.code == 0, ended.out + ended.err
    before = project.files[project.path].decode()
    assert git(origin, "show", f"less:{project.path}") == before.replace(*project.change).strip()
    assert git(origin, "diff", "--name-only", "main", "less") == project.path
