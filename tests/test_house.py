"""The rules of the house that a machine can check."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / "workflows").rglob("*.py"))
UNSTEADY = {"os", "time", "random", "uuid", "secrets", "socket", "subprocess", "pathlib", "tempfile", "threading"}
CLOCKS = {"now", "utcnow", "today", "time", "monotonic"}


def test_importing_workflows_loads_no_sdk_and_no_http_client() -> None:
    """Workflows know activity classes, and those bring neither a provider's SDK nor an HTTP client along."""
    program = "import sys, workflows.delivery; print(sorted({'anthropic', 'openai', 'httpx2', 'httpx'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_touch_nothing_that_differs_on_replay(path: Path) -> None:
    """No clock, randomness, environment or disk in workflow code."""
    assert not _unsteady(ast.parse(path.read_text()))


def test_the_check_for_unsteady_code_sees_it() -> None:
    """The rule above can fail: each of these is found."""
    for line in ("import os", "from time import sleep", "import datetime; datetime.datetime.now()", "x = datetime.utcnow()"):
        assert _unsteady(ast.parse(line)), line


def _unsteady(tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names if name.name.split(".")[0] in UNSTEADY]
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in UNSTEADY:
            found.append(node.module or "")
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS and ast.unparse(node.value).endswith("datetime"):
            found.append(ast.unparse(node))
    return found


STARTS = {"Popen", "create_subprocess_exec", "create_subprocess_shell", "posix_spawn"}


def test_tests_start_processes_in_one_place() -> None:
    """Elsewhere a failure would leave them running, for other tests to stumble over: `tests/children.py` ends them."""
    starters = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py") if _starts(path.read_text())}
    assert starters == {"tests/children.py"}


def _starts(text: str) -> bool:
    called = [ast.unparse(node.func) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return any(name.rpartition(".")[2] in STARTS for name in called)


def test_only_config_reads_the_environment() -> None:
    """Settings come from one place; processes that we start inherit the environment, and that is all that others do with it."""
    allowed = {"config.py", "commands/server.py", "commands/demo.py", "commands/checkup.py"}
    readers = set()
    for folder in ("contracts", "ledger", "activities", "workflows", "commands"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            if "os.environ" in text or "getenv(" in text:
                readers.add(path.relative_to(ROOT).as_posix())
    for name in ("config.py", "connection.py", "logs.py", "worker.py", "starter.py"):
        if "os.environ" in (ROOT / name).read_text():
            readers.add(name)
    assert readers <= allowed, f"these read the environment: {sorted(readers - allowed)}"
