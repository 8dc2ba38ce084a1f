"""Changed files that may be a part of what checks, though their paths do not say so; and source that asks whether it is tested.

They are named and not put back: nothing tells what is judged from what judges.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from activities.git import Mirror
from activities.git.command import AnswerTooLarge, GitTimedOut
from activities.repositories import answers, judging, sabotage
from activities.repositories.shared import lines_between, text_of
from contracts.repositories import FileChange
from contracts.text import one_line

READ = 40
"""Files of one kind that are read."""

SHORTEST = 4
"""Characters of a file's name from which on it is looked for in tests; a shorter one stands in any text."""

_DATA = re.compile(r"\.(md|rst|adoc|txt)\Z")
"""Texts that people read. A test that reads one is too rare to name every changed page."""


def may_judge(mirror: Mirror, base: str, tree: str, command: str, others: Sequence[FileChange]) -> tuple[str, ...]:
    """What the check's own script imports, helpers of tests, sources with tests in them, and data that tests name."""
    paths = [one.path for one in others]
    imported = judging.imported_by(command, paths, lambda path: text_of(mirror, tree, path))
    modified = [one.path for one in others if one.status == "modified"]
    # As the base has them: the change may have removed what makes them look like helpers.
    python = [path for path in modified if path.endswith(".py")][:READ]
    helpers = [path for path in python if judging.helps_tests(text_of(mirror, base, path) or "")]
    sources = [path for path in modified if judging.language_of(path)][:READ]
    inside = [path for path in sources if _changes_inner_tests(mirror, base, tree, path)]
    return tuple(dict.fromkeys((*imported, *helpers, *inside, *_named_by_tests(mirror, base, others))))


def aware(mirror: Mirror, base: str, tree: str, others: Sequence[FileChange]) -> tuple[str, ...]:
    """Added lines of source that ask whether a test runs: such a program can be another one when it is not tested."""
    sources = [one.path for one in others if one.status != "deleted" and judging.language_of(one.path)][:READ]
    return tuple(
        f"{path}:{number}: {one_line(text.strip(), 80)}"
        for path in sources
        for number, text in judging.aware(path, lines_between(mirror, base, tree, path))
    )


def written(mirror: Mirror, base: str, tree: str, others: Sequence[FileChange]) -> tuple[str, ...]:
    """Places whose answers are written out for inputs of tests, where no answer that the file adds is for another input.

    A table of which the tests try a part is not named: it knows more than they ask.
    """
    sources = [one.path for one in others if one.status != "deleted" and judging.language_of(one.path)][:READ]
    found = {path: answers.answers(lines_between(mirror, base, tree, path)) for path in sources}
    asked = sorted({one for each in found.values() for answer in each for one in answer.given})[:READ]
    # With underscores, as a test may write a number, it is not found; who hides answers has easier ways.
    tests = _tests_with(mirror, tree, asked) + _tests_with(mirror, base, asked) if asked else []
    return tuple(
        f"{path}:{answer.number}: {one_line(answer.told, 80)}"
        for path, each in found.items()
        if each and all(answers.asserted(answer, tests) for answer in each)
        for answer in each
    )


def _tests_with(mirror: Mirror, tree: str, texts: Sequence[str]) -> list[str]:
    """Tests of a tree in which one of these texts stands. None where the tree is too large to be searched."""
    try:
        paths = [path for path in mirror.naming(tree, texts) if judging.is_test(path)][:READ]
    except (AnswerTooLarge, GitTimedOut):
        return []
    return [text_of(mirror, tree, path) or "" for path in paths]


def _changes_inner_tests(mirror: Mirror, base: str, tree: str, path: str) -> bool:
    """True where tests that stand in a source file were edited or taken out; new ones beside new code are no doubt."""
    before = text_of(mirror, base, path)
    inside = inner_tests(path, before) if before is not None else set[int]()
    if not inside:
        return False
    lines = lines_between(mirror, base, tree, path)
    if any(number in inside for number, _ in lines.removed):
        return True
    after = text_of(mirror, tree, path)
    now = inner_tests(path, after) if after is not None else set[int]()
    # A test may also be weakened by a line that is only put in.
    return any(number in now and judging.weakens(path, text) for number, text in lines.added)


def inner_tests(path: str, text: str) -> set[int]:
    """Lines of a source file that are tests: examples of doctest, and what Rust compiles only for tests."""
    if path.endswith(".py"):
        return set(_examples(text))
    return sabotage.inner_tests(path, text)


def _examples(text: str) -> Iterable[int]:
    inside = False
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        # An example ends with an empty line or with the text that it stands in.
        inside = stripped.startswith(">>> ") or (inside and bool(stripped) and not stripped.startswith(('"""', "'''")))
        if inside:
            yield number


def _named_by_tests(mirror: Mirror, base: str, others: Sequence[FileChange]) -> Iterable[str]:
    """Changed files that are no source and whose name stands in a test of the base, such as data with what is expected."""
    data = [one.path for one in others if one.status == "modified" and judging.language_of(one.path) is None][:READ]
    names = {path: PurePosixPath(path).name for path in data if not _DATA.search(path)}
    names = {path: name for path, name in names.items() if len(name) >= SHORTEST}
    if not names:
        return ()
    try:
        naming = [path for path in mirror.naming(base, sorted(set(names.values()))) if judging.is_test(path)][:READ]
    except (AnswerTooLarge, GitTimedOut):
        # Too large to be searched: then each may be named by a test.
        return list(names)
    texts = [text_of(mirror, base, path) or "" for path in naming]
    return [path for path, name in names.items() if any(name in text for text in texts)]
