"""Which changed files judge a change, and what is told of their lines."""

import pytest

from activities.repositories.judging import (
    Lines,
    helps_tests,
    imported_by,
    judging,
    kind_of,
    language_of,
    lines_of,
    plugins_in,
    ranges,
    run_by,
)
from activities.repositories.metadata import only_metadata
from contracts.delivery.proof import Kind
from contracts.repositories import FileChange
from contracts.special_paths import ECOSYSTEMS

KINDS: list[tuple[str, Kind | None]] = [
    ("tests/test_a.py", "test"),
    ("shop/tests/helper.py", "test"),
    ("test_a.py", "test"),
    ("shop/a_test.py", "test"),
    ("web/__tests__/a.js", "test"),
    ("web/a.spec.ts", "test"),
    ("pkg/a_test.go", "test"),
    ("crate/tests/a.rs", "test"),
    ("src/test/java/ShopTest.java", "test"),
    ("spec/a_spec.rb", "test"),
    ("conftest.py", "configuration"),
    ("tests/conftest.py", "configuration"),
    ("pytest.ini", "configuration"),
    ("tox.ini", "configuration"),
    ("noxfile.py", "configuration"),
    ("web/package.json", "configuration"),
    ("web/vitest.config.ts", "configuration"),
    ("crate/Cargo.toml", "configuration"),
    ("crate/build.rs", "configuration"),
    ("build.gradle.kts", "configuration"),
    ("pom.xml", "configuration"),
    ("Makefile", "configuration"),
    ("justfile", "configuration"),
    (".github/workflows/ci.yml", "configuration"),
    (".gitlab-ci.yml", "configuration"),
    ("pytest.py", "runner"),
    ("_pytest/runner.py", "runner"),
    ("src/sitecustomize.py", "runner"),
    ("json.py", "runner"),
    ("src/json/__init__.py", "runner"),
    ("shop/json.py", None),
    ("shop/pricing.py", None),
    ("README.md", None),
    ("testing.md", None),
    ("latest/prices.py", None),
]


def changed(path: str, status: str = "added") -> FileChange:
    """One changed file."""
    return FileChange.model_validate({"path": path, "status": status, "added": 1, "removed": 0})


@pytest.mark.parametrize(("path", "kind"), KINDS)
def test_the_kind_of_each_file(path: str, kind: Kind | None) -> None:
    """Tests, configuration and stand-ins for the runner judge, in every ecosystem of the table; sources do not."""
    assert kind_of(changed(path)) == kind


def test_a_module_that_was_there_before_stands_in_for_nothing() -> None:
    """Only a new module called as one of Python's is a stand-in; what the base had was there when its tests passed."""
    assert kind_of(changed("calendar.py", "modified")) is None


def test_every_ecosystem_names_its_sources() -> None:
    """The table's regular expressions compile, and a language is known by a file's end."""
    assert len([one for one in ECOSYSTEMS if one.source]) >= 6
    assert [language_of(path) for path in ("a.py", "a.ts", "a.go", "a.rs", "A.java", "a.rb", "a.md")] == [
        *("Python", "JavaScript and TypeScript", "Go", "Rust", "Java, Kotlin and Scala", "Ruby, PHP and others", None)
    ]


RUN = [
    ("sh check.sh", {}, {"check.sh"}),
    ("./check.sh", {}, {"check.sh"}),
    ("python tools/check.py --all", {}, {"tools/check.py"}),
    ("python -m tools.check", {}, {"tools/check.py"}),
    ("pytest -p tools.check", {}, {"tools/check.py"}),
    ("cd . && sh check.sh || exit 1", {}, {"check.sh"}),
    ("sh check.sh", {"check.sh": "exec python tools/check.py\n"}, {"check.sh", "tools/check.py"}),
    ("make test", {"Makefile": "test:\n\tsh check.sh\n"}, {"check.sh"}),
    ("npm test", {"package.json": '{"scripts": {"test": "node tools/run.js"}}'}, {"tools/run.js"}),
    ("pytest -q", {}, set()),
    ("sh other.sh", {"other.sh": "echo recheck.sh\n"}, set()),
]


@pytest.mark.parametrize(("command", "texts", "found"), RUN)
def test_what_a_command_runs(command: str, texts: dict[str, str], found: set[str]) -> None:
    """Files that it names, and those that a script names which it runs."""
    files = ["check.sh", "tools/check.py", "tools/run.js", "shop/pricing.py"]
    assert run_by(command, files, texts.get) == found


def test_what_a_script_imports() -> None:
    """Changed modules that it imports itself, from the root or from src; one that is broken imports nothing."""
    text = "import checking\nfrom shop import pricing\nfrom web.cart import add\n"
    files = ["checking.py", "src/shop/pricing.py", "web/cart/__init__.py", "other.py"]
    assert imported_by("python check.py", files, {"check.py": text}.get) == tuple(files[:3])
    assert imported_by("python check.py", files, {"check.py": "import ("}.get) == ()
    assert imported_by("pytest", files, {"check.py": text}.get) == ()


PLUGINS = [
    ("[pytest]\naddopts = -q -p tools.report\n", {"tools/report.py"}),
    ('pytest_plugins = ["tools.report", "other"]\n', {"tools/report.py", "other.py"}),
    ('pytest_plugins = "other"\n', {"other.py"}),
    ("addopts = --pdb -p no:cacheprovider\n", {"no.py"}),
    ("addopts = --pdb\n", set[str]()),
]


@pytest.mark.parametrize(("text", "found"), PLUGINS)
def test_plugins_that_settings_load(text: str, found: set[str]) -> None:
    """By -p and in pytest_plugins; what begins alike is no plugin."""
    assert plugins_in(text) & {"tools/report.py", "other.py", "shop/pricing.py", "db.py", "no.py"} == found


HELPERS = [
    ("import pytest\n", True),
    ("from unittest import mock\n", True),
    ("def assert_equal(a, b):\n", True),
    ("    def check(self):\n", True),
    ("def price(cents):\n    assert cents\n", False),
    ("# import pytest\n", False),
]


@pytest.mark.parametrize(("text", "found"), HELPERS)
def test_helpers_of_tests(text: str, found: bool) -> None:
    """What uses a test library, or checks something, may be a part of the judge."""
    assert helps_tests(text) is found


DIFF = """\
diff --git a/tests/test_a.py b/tests/test_a.py
--- a/tests/test_a.py
+++ b/tests/test_a.py
@@ -3,2 +3 @@ def test_a():
-    assert one() == 1
-    assert two() == 2
+    assert one() == 1 or True
@@ -9,3 +8,0 @@ def test_b():
-def test_c():
---x
-    pass
@@ -20 +17,2 @@
-    moved = 1
+    pytest.skip("later")
+    moved = 1
"""


def test_lines_of_a_diff() -> None:
    """Numbers on both sides, where something was only taken out, and lines that look like a head of a diff."""
    lines = lines_of(DIFF)
    assert [number for number, _ in lines.removed] == [3, 4, 9, 10, 11, 20]
    assert lines.removed[4] == (10, "--x") or lines.removed[4] == (11, "    pass")
    assert [number for number, _ in lines.added] == [3, 17, 18]
    assert lines.gaps == (8,)


def test_what_is_told_of_a_test() -> None:
    """Assertions and tests that are gone and tests that are skipped, with their lines; a line that moved is not told."""
    told = judging(changed("tests/test_a.py", "modified"), "test", lines_of(DIFF))
    assert told.lines == "3, 17-18"
    assert told.notes == (
        "an assertion is gone or another: line 3 of the base: assert one() == 1",
        "an assertion is gone or another: line 4 of the base: assert two() == 2",
        "a test is gone: line 9 of the base: def test_c():",
        'a test is skipped, or expected to fail: line 17: pytest.skip("later")',
    )


MARKS = [
    ("tests/a.test.js", "  it.skip('adds', () => {", "a test is skipped"),
    ("tests/a.test.js", "  it.only('adds', () => {", "a test is skipped"),
    ("a_test.go", '\tt.Skip("later")', "a test is skipped"),
    ("tests/a.rs", "#[ignore]", "a test is skipped"),
    ("ShopTest.java", "  @Disabled", "a test is skipped"),
    ("pytest.ini", "addopts = --deselect tests/test_a.py::test_b", "fewer tests may run or count"),
    ("conftest.py", "def pytest_collection_modifyitems(items):", "fewer tests may run or count"),
    ("package.json", '  "test": "true",', "fewer tests may run or count"),
    ("Makefile", "\tpytest -q || true", "fewer tests may run or count"),
]


@pytest.mark.parametrize(("path", "line", "told"), MARKS)
def test_lines_that_let_fewer_tests_count(path: str, line: str, told: str) -> None:
    """Each ecosystem has its own ways."""
    found = judging(changed(path), "test", Lines(added=((7, line),))).notes
    assert len(found) == 1
    assert found[0].startswith(f"{told}")
    assert "line 7: " in found[0]


def test_many_lines_are_counted() -> None:
    """The first are named, and how many more there are; a change in a hundred places has a short list of lines."""
    lines = Lines(added=tuple((number, f"@pytest.mark.skip({number})") for number in range(1, 200, 2)))
    told = judging(changed("tests/test_a.py"), "test", lines)
    assert (len(told.notes), told.notes[-1]) == (9, "and 92 more such lines")
    assert told.lines.endswith("and 88 more places")
    assert ranges([3, 1, 2, 9]) == "1-3, 9"


METADATA = [
    ("pyproject.toml", '[project]\nversion = "1"\n', '[project]\nversion = "2"\n', True),
    ("pyproject.toml", '[project]\nversion = "1"\n', '[project]\nversion = "1"\n[tool.pytest.ini_options]\n', False),
    ("web/package.json", '{"version": "1", "scripts": {}}', '{"version": "2", "scripts": {}}', True),
    ("web/package.json", '{"scripts": {"test": "jest"}}', '{"scripts": {"test": "true"}}', False),
    ("Cargo.toml", "[dependencies]\na = 1\n", "[dependencies]\na = 2\n", True),
    ("Cargo.toml", "", "[[test]]\nharness = false\n", False),
    ("pyproject.toml", None, "[project]\n", False),
    ("pyproject.toml", "[project\n", "[project]\n", False),
    ("package.json", "[]", "[]", False),
    ("setup.cfg", "[metadata]\n", "[metadata]\nversion = 2\n", False),
]


@pytest.mark.parametrize(("path", "before", "after", "harmless"), METADATA)
def test_a_version_or_a_dependency_judges_nothing(path: str, before: str | None, after: str | None, harmless: bool) -> None:
    """Only where both sides can be read, and differ in nothing that a runner reads."""
    assert only_metadata(path, before, after) is harmless
