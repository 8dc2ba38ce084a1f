"""Which changed files judge the change, and what was changed in them. Pure; the paths are in `contracts/special_paths.toml`."""

import ast
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import PurePosixPath

from activities.repositories.check_command import words_of
from contracts.delivery.proof import Judging, Kind
from contracts.repositories import FileChange
from contracts.special_paths import ECOSYSTEMS, Marks, fits
from contracts.text import amount, one_line

NOTES = 8
"""Lines of one file that are told apart."""

_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
# Python would import these in place of the test runner, or run them (sitecustomize) before anything else.
_STANDS_IN = re.compile(r"(src/)?(_?pytest|pluggy|iniconfig|sitecustomize|usercustomize)(\.pyi?|/.*)?\Z")
_COMMANDS = {"make": ("Makefile", "makefile", "GNUmakefile"), "npm": ("package.json",), "just": ("justfile",)}

_HELPS = re.compile(
    r"^\s*(import|from)\s+(pytest|unittest|hypothesis)\b|^\s*def\s+(assert|check|expect|verify|ensure)\w*\s*\(", re.MULTILINE
)

Read = Callable[[str], "str | None"]


@dataclass(frozen=True)
class Lines:
    """Changed lines of one file by their numbers: those taken out of the base, and those put in."""

    removed: tuple[tuple[int, str], ...] = ()
    added: tuple[tuple[int, str], ...] = ()
    gaps: tuple[int, ...] = ()
    """Lines of the change after which something was only taken out; 0: before its first line."""


def language_of(path: str) -> str | None:
    """The ecosystem that a source file belongs to; None: it is no source of any that is known."""
    end = PurePosixPath(path).suffix
    return next((one.name for one in ECOSYSTEMS if end in one.source), None)


def kind_of(change: FileChange, command: Iterable[str] = ()) -> Kind | None:
    """How a changed file judges; None: it does not. `command` are the files that the check's command runs."""
    path = change.path
    # What is on the base stood in for Python's own when the base was checked, too: only a new module counts.
    if _STANDS_IN.match(path) or (change.status == "added" and _shadows(path)):
        return "runner"
    if any(fits(path.casefold(), one.configuration) for one in ECOSYSTEMS):
        return "configuration"
    if path in set(command):
        return "command"
    return "test" if is_test(path) else None


def is_test(path: str) -> bool:
    """Whether a file's name is that of a test, or it lies where tests lie."""
    return any(fits(path, one.tests) for one in ECOSYSTEMS)


def weakens(path: str, line: str) -> bool:
    """Whether a line takes a test out of the count, or ends it before it has asserted anything."""
    return _marks(path).skips.search(line) is not None or re.match(r"\s*return\b", line) is not None


def aware(path: str, lines: Lines) -> Iterable[tuple[int, str]]:
    """Added lines that ask whether a test runs. Lines that were only moved ask nothing new."""
    asks, before = _marks(path).aware, {text.strip() for _, text in lines.removed}
    return ((number, text) for number, text in lines.added if asks.search(text) and text.strip() not in before)


def _shadows(path: str) -> bool:
    """True for a module at the root, or in `src`, that is called as one of Python's own."""
    top, _, rest = path.removeprefix("src/").partition("/")
    name = top.removesuffix(".py") if top.endswith(".py") and not rest else top if rest == "__init__.py" else ""
    return name in sys.stdlib_module_names


def run_by(command: str, changed: Iterable[str], read: Read) -> frozenset[str]:
    """Those of the changed files that the command runs: named in it, or in a script that it names. Modules count by name."""
    # Shell syntax is not parsed: all that could be a path counts, because a script that is missed could be made to pass.
    words = words_of(command) or re.findall(r"[\w./@+-]+", command)
    named = [part for word in words for part in (word.split("::")[0].removeprefix("./"), *_COMMANDS.get(word, ()))]
    named += [path for before, after in pairwise(words) if before in ("-m", "-p") for path in places_of([after])]
    left, found = dict.fromkeys(changed), set[str]()
    waiting = [name for name in dict.fromkeys(named) if name]
    seen = set(waiting)
    while waiting:
        name = waiting.pop()
        if name in left:
            found.add(name)
        text = read(name) if PurePosixPath(name).suffix in _SCRIPTS or name in sum(_COMMANDS.values(), ()) else None
        more = [one for one in left if one not in seen and text is not None and _calls(text, one)]
        seen.update(more)
        waiting += more
    return frozenset(found)


_SCRIPTS = ("", ".sh", ".bash", ".mk", ".bat", ".ps1", ".json")
"""Ends of names whose text is searched for further commands. What a program imports may be the very source that is judged."""


def imported_by(command: str, changed: Iterable[str], read: Read) -> tuple[str, ...]:
    """Those of the changed modules that a Python script named in the command imports itself.

    They may be what is judged, or a part of the judge: nothing tells which, so they are named and not put back.
    """
    scripts = [word.removeprefix("./") for word in words_of(command) if word.endswith(".py")]
    places = places_of(name for script in scripts for name in _imports(read(script) or ""))
    return tuple(path for path in changed if path in places)


def places_of(names: Iterable[str]) -> frozenset[str]:
    """Files in which Python may find modules of these names."""
    ends = (".py", "/__init__.py", "/__main__.py")
    return frozenset(f"{top}{name.replace('.', '/')}{end}" for name in names for top in ("", "src/") for end in ends)


def plugins_in(text: str) -> frozenset[str]:
    """Files of the plugins that a setting of pytest, or a conftest, loads by name."""
    named = re.findall(r"(?<![\w-])-p[ =]*([A-Za-z_][\w.]*)", text)
    for listed in re.findall(r"pytest_plugins\s*=\s*([\[(]?[^\])\n]*)", text):
        named += re.findall(r"[\"']([\w.]+)[\"']", listed)
    return places_of(named)


def helps_tests(text: str) -> bool:
    """True for a module that looks like a helper of tests: it uses a test library, or has functions that check something."""
    return _HELPS.search(text) is not None


def _imports(text: str) -> Iterable[str]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    for one in ast.walk(tree):
        if isinstance(one, ast.Import):
            yield from (each.name for each in one.names)
        elif isinstance(one, ast.ImportFrom) and one.module:
            yield one.module
            yield from (f"{one.module}.{each.name}" for each in one.names)


def _calls(text: str, path: str) -> bool:
    return path in text and re.search(rf"(?<![\w/-]){re.escape(path)}(?![\w-])|\./{re.escape(path)}", text) is not None


def judging(change: FileChange, kind: Kind, lines: Lines) -> Judging:
    """What is to be told about a changed file that judges."""
    found = tuple(dict.fromkeys(_notes(change.path, lines)))
    more = (f"and {amount(len(found) - NOTES, 'more such line')}",) if len(found) > NOTES else ()
    numbers = [number for number, _ in lines.added] or [number for number, _ in lines.removed]
    return Judging(path=change.path, kind=kind, status=change.status, lines=ranges(numbers), notes=(*found[:NOTES], *more))


def _notes(path: str, lines: Lines) -> Iterable[str]:
    own = _marks(path)
    # A line that was only moved or indented is no loss.
    kept = {text.strip() for _, text in lines.added}
    for number, text in lines.removed:
        if text.strip() in kept:
            continue
        if own.defines.search(text):
            yield f"a test is gone: line {number} of the base: {one_line(text.strip(), 80)}"
        elif own.asserts.search(text):
            yield f"an assertion is gone or another: line {number} of the base: {one_line(text.strip(), 80)}"
    before = {text.strip() for _, text in lines.removed}
    for number, text in lines.added:
        if text.strip() in before:
            continue
        if own.skips.search(text):
            yield f"a test is skipped, or expected to fail: line {number}: {one_line(text.strip(), 80)}"
        elif own.narrows.search(text):
            yield f"fewer tests may run or count: line {number}: {one_line(text.strip(), 80)}"


def _marks(path: str) -> Marks:
    """Of the ecosystem whose source this is; else of the first that lists the path; else of the first."""
    end = PurePosixPath(path).suffix
    own = (one.lines for one in ECOSYSTEMS if end in one.source)
    listed = (one.lines for one in ECOSYSTEMS if fits(path.casefold(), one.configuration) or fits(path, one.tests))
    every = (one.lines for one in ECOSYSTEMS)
    return next(marks for marks in chain(own, listed, every) if marks is not None)


def lines_of(diff: str) -> Lines:
    """The changed lines of a diff of one file without context."""
    removed: list[tuple[int, str]] = []
    added: list[tuple[int, str]] = []
    gaps: list[int] = []
    old = new = 0
    # Until the first hunk, `---` and `+++` name the files and are no changed lines.
    inside = False
    # Not `splitlines`: it also splits at form feeds and the like, and every number after one would be wrong.
    for line in diff.split("\n"):
        if found := _HUNK.match(line):
            inside, old, new = True, int(found[1]), int(found[3])
            # Nothing was put in: git then gives the number of the line after which the removed ones stood.
            if found[4] == "0":
                gaps.append(new)
        elif inside and line.startswith("-"):
            removed.append((old, line[1:]))
            old += 1
        elif inside and line.startswith("+"):
            added.append((new, line[1:]))
            new += 1
    return Lines(tuple(removed), tuple(added), tuple(gaps))


def ranges(numbers: Sequence[int]) -> str:
    """Line numbers as a person writes them: 3-5, 9."""
    parts: list[list[int]] = []
    for number in sorted(set(numbers)):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    shown = [str(low) if low == high else f"{low}-{high}" for low, high in parts[:12]]
    return ", ".join(shown) + (f" and {amount(len(parts) - 12, 'more place')}" if len(parts) > 12 else "")
