"""The `baton` commands that pages name, in their prose and in their blocks, held against the commands there are."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tests.docs.pages import blocks, prose
from tests.docs.reference import commands

ANYWHERE = ("--help", "-h", "--version", "--debug")
"""What any command takes, or `baton` itself."""

_ENDS = {"|", ">", "<", "&&", "||", ";", "2>&1"}


def spoken(page: Path) -> Iterator[str]:
    """Every command line of ours in a page, each in one line."""
    for span in re.findall(r"`(baton [^`]+)`", prose(page)):
        yield " ".join(span.split())
    for block in blocks(page):
        if block.language == "sh":
            joined = re.sub(r" *\\\n *", " ", block.text)
            yield from re.findall(r"^(?:[A-Z_]+=\S+ )*(?:RUN=\$\()?(baton [^\n]+)$", joined, re.MULTILINE)


def wrong(line: str) -> str:
    """What no command of ours takes in this line; "" where all is well."""
    words = _words(line)
    if words[1] == "--context":  # stands before the command as well, and takes a name
        words = [words[0], *words[3:]]
    found = _command(words[1:])
    if found is None:
        return "" if words[1].isupper() or words[1] in ANYWHERE else f"there is no command {words[1]!r}"
    name, command, rest = found
    if command is None:
        return "" if all(word in ANYWHERE for word in rest) else f"{name} has no command {rest[0]!r}"
    return _misfit(name, command, rest)


def _words(line: str) -> list[str]:
    """As a shell would split it, up to what is not the command's any more."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # `'{…` in prose, or a command whose string goes on in the next line
        words = line.split()
    return next((words[:at] for at, word in enumerate(words) if word in _ENDS), words)


def _command(words: list[str]) -> tuple[str, Any, list[str]] | None:
    """The longest name of a command that these words begin with; None as command for a group that has to be told more."""
    named = _named()
    for count in (2, 1):
        name = " ".join(words[:count])
        if name in named:
            return name, named[name], words[count:]
    inner = any(name.startswith(f"{words[0]} ") for name in named)
    return (words[0], None, words[1:]) if inner else None


@cache
def _named() -> dict[str, Any]:
    """Every command by its words; assembling them takes longer than all that is asked of them."""
    return {name.removeprefix("baton "): one for name, one in commands()}


def _misfit(name: str, command: Any, rest: list[str]) -> str:
    options = [one for one in command.params if one.opts[0].startswith("-")]
    flags = {spelled: one.is_flag for one in options for spelled in (*one.opts, *one.secondary_opts)}
    takes = len(command.params) - len(options)
    given, at = 0, 0
    while at < len(rest):
        word, at = rest[at], at + 1
        if not re.match(r"\[?--?[a-z]", word):
            given += 1
            continue
        option, equals, _ = word.strip("[]").partition("=")
        if option in ANYWHERE:
            continue
        if option not in flags:
            return f"{name} has no option {option}"
        if not flags[option] and not equals and at < len(rest):
            at += 1
    return f"{name} takes {takes} arguments, not {given}" if given > takes else ""
