"""How pytest has to be started so that a project's settings for it do not stop it where they say nothing about the code.

Coverage, runs in parallel and reports for people are no part of a verdict, and pytest refuses to start where their plugin is
missing.
"""

import configparser
import shlex
from typing import Any

from activities.repositories.project_files import Files, table

SOURCES = {
    "addopts": "https://docs.pytest.org/en/stable/reference/reference.html#confval-addopts",
    "pytest-cov": "https://pytest-cov.readthedocs.io/en/latest/config.html",
    "pytest-xdist": "https://pytest-xdist.readthedocs.io/en/stable/distribution.html",
    "pytest-html": "https://pytest-html.readthedocs.io/en/latest/user_guide.html",
    "pytest-benchmark": "https://pytest-benchmark.readthedocs.io/en/latest/usage.html",
}
"""Where each option is documented."""

_BEGINNINGS = ("--cov-", "--benchmark-")
_ALONE = ("--no-cov", "--no-cov-on-fail", "--self-contained-html")
_WITH_VALUE = (
    *("--cov", "--cov-report", "--cov-config", "--cov-fail-under", "--cov-context"),
    *("-n", "--numprocesses", "--dist", "--maxprocesses", "--html"),
)


OWN_WARNINGS = "-W default::pytest.PytestDeprecationWarning"
"""Where all warnings are errors, a newer pytest than the project's would fail by its own deprecations."""


def warnings(files: Files) -> str:
    """An option that keeps pytest's own deprecations from being errors; "" where the settings make none of them."""
    lines = _setting(files, "filterwarnings")
    first = (line.strip().strip("\"'") for line in lines)
    return OWN_WARNINGS if any(line == "error" or line.startswith(("error::pytest", "error::Dep")) for line in first) else ""


def override(files: Files) -> str:
    """An option that leaves out those that only people read; "" where the settings have none."""
    try:
        given = [word for line in _setting(files, "addopts") for word in shlex.split(line)]
    except ValueError:  # pytest will say what is wrong with it
        return ""
    kept = list(_kept(given))
    return "" if kept == given else f"-o {shlex.quote('addopts=' + ' '.join(map(_quoted, kept)))}"


def _quoted(word: str) -> str:
    """In double quotes where a shell could read it in another way too: the whole is put in single ones."""
    return word if shlex.quote(word) == word else f'"{word}"' if not set(word) & set("\"\\$`'") else shlex.quote(word)


def _kept(given: list[str]) -> list[str]:
    kept: list[str] = []
    takes_value = False
    for word in given:
        name = word.split("=", 1)[0]
        if takes_value and not word.startswith("-"):
            takes_value = False
            continue
        left_out = name in (*_ALONE, *_WITH_VALUE) or name.startswith(_BEGINNINGS) or (word[:2] == "-n" and word[2:].isdigit())
        takes_value = left_out and name in _WITH_VALUE and "=" not in word
        if not left_out:
            kept.append(word)
    return kept


def _setting(files: Files, key: str) -> list[str]:
    """Lines of a setting as pytest reads it: of the first file that configures it, in pytest's own order."""
    for name in ("pytest.toml", ".pytest.toml"):
        if files.text(name) is not None:
            return _lines(table(files.toml(name).get("pytest")).get(key))
    for name in ("pytest.ini", ".pytest.ini"):  # they count even where they are empty
        if files.text(name) is not None:
            return _lines((_section(files, name, "pytest") or {}).get(key))
    own = files.tool("pytest")
    if own:
        return _lines(table(own.get("ini_options")).get(key) or own.get(key))
    for name, section in (("tox.ini", "pytest"), ("setup.cfg", "tool:pytest")):
        found = _section(files, name, section)
        if found is not None:
            return _lines(found.get(key))
    return []


def _section(files: Files, name: str, section: str) -> dict[str, str] | None:
    parser = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True)
    try:
        parser.read_string(files.text(name) or "")
    except configparser.Error:
        return None
    return {key: value or "" for key, value in parser[section].items()} if section in parser else None


def _lines(value: Any) -> list[str]:
    """Of a list each entry, as one word where it is an option; of a text each line."""
    if isinstance(value, list):
        return [shlex.quote(str(one)) for one in value]
    return value.splitlines() if isinstance(value, str) else []
