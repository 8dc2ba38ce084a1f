"""The rules of the house that a machine can check."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from tests.steps_used import problems

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / "workflows").rglob("*.py"))
UNSTEADY = {"os", "time", "random", "uuid", "secrets", "socket", "subprocess", "pathlib", "tempfile", "threading"}
CLOCKS = {"now", "utcnow", "today", "time", "monotonic"}


def test_importing_workflows_loads_no_sdk_and_no_http_client() -> None:
    """Workflows know activity classes, and those bring neither a provider's SDK nor an HTTP client along."""
    program = "import sys, workflows.delivery; print(sorted({'anthropic', 'openai', 'httpx2', 'httpx'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_workflows_touch_nothing_that_differs_on_replay() -> None:
    """No clock, randomness, environment or disk in workflow code."""
    assert len(WORKFLOWS) > 30
    assert {_name(path): found for path in WORKFLOWS if (found := _unsteady(ast.parse(path.read_text())))} == {}


def test_the_check_for_unsteady_code_sees_it() -> None:
    """The rule above can fail: each of these is found."""
    for line in ("import os", "from time import sleep", "import datetime; datetime.datetime.now()", "x = datetime.utcnow()"):
        assert _unsteady(ast.parse(line)), line


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


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
    if not any(name in text for name in STARTS):
        return False
    called = [ast.unparse(node.func) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return any(name.rpartition(".")[2] in STARTS for name in called)


def test_only_config_reads_the_environment() -> None:
    """Settings come from one place; processes that we start inherit the environment, and that is all that others do with it."""
    allowed = {"config.py", "contexts.py", "places.py", "commands/processes.py", "commands/doctor/host.py"}
    allowed |= {"commands/demo/demo.py", "commands/demo/repository.py"}
    readers = set()
    for folder in ("contracts", "ledger", "activities", "workflows", "commands", "console"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            if "os.environ" in text or "getenv(" in text:
                readers.add(path.relative_to(ROOT).as_posix())
    for name in (
        "config.py",
        "connection.py",
        "contexts.py",
        "converter.py",
        "logs.py",
        "model_choice.py",
        "places.py",
        "worker.py",
        "worker_parts.py",
        "starter.py",
    ):
        if "os.environ" in (ROOT / name).read_text():
            readers.add(name)
    assert readers <= allowed, f"these read the environment: {sorted(readers - allowed)}"


COMMANDS = sorted(path for path in (ROOT / "commands").rglob("*.py") if "repository" not in path.parts)
STATEMENTS = {"execute", "exec_driver_sql", "scalar", "scalars"}


def test_commands_run_no_statement() -> None:
    """Commands hand the connection on; what is asked of it stands in the ledger, where a console finds it, too."""
    assert len(COMMANDS) > 30
    assert {_name(path): found for path in COMMANDS if (found := _statements(path.read_text()))} == {}
    assert _statements("ledger.read(lambda connection: connection.execute(query))") == ["connection.execute"]


def _statements(text: str) -> list[str]:
    if not any(name in text for name in STATEMENTS):
        return []
    called = (node.func for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
    return [ast.unparse(one) for one in called if isinstance(one, ast.Attribute) and one.attr in STATEMENTS]


@pytest.mark.parametrize(
    ("line", "broken"),
    [
        ("from sqlalchemy import select", "commands.look -> sqlalchemy"),
        ("from ledger.tables import run", "commands.look -> ledger.tables"),
        ("def late():\n    import sqlalchemy.exc", "commands.look -> sqlalchemy"),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from sqlalchemy import Row", "commands.look -> sqlalchemy"),
        ("from ledger.views import runs", None),
    ],
)
def test_the_contract_about_sql_sees_it(line: str, broken: str | None, tmp_path: Path) -> None:
    """Our own contract, held against a house of a few files: SQL in a command breaks it, a view that uses SQL does not."""
    for package in ("contracts", "ledger", "ledger/views", "activities", "workflows", "commands", "console"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "ledger" / "tables.py").write_text("import sqlalchemy\n")
    (tmp_path / "ledger" / "views" / "runs.py").write_text("from ledger import tables\n")
    (tmp_path / "commands" / "look.py").write_text(f"{line}\n")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    program = [sys.executable, "-P", "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    limits = ("--contract", "no-sql-in-commands", "--no-cache")
    done = subprocess.run([*program, *limits], cwd=tmp_path, capture_output=True, text=True, check=False)
    said = " ".join(done.stdout.split())
    assert (done.returncode, broken is None or broken in said) == (0 if broken is None else 1, True), said + done.stderr


PACKAGES = ("contracts", "ledger", "activities", "workflows", "commands", "console")


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Whoever changes a module finds what depends on it by going one way: late imports and those for types count, too."""
    assert " -> ".join(_circle(_imports(*PACKAGES))) == ""


@pytest.mark.parametrize(
    ("back", "found"),
    [
        ("import made_up.upper", True),
        ("def late():\n    from made_up import upper", True),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from made_up.upper import Thing", True),
        ("import made_up", False),
    ],
)
def test_the_check_for_circles_sees_it(back: str, found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the way back is written, the circle is told from module to module; without one nothing is."""
    package = tmp_path / "made_up"
    package.mkdir()
    texts = {"__init__": "", "upper": "from made_up import middle", "middle": "from made_up import lower", "lower": back}
    for name, text in texts.items():
        (package / f"{name}.py").write_text(f"{text}\n")
    monkeypatch.syspath_prepend(tmp_path)
    circle = ["made_up.lower", "made_up.upper", "made_up.middle", "made_up.lower"]
    assert _circle(_imports("made_up")) == (circle if found else [])


def _imports(*packages: str) -> dict[str, set[str]]:
    """What each module of these packages imports, as import-linter sees it: at whatever place in the file."""
    graph = grimp.build_graph(*packages, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def _circle(imports: dict[str, set[str]]) -> list[str]:
    """A way along imports that comes back to where it began; empty where there is none."""
    cleared: set[str] = set()

    def walk(module: str, way: list[str]) -> list[str]:
        if module in way:
            return [*way[way.index(module) :], module]
        if module not in cleared:
            for further in sorted(imports[module]):
                if circle := walk(further, [*way, module]):
                    return circle
            cleared.add(module)
        return []

    return next(filter(None, (walk(module, []) for module in sorted(imports))), [])


@pytest.mark.parametrize("name", ["connection", "converter", "search_attributes"])
def test_what_workflows_stand_on_knows_no_workflow(name: str) -> None:
    """These modules lie outside all packages, so that the linter of imports does not see them."""
    nodes = list(ast.walk(ast.parse((ROOT / f"{name}.py").read_text())))
    imported = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    imported |= {one.name for node in nodes if isinstance(node, ast.Import) for one in node.names}
    assert {one for one in imported if one.partition(".")[0] in {"workflows", "commands", "worker", "starter"}} == set()


@pytest.mark.parametrize("path", ["workflows/review.py", "contracts/review.py"])
def test_a_pipeline_takes_few_lines(path: str) -> None:
    """What a second pipeline costs, story and contracts: at most 80 lines each, blank ones not counted."""
    assert len([line for line in (ROOT / path).read_text().splitlines() if line.strip()]) <= 80


def test_the_product_imports_no_example() -> None:
    """Examples are there to be copied: they can be changed or left out of an installation, and nothing misses them."""
    product = [path for folder in PACKAGES for path in (ROOT / folder).rglob("*.py")]
    assert [path for path in (*product, *ROOT.glob("*.py")) if _imports_examples(path.read_text())] == []
    assert _imports_examples("def late():\n    from examples.triage import x")
    assert _imports_examples("import examples")


def _imports_examples(text: str) -> bool:
    if "examples" not in text:
        return False
    nodes = list(ast.walk(ast.parse(text)))
    named = [one.name for node in nodes if isinstance(node, ast.Import) for one in node.names]
    named += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return any(name.split(".")[0] == "examples" for name in named)


INSIDE = {"workflows/kit/ask.py", "workflows/kit/side_by_side.py", "workflows/kit/step.py"}
"""The kit's own files that make steps."""


def test_every_step_says_what_happens_where_it_is_not_done() -> None:
    """No code asks an agent and goes on as if it were done: `needed`, `or_else` or a match on `ended` stands for each step."""
    paths = [*WORKFLOWS, *sorted((ROOT / "examples").rglob("*.py"))]
    named = {path.relative_to(ROOT).as_posix(): path.read_text() for path in paths}
    sources = {name: text for name, text in named.items() if name not in INSIDE}
    assert sum(text.count("await ask(") for text in sources.values()) >= 6
    assert problems(sources) == []


IGNORED, AROUND = "nothing says what happens where the step of ", "goes around the step's outcome"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("async def story():\n    await ask(kit)", f"a.py:2: {IGNORED}ask(…)"),
        ("async def story():\n    step = await ask(kit)\n    return step.handoff.id", f"a.py:2: {IGNORED}ask(…)"),
        ("async def story():\n    return await ask(kit)", f"a.py:2: {IGNORED}ask(…)"),
        ("async def story():\n    say((await ask(kit)).outcome)", f"a.py:2: {IGNORED}ask(…)"),
        (
            "async def one() -> Step[Plan]:\n    return await ask(kit)\nasync def story():\n    await one()",
            f"a.py:4: {IGNORED}one(",
        ),
        (
            "async def story():\n    s = await side_by_side(kit, a=ask(kit))\n    return s['a'].outcome",
            f"a.py:2: {IGNORED}side_by",
        ),
        (
            "async def story():\n    s = await ask(kit)\n    tell(s)\ndef tell(x):\n    print(x.outcome)",
            f"a.py:2: {IGNORED}ask(",
        ),
        ("def tell(step):\n    return step.handoff.body.text", f"a.py:2: `step.handoff.body` {AROUND}"),
        ("def tell(step):\n    return step.handoff.result", f"a.py:2: `step.handoff.result` {AROUND}"),
        ("def tell(step):\n    kept = step.handoff\n    return kept.body", f"a.py:3: `kept.body` {AROUND}"),
    ],
)
def test_a_step_that_is_ignored_is_named(code: str, said: str) -> None:
    """The rule above can fail, in each of these ways."""
    found = problems({"a.py": code})
    assert len(found) == 1
    assert found[0].startswith(said)


@pytest.mark.parametrize(
    "code",
    [
        "async def story():\n    return (await ask(kit)).needed()",
        "async def story():\n    step = await ask(kit)\n    return step.or_else(str)",
        "async def story():\n    step = await ask(kit)\n    match step.ended:\n        case _: pass",
        "async def one() -> Step[Plan]:\n    return await ask(kit)\nasync def story():\n    return (await one()).needed()",
        "async def one() -> 'Step[Plan]':\n    step = await ask(kit)\n    say(step.outcome)\n    return step",
        "async def story():\n    s = await side_by_side(kit, a=ask(kit))\n    return s['a'].needed()",
        "async def story():\n    s = await side_by_side(kit, a=ask(kit))\n    return [one.needed() for one in s.values()]",
        "async def story():\n    s = await ask(kit)\n    tell(s)\ndef tell(x):\n    return x.needed()",
        "def plan(self):\n    return self.handoff.body",
    ],
)
def test_a_step_that_is_routed_is_not_named(code: str) -> None:
    """What says how it goes on may do so where it stands, under a name, in a function beside it, or in its callers."""
    assert problems({"a.py": code}) == []
