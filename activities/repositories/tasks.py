"""Commands that a project declares for its tests in task runners: make, just, tox, nox, and the scripts of package.json."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from activities.repositories import ecosystems as known
from activities.repositories.project_files import Files, table


@dataclass(frozen=True)
class Task:
    """A command, the part of a file that declares it, and the text that says what it does."""

    command: str
    source: str
    text: str


_INCLUDES = re.compile(r"^-?include[ \t]+([^$*\n#]+)$", re.MULTILINE)
"""Files that a makefile reads as a part of itself, where their names are written out."""


def make(files: Files) -> Iterator[Task]:
    """The makefile's target that tests, of the makefile that make itself would read."""
    first = files.first(known.MAKEFILES)
    if first is None:
        return
    included = [(name, files.text(name) or "") for line in _INCLUDES.findall(first[1]) for name in line.split()]
    for target in known.TARGETS:
        for name, text in (first, *included):
            recipe = _recipe(text, target)
            if recipe is not None:
                yield Task(f"make {target}", f"{name} target {target}", recipe)
                return


def _recipe(text: str, target: str) -> str | None:
    """The lines below a target; None where there is no such target."""
    lines = text.splitlines()
    start = next((at for at, line in enumerate(lines) if _is_rule(line, target)), None)
    if start is None:
        return None
    ends = (at for at, line in enumerate(lines) if at > start and line.strip() and not line.startswith(("\t", "#")))
    # make also takes a command on the rule's own line, after a semicolon.
    return "\n".join((lines[start].partition(";")[2], *lines[start + 1 : next(ends, len(lines))]))


def _is_rule(line: str, target: str) -> bool:
    """True for `a test b: needs`, and neither for an assignment nor for a variable of a target (`test: CFLAGS = -g`)."""
    # By hand: a pattern for this takes for ever on a line that is made for it.
    head, colon, tail = line.partition(":")
    assigns = "=" in head or "=" in tail.removeprefix(":").partition(";")[0]
    return bool(colon) and not assigns and not line.startswith(("\t", "#")) and target in head.split()


def just(files: Files) -> Iterator[Task]:
    """The justfile's recipe that tests, where it needs no argument."""
    name, text = files.first(known.JUSTFILES) or ("", "")
    heads = [_just_head(line) for line in text.splitlines()]
    for target in known.TARGETS:
        found = [words for words in heads if words[:1] == [target]]
        if found and all("=" in word or word.startswith("*") for word in found[0][1:]):
            yield Task(f"just {target}", f"{name} recipe {target}", text)
            return


def _just_head(line: str) -> list[str]:
    """The name and the parameters of a recipe that begins on this line; none where none does."""
    head, colon, tail = line.partition(":")
    begins = colon and not tail.startswith("=") and line[:1] not in (" ", "\t", "#")
    # An `@` before the name makes the recipe quiet and is no part of it.
    return head.removeprefix("@").split() if begins else []


def tox(files: Files) -> Iterator[Task]:
    """tox, where one of its three files configures it."""
    text = files.text("tox.ini") or ""
    if re.search(r"^\[(?:tox|testenv)\b", text, re.MULTILINE):
        yield Task("tox", "tox.ini", text)
    elif own := files.toml("tox.toml"):
        yield Task("tox", "tox.toml", json.dumps(own, default=str))
    elif inside := files.tool("tox"):
        yield Task("tox", "pyproject.toml [tool.tox]", json.dumps(inside, default=str))


def nox(files: Files) -> Iterator[Task]:
    """nox, where its file has a session."""
    text = files.text(known.NOXFILE) or ""
    if re.search(r"^@(?:nox\.)?session\b", text, re.MULTILINE):
        yield Task("nox", known.NOXFILE, text)


def node(files: Files) -> Iterator[Task]:
    """`scripts.test` of package.json, run by the manager that the project uses; npm's placeholder is no test."""
    package = files.json("package.json")
    script = table(package.get("scripts")).get("test")
    if isinstance(script, str) and script.strip() and known.NPM_PLACEHOLDER not in script:
        manager, why = _manager(files, package)
        alone = known.NPM_ALONE if manager == "npm" and _hooks_are_no_tests(table(package["scripts"])) else ""
        without = ", without pretest and posttest, which only look at style or audit" if alone else ""
        yield Task(known.NODE[manager] + alone, f"package.json scripts.test{why}{without}", script)
        if manager != "npm":
            yield Task(known.NODE["npm"], "package.json scripts.test, which npm can run as well", script)


def _hooks_are_no_tests(scripts: dict[str, Any]) -> bool:
    """True where there is something before or after the tests, and none of it can be needed by them, such as a build."""
    hooks = [str(scripts[name]) for name in ("pretest", "posttest") if name in scripts]
    steps = [step.strip() for hook in hooks for step in hook.split("&&")]
    return bool(steps) and all(known.NOT_A_TEST.match(step) for step in steps)


def _manager(files: Files, package: dict[str, Any]) -> tuple[str, str]:
    """The package manager, and what says so: the package itself, else a lock file, else nothing."""
    said = str(package.get("packageManager", "")).split("@", 1)[0]
    if said in known.NODE:
        return said, ", packageManager"
    return next(((manager, f", {name}") for name, manager in known.NODE_LOCKS.items() if name in files.paths), ("npm", ""))
