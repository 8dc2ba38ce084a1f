"""Python requirements that a repository's files name for its tests, each form as its own tool reads it. Nothing is run."""

import ast
import configparser
import posixpath
import re
from collections.abc import Iterable, Iterator
from typing import Any

from activities.repositories.project_files import Files, table

TEST_GROUPS = ("test", "tests", "testing")
DEVELOPMENT = ("dev", "develop", "development")
"""Groups and extras that hold what tests need. The second are looked at where there is none of the first."""

REQUIREMENTS = (
    *("requirements.txt", "requirements-test.txt", "requirements-tests.txt", "test-requirements.txt", "requirements_test.txt"),
    *("requirements/test.txt", "requirements/tests.txt", "requirements/testing.txt", "tests/requirements.txt"),
)
DEVELOPMENT_REQUIREMENTS = (
    *("requirements-dev.txt", "requirements_dev.txt", "dev-requirements.txt", "requirements/dev.txt", "requirements-dev.in"),
)

MOST_FILES = 50
"""Requirements files that are read; they may name each other, and the repository is a stranger's."""

_VERSION = r"[<>=!~]{1,3}\s*[\w.*+!-]+"
REQUIREMENT = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[A-Za-z0-9,\s._-]*\])?\s*"
    rf"(?:\(?{_VERSION}(?:\s*,\s*{_VERSION})*,?\)?)?\s*(?:;[^/\\]*)?\Z"
)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_OTHER_FILE = re.compile(r"(?:-r|--requirement)[\s=]*(?:\{toxinidir\}/)?(\S+)")
_FACTOR = re.compile(r"^[\w!{},.-]+:\s+")


def requirements(files: Files) -> Iterator[tuple[str, list[str]]]:
    """Each place that names requirements, with its lines as they stand there; the same line may be in several places."""
    pyproject = files.toml("pyproject.toml")
    project = table(pyproject.get("project"))
    yield "pyproject.toml", _strings(project.get("dependencies"))
    for name, group in _grouped(table(project.get("optional-dependencies"))):
        yield f"pyproject.toml (extra {name})", _strings(group)
    groups = table(pyproject.get("dependency-groups"))
    for name, group in _grouped(groups):
        yield f"pyproject.toml (group {name})", list(_group(groups, group, {name}))
    yield from _poetry(files.tool("poetry"))
    yield from _setup_cfg(files)
    yield from _setup_py(files)
    there = [name for name in REQUIREMENTS if files.text(name) is not None]
    if not any("test" in name for name in there):
        there += [name for name in DEVELOPMENT_REQUIREMENTS if files.text(name) is not None]
    seen: set[str] = set()
    for name in there:
        yield from _file(files, name, seen)
    yield from _tox(files)


def _file(files: Files, name: str, seen: set[str]) -> Iterator[tuple[str, list[str]]]:
    """A requirements file, and those of the repository that it names with `-r`, each once: they may name each other."""
    if name in seen or len(seen) >= MOST_FILES:
        return
    seen.add(name)
    lines = _lines(files.text(name) or "")
    others = [match[1] for line in lines if (match := _OTHER_FILE.match(line))]
    yield name, [line for line in lines if not line.startswith("-")]
    for other in others:
        yield from _file(files, posixpath.normpath(posixpath.join(posixpath.dirname(name), other)), seen)


def _grouped(groups: dict[str, Any]) -> list[tuple[str, Any]]:
    for names in (TEST_GROUPS, DEVELOPMENT):
        found = [(name, group) for name, group in groups.items() if plain(name) in names]
        if found:
            return found
    return []


def _group(groups: dict[str, Any], group: Any, seen: set[str]) -> Iterator[str]:
    """A dependency group's requirements, with those of groups that it includes, each group once."""
    for one in group if isinstance(group, list) else ():
        if isinstance(one, str):
            yield one
        elif (other := str(table(one).get("include-group", ""))) not in seen and len(seen) < MOST_FILES:
            seen.add(other)
            yield from _group(groups, groups.get(other), seen)


def _poetry(tool: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    groups = {name: table(group).get("dependencies") for name, group in table(tool.get("group")).items()}
    groups |= {"dev": tool["dev-dependencies"]} if "dev-dependencies" in tool else {}
    for name, group in (("", tool.get("dependencies")), *_grouped(groups)):
        said = [_of_poetry(package, version) for package, version in table(group).items() if package != "python"]
        yield "pyproject.toml [tool.poetry]" + (f" (group {name})" if name else ""), [one for one in said if one]


def _of_poetry(package: str, said: Any) -> str:
    """Poetry's own version signs as pip has them; "" for what is optional."""
    if isinstance(said, dict):
        if said.get("optional"):
            return ""
        if "version" not in said:
            return f"{package} @ {next(iter(said), '')}"
        said = said["version"]
    version = str(said).strip()
    if match := re.fullmatch(r"\^(\d+)((?:\.\d+)*)", version):
        above = f",<{int(match[1]) + 1}" if match[1] != "0" else ""
        return f"{package}>={match[1]}{match[2]}{above}"
    version = re.sub(r"^~(?=\d)", ">=", version)
    return package if version == "*" else f"{package}=={version}" if version[:1].isdigit() else f"{package}{version}"


def _setup_cfg(files: Files) -> Iterator[tuple[str, list[str]]]:
    read = _ini(files.text("setup.cfg") or "")
    options = read.get("options", {})
    yield "setup.cfg", [*_lines(options.get("install_requires", "")), *_lines(options.get("tests_require", ""))]
    for name, text in _grouped(dict(read.get("options.extras_require", {}))):
        yield f"setup.cfg (extra {name})", _lines(text)


def _setup_py(files: Files) -> Iterator[tuple[str, list[str]]]:
    """Requirements that setup.py writes out as lists; what it computes is not known without running it."""
    try:
        nodes = list(ast.walk(ast.parse(files.text("setup.py") or "")))
        calls = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("setup")]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for word in (word for call in calls for word in call.keywords):
        try:
            value = ast.literal_eval(word.value)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            continue
        if word.arg in ("install_requires", "tests_require"):
            yield "setup.py", _strings(value) or _lines(value if isinstance(value, str) else "")
        elif word.arg == "extras_require":
            for name, group in _grouped({str(name): group for name, group in table(value).items()}):
                yield f"setup.py (extra {name})", _strings(group)


def _tox(files: Files) -> Iterator[tuple[str, list[str]]]:
    text = _ini(files.text("tox.ini") or "").get("testenv", {}).get("deps", "")
    lines = _lines(text)
    seen: set[str] = set()
    for match in filter(None, map(_OTHER_FILE.match, lines)):
        yield from _file(files, match[1], seen)
    # `py38: mock` holds for that factor alone, and `{[base]deps}` stands for another part of the file.
    yield "tox.ini", [line for line in lines if not (_FACTOR.match(line) or "{" in line or line.startswith("-"))]
    for name, own in (("tox.toml", files.toml("tox.toml")), ("pyproject.toml [tool.tox]", files.tool("tox"))):
        yield name, _strings(table(own.get("env_run_base")).get("deps"))


def _lines(text: str) -> list[str]:
    """A requirements file's lines, without comments, and without the hashes behind a requirement."""
    joined = re.sub(r"\\\r?\n", " ", text)
    lines = (re.sub(r"(?:^|\s)#.*", "", line).split(" --hash", 1)[0].strip() for line in joined.splitlines())
    return [line for line in lines if line]


def _ini(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True)
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}
    return {name: {key: value or "" for key, value in parser[name].items()} for name in parser.sections()}


def _strings(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list | tuple) else []


def plain(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names(lines: Iterable[str]) -> list[str]:
    """The packages' names alone."""
    return [match[0] for line in lines if (match := NAME.match(line))]
