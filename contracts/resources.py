"""What a step touches, by name: files, globs, folders, settings, services and dependencies, and whether two overlap.

Names are normalised and compared; nothing here touches a disk. What a glob matches is in `contracts/globs.py`.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from contracts.base import Contract
from contracts.globs import CROSSING, RUN, meet, shape

Kind = Literal["file", "glob", "folder", "setting", "service", "dependency"]

NAME_LIMIT = 1024
"""Most bytes of one name, as for every path in a workspace."""

GLOB_LIMIT = 200
"""Most bytes of one glob. No person can check longer ones, and they take long to compare."""

PART_LIMIT = 255
"""Most bytes of one name within a path: file systems hold no longer ones."""

_PATHS = ("file", "glob", "folder")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_EXAMPLES = "name a file (src/a.py), a folder (src/) or a glob (src/*.py)"
_FROM_ROOT = "write it relative to the repository's root, such as src/a.py"

_STARS = re.compile(r"\*{2,}")
_OPEN = re.compile(r"[*?][*?.]*")  # `*`, `**`, `?`, `*.*` match nearly any name; `.*` does not: it is hidden files
_PACKAGE = re.compile(r"(@?\w[\w.+/:-]*)(?:\s*[\[(<>=!~^;,@].*|\s+v?\d.*)?")

_ELSEWHERE = (
    (re.compile(r"\\"), "holds a backslash, which only some systems read as the end of a folder; separate folders with /"),
    (re.compile(r"^/"), f"is an absolute path, which is another file on another machine; {_FROM_ROOT}"),
    (re.compile(r"(?:^|/)\.\.(?:/|$)"), f"goes up a folder (..), which can lead out of the repository; {_FROM_ROOT}"),
)
_MISLEADING = (
    (re.compile(r"^\s|\s$"), "begins or ends with a space, which is easily lost; remove it"),
    (re.compile(r"^~"), f"begins with ~, which a shell replaces by a home folder; {_FROM_ROOT}"),
    (re.compile(r"^[A-Za-z]:"), f"begins with a drive, which is another file on another machine; {_FROM_ROOT}"),
    (re.compile(r"\{[^{},/]*,[^{}/]*\}"), "lists alternatives in braces, which no glob here knows; name each one by itself"),
)


class Resource(Contract):
    """One thing that a work item or a step touches. The name is normalised: the same file always has the same name.

    A name that its kind cannot have is refused; `file_resource` and `resource` do so in one sentence.
    """

    kind: Kind
    name: str = Field(description="files, globs and folders from the root, a folder with / at its end; case as it was given")

    @field_validator("name")
    @classmethod
    def _is_of_its_kind(cls, name: str, info: ValidationInfo) -> str:
        return _named(info.data["kind"], name) if "kind" in info.data else name


def file_resource(text: str) -> Resource:
    """The resource that the text names: with `*` or `?` a glob, with `/` at its end a folder, else a file.

    Raises ValueError, which says what is wrong, why, and what to write instead, for a name that leads out of the repository
    or into git's own files, that matches every file, or that no tool can write.
    """
    name = _path(text)
    return Resource(kind=_form(name), name=name)


def resource(kind: Kind, text: str) -> Resource:
    """The resource of this kind with this name. Raises ValueError as `file_resource` does."""
    return Resource(kind=kind, name=_named(kind, text))


def overlaps(one: Resource, other: Resource) -> bool:
    """True if two steps that touch these could interfere when they run side by side.

    Files, globs and folders overlap if some path is in both. Case does not distinguish paths here: on macOS
    and Windows it does not. A file also overlaps everything below it, where it would have to be a folder.
    Settings, services and dependencies overlap if they have the same name in any case; for dependencies `-`, `_`
    and `.` are equal, and versions do not count.
    """
    if one.kind not in _PATHS or other.kind not in _PATHS:
        return one.kind == other.kind and _key(one) == _key(other)
    first, second = _folded(one.name), _folded(other.name)
    if first == second or _is_above(one, first, second) or _is_above(other, second, first):
        return True
    # `meet` would say the same, but more slowly: files are far more frequent than globs, and a regular expression is fast.
    if one.kind == "file":
        return other.kind != "file" and shape(second).fullmatch(first) is not None
    if other.kind == "file":
        return shape(first).fullmatch(second) is not None
    return meet(first, second)


def matches(pattern: Resource, path: str) -> bool:
    """True if a written path, as git names it, is this file, lies in this folder, or matches this glob. Case counts.

    A setting, service or dependency matches no path. Nothing matches a path that leads elsewhere, lies in git's own folder
    or cannot be written by any tool: no plan can mean it. For many paths use `matched`.
    """
    return bool(matched((pattern,), (path,)))


def matched(patterns: Iterable[Resource], paths: Iterable[str]) -> tuple[str, ...]:
    """The paths that at least one of the patterns matches, spelt and ordered as given. See `matches`."""
    shapes = [shape(one.name) for one in patterns if one.kind in _PATHS]
    return tuple(path for path in paths if (name := _written(path)) and any(one.fullmatch(name) for one in shapes))


def shared(ones: Iterable[Resource], others: Iterable[Resource]) -> tuple[str, ...]:
    """Every overlap between the two, sorted, once each: `shop/* and shop/pricing.py`, or the name if it is the same."""
    theirs = tuple(others)
    files = {_folded(other.name) for other in theirs if other.kind == "file"}
    taken = files.union(*(_folders(name) for name in files))
    patterns = tuple(other for other in theirs if other.kind != "file")
    found: set[str] = set()
    for one in ones:
        name = _folded(one.name)
        # A plan may hold 1,500 files and is read in workflows, too: a million pairs would take longer than a task may.
        apart = one.kind == "file" and name not in taken and files.isdisjoint(_folders(name))
        found |= {_pair(one, other) for other in (patterns if apart else theirs) if overlaps(one, other)}
    return tuple(sorted(found))


def is_git_folder(name: str) -> bool:
    """True if some file system would take this name for `.git`: any case, trailing dots and spaces, invisible letters."""
    seen = "".join(one for one in unicodedata.normalize("NFKC", name) if unicodedata.category(one) not in _HIDDEN)
    # `git~1` is Windows' short name for `.git`, and what follows a colon names a stream of the same file on NTFS.
    return seen.split(":")[0].rstrip(". ").casefold() in (".git", "git~1")


def _pair(one: Resource, other: Resource) -> str:
    return one.name if one.name == other.name else f"{one.name} and {other.name}"


def _refused(text: str, problem: str) -> ValueError:
    return ValueError(f"{text if len(text) <= 80 else text[:80] + '…'!r} {problem}")


def _named(kind: Kind, text: str) -> str:
    """The name in the normal spelling of its kind. Normalising it again changes nothing."""
    if kind in _PATHS:
        name = _path(text)
        if kind == "folder" and _form(name) == "file":
            name = _path(f"{name}/")
        if _form(name) != kind:
            raise _refused(text, f"has the form of a {_form(name)}, not of a {kind}; correct the kind or the name")
        return name
    name = _visible(text.strip(), f"name the {kind}")
    if kind == "dependency":
        package = _PACKAGE.fullmatch(name)
        if package is None:
            raise _refused(text, "is not the name of one package; name it as its registry does, such as requests")
        return package[1]
    if "*" in name:
        raise _refused(text, f"holds a star, which stands for nothing in the name of a {kind}; name each {kind} by itself")
    return name


def _visible(text: str, instead: str) -> str:
    """The text with accents composed (NFC), so that two spellings of one name are equal."""
    name = unicodedata.normalize("NFC", text)
    if not name.strip():
        raise _refused(text, f"is empty, and names nothing; {instead}")
    # `isprintable` is only the quick test: it is also False for a no-break space, which is allowed.
    if not name.isprintable() and any(unicodedata.category(one) in _HIDDEN for one in name):
        raise _refused(text, "holds control or invisible characters, which a reader cannot see; use visible characters only")
    if len(name.encode()) > NAME_LIMIT:
        raise _refused(text, f"is longer than {NAME_LIMIT} bytes, which no tool can use; use a shorter name")
    return name


def _clean(text: str) -> tuple[str, ...]:
    """The parts of a path, without `.` and doubled slashes; none for the root itself."""
    name = _visible(text, _EXAMPLES)
    for wrong, problem in _ELSEWHERE:
        if wrong.search(name):
            raise _refused(text, problem)
    parts = tuple(one for one in name.split("/") if one not in ("", "."))
    for part in parts:
        if len(part.encode()) > PART_LIMIT:
            raise _refused(text, f"holds a name of more than {PART_LIMIT} bytes, which no file can have; use a shorter one")
        if is_git_folder(part):
            raise _refused(text, "lies in git's own folder, where no step may write; name files of the project")
    return parts


def _path(text: str) -> str:
    """The normal spelling of a file, folder (`x/`) or glob; `x*/` becomes `x*/**`, what lies below these folders."""
    parts = [part if part == CROSSING else _STARS.sub(RUN, part) for part in _clean(text)]
    if not parts:
        raise _refused(text, f"is the whole repository, and leaves nothing to other items; {_EXAMPLES}")
    name = "/".join(parts)
    for wrong, problem in _MISLEADING:
        if wrong.search(name):
            raise _refused(text, problem)
    if all(_OPEN.fullmatch(part) for part in parts):
        raise _refused(text, f"matches nearly any file, so that nothing would be outside the plan; {_EXAMPLES}")
    if text.endswith(("/", "/.")):
        name = f"{name}/" if _form(name) == "file" else f"{name.removesuffix('/**')}/**"
    if _form(name) == "glob" and len(name.encode()) > GLOB_LIMIT:
        raise _refused(text, f"is a glob of more than {GLOB_LIMIT} bytes, which nobody can check; name files or a folder")
    return name


def _form(name: str) -> Kind:
    if "*" in name or "?" in name:
        return "glob"
    return "folder" if name.endswith("/") else "file"


def _written(path: str) -> str:
    """The path in the spelling of resources; empty for one that no resource can name."""
    try:
        return "/".join(_clean(path))
    except ValueError:
        return ""


def _folders(path: str) -> tuple[str, ...]:
    """The folders that a path lies in."""
    parts = path.split("/")
    return tuple("/".join(parts[:end]) for end in range(1, len(parts)))


def _is_above(one: Resource, name: str, other: str) -> bool:
    return one.kind == "file" and other.startswith(f"{name}/")


def _key(one: Resource) -> str:
    name = _folded(one.name)
    # As package indexes compare names (PEP 503).
    return re.sub(r"[-_.]+", "-", name) if one.kind == "dependency" else name


@lru_cache(maxsize=4096)
def _folded(name: str) -> str:
    """The name without case, letter by letter: if `ß` were folded to `ss`, `?` would no longer match it."""
    if name.isascii():
        return name.lower()
    return "".join(low if len(low := one.casefold()) == 1 else one for one in name)
