"""Commands are printed for people to copy. Whoever starts a workflow chooses its id, so every name in them is quoted."""

import ast
import re
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.printed import command, quoted
from contracts.text import visible

ROOT = Path(__file__).parent.parent
FOLDERS = ("contracts", "ledger", "activities", "workflows", "commands")
SAFE = {"command", "quoted", "shlex.quote"}

# A program, a word of its own, then anything that is not the end of the command, and a value put in.
PRINTED = re.compile(r"(?:\bbaton|\btemporal workflow) [a-z][a-z-]*[^`;,.:()\n]*?\0(\d+)\0")


def test_no_command_is_printed_with_a_bare_name() -> None:
    """In an f-string, what follows the name of one of our commands comes from `contracts.printed` or is quoted there."""
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "sample" not in path.parts
        for line in _bare(path.read_text())
    ]
    assert found == []


@pytest.mark.parametrize(
    ("code", "bare"),
    [
        ('f"baton show {run}"', True),
        ('f"look: `baton approve {run} {gate}` does it"', True),
        ('f"baton budget raise {scope} --to USD"', True),
        ('f"baton show {quoted(run)}"', False),
        ('f"baton show {quoted(run)} --gate {gate}"', True),
        ('f"temporal workflow reset -w {workflow}"', True),
        ("f\"{command('show', run)} shows it\"", False),
        ('f"`baton doctor` lists it; {run} goes on"', False),
        ('f"baton worker: {error}"', False),
    ],
)
def test_the_check_for_bare_names_sees_them(code: str, bare: bool) -> None:
    """The rule above can fail: each of these is told apart."""
    assert bool(_bare(code)) is bare


def _bare(text: str) -> list[int]:
    lines: list[int] = []
    if "baton " not in text and "temporal workflow " not in text:
        return lines
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.JoinedStr):
            continue
        values = [one.value for one in node.values if isinstance(one, ast.FormattedValue)]
        numbers = iter(range(len(values)))
        flat = "".join(str(one.value) if isinstance(one, ast.Constant) else f"\0{next(numbers)}\0" for one in node.values)
        # Each hit is cut off and looked behind: a command may have several names.
        while (hit := PRINTED.search(flat)) is not None:
            if not _is_safe(values[int(hit[1])]):
                lines.append(node.lineno)
            flat = flat[: hit.start(1) - 1] + "x" + flat[hit.end(1) + 1 :]
    return lines


def _is_safe(value: ast.expr) -> bool:
    calls = [ast.unparse(one.func) for one in ast.walk(value) if isinstance(one, ast.Call)]
    return any(name in SAFE for name in calls)


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("deliver-shop-0001", "baton approve deliver-shop-0001 plan-1"),
        ("fix $(touch PWNED) x", "baton approve 'fix $(touch PWNED) x' plan-1"),
        ("--json", "baton approve -- --json plan-1"),
        ("it's", """baton approve 'it'"'"'s' plan-1"""),
    ],
)
def test_a_printed_command_names_the_run_and_nothing_else(name: str, printed: str) -> None:
    """A name is one word for a shell, and never an option."""
    assert command("approve", name, "plan-1") == printed
    assert [word for word in shlex.split(printed)[2:] if word != "--"] == [name, "plan-1"]


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1).filter(lambda name: visible(name) == name))
def test_any_visible_name_comes_back_from_a_shell(name: str) -> None:
    """Options stand before `--`, and the name is what follows."""
    words = shlex.split(command("reject", name, options='-m "why"'))
    assert words[:2] == ["baton", "reject"]
    assert name in words
    assert ("--" in words) == name.startswith("-")
    assert shlex.split(quoted(name)) == [name]
