"""A review of a change without a model: which files are looked at by what, and what of it counts as the change's own fault."""

import asyncio
import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from activities.repositories.merging import ranked
from activities.repositories.shared import SOURCE_LIMIT, Repositories
from activities.scanning import patterns
from activities.scanning.difference import LINK, SUBMODULE, ChangedFile, files_of, text_of
from activities.scanning.linters import SYNTAX, Edit, Hit, Linted, lint, reasons
from activities.scanning.regexes import slow_patterns
from activities.scanning.rules import BUGS, CAUSED, HOLES, Weight, is_hole, weight_of
from activities.scanning.secrets import secrets_in
from contracts.base import digest_of
from contracts.findings import MOST, Findings, Severity, Suggested
from contracts.repositories import Workspace
from contracts.special_paths import ECOSYSTEMS, fits
from contracts.text import amount, one_line

PASSWORDS = ("S105", "S106", "S107")
"""Rules for passwords, whose lines are not quoted to their end."""

KEPT = 8
"""Changes whose hits a worker remembers."""

LONG_LINE = 20_000
"""Characters of a line from which on its file is not given to linters: it is data, or made to stop them."""

_TESTS = tuple(pattern for one in ECOSYSTEMS for pattern in one.tests)
_SURE = {"high": 800, "medium": 600, "low": 300}


@dataclass(frozen=True)
class Material:
    """What is reviewed: the changed files, the Python among them as text, and what is left out."""

    files: tuple[ChangedFile, ...]
    python: Mapping[str, str]
    has_tests: bool
    left_out: tuple[str, ...]


class Scans:
    """The two reviewers that need no model. The same change gives the same findings."""

    def __init__(self, repositories: Repositories) -> None:
        self._repos = repositories
        # One at a time: they need the processor, and the second reviewer of a change finds what the first had linted.
        self._turn = asyncio.Lock()
        self._linted: dict[str, Linted] = {}

    async def bugs(self, artifact: str, workspace: Workspace) -> Findings:
        """Faults by ruff, unfinished merges, what is too complex or too large, and missing tests."""
        material, hits, unread = await self._look(artifact, workspace)
        found = [*_told(hits, material, BUGS)]
        for file in material.files:
            found += [*patterns.merge_markers(file), *patterns.large(file), *patterns.silenced(file)]
        found += patterns.untested(list(material.files), has_tests=material.has_tests)
        return _findings("ruff and patterns looked for faults", found, (*material.left_out, *unread))

    async def holes(self, artifact: str, workspace: Workspace) -> Findings:
        """Weaknesses by ruff's security rules and bandit, keys, dependencies from elsewhere, links that lead outside."""
        material, hits, unread = await self._look(artifact, workspace)
        found = [*_told(hits, material, HOLES)]
        for file in material.files:
            found += [*patterns.keys(file), *patterns.dependencies(file), *patterns.leads_outside(file)]
            if file.path in material.python and not file.is_test:
                found += await asyncio.to_thread(lambda file=file: [*slow_patterns(file, material.python[file.path])])  # type: ignore[misc]
        return _findings("bandit, ruff and patterns looked for weaknesses", found, (*material.left_out, *unread))

    async def _look(self, artifact: str, workspace: Workspace) -> tuple[Material, list[Hit], list[str]]:
        material = await asyncio.to_thread(self._material, artifact, workspace)
        key = digest_of(artifact, workspace.ref.stored())
        async with self._turn:
            if key not in self._linted:
                if len(self._linted) >= KEPT:
                    self._linted.clear()
                self._linted[key] = await _linted(material)
            found = self._linted[key]
        by_path = {file.path: file for file in material.files}
        return (
            material,
            list(found.hits),
            [f"{_name(by_path[path])}: {one_line(why, 200)}" for path, why in found.unread.items()],
        )

    def _material(self, artifact: str, workspace: Workspace) -> Material:
        mirror = self._repos.mirrors.open(workspace.ref.repository)
        tree = self._repos.tree(mirror, workspace.ref)
        there = [file for file in files_of(self._repos.patch(artifact)) if not file.gone]
        # A finding names its file in one line, in which such a name would look like something else.
        files = [file for file in there if file.path.isprintable()]
        python: dict[str, str] = {}
        left_out = [*_not_read(files), *(f"{_name(one)}: its name cannot be printed" for one in there if one not in files)]
        for file in files:
            if file.is_python and (file.added or file.removed):
                raw = mirror.content(tree, file.path)
                why = "" if raw is not None else "it cannot be read at the head"
                if raw is not None and not (why := _unfit(raw)):
                    python[file.path] = text_of(raw)
                if why:
                    left_out.append(f"{_name(file)}: not linted, {why}")
        has_tests = any(fits(path, _TESTS) for path in mirror.paths(tree))
        return Material(tuple(files), python, has_tests, tuple(left_out))


def _name(file: ChangedFile) -> str:
    return one_line(file.path.encode(errors="replace").decode(), 200)


def _unfit(raw: bytes) -> str:
    """Why a file is not given to linters; "" if it is."""
    if b"\0" in raw:
        return "it has NUL bytes, as no text has"
    if len(raw) > SOURCE_LIMIT:
        return f"it has {len(raw)} bytes, above {SOURCE_LIMIT}"
    longest = max((len(line) for line in raw.split(b"\n")), default=0)
    return f"it has a line of {longest} bytes" if longest > LONG_LINE else ""


def _not_read(files: Iterable[ChangedFile]) -> Iterator[str]:
    """What no rule reads at all, and what only patterns read, in a few lines."""
    others = [file for file in files if not file.is_python or file.binary]
    binary = [file for file in others if file.binary]
    links = [file for file in others if file.mode in (LINK, SUBMODULE)]
    plain = [file for file in others if file not in binary and file not in links]
    for those, said in (
        (plain, "no Python, looked at for keys, merge markers, dependencies and size only"),
        (binary, "binary, not looked at"),
        (links, "links and submodules, only where they lead"),
    ):
        if those:
            more = " …" if len(those) > 5 else ""
            yield f"{amount(len(those), 'file')} {said}: {', '.join(_name(one) for one in those[:5])}{more}"


async def _linted(material: Material) -> Linted:
    """Hits that the change brought, and which files could not be linted."""
    by_path = {file.path: file for file in material.files}
    before = {path: by_path[path].before(text) for path, text in material.python.items() if not by_path[path].new}
    now, then = await asyncio.gather(lint(material.python), lint(before))
    lines = {path: text.split("\n") for path, text in material.python.items()}
    old_lines = {path: text.split("\n") for path, text in before.items()}
    known = Counter(_mark(hit, old_lines) for hit in then.hits)
    new: list[Hit] = []
    for hit in now.hits:
        mark = _mark(hit, lines)
        if known[mark] > 0:
            known[mark] -= 1
        elif _is_its_own(hit, by_path[hit.file], set(then.unread)):
            new.append(hit)
    return Linted(tuple(_once(new)), dict(sorted(now.unread.items())))


def _mark(hit: Hit, lines: Mapping[str, Sequence[str]]) -> tuple[str, str, str, str]:
    """By which a hit before and after a change is the same: its rule and its line, wherever that stands now."""
    text = lines[hit.file][hit.line - 1].strip() if 0 < hit.line <= len(lines[hit.file]) else ""
    message = hit.message if hit.rule.startswith(("C901", "F")) else ""
    return hit.file, "" if hit.rule == SYNTAX else text, hit.rule, message


def _is_its_own(hit: Hit, file: ChangedFile, unread_before: set[str]) -> bool:
    """False for what the change neither touches nor causes."""
    if hit.rule == SYNTAX:
        return file.path not in unread_before
    if file.path.endswith("__init__.py") and hit.rule == "F401":
        return False  # what a package offers under its name
    touched = any(number in file.added for number in range(hit.line, min(hit.end, hit.line + 30) + 1))
    return touched or (hit.rule.startswith(CAUSED) and file.path not in unread_before)


def _once(hits: Iterable[Hit]) -> list[Hit]:
    """Each fault once, though both tools have the rule: ruff's words, bandit's weight. Of a file's syntax errors the first."""
    found: dict[tuple[str, int, str], Hit] = {}
    for hit in hits:
        shared = hit.rule[:1] in "SB" and hit.rule[1:].isdigit() and (hit.tool == "bandit" or hit.rule[0] == "S")
        key = (hit.file, 0 if hit.rule == SYNTAX else hit.line, hit.rule[1:] if shared else hit.rule)
        there = found.get(key)
        if there is None:
            found[key] = hit
        elif there.tool != hit.tool:
            ruff, bandit = (there, hit) if there.tool == "ruff" else (hit, there)
            found[key] = replace(ruff, weight=bandit.weight)
    return list(found.values())


def _told(hits: Iterable[Hit], material: Material, table: Mapping[str, Weight]) -> Iterator[Suggested]:
    by_path = {file.path: file for file in material.files}
    for hit in hits:
        rule = f"S{hit.rule[1:]}" if hit.tool == "bandit" else hit.rule
        if table is BUGS and hit.rule == SYNTAX:
            weight: Weight | None = ("high", 900)
        else:
            weight = weight_of(rule, table) if is_hole(rule) == (table is HOLES) else None
        if weight is not None:
            yield _finding(hit, rule, _weighed(hit, weight, by_path[hit.file]), material.python[hit.file])


def _weighed(hit: Hit, weight: Weight, file: ChangedFile) -> Weight:
    """The table's weight, bandit's where it has one; in tests, which nobody attacks, a weakness is low."""
    severity, sure = weight
    if hit.weight[0] in _SURE:
        severity = _worse(severity, hit.weight[0])
        sure = (sure + _SURE.get(hit.weight[1], sure)) // 2
    if file.is_test and is_hole(hit.rule):
        return "low", 200
    return severity, sure


def _worse(ours: Severity, theirs: str) -> Severity:
    order: tuple[Severity, ...] = ("high", "medium", "low")
    return next(one for one in order if one in (ours, theirs))


def _finding(hit: Hit, rule: str, weight: Weight, text: str) -> Suggested:
    lines = text.split("\n")
    # A hit at the end of a file, or on an empty line, is told at the line above: a quote has to be there.
    row = max(1, min(hit.line, len(lines)))
    while row > 1 and len(lines[row - 1].strip()) < 3:
        row -= 1
    why = reasons().get(rule, "") or f"{hit.tool} tells it as {hit.rule}."
    suggestion = f"{hit.mending or 'See'} {hit.url}" if hit.url else hit.mending
    return Suggested(
        file=hit.file.encode(errors="replace").decode(),
        line=row,
        quote=_quote(lines[row - 1], rule),
        severity=weight[0],
        confidence=weight[1],
        what="A password stands in the source." if hit.tool == "bandit" and rule in PASSWORDS else one_line(hit.message, 200),
        why=one_line(why, 600),
        suggestion=one_line(suggestion, 600),
        rule=rule,
        patch=_patch(hit.file, text, hit.edits),
    )


def _quote(line: str, rule: str) -> str:
    """The beginning of a line, up to a key or a password in it: more people read a report than should have that."""
    ends = [at + 4 for _, _, _, at in secrets_in(line)]
    if rule in PASSWORDS:
        ends += [at + 1 for at in (line.find("'"), line.find('"')) if at >= 0]
    shown = line[: min([patterns.QUOTE, *ends])].rstrip("\r")
    return shown if len(shown.strip()) >= 3 else line[: patterns.QUOTE]


def _patch(path: str, text: str, edits: Sequence[Edit]) -> str:
    """The linter's own correction as a patch; "" where it has none, or it would be too long to read."""
    if not edits or not text.endswith("\n") or not path.isprintable() or " " in path:
        return ""
    mended = _edited(text, edits)
    old, new = text.splitlines(keepends=True), mended.splitlines(keepends=True)
    if mended == text or "\r" in text or len(text.split("\n")) != len(old) + 1:
        return ""
    patch = "".join(difflib.unified_diff(old, new, f"a/{path}", f"b/{path}"))
    return patch if len(patch) <= 4000 else ""


def _edited(text: str, edits: Sequence[Edit]) -> str:
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)

    def at(place: tuple[int, int]) -> int:
        return min(starts[min(place[0], len(starts)) - 1] + place[1] - 1, len(text))

    for edit in sorted(edits, key=lambda one: one.start, reverse=True):
        text = text[: at(edit.start)] + edit.content + text[at(edit.end) :]
    return text


def _findings(summary: str, found: Sequence[Suggested], left_out: Sequence[str]) -> Findings:
    best = ranked(found)
    more = f"; {len(best) - MOST} of the least important are left out" if len(best) > MOST else ""
    said = f"No model took part: {summary}. {amount(len(best), 'finding')}{more}."
    told = [one[:500] for one in left_out]
    if len(told) > 20:
        told = [*told[:19], f"and {len(told) - 19} more"]
    return Findings(summary=said, findings=tuple(best[:MOST]), not_looked_at=tuple(told))
