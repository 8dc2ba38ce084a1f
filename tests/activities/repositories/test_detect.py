"""Which checks a repository brings along: found in its files, without running any, whatever stands in them."""

import json
from pathlib import Path

import pytest

from activities.repositories import ecosystems
from activities.repositories.check_command import words_of
from activities.repositories.detection import detect
from activities.repositories.preparing import MARKER

PYTEST = "pytest -q"
MODULE = "python -m pytest -q"
NPM = "npm test --silent"
JEST = '{"scripts": {"test": "jest"}}'

Row = tuple[dict[str, str], str, str]

DECLARED: list[Row] = [
    ({"pytest.ini": ""}, PYTEST, "pytest.ini"),
    ({".pytest.ini": "[pytest]"}, PYTEST, ".pytest.ini"),
    ({"pyproject.toml": "[tool.pytest.ini_options]\n"}, PYTEST, "pyproject.toml [tool.pytest]"),
    ({"pyproject.toml": "[tool.pytest]\nminversion = '9'\n"}, PYTEST, "pyproject.toml [tool.pytest]"),
    ({"setup.cfg": "[metadata]\n[tool:pytest]\n"}, PYTEST, "setup.cfg [tool:pytest]"),
    ({"tox.ini": "[tox]\n[pytest]\n"}, PYTEST, "tox.ini [pytest]"),
    ({"package.json": '{"scripts": {"test": "node --test"}}'}, NPM, "package.json scripts.test"),
    ({"package.json": JEST, "package-lock.json": "{}"}, NPM, "package.json scripts.test, package-lock.json"),
    ({"package.json": JEST, "pnpm-lock.yaml": ""}, "pnpm test", "package.json scripts.test, pnpm-lock.yaml"),
    ({"package.json": JEST, "yarn.lock": ""}, "yarn test", "package.json scripts.test, yarn.lock"),
    ({"package.json": JEST, "bun.lock": ""}, "bun run test", "package.json scripts.test, bun.lock"),
    (
        {"package.json": '{"packageManager": "yarn@4.1.0", "scripts": {"test": "jest"}}', "package-lock.json": "{}"},
        "yarn test",
        "package.json scripts.test, packageManager",
    ),
    ({"Makefile": "build:\n\tcc x.c\n\ntest: build\n\t./run\n"}, "make test", "Makefile target test"),
    ({"GNUmakefile": ".PHONY: check\ncheck:: all\n\t./run\n"}, "make check", "GNUmakefile target check"),
    ({"makefile": "lint test docs:\n\t./$@\n"}, "make test", "makefile target test"),
    ({"makefile": "test: ; X=1 ./run\n"}, "make test", "makefile target test"),
    (
        {"Makefile": "-include gone.mk ci/common.mk\nall:\n", "ci/common.mk": "check:\n\t./run\n"},
        "make check",
        "ci/common.mk target check",
    ),
    ({"justfile": "build:\n  cc x.c\n\n@test *args: build\n  ./run\n"}, "just test", "justfile recipe test"),
    ({".justfile": "check level='1':\n  ./run\n"}, "just check", ".justfile recipe check"),
    ({"Justfile": "tests:\n  ./run\n"}, "just tests", "Justfile recipe tests"),
    ({"tox.ini": "[tox]\nenvlist = py3\n[testenv]\ncommands = python -m unittest\n"}, "tox", "tox.ini"),
    ({"tox.toml": "env_list = ['3.13']\n"}, "tox", "tox.toml"),
    ({"pyproject.toml": "[tool.tox]\nenv_list = ['3.13']\n"}, "tox", "pyproject.toml [tool.tox]"),
    ({"noxfile.py": "import nox\n\n@nox.session\ndef tests(session): ...\n"}, "nox", "noxfile.py"),
]

USUAL: list[Row] = [
    ({"Cargo.toml": "[package]\nname = 'x'\n"}, "cargo test", "Cargo.toml"),
    ({"go.mod": "module x\n"}, "go test ./...", "go.mod"),
    ({"build.gradle": "", "gradlew": "#!/bin/sh\n"}, "sh ./gradlew test --offline", "build.gradle and gradlew"),
    ({"build.gradle.kts": ""}, "gradle test --offline", "build.gradle.kts"),
    ({"pom.xml": "<project/>", "mvnw": "#!/bin/sh\n"}, "sh ./mvnw --batch-mode --offline test", "pom.xml and mvnw"),
    ({"pom.xml": "<project/>"}, "mvn --batch-mode --offline test", "pom.xml"),
    ({"deno.json": '{"tasks": {"test": "deno test -A"}}'}, "deno task test", "deno.json"),
    ({"deno.jsonc": "{} // none"}, "deno test", "deno.jsonc"),
    ({"Taskfile.yml": "version: '3'\ntasks:\n  test:\n    cmds: [./run]\n"}, "task test", "Taskfile.yml"),
    ({"Rakefile": "require 'rake/testtask'\nRake::TestTask.new\n"}, "rake test", "Rakefile"),
    ({"Rakefile": "task :test do\nend\n"}, "rake test", "Rakefile"),
    ({"composer.json": '{"scripts": {"test": "phpunit"}}'}, "composer test", "composer.json"),
    ({"Makefile.PL": "use ExtUtils::MakeMaker;"}, "prove -l", "Makefile.PL"),
    ({"mix.exs": "defmodule X do\nend\n"}, "mix test", "mix.exs"),
    ({"Package.swift": '.testTarget(name: "X")'}, "swift test", "Package.swift"),
    (
        {"CMakeLists.txt": "project(x C)\nenable_testing()\n"},
        "cmake -S . -B /tmp/build && cmake --build /tmp/build && ctest --test-dir /tmp/build --output-on-failure",
        "CMakeLists.txt",
    ),
    (
        {"backend/pyproject.toml": "", "backend/app/core.py": "", "backend/tests/test_core.py": ""},
        "pytest -q backend -o 'pythonpath=. backend'",
        "pyproject.toml and tests/test_core.py in backend/",
    ),
    (
        {"api/pyproject.toml": "[tool.pytest.ini_options]\n", "api/src/app/core.py": "", "api/tests/test_core.py": ""},
        "pytest -q api -o 'pythonpath=src api/src'",
        "pyproject.toml and tests/test_core.py in api/",
    ),
    (
        {"api/setup.cfg": "[tool:pytest]\npythonpath = lib\n", "api/tests/test_core.py": ""},
        "pytest -q api",
        "setup.cfg and tests/test_core.py in api/",
    ),
    ({"web/package.json": JEST}, "npm --prefix web test --silent", "package.json scripts.test in web/"),
    (
        {"web/package.json": JEST, "web/yarn.lock": ""},
        "npm --prefix web test --silent",
        "package.json scripts.test, which npm can run as well in web/",
    ),
    ({"lib/Makefile": "test:\n\t./run\n"}, "make -C lib test", "Makefile target test in lib/"),
    ({"core/Cargo.toml": ""}, "cargo test --manifest-path core/Cargo.toml", "Cargo.toml in core/"),
    ({"svc/go.mod": ""}, "go -C svc test ./...", "go.mod in svc/"),
    ({"pyproject.toml": "[project]\nname = 'x'\n", "test_x.py": ""}, PYTEST, "pyproject.toml and test_x.py"),
    ({"setup.py": "", "src/x/x_test.py": ""}, PYTEST, "setup.py and src/x/x_test.py"),
    ({"deep/below/test_a.py": ""}, PYTEST, "test files, such as deep/below/test_a.py"),
    ({"below/a_test.py": ""}, PYTEST, "test files, such as below/a_test.py"),
]

RUNS_PYTEST: list[Row] = [
    ({"tox.ini": "[testenv]\ncommands = pytest {posargs}\n", "tests/test_a.py": ""}, PYTEST, "tox.ini, which runs pytest"),
    (
        {"Makefile": "test:\n\t@python -m pytest tests\n", "tests/a_test.py": ""},
        PYTEST,
        "Makefile target test, which runs pytest",
    ),
    (
        {"noxfile.py": "@nox.session\ndef t(session):\n    session.run('pytest')\n", "test_a.py": ""},
        PYTEST,
        "noxfile.py, which runs pytest",
    ),
    ({"Makefile": "test:\n\tpython3 -m unittest -v\n", "test_a.py": ""}, PYTEST, "Makefile target test, which runs unittest"),
    (
        {"tox.ini": "[testenv]\ncommands = coverage run -m unittest discover\n", "tests/test_a.py": ""},
        PYTEST,
        "tox.ini, which runs unittest",
    ),
    (
        {"tox.toml": "env_run_base.commands = [['python', '-m', 'unittest']]\n", "a_test.py": ""},
        PYTEST,
        "tox.toml, which runs unittest",
    ),
    (
        {"noxfile.py": "@nox.session\ndef t(s):\n    s.run('python', '-m', 'unittest')\n", "tests/all_test.py": ""},
        PYTEST,
        "noxfile.py, which runs unittest",
    ),
]

CASES = "import unittest\n\nclass All(unittest.TestCase):\n    def test_a(self): pass\n"
UNUSUAL: list[Row] = [
    ({"setup.py": "", "tests/test.py": CASES}, f"{PYTEST} tests/test.py", "tests/test.py, which has test cases"),
    ({"setup.cfg": "", "shop/tests.py": CASES}, f"{PYTEST} shop/tests.py", "shop/tests.py, which has test cases"),
    ({"pyproject.toml": "", "t/testA.py": CASES, "t/testB.py": CASES}, f"{PYTEST} t/testA.py t/testB.py", "t/testA.py"),
    ({"setup.py": "", "tests/test two.py": CASES}, f"{PYTEST} 'tests/test two.py'", "tests/test two.py"),
    ({"Makefile": "test:\n\tpython -m unittest\n", "tests.py": CASES}, f"{PYTEST} tests.py", "which runs unittest"),
    ({"Makefile": "test:\n\tcoverage run ./t/test.py -v\n", "t/test.py": CASES}, f"{PYTEST} t/test.py", "which runs t/test.py"),
    (
        {"Makefile": "test:\n\tpython test/test.py\n", "test/test.py": CASES, "test/test_more.py": ""},
        f"{PYTEST} test/test.py",
        "which runs test/test.py",
    ),
    ({"manage.py": "os.environ['DJANGO_SETTINGS_MODULE'] = 'x'", "a/tests.py": CASES}, "python manage.py test", "manage.py"),
    (
        {"manage.py": "setdefault('DJANGO_SETTINGS_MODULE')", "setup.py": "", "a/test_a.py": ""},
        "python manage.py test",
        "manage.py",
    ),
    ({"package.json": "{}", "test.js": ""}, "node --test", "package.json and test.js"),
    ({"package.json": '{"name": "x"}', "test/a/b.mjs": ""}, "node --test", "package.json and test/a/b.mjs"),
    ({"package.json": '{"main": "a.js"}', "src/a.test.cjs": ""}, "node --test", "package.json and src/a.test.cjs"),
]

NOT_UNUSUAL: list[dict[str, str]] = [
    {"setup.py": "", "tests.py": "def test_a(): pass\n"},
    {"setup.py": "", "test/testlex.py": f"{CASES}\nunittest.main()\n"},
    {"tests.py": CASES},
    {"manage.py": "print('manager')\n"},
    {"test.js": ""},
    {"package.json": '{"name": "x"}', "latest.js": "", "contest/a.js": "", "node_modules/a/test.js": ""},
]

FOR_PEOPLE: list[tuple[dict[str, str], str]] = [
    ({"pytest.ini": "[pytest]\naddopts = --cov=shop --cov-report term -ra\n"}, "addopts=-ra"),
    ({"pytest.ini": "[pytest]\naddopts = --cov shop tests\n"}, "addopts=tests"),
    ({"setup.cfg": "[tool:pytest]\naddopts =\n    --cov=shop\n    # all\n    --cov-fail-under 90\n"}, "addopts="),
    ({"tox.ini": "[pytest]\naddopts = --no-cov-on-fail --strict-markers -n auto\n"}, "addopts=--strict-markers"),
    (
        {"pyproject.toml": "[tool.pytest.ini_options]\naddopts = ['-n4', '--dist=load', '-k', 'a and b']\n"},
        'addopts=-k "a and b"',
    ),
    ({"pytest.toml": "[pytest]\naddopts = ['--html=a.html', '--self-contained-html', '-v']\n"}, "addopts=-v"),
    ({".pytest.ini": "[pytest]\naddopts = --doctest-glob='*.rst' --cov\n"}, 'addopts="--doctest-glob=*.rst"'),
]

AS_IT_IS: list[dict[str, str]] = [
    {"pytest.ini": "[pytest]\naddopts = -ra --strict --mypy\n"},
    {"pytest.ini": "", "setup.cfg": "[tool:pytest]\naddopts = --cov\n"},
    {"pytest.ini": "[pytest]\naddopts = --cov='shop\n"},
    {"pyproject.toml": "[tool.pytest.ini_options]\naddopts = 5\n"},
    {"tox.ini": "[pytest]\naddopts = --no-header --coverage-x\n"},
    {"tox.ini": "[pytest]\nfilterwarnings = error::UserWarning\n"},
    {"pyproject.toml": "[tool.pytest.ini_options]\nxfail_strict = true\n"},
]

PREFERRED: list[Row] = [
    ({"package.json": JEST, "tests/test_a.py": ""}, NPM, "package.json scripts.test"),
    ({"go.mod": "module x\n", "tools/test_a.py": ""}, "go test ./...", "go.mod"),
    ({"Cargo.toml": "", "Makefile": "test:\n\tcargo test --all\n"}, "make test", "Makefile target test"),
    (
        {"package.json": JEST, "pyproject.toml": "[project]\nname = 'x'\n", "tests/test_a.py": ""},
        NPM,
        "package.json scripts.test",
    ),
    ({"package.json": JEST, "pytest.ini": "", "tests/test_a.py": ""}, PYTEST, "pytest.ini"),
    ({"pyproject.toml": "[tool.ruff]\n", "package.json": JEST}, NPM, "package.json scripts.test"),
    ({"tox.ini": "[tox]\n[testenv]\n", "justfile": "test:\n  ./x\n"}, "just test", "justfile recipe test"),
    (
        {"noxfile.py": "@nox.session\ndef t(s): s.run('virtue')\n", "setup.py": "", "test_a.py": ""},
        PYTEST,
        "setup.py and test_a.py",
    ),
    ({"tox.ini": "[testenv]\ncommands = trial x\n", "test_a.py": ""}, PYTEST, "test files, such as test_a.py"),
    ({"Makefile": "test:\n\ttox\n", "setup.py": "", "test_a.py": ""}, PYTEST, "setup.py and test_a.py"),
    ({"Makefile": "test:\n\t@python -m nox -s t\n", "setup.py": "", "test_a.py": ""}, PYTEST, "setup.py and test_a.py"),
    ({"Makefile": "test:\n\t./run toxic\n", "setup.py": "", "test_a.py": ""}, "make test", "Makefile target test"),
    ({"tox.toml": "env_list = ['3']\n", "go.mod": "module x\n"}, "go test ./...", "go.mod"),
    ({"GNUmakefile": "check:\n\t./a\n", "Makefile": "test:\n\t./b\n"}, "make check", "GNUmakefile target check"),
]

NONE: list[dict[str, str]] = [
    {},
    {"README.md": "run pytest"},
    {"pyproject.toml": "[project]\nname = 'pytest'\n"},
    {"tests/helper.py": "", "latest_news.py": "", "test_data.txt": ""},
    {"node_modules/x/test_a.py": "", "vendor/y/a_test.py": "", ".venv/lib/test_b.py": ""},
    {"package.json": '{"scripts": {"build": "tsc"}}'},
    {"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'},
    {"package.json": '{"scripts": {"test": " "}}'},
    {"Makefile": "test := 5\n"},
    {"Makefile": "test: CFLAGS = -g\n.PHONY: test\n"},
    {"Makefile": "# test: not yet\nlatest:\n\ttest: x\n"},
    {"justfile": "test name:\n  ./run {{name}}\n"},
    {"justfile": "test := 'x'\n"},
    {"tox.ini": "[flake8]\nmax-line-length = 100\n"},
    {"noxfile.py": "import nox\n"},
    {"gradlew": "", "mvnw": ""},
]

NESTED = 100_000
BROKEN: list[tuple[str, str]] = [
    ("pyproject.toml", "[tool.pytest"),
    ("pyproject.toml", "tool = 5"),
    ("pyproject.toml", "tool = 'pytest'"),
    ("pyproject.toml", "tool = ['pytest']"),
    ("pyproject.toml", "x = " + "[" * NESTED),
    ("pyproject.toml", "x = " + "9" * 10_000),
    ("pyproject.toml", "project = {dependencies = 5}"),
    ("tox.toml", "["),
    ("package.json", "{"),
    ("package.json", "null"),
    ("package.json", '["scripts"]'),
    ("package.json", '{"scripts": null, "workspaces": 5}'),
    ("package.json", '{"scripts": ["test"], "packageManager": ["npm"]}'),
    ("package.json", '{"scripts": {"test": null}, "workspaces": {"packages": 1}}'),
    ("package.json", '{"scripts": {"test": {"run": "x"}}}'),
    ("package.json", "[" * NESTED),
    ("package.json", "9" * 10_000),
    ("justfile", "test " + "a==" * NESTED),
    ("Makefile", "test " * NESTED),
]


def _write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def _best(folder: Path) -> tuple[str, str] | None:
    best = detect(folder).best
    return (best.command, best.source) if best else None


def _ids(rows: list[Row]) -> list[str]:
    return [f"{row[1]} from {row[2]}" for row in rows]


@pytest.mark.parametrize(("files", "command", "source"), DECLARED, ids=_ids(DECLARED))
def test_what_a_project_declares_is_found_and_named(tmp_path: Path, files: dict[str, str], command: str, source: str) -> None:
    """Each way to declare a check is found, and the part of the file that says so is named."""
    found = detect(_write(tmp_path, files)).candidates[0]
    assert (found.command, found.source, found.standing) == (command, source, "declared")


@pytest.mark.parametrize(("files", "command", "source"), USUAL, ids=_ids(USUAL))
def test_manifests_and_test_files_are_found(tmp_path: Path, files: dict[str, str], command: str, source: str) -> None:
    """A manifest whose tool has one way to test, or test files by pytest's names, say it where nothing else does."""
    found = detect(_write(tmp_path, files)).candidates[0]
    assert (found.command, found.source) == (command, source)
    assert found.standing != "declared"


@pytest.mark.parametrize(("files", "command", "source"), RUNS_PYTEST, ids=_ids(RUNS_PYTEST))
def test_a_task_that_runs_tests_is_taken_as_pytest(tmp_path: Path, files: dict[str, str], command: str, source: str) -> None:
    """pytest runs unittest's tests, too, tells single ones and needs no network; the task stays a candidate behind it."""
    found = detect(_write(tmp_path, files)).candidates
    assert (found[0].command, found[0].source) == (command, source)
    assert len(found) == 2
    assert found[1].source == source.rpartition(", which runs ")[0]


@pytest.mark.parametrize(("files", "command", "source"), UNUSUAL, ids=_ids(UNUSUAL))
def test_tests_by_other_names_are_found(tmp_path: Path, files: dict[str, str], command: str, source: str) -> None:
    """Modules with test cases that pytest does not collect by name, Django's tests, and files for Node's own runner."""
    found = detect(_write(tmp_path, files)).candidates[0]
    assert (found.command, source in found.source) == (command, True)


@pytest.mark.parametrize("files", NOT_UNUSUAL, ids=[" ".join(files) for files in NOT_UNUSUAL])
def test_other_names_alone_are_no_tests(tmp_path: Path, files: dict[str, str]) -> None:
    """Without test cases, without a manifest, or where importing it would already run and end it."""
    assert detect(_write(tmp_path, files)).candidates == ()


@pytest.mark.parametrize(("files", "options"), FOR_PEOPLE, ids=[row[1] for row in FOR_PEOPLE])
def test_options_that_no_verdict_needs_are_left_out(tmp_path: Path, files: dict[str, str], options: str) -> None:
    """Coverage, parallel runs and reports: pytest starts without their plugins, is told the rest, and still reports tests."""
    best = detect(_write(tmp_path, files)).best
    assert best is not None
    assert best.source.endswith("; without its options for coverage, parallel runs and reports")
    assert words_of(best.command) == ["pytest", "-q", "-o", options]


STRICT: list[dict[str, str]] = [
    {"pytest.ini": "[pytest]\nfilterwarnings =\n    error\n    ignore::X\n"},
    {"setup.cfg": "[tool:pytest]\nfilterwarnings = error\n"},
    {"pyproject.toml": "[tool.pytest.ini_options]\nfilterwarnings = ['error', 'ignore:a b:X']\n"},
    {"tox.ini": "[pytest]\nfilterwarnings = error::DeprecationWarning\n"},
]


@pytest.mark.parametrize("files", STRICT, ids=[next(iter(files)) for files in STRICT])
def test_the_own_deprecations_of_pytest_are_no_errors(tmp_path: Path, files: dict[str, str]) -> None:
    """A project that makes every warning an error does not fail by a newer pytest."""
    best = detect(_write(tmp_path, files)).best
    assert best is not None
    assert best.command == "pytest -q -W default::pytest.PytestDeprecationWarning"


@pytest.mark.parametrize("files", AS_IT_IS, ids=[" ".join(files.values()) for files in AS_IT_IS])
def test_other_options_stay(tmp_path: Path, files: dict[str, str]) -> None:
    """What is no such option, does not count, or cannot be read is left to pytest."""
    best = detect(_write(tmp_path, files)).best
    assert best is not None
    assert best.command == PYTEST


@pytest.mark.parametrize(("files", "command", "source"), PREFERRED, ids=_ids(PREFERRED))
def test_what_is_declared_beats_what_lies_there(tmp_path: Path, files: dict[str, str], command: str, source: str) -> None:
    """A stray test file does not beat a package script, nor a manifest what the project says itself."""
    assert _best(_write(tmp_path, files)) == (command, source)


HOOKS: list[tuple[dict[str, str], bool]] = [
    ({"pretest": "npm run lint", "posttest": "npx aud --production"}, True),
    ({"posttest": "aud --production"}, True),
    ({"pretest": "eslint . && npm run lint:types"}, True),
    ({"pretest": "standard", "posttest": "npm audit"}, True),
    ({}, False),
    ({"pretest": "npm run build"}, False),
    ({"pretest": "npm run lint && tsc"}, False),
    ({"pretest": "npm run lint; make"}, False),
    ({"pretest": "eslint . || make all"}, False),
    ({"posttest": "node cleanup.js"}, False),
]


@pytest.mark.parametrize(("hooks", "alone"), HOOKS, ids=[str(row[0]) for row in HOOKS])
def test_style_and_audits_are_no_part_of_a_test(tmp_path: Path, hooks: dict[str, str], alone: bool) -> None:
    """Scripts around the tests are left out where they only look at style or ask the network; a build never is."""
    _write(tmp_path, {"package.json": json.dumps({"scripts": {"test": "tape test.js", **hooks}})})
    best = detect(tmp_path).best
    assert best is not None
    assert best.command == (f"{NPM} --ignore-scripts" if alone else NPM)


@pytest.mark.parametrize("lock", ["pnpm-lock.yaml", "yarn.lock", "bun.lock"])
def test_npm_stands_in_for_another_manager(tmp_path: Path, lock: str) -> None:
    """Behind the manager that the project uses, for machines that have only npm."""
    found = [one.command for one in detect(_write(tmp_path, {"package.json": JEST, lock: ""})).candidates]
    assert found[1:] == [NPM]


def test_every_candidate_is_named_once_in_order(tmp_path: Path) -> None:
    """The others stand behind the one that is taken, each with its own reason; one command stands there once."""
    _write(tmp_path, {"pytest.ini": "", "test_a.py": "", "package.json": JEST, "go.mod": "", "setup.py": ""})
    found = [(one.command, one.standing) for one in detect(tmp_path).candidates]
    assert found == [(PYTEST, "declared"), (NPM, "declared"), ("go test ./...", "convention")]


FROM_ROOT: list[tuple[dict[str, str], str]] = [
    ({"shop/__init__.py": "", "tests/test_a.py": ""}, MODULE),
    ({"shop.py": "", "tests/unit/a_test.py": ""}, MODULE),
    ({"shop/core.py": "", "tests/__init__.py": "", "tests/unit/test_a.py": ""}, MODULE),
    ({"shop/__init__.py": "", "tests/__init__.py": "", "tests/test_a.py": ""}, PYTEST),
    ({"shop/__init__.py": "", "tests/test_a.py": "", "conftest.py": ""}, PYTEST),
    ({"shop/__init__.py": "", "tests/test_a.py": "", "pytest.ini": "[pytest]\npythonpath = .\n"}, PYTEST),
    ({"shop.py": "", "test_shop.py": ""}, PYTEST),
    ({"src/shop/__init__.py": "", "tests/test_a.py": ""}, PYTEST),
    ({"setup.py": "", "tests/test_a.py": "", "docs/conf.py": ""}, PYTEST),
]


@pytest.mark.parametrize(("files", "command"), FROM_ROOT, ids=[" ".join(row[0]) for row in FROM_ROOT])
def test_the_root_is_importable_where_it_has_to_be(tmp_path: Path, files: dict[str, str], command: str) -> None:
    """`python -m pytest` where tests import from the root and pytest alone would not put it on the import path."""
    best = detect(_write(tmp_path, files)).best
    assert best is not None
    assert best.command == command


LAYOUTS: list[tuple[dict[str, str], str]] = [
    ({"src/shop/__init__.py": "", "src/one.py": ""}, "Python in src/ (src layout): one.py, shop"),
    ({"shop/__init__.py": "", "lib.py": "", "setup.py": ""}, "Python at the root (flat layout): shop, lib.py"),
    ({"package.json": '{"name": "shop", "workspaces": ["a", "b"]}'}, "npm package shop, workspaces: a, b"),
    ({"package.json": '{"workspaces": {"packages": ["a"]}}'}, "npm package without a name, workspaces: a"),
    ({"Cargo.toml": "", "Cargo.lock": ""}, "Rust (cargo) project (Cargo.toml)"),
    ({"uv.lock": "", "package-lock.json": "", "go.sum": ""}, "versions are fixed in: uv.lock, package-lock.json, go.sum"),
    ({"a/test_a.py": "", "a/b_test.py": ""}, "2 test files by pytest's names, such as a/b_test.py"),
]


@pytest.mark.parametrize(("files", "line"), LAYOUTS, ids=[row[1] for row in LAYOUTS])
def test_the_layout_is_told(tmp_path: Path, files: dict[str, str], line: str) -> None:
    """Packages, manifests and lock files are named as they lie there."""
    assert line in detect(_write(tmp_path, files)).layout


NEEDS: list[tuple[dict[str, str], str]] = [
    ({"pyproject.toml": "[project]\ndependencies = ['click>=8', 'rich ; os_name']\n"}, "pyproject.toml names: click, rich;"),
    (
        {"pyproject.toml": "[tool.poetry.dependencies]\npython = '^3'\nhttpx = '*'\n"},
        "pyproject.toml [tool.poetry] names: httpx;",
    ),
    ({"requirements.txt": "# ours\n-r more.txt\nflask==3\n"}, "requirements.txt names: flask;"),
    ({"package.json": '{"dependencies": {"a": "1"}, "devDependencies": {"b": "1"}}'}, "2 npm packages"),
    ({"Cargo.toml": "[dependencies]\nserde = '1'\n"}, "cargo vendor"),
    ({"go.mod": "", "go.sum": "x v1 h1:y\n"}, "go mod vendor"),
    ({"pom.xml": ""}, "Java build"),
]

NOTHING_NEEDED: list[dict[str, str]] = [
    {"pyproject.toml": "[project]\nname = 'x'\n"},
    {"package.json": "{}"},
    {"Cargo.toml": "[dependencies]\n"},
    {"Cargo.toml": "[dependencies]\nserde = '1'\n", ".cargo/config.toml": ""},
    {"go.sum": "x v1 h1:y\n", "vendor/modules.txt": "# x v1\n"},
]


@pytest.mark.parametrize(("files", "part"), NEEDS, ids=[row[1] for row in NEEDS])
def test_what_a_check_needs_beside_the_files_is_told(tmp_path: Path, files: dict[str, str], part: str) -> None:
    """What has to be prepared, since a check has no network, and the file that says so."""
    (need,) = detect(_write(tmp_path, files)).needs
    assert part in need


HAS: list[tuple[dict[str, str], list[str], str]] = [
    ({"requirements.txt": "Prices-Lib>=1\nattrs\n"}, ["lib/python3.11/site-packages/prices_lib-1.2.dist-info/"], "attrs"),
    ({"setup.py": "setup(install_requires=['a.b'])"}, ["lib/python3.12/site-packages/A_b-1.egg-info"], ""),
    ({"requirements.txt": "colorama; sys_platform == 'win32'\n"}, [MARKER], ""),
    ({"package.json": '{"dependencies": {"@a/b": "1", "c": "1"}}'}, ["node_modules/@a/b/", "node_modules/c/"], ""),
    ({"package.json": '{"dependencies": {"@a/b": "1", "c": "1"}}'}, ["node_modules/@a/d/"], "2 npm packages"),
    ({"package.json": '{"devDependencies": {"c": "1"}}'}, [], "1 npm package that package.json names: the environment lacks"),
]


@pytest.mark.parametrize(("files", "there", "lacks"), HAS, ids=[f"{list(row[0])} {row[1]}" for row in HAS])
def test_what_the_environment_has_is_not_needed(tmp_path: Path, files: dict[str, str], there: list[str], lacks: str) -> None:
    """By the names of what is installed there, however they are written; the rest is said to be lacking."""
    environment = tmp_path / "environment"
    environment.mkdir()
    for path in there:
        (environment / path).parent.mkdir(parents=True, exist_ok=True)
        if path.endswith("/"):
            (environment / path).mkdir()
        else:
            (environment / path).write_text(json.dumps({"python": files.get("requirements.txt", "").splitlines()}))
    (tmp_path / "files").mkdir()
    found = detect(_write(tmp_path / "files", files), environment).needs
    assert len(found) == bool(lacks)
    assert lacks in "".join(found)


@pytest.mark.parametrize("files", NOTHING_NEEDED, ids=[" ".join(files) for files in NOTHING_NEEDED])
def test_nothing_is_needed_where_nothing_says_so(tmp_path: Path, files: dict[str, str]) -> None:
    """Without dependencies, or where they lie in the repository, nothing has to be prepared."""
    assert detect(_write(tmp_path, files)).needs == ()


@pytest.mark.parametrize("files", NONE, ids=[next(iter(files), "empty") + str(at) for at, files in enumerate(NONE)])
def test_nothing_is_guessed(tmp_path: Path, files: dict[str, str]) -> None:
    """Where no file declares a check there is none: a name, a word, other people's tests or a placeholder is not one."""
    assert detect(_write(tmp_path, files)).candidates == ()


@pytest.mark.parametrize(("name", "text"), BROKEN, ids=[f"{name}: {text[:24]!r}" for name, text in BROKEN])
def test_a_broken_file_says_nothing(tmp_path: Path, name: str, text: str) -> None:
    """A file with something else in it, however deep or large, is as good as none, and never an error."""
    assert detect(_write(tmp_path, {name: text})).candidates == ()
    found = detect(_write(tmp_path, {"tests/test_a.py": ""})).candidates
    assert [one.command for one in found] == [PYTEST]


def test_a_file_that_is_not_text_says_nothing(tmp_path: Path) -> None:
    """Bytes of no encoding are read as what they are not, and declare nothing."""
    (tmp_path / "pyproject.toml").write_bytes(b"\xff\xfe[tool.pytest]")
    (tmp_path / "package.json").write_bytes(b"\xff\xfe{}")
    assert detect(tmp_path).candidates == ()


def test_links_and_folders_of_a_known_name_are_not_followed(tmp_path: Path) -> None:
    """A link that leads out of the repository, and a folder that is called like a file, declare nothing."""
    (tmp_path / "outside.ini").write_text("[pytest]")
    top = tmp_path / "top"
    (top / "package.json").mkdir(parents=True)
    (top / "pytest.ini").symlink_to(tmp_path / "outside.ini")
    (top / "tests").symlink_to(_write(tmp_path / "elsewhere", {"test_a.py": ""}))
    assert detect(top).candidates == ()


def test_every_convention_has_a_source() -> None:
    """Each ecosystem of the table is documented somewhere, at an address that can be opened."""
    tools = {row.command.split()[0] for row in ecosystems.MANIFESTS} - {"sh", "mvn"} | set(ecosystems.NODE) - {"bun"}
    assert tools <= set(ecosystems.SOURCES)
    assert all(address.startswith("https://") for address in ecosystems.SOURCES.values())
