"""A review without a model tells what the change brought, with a quote that is there, and nothing that stood there before."""

from pathlib import Path

import pytest

from activities.repositories.quotes import plain
from contracts.findings import Findings
from tests.activities.scanning.scanned import scan

SHELL = "import subprocess\n\n\ndef run(name):\n    return subprocess.run(name, shell=True)\n"


async def test_only_what_the_change_brought_is_told(tmp_path: Path) -> None:
    """A weakness that stood there stays untold, also when it is moved; the new one is told at its line, quoted as it is."""
    moved = f"VALUE = 1\n\n{SHELL}\n\ndef show(name):\n    return eval(name)\n"
    found = await scan(tmp_path, {"a.py": SHELL}, {"a.py": moved})
    assert found.rows == {("S307", "a.py", 11), ("untested", "a.py", 1)} - {("untested", "a.py", 1)}
    (hole,) = found.holes.findings
    assert (hole.quote, hole.severity) == ("    return eval(name)", "medium")
    assert "eval" in hole.why or "insecure" in hole.why


async def test_a_name_whose_definition_is_removed_is_told_where_it_is_used(tmp_path: Path) -> None:
    """The line that breaks is not part of the change."""
    before = "def half(x):\n    return x / 2\n\n\ndef quarter(x):\n    return half(half(x))\n"
    found = await scan(tmp_path, {"a.py": before}, {"a.py": before.split("\n\n\n")[1]})
    assert ("F821", "a.py", 2) in found.rows


async def test_both_tools_tell_a_fault_once(tmp_path: Path) -> None:
    """Bandit's weight under ruff's name, and neither twice."""
    found = await scan(tmp_path, {}, {"a.py": SHELL})
    assert [(one.rule, one.severity) for one in found.holes.findings] == [("S602", "high")]


async def test_no_setting_of_the_repository_switches_a_rule_off(tmp_path: Path) -> None:
    """Neither its configuration, nor comments, nor ignore files; that the change adds such comments is told."""
    quiet = {
        "ruff.toml": 'lint.select = []\nexclude = ["*"]\n',
        "pyproject.toml": '[tool.ruff]\nexclude = ["*"]\n[tool.bandit]\nexclude_dirs = ["."]\nskips = ["B602"]\n',
        ".bandit": "[bandit]\nskips: B602,B307\nexclude: /\n",
        ".gitignore": "*.py\n",
        "setup.cfg": "[flake8]\nexclude = *\n",
    }
    loud = f"# ruff: noqa\n# flake8: noqa\n{SHELL.replace('shell=True)', 'shell=True)  # noqa: S602  # nosec')}"
    found = await scan(tmp_path, quiet, {"a.py": f"{loud}\n\nprint(undefined)\n"})
    # The second is a rule that bandit does not have.
    assert {("S602", "a.py", 7), ("F821", "a.py", 10)} <= found.rows
    (told,) = [one for one in found.bugs.findings if one.rule == "silenced"]
    assert "3 comments" in told.what


async def test_a_syntax_error_is_told_once_and_only_if_it_is_new(tmp_path: Path) -> None:
    """What never was Python of today is no fault of the change, and is told as not linted."""
    old = {"old.py": "print 'hello'\n", "new.py": "x = 1\n"}
    found = await scan(tmp_path, old, {"old.py": "print 'hello'\nprint 'again'\n", "new.py": "x = (1\ny = [2\n"})
    assert [one.file for one in found.bugs.findings if one.rule == "invalid-syntax"] == ["new.py"]
    assert found.told("old.py: it is no Python that can be parsed")


async def test_a_suggested_patch_is_the_linters_own(tmp_path: Path) -> None:
    """It is one file's unified diff."""
    found = await scan(tmp_path, {}, {"a.py": "import os\nimport sys\n\nprint(sys.argv)\n"})
    (unused,) = [one for one in found.bugs.findings if one.rule == "F401"]
    assert unused.patch.startswith("--- a/a.py\n+++ b/a.py\n@@ ")
    assert "-import os\n" in unused.patch


PATTERNS = {
    "settings.yaml": (b"aws: AKIAIOSFODNN7QWERTYU\n", "secret-aws-key"),
    "key.pem": (b"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n", "secret-private-key"),
    "notes.txt": (b"a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> other\n", "merge-marker"),
    "requirements.txt": (b"--extra-index-url https://example.org/simple\nshop==1\n", "dependency-index"),
    "setup.py": (b"install_requires = ['x @ git+https://example.org/x.git']\n", "dependency-unpinned"),
    "long.csv": (b"1,2,3\n" * 2000, "large"),
    "db.ini": (b"url = postgres://shop:hunter22@db.example.org/shop\n", "secret-password-in-url"),
}


async def test_files_that_are_no_python_are_looked_at_by_patterns(tmp_path: Path) -> None:
    """Each pattern in a file of its own; the report says that nothing more of them was looked at."""
    found = await scan(tmp_path, {}, {name: content for name, (content, _) in PATTERNS.items()})
    for name, (_, rule) in PATTERNS.items():
        assert (rule, name) in {(one, file) for one, file, _ in found.rows}, name
    assert found.told("6 files no Python, looked at for keys, merge markers, dependencies and size only")


async def test_a_key_is_told_and_not_repeated(tmp_path: Path) -> None:
    """The quote has how it begins, enough to find it, and what documentation writes for a key is none."""
    token = "ghp_" + "a1B2c3D4e5" * 4
    found = await scan(tmp_path, {}, {"a.py": f'TOKEN = "{token}"\nprint(eval("{token}"))\n', "b.md": "AKIAIOSFODNN7EXAMPLE\n"})
    assert {file for rule, file, _ in found.rows if rule.startswith("secret-")} == {"a.py"}
    for body in (found.bugs, found.holes):
        assert token not in body.model_dump_json()


async def test_missing_tests_are_a_hint_where_there_are_tests(tmp_path: Path) -> None:
    """Once, and not where a test changes as well."""
    source = "def f(x):\n    y = x + 1\n    z = y * 2\n    return z - 1\n\n\nprint(f(1))\n"
    tests = {"tests/test_a.py": "def test_a():\n    pass\n"}
    one = await scan(tmp_path / "one", tests, {"a.py": source})
    two = await scan(tmp_path / "two", tests, {"a.py": source, "tests/test_a.py": "def test_a():\n    assert True\n"})
    three = await scan(tmp_path / "three", {}, {"a.py": source})
    assert ["untested" in found.rules for found in (one, two, three)] == [True, False, False]


async def test_a_function_that_grows_too_complex_is_told_once(tmp_path: Path) -> None:
    """Also if its first line is not part of the change; not if it was as complex before."""
    branch = "    if x == {}:\n        return {}\n"

    def function(branches: int) -> str:
        return "def f(x):\n" + "".join(branch.format(number, number) for number in range(branches))

    grown = await scan(tmp_path / "grown", {"a.py": function(10)}, {"a.py": function(20)})
    same = await scan(tmp_path / "same", {"a.py": function(20)}, {"a.py": function(20) + "    return 1\n"})
    assert ["C901" in found.rules for found in (grown, same)] == [True, False]


HOSTILE: dict[str, bytes] = {
    "line.py": b"x = '" + b"a" * 10_000_000 + b"'\n",
    "wide.py": b"x = '" + b"a" * 900_000 + b"'\n",
    "nul.py": b"x = 1\0\ny = eval(x)\n",
    "latin.py": "# -*- coding: latin-1 -*-\nname = 'caf\xe9'\nprint(eval(name))\n".encode("latin-1"),
    "utf16.py": "x = 1\n".encode("utf-16"),
    "unknown.py": b"# -*- coding: no-such-thing -*-\nprint(eval('1'))\n",
    "deep.py": b"x = " + b"(" * 5000 + b")" * 5000 + b"\n",
    "sums.py": b"x = " + b"+".join([b"1"] * 4000) + b"\n",
    "returns.py": b"x = 1\ry = eval('2')\nz = eval('3')\n",
    "empty.py": b"\n",
    'sp ace/\xc3\xa9t\xc3\xa9 "q".py'.encode("latin-1").decode("latin-1"): b"print(eval('1'))\n",
    "-rf.py": b"print(eval('1'))\n",
    "new\nline.py": b"print(eval('1'))\n",
}


async def test_hostile_files_are_told_and_end_nothing(tmp_path: Path) -> None:
    """What cannot be linted is told by name, the others are linted all the same, and every quote is in its file."""
    found = await scan(tmp_path, {}, HOSTILE, links={"out.py": "/etc/passwd", "in.txt": "README.md"})
    for name, why in {
        "line.py": "bytes, above",
        "wide.py": "a line of 900006 bytes",
        "nul.py": "binary, not looked at",
    }.items():
        assert found.told(f"{name}: not linted") or found.told(name), name
        assert found.told(why), why
    at = {(rule, file) for rule, file, _ in found.rows}
    assert {("S307", "latin.py"), ("S307", "-rf.py"), ("S307", "unknown.py"), ("link-outside", "out.py")} <= at
    assert {("S307", "returns.py", 1), ("S307", "returns.py", 2)} <= found.rows
    for one in (*found.bugs.findings, *found.holes.findings):
        data = HOSTILE.get(one.file)
        assert data is None or plain(one.quote).strip() in plain(data), one


async def test_the_same_change_gives_the_same_bytes(tmp_path: Path) -> None:
    """A retry of the activity makes the same handoff."""
    one = await scan(tmp_path / "one", {}, {"a.py": SHELL, "b.py": "import os\n"})
    two = await scan(tmp_path / "two", {}, {"a.py": SHELL, "b.py": "import os\n"})
    assert (one.bugs.stored(), one.holes.stored()) == (two.bugs.stored(), two.holes.stored())


async def test_more_findings_than_fit_are_counted(tmp_path: Path) -> None:
    """The worst are kept, and the summary says how many are not."""
    lines = "".join(f"import module_{number}\n" for number in range(200))
    found = await scan(tmp_path, {}, {"a.py": f"{lines}\n\nprint(undefined)\n"})
    assert found.bugs.findings[0].rule == "F821"
    assert len(found.bugs.findings) == 60
    assert "201 findings; 141 of the least important are left out" in found.bugs.summary
    assert Findings.read(found.bugs.stored()) == found.bugs


@pytest.mark.parametrize("text", ["", "x = 1\n"])
async def test_a_removed_file_is_no_reason_for_a_finding(tmp_path: Path, text: str) -> None:
    """Nothing is quoted from what is no longer there."""
    found = await scan(tmp_path, {"gone.py": SHELL}, {"gone.py": None, "kept.py": text})
    assert {rule for rule in found.rules if rule != "untested"} == set()
