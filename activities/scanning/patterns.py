"""What lines of any file show: merge markers, keys, dependencies from elsewhere, comments that silence a check. Pure."""

import re
from collections.abc import Iterable, Iterator

from activities.scanning.difference import LINK, ChangedFile
from activities.scanning.secrets import secrets_in
from contracts.findings import Severity, Suggested

QUOTE = 200
"""Most characters of a line that a finding quotes."""

LARGE = 2000
"""Added lines of one file from which on it is called large."""

TESTABLE = 5
"""Added lines of source from which on a change should have a test."""

_MERGE = re.compile(r"(<{7}|>{7}|\|{7})( |\Z)")
_SILENCE = re.compile(r"#\s*(?:(?:ruff|flake8)\s*:\s*noqa|noqa\b|nosec\b|pylint\s*:\s*disable)", re.IGNORECASE)
_REQUIREMENTS = re.compile(r"(^|/)(requirements|constraints)[^/]*\.(txt|in)\Z", re.IGNORECASE)
_DECLARES = re.compile(r"(^|/)(pyproject\.toml|setup\.cfg|setup\.py|Pipfile|package\.json)\Z")

Row = tuple[re.Pattern[str], str, Severity, int, str, str]

_DEPENDENCIES: tuple[Row, ...] = (
    (
        re.compile(r"--extra-index-url"),
        *("dependency-index", "medium", 700),
        "Packages are looked for in a second index as well.",
        "Whoever can publish a name there decides what is installed; name one index, or pin hashes.",
    ),
    (
        re.compile(r"--trusted-host|(?:--index-url|-i)[ =]http://"),
        *("dependency-tls", "high", 800),
        "Packages are fetched without a checked connection.",
        "Anybody on the way can replace what is installed; use https.",
    ),
    (
        re.compile(r"(?:@\s*|[\"'^]|\s|\+)http://\S+(?:\.git|\.tar\.gz|\.zip|\.whl|\.tgz)"),
        *("dependency-tls", "high", 700),
        "A dependency is fetched without a checked connection.",
        "Anybody on the way can replace what is installed; use https.",
    ),
    (
        re.compile(r"git\+(?:https?|ssh|git)://(?!\S*@[0-9a-f]{40}\b)"),
        *("dependency-unpinned", "low", 600),
        "A dependency is taken from a repository, and not at a fixed commit.",
        "What is installed changes without a change here; name the full commit.",
    ),
)


def finding(
    file: ChangedFile, number: int, weight: tuple[Severity, int], rule: str, what: str, why: str, suggestion: str, at: int = 0
) -> Suggested:
    """A finding about an added line, with its beginning, or what stands at `at`, as the quote."""
    text = file.added[number]
    severity, confidence = weight
    known = {"file": file.path, "line": number, "quote": _quote(text, at), "severity": severity, "confidence": confidence}
    return Suggested(**known, what=what[:200], why=why[:600], suggestion=suggestion[:600], rule=rule, patch="")


def _quote(text: str, at: int) -> str:
    start = 0 if at < QUOTE // 2 else at - QUOTE // 4
    return text[start : start + QUOTE].strip() if start else text[:QUOTE].rstrip()


def _numbered(file: ChangedFile) -> Iterable[tuple[int, str]]:
    """The added lines that can be quoted."""
    return ((number, text) for number, text in sorted(file.added.items()) if len(text.strip()) >= 3)


def keys(file: ChangedFile) -> Iterator[Suggested]:
    """Keys and passwords. A quote shows no more than how the key begins: many people read a report."""
    for number, text in _numbered(file):
        for rule, what, sure, at in secrets_in(text):
            severity: Severity = "low" if file.is_test and sure < 900 else "medium" if file.is_test else "high"
            why = "Whoever can read the repository has it, and history keeps it after it is removed."
            made = finding(
                file,
                number,
                (severity, sure),
                rule,
                f"This line holds {what}.",
                why,
                "Revoke it, and read it from the environment.",
            )
            yield made.model_copy(update={"quote": _before(text, at)})


def _before(text: str, at: int) -> str:
    shown = text[max(0, at - QUOTE // 2) : at + 4]
    return shown if len(shown.strip()) >= 3 else text[at : at + 5]


def merge_markers(file: ChangedFile) -> Iterator[Suggested]:
    """The first marker of a merge that was left unfinished."""
    for number, text in _numbered(file):
        if _MERGE.match(text):
            why = "Both sides of a conflict stand in the file; it is not what anybody meant, and most files cannot be read so."
            yield finding(
                file, number, ("high", 950), "merge-marker", "A merge was left unfinished here.", why, "Finish the merge."
            )
            return


def dependencies(file: ChangedFile) -> Iterator[Suggested]:
    """Where dependencies come from, in the files that declare them; and hashes that are gone."""
    requirements = bool(_REQUIREMENTS.search(file.path))
    if not requirements and not _DECLARES.search(file.path):
        return
    for number, text in _numbered(file):
        for form, rule, severity, sure, what, why in _DEPENDENCIES:
            if form.search(text[:5000]) and not text.lstrip().startswith("#"):
                yield finding(file, number, (severity, sure), rule, what, why, "")
                break
    had = any("--hash=" in text for _, text in file.removed)
    first = next((number for number, text in _numbered(file)), None)
    if requirements and had and first is not None and not any("--hash=" in text for text in file.added.values()):
        why = "What is installed is no longer compared with what was reviewed."
        yield finding(
            file, first, ("medium", 600), "dependency-hash", "Hashes of dependencies are gone.", why, "Pin them again."
        )


def silenced(file: ChangedFile) -> Iterator[Suggested]:
    """The first comment that keeps linters quiet, unless as many stood there before. None of them is obeyed here."""
    before = sum(bool(_SILENCE.search(text)) for _, text in file.removed)
    now = [number for number, text in _numbered(file) if _SILENCE.search(text)]
    if len(now) > before:
        said = "a comment" if len(now) - before == 1 else f"{len(now) - before} comments"
        what = f"The change adds {said} that would silence a linter."
        at = _SILENCE.search(file.added[now[0]])
        yield finding(
            *(file, now[0], ("low", 500), "silenced", what),
            *("What is silenced is no longer told to whoever changes this next. This review does not obey it.", ""),
            at=0 if at is None else at.start(),
        )


def large(file: ChangedFile) -> Iterator[Suggested]:
    """A file that nobody will read as a whole."""
    first = next((number for number, text in _numbered(file)), None)
    if len(file.added) >= LARGE and first is not None:
        what = f"{len(file.added)} lines are added to this file."
        yield finding(file, first, ("low", 500), "large", what, "Nobody reads so much in one go.", "Split the change.")


def untested(files: list[ChangedFile], *, has_tests: bool) -> Iterator[Suggested]:
    """One hint where source changes and no test does, in a repository that has tests."""
    if not has_tests or any(file.is_test for file in files):
        return
    source = [file for file in files if file.is_python and not file.path.endswith("setup.py")]
    for file in source:
        lines = [number for number, text in _numbered(file) if not text.lstrip().startswith("#")]
        if len(lines) >= TESTABLE:
            why = "Nothing shows that it does what is meant, or that it will go on doing so."
            what = "Source changes here, and no test is added or changed."
            yield finding(file, lines[0], ("low", 400), "untested", what, why, "Add a test that fails without the change.")
            return


def leads_outside(file: ChangedFile) -> Iterator[Suggested]:
    """A symbolic link that leads out of its repository."""
    for number, target in file.added.items() if file.mode == LINK else ():
        depth = file.path.count("/") - target.split("/").count("..")
        if target.startswith("/") or depth < 0:
            why = "Whatever reads this path reads a file of the machine that it runs on."
            what = "A symbolic link leads out of the repository."
            yield finding(file, number, ("medium", 800), "link-outside", what, why, "Link to a file of the repository.")
