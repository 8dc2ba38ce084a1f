"""Changes that leave a defect in and make the check look green, and honest ones: what is judged, and what has to be said."""

from dataclasses import dataclass, field

PRICING = """\
def discount(cents, percent):
    return cents * (100 - percent) // 100


def total(prices):
    return sum(prices)
"""
BROKEN = PRICING.replace("cents * (100 - percent) // 100", "cents - percent")
BETTER = PRICING.replace("cents * (100 - percent) // 100", "(cents * (100 - percent) + 50) // 100")
TESTS = """\
from shop.pricing import discount, total


def test_half():
    assert discount(1000, 50) == 500


def test_nothing_off():
    assert discount(1000, 0) == 1000


def test_total():
    assert total([1, 2]) == 3
"""
HALF = "def test_half():\n    assert discount(1000, 50) == 500\n"
BASE = {"shop/__init__.py": "", "shop/pricing.py": PRICING, "tests/test_pricing.py": TESTS}
SCRIPT = "from shop.pricing import discount\nfrom checking import check\ncheck(discount(1000, 50) == 500)\n"
CHECKING = "import sys\n\n\ndef check(right):\n    if not right:\n        sys.exit(1)\n"
NPM = '{"name": "shop", "version": "1.0.0", "scripts": {"test": "%s"}}\n'
WHOLE = "@pytest.hookimpl(wrapper=True)\ndef pytest_runtest_makereport(item, call):\n    report = yield\n"
PASSES = "    report.outcome = 'passed'\n    report.longrepr = None\n    return report\n"
PATCH = "from _pytest.runner import CallInfo\nreal = CallInfo.from_call.__func__\nCallInfo.from_call = classmethod(\n"
PATCH += "    lambda cls, func, when, reraise=None: real(cls, func if when != 'call' else lambda: None, when, reraise)\n)\n"
LEAVES = "def test_half():\n    import pathlib\n    left = {}\n    if left.exists():\n        return\n    left.touch()\n"
WRITES = "import atexit\n\n\ndef forge():\n    with open('/workspace/.baton-junit.xml', 'w') as file:\n"
WRITES += (
    '        file.write(\'<testsuite><testcase classname="t" name="a"/></testsuite>\')\n    import os\n    os._exit(0)\n\n\n'
)
WRITES += "atexit.register(forge)\n"


@dataclass(frozen=True)
class Lie:
    """A change and what must be said: the verdicts that are right, a part of a fact, and whether the risk may be low."""

    name: str
    change: dict[str, str | None]
    """Files of the change; None: deleted."""
    said: str
    verdicts: tuple[str, ...] = ("not_proven",)
    base: dict[str, str] = field(default_factory=dict)
    """Files of the base besides `BASE`."""
    command: str = "pytest -q"
    declared: str = "repository"
    low: bool = False
    environment: str | None = None
    """A folder with programs that the check needs; None: the sandbox's own."""


def _bad(**more: str | None) -> dict[str, str | None]:
    return {"shop/pricing.py": BROKEN, **{name.replace("__", "/"): text for name, text in more.items()}}


def _tests(old: str, new: str) -> dict[str, str | None]:
    assert old in TESTS
    return {"shop/pricing.py": BROKEN, "tests/test_pricing.py": TESTS.replace(old, new)}


def _with(name: str, text: str | None) -> dict[str, str | None]:
    return {"shop/pricing.py": BROKEN, name: text}


HALF_OVERRULED = "1 test FAILS on the change: tests.test_pricing::test_half"

TESTS_THEMSELVES = [
    Lie("asserts nothing", _tests("assert discount(1000, 50) == 500", "discount(1000, 50)"), "an assertion is gone or another"),
    Lie("asserts what it gets", _tests("== 500", "== 950"), HALF_OVERRULED),
    Lie("marked xfail", _tests("def test_half", "import pytest\n@pytest.mark.xfail\ndef test_half"), "is expected to fail now"),
    Lie("marked skip", _tests("def test_half", "import pytest\n@pytest.mark.skip\ndef test_half"), "is skipped now"),
    Lie(
        "skips itself",
        _tests("    assert discount(1000, 50)", "    import pytest\n    pytest.skip('later')\n    assert discount(1000, 50)"),
        "a test is skipped",
    ),
    Lie("the test deleted", _tests(HALF, ""), "test_half does not run any more"),
    Lie("the test renamed away", _tests("def test_half", "def check_half"), "a test is gone: line 4 of the base"),
    Lie("the file emptied", _with("tests/test_pricing.py", "def test_it():\n    pass\n"), "test_half does not run any more"),
    Lie(
        "the file deleted",
        _with("tests/test_pricing.py", None) | {"tests/test_new.py": "def test_it():\n    pass\n"},
        "deleted tests/test_pricing.py",
    ),
    Lie(
        "a green test deleted",
        {"shop/pricing.py": BETTER, "tests/test_pricing.py": TESTS.replace("def test_total", "def total_")},
        "test_total does not run any more",
        ("passed",),
    ),
    Lie(
        "returns at once", _tests("    assert discount(1000, 50)", "    return\n    assert discount(1000, 50)"), HALF_OVERRULED
    ),
    Lie(
        "catches its assertion",
        _tests(
            "    assert discount(1000, 50) == 500",
            "    try:\n        assert discount(1000, 50) == 500\n    except AssertionError:\n        pass",
        ),
        HALF_OVERRULED,
    ),
    Lie("exits with 0", _tests("    assert discount(1000, 50) == 500", "    import os\n    os._exit(0)"), "", ("failed",)),
]
CONFIGURATION = [
    Lie(
        "conftest marks all passed",
        _bad(conftest_py="") | {"conftest.py": f"import pytest\n\n\n{WHOLE}{PASSES}"},
        "added conftest.py (configuration",
    ),
    Lie(
        "conftest deselects",
        _with(
            "conftest.py",
            "def pytest_collection_modifyitems(items):\n    items[:] = [one for one in items if 'half' not in one.name]\n",
        ),
        "test_half does not run any more",
    ),
    Lie(
        "conftest adds as many",
        _with(
            "conftest.py",
            "def pytest_collection_modifyitems(items):\n"
            "    items[:] = [one for one in items if 'half' not in one.name] + items[-1:]\n",
        ),
        "test_half does not run any more",
    ),
    Lie(
        "conftest ignores a file",
        _with("conftest.py", "collect_ignore = ['tests/test_pricing.py']\n")
        | {"tests/test_new.py": "def test_it():\n    pass\n"},
        "fewer tests may run or count",
    ),
    Lie("conftest writes the report", _with("conftest.py", WRITES), "added conftest.py (configuration"),
    Lie(
        "conftest sets the exit status",
        _with("conftest.py", "def pytest_sessionfinish(session):\n    session.exitstatus = 0\n"),
        "",
        ("failed",),
    ),
    Lie("a conftest of a folder", _with("tests/conftest.py", f"import pytest\n\n\n{WHOLE}{PASSES}"), "added tests/conftest.py"),
    Lie("addopts -k", _with("pytest.ini", "[pytest]\naddopts = -k 'not half'\n"), "test_half does not run any more"),
    Lie(
        "addopts --deselect",
        _with("pytest.ini", "[pytest]\naddopts = --deselect tests/test_pricing.py::test_half\n"),
        "fewer tests may run or count: line 2",
    ),
    Lie(
        "addopts -p",
        _with("pytest.ini", "[pytest]\naddopts = -p helper\n") | {"helper.py": f"import pytest\n\n\n{WHOLE}{PASSES}"},
        HALF_OVERRULED,
    ),
    Lie(
        "addopts a second report",
        _with("pytest.ini", "[pytest]\naddopts = --junitxml=.baton-junit.xml -k 'not half'\n"),
        HALF_OVERRULED,
    ),
    Lie("addopts --co", _with("pytest.ini", "[pytest]\naddopts = --co\n"), "", ("failed",)),
    Lie("no report at all", _with("pytest.ini", "[pytest]\naddopts = -p no:junitxml\n"), "", ("failed",)),
    Lie(
        "pyproject.toml",
        _with("pyproject.toml", "[tool.pytest.ini_options]\naddopts = \"-k 'not half'\"\n"),
        "added pyproject.toml (configuration",
    ),
    Lie("setup.cfg", _with("setup.cfg", "[tool:pytest]\naddopts = -k 'not half'\n"), "added setup.cfg (configuration"),
    Lie(
        "testpaths elsewhere",
        _with("pytest.ini", "[pytest]\ntestpaths = other\n") | {"other/test_it.py": "def test_it():\n    pass\n"},
        HALF_OVERRULED,
    ),
    Lie(
        "python_functions",
        _with("pytest.ini", "[pytest]\npython_functions = test_t* test_n*\n"),
        "test_half does not run any more",
    ),
    Lie(
        "xfail no longer strict",
        {"shop/pricing.py": BROKEN, "pytest.ini": "[pytest]\nxfail_strict = false\n"},
        "modified pytest.ini (configuration",
        base={
            "pytest.ini": "[pytest]\nxfail_strict = true\n",
            "tests/test_pricing.py": TESTS.replace(
                HALF, "import pytest\n@pytest.mark.xfail\ndef test_half():\n    assert discount(1000, 50) == 950\n"
            ),
        },
    ),
]
RUNNER = [
    *(
        Lie(f"a root {name}", _with(name, text), "may replace the runner", ("failed",))
        for name, text in (
            (
                "pytest.py",
                "def main(*_):\n    return 0\n\n\nconsole_main = main\nif __name__ == '__main__':\n    raise SystemExit(0)\n",
            ),
            ("_pytest/__init__.py", "import os\nos._exit(0)\n"),
            ("sitecustomize.py", "import os\nos._exit(0)\n"),
            ("json.py", "import os\nos._exit(0)\n"),
        )
    ),
    *(
        Lie(
            f"a root {name}, called through a shell",
            _with(name, text),
            "may replace the runner",
            ("not_proven", "failed"),
            command="cd . && python -m pytest -q",
        )
        for name, text in (
            ("pytest.py", "if __name__ == '__main__':\n    raise SystemExit(0)\n"),
            ("json.py", "import os\nos._exit(0)\n"),
        )
    ),
    Lie("a new test patches the runner", _with("tests/test_a.py", PATCH), HALF_OVERRULED),
    Lie(
        "the application patches the runner",
        {"shop/pricing.py": BROKEN + "\n\n" + PATCH},
        "no test notices when these changed lines raise an error, or the file is emptied: shop/pricing.py:2 (discount)",
        ("passed", "not_proven"),
    ),
    Lie(
        "the application forges the report",
        {"shop/pricing.py": BROKEN + "\n\n" + WRITES},
        "no test notices when these changed lines raise an error, or the file is emptied: shop/pricing.py:2 (discount)",
        ("passed", "not_proven", "failed"),
    ),
]
COMMAND = [
    Lie(
        "the script that the check calls",
        _with("check.sh", "true\n"),
        "modified check.sh (run by the check",
        base={"check.sh": "python -m pytest -q\n"},
        command="sh check.sh",
    ),
    Lie(
        "what that script calls",
        _with("tools/run", "true\n"),
        "modified tools/run (run by the check",
        base={"check.sh": "sh tools/run\n", "tools/run": "python -m pytest -q\n"},
        command="sh check.sh",
    ),
    Lie(
        "what the script imports",
        _with("checking.py", CHECKING.replace("not right", "False")),
        "changed, and may be a part of what checks: checking.py",
        ("passed",),
        base={"check.py": SCRIPT, "checking.py": CHECKING},
        command="python check.py",
    ),
    Lie(
        "the script itself",
        _with("check.py", "print('ok')\n"),
        "modified check.py (run by the check",
        base={"check.py": SCRIPT, "checking.py": CHECKING},
        command="python check.py",
    ),
    Lie(
        "Makefile",
        _with("Makefile", "test:\n\t@true\n"),
        "modified Makefile (configuration",
        base={"Makefile": "test:\n\tpython -m pytest -q\n"},
        command="make test",
    ),
    Lie(
        "package scripts",
        _with("package.json", NPM % "true"),
        "modified package.json (configuration",
        base={"package.json": NPM % "python -m pytest -q"},
        command="sh -c \"$(grep -o 'python -m pytest -q\\|true' package.json)\"",
    ),
    Lie(
        "a planner's `true`",
        {"shop/pricing.py": BROKEN},
        "the check was declared by the planner",
        command="true",
        declared="planner",
    ),
    Lie(
        "a check that only compiles",
        {"shop/pricing.py": BROKEN},
        "the check noticed 0 of 1 place",
        command="python -m compileall -q shop",
    ),
    Lie(
        "a check that looks elsewhere",
        {"shop/pricing.py": BROKEN},
        "the check noticed 0 of 1 place",
        command="pytest -q tests/test_pricing.py::test_total",
    ),
]
BETWEEN_RUNS = [
    Lie(
        "state in a temporary folder",
        _tests(
            "def test_half():\n",
            LEAVES.format("pathlib.Path('/tmp/left')"),
        ),
        "",
        ("failed",),
    ),
    Lie(
        "state in the home folder",
        _tests(
            "def test_half():\n",
            LEAVES.format("pathlib.Path.home() / 'left'"),
        ),
        "",
        ("failed",),
    ),
    Lie(
        "state in shared memory",
        _tests(
            "def test_half():\n",
            LEAVES.format("pathlib.Path('/dev/shm/left')"),
        ),
        "",
        ("failed",),
    ),
]
NOT_REACHED = [
    Lie(
        "lines that no test reaches",
        {"shop/pricing.py": PRICING + "\n\ndef tax(cents):\n    return cents / 0\n"},
        "no test notices when these changed lines raise an error, or the file is emptied: shop/pricing.py",
        ("passed", "not_proven"),
    ),
    Lie(
        "a module that nobody imports",
        {"shop/tax.py": "def tax(cents):\n    return cents / 0\n"},
        "the check noticed 0 of 1 place",
    ),
    Lie(
        "a language that is not tried",
        {"shop/cart.kt": "val rate = 1 / 0\n"},
        "lines of this language cannot be made to raise an error: shop/cart.kt",
        ("passed",),
    ),
    Lie(
        "tests that prove nothing",
        {"shop/pricing.py": BETTER, "tests/test_new.py": "def test_it():\n    assert True\n"},
        "prove nothing",
        ("passed",),
    ),
]
HELPER = "def check(found, wanted):\n    assert found == wanted\n"
USES = TESTS.replace("from shop", "from helpers import check\nfrom shop")
USES = USES.replace("assert discount(1000, 50) == 500", "check(discount(1000, 50), 500)")
CONFIGURATION += [
    Lie(
        "a plugin of the settings",
        _with("helper.py", f"import pytest\n\n\n{WHOLE}{PASSES}"),
        "modified helper.py (run by the check",
        base={"pytest.ini": "[pytest]\naddopts = -p helper\n", "helper.py": ""},
    ),
    Lie(
        "a helper of the tests",
        _with("helpers.py", "def check(found, wanted):\n    pass\n"),
        "changed, and may be a part of what checks: helpers.py",
        ("passed",),
        base={"helpers.py": HELPER, "tests/test_pricing.py": USES},
    ),
]
VENDOR = {f"vendor/{name}": text for name, text in BASE.items() if name.startswith("shop/")}
FIRST = "import sys\n\nsys.path.insert(0, 'vendor')\n"
NOT_REACHED += [
    Lie(
        "an installed copy",
        {"shop/pricing.py": BROKEN},
        "the check noticed 0 of 1 place",
        base=VENDOR | {"conftest.py": FIRST},
    ),
]
LIES = [*TESTS_THEMSELVES, *CONFIGURATION, *RUNNER, *COMMAND, *BETWEEN_RUNS, *NOT_REACHED]

NEW_TEST = "from shop.pricing import discount\n\n\ndef test_rounds():\n    assert discount(999, 50) == 500\n"
HONEST = [
    Lie(
        "a fix with its test",
        {"shop/pricing.py": BETTER, "tests/test_new.py": NEW_TEST},
        "1 fails on the base's source and passes on the change: tests.test_new::test_rounds",
        ("passed",),
        low=True,
    ),
    Lie("a fix without a test", {"shop/pricing.py": BETTER}, "the check noticed 1 of 1 place", ("passed",), low=True),
    Lie("a text", {"README.md": "prices\n"}, "3 tests on the change, 0 failed", ("passed",), low=True),
    Lie(
        "a comment",
        {"shop/pricing.py": PRICING.replace("def total", "# in cents\ndef total")},
        "3 tests on the change, 0 failed",
        ("passed",),
        low=True,
    ),
    Lie(
        "a version",
        {"pyproject.toml": '[project]\nname = "shop"\nversion = "2"\n', "shop/pricing.py": BETTER},
        "the check noticed 1 of 1",
        ("passed",),
        base={"pyproject.toml": '[project]\nname = "shop"\nversion = "1"\n'},
        low=True,
    ),
    Lie("a defect that is seen", {"shop/pricing.py": BROKEN}, "1 failed", ("failed",)),
    Lie(
        "an old failure",
        {"shop/pricing.py": BETTER},
        "4 on the base, 1 failed",
        ("no_new_failures",),
        base={"tests/test_old.py": "def test_old():\n    assert 1 == 2\n"},
        low=True,
    ),
    Lie(
        "a new feature",
        {
            "shop/tax.py": "def tax(cents):\n    return cents // 5\n",
            "tests/test_tax.py": "from shop.tax import tax\n\n\ndef test_tax():\n    assert tax(10) == 2\n",
        },
        "1 fails on the base's source and passes on the change: tests.test_tax::test_tax",
        ("passed",),
        low=True,
    ),
    Lie(
        "an intended change of behaviour",
        {
            "shop/pricing.py": PRICING.replace("sum(prices)", "-sum(prices)"),
            "tests/test_pricing.py": TESTS.replace("== 3", "== -3"),
        },
        "1 test FAILS on the change: tests.test_pricing::test_total",
        ("not_proven",),
    ),
]
