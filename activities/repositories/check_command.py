"""How a check's command is run: as it is, by a shell, or, where it is pytest, so that its report can be relied on. Pure."""

import re
import shlex
from pathlib import Path

from activities.repositories import junit
from activities.sandbox.interpreter import RUNNER
from activities.sandbox.layout import WORKSPACE, usual
from contracts.check_shapes import has_pipe
from contracts.errors import Misconfigured

PIPES = """\
if (set -o pipefail) 2>/dev/null; then set -o pipefail; eval "$1"; exit; fi
if command -v bash >/dev/null; then exec bash --posix -o pipefail -c "$1"; fi
echo 'a pipe hides that its first part fails, and no shell here can tell (set -o pipefail): install bash below /usr, or' >&2
echo 'name the check without the pipe' >&2
exit 126
"""
"""Runs a command so that a pipe fails if any part of it does: by the system's own shell if that can do it, else by bash."""

COPIED = """\
#!/bin/sh
set -e
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -a {workspace}/. "$copy"
cd "$copy"
{run}
"""

_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
_SHELL = set("|&;<>()$`\\\"'*?[]#~=%!{}\n")


def is_pytest(command: str) -> bool:
    """True for `pytest …` and `python -m pytest …` without shell syntax: then the report file can be asked for."""
    return bool(_pytest_words(words_of(command)))


def argv_of(command: str, *more: str, report: str = f"{WORKSPACE}/{junit.NAME}") -> list[str]:
    """The command as it is run: split where it is plain words, by the sandbox's own shell where it is more.

    A pipe is run so that every part of it counts (`pytest | tee log` fails where pytest does).
    pytest is started by `RUNNER`, and writes its report to the absolute path `report`. `more` are further options for it, left
    out where the command is another one.
    """
    if not command.strip():
        raise Misconfigured("the check is empty; name a command such as 'pytest -q'")
    words = words_of(command)
    if not words:
        return ["/bin/sh", "-c", PIPES, "sh", command] if has_pipe(command) else ["/bin/sh", "-c", command]
    started = _pytest_words(words)
    if not started:
        return words
    arguments = words[len(started) :]
    # Our options go before `--`: pytest takes everything behind it for a file.
    end = arguments.index("--") if "--" in arguments else len(arguments)
    python = "python3" if started == ["pytest"] else started[0]
    return [python, RUNNER, *arguments[:end], *more, f"--junitxml={report}", *arguments[end:]]


def script_of(command: str, environment: Path | None) -> str:
    """A program for the sandbox that runs the command as checks are, on a copy of the workspace: nothing of it stays there."""
    variables = [f"{name}={value}" for name, value in usual(environment).items()]
    run = shlex.join(["env", "-i", *variables, *argv_of(command, report="/dev/null")])
    return COPIED.format(workspace=WORKSPACE, run=run)


def _pytest_words(words: list[str]) -> list[str]:
    """The words that start pytest; none where the command is another one."""
    if words[:1] == ["pytest"]:
        return words[:1]
    return words[:3] if len(words) > 2 and words[0].startswith("python") and words[1:3] == ["-m", "pytest"] else []


def words_of(command: str) -> list[str]:
    """The command's words, or none where it needs a shell. Quotes are fine, anything else that a shell reads is not."""
    try:
        words = shlex.split(command)
    except ValueError:
        return []
    # `=` and brackets are usual in arguments (`--cov=x`, `test_a[1]`), and mean nothing without a shell.
    # What stands between single quotes no shell reads.
    bare = _QUOTED.sub(lambda part: "" if part[0][0] == "'" else part[0], command) if "\\" not in command else command
    plain = bare.replace('"', "").replace("'", "").replace("=", "").replace("[", "").replace("]", "")
    assigns = bool(words) and "=" in words[0]  # `CI=1 pytest`: only a shell takes it as a variable
    return [] if assigns or any(letter in _SHELL for letter in plain) else words
