"""Completion as the shells themselves do it: the printed scripts in a real zsh and a real fish."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import children, forks
from tests.commands.conftest import Baton, Begin, at_terminal
from tests.ledger import samples

ODD = (
    "ship-$(touch PWNED)",
    "ship-`touch PWNED`",
    "ship-;touch PWNED",
    "ship-'q",
    'ship-"q',
    "ship-a b",
    "ship-*",
    "ship-\ntouch PWNED",
)
"""Workflow ids that are no single word of a shell: whoever starts a workflow chooses its id."""

COMPLETIONS = [
    ("baton bud", "baton budget "),
    ("baton budget rai", "baton budget raise "),
    ("baton deliver --rep", "baton deliver --repository "),
    ("baton show ship-t", "baton show ship-two "),
    ("baton show week", "baton show weekly-2026-11-30T06:00:00Z "),
]

SHOWS_ITS_LINE = """
autoload -U compinit; compinit -u -D
source <(baton completion zsh)
line() { print -r -- "LINE=$BUFFER=" }
zle -N line; bindkey '^X' line
print READY''
"""
"""For zsh: afterwards Ctrl-X prints what stands on the command line."""


def shell(name: str) -> str:
    """The shell's program. It may be missing on a developer's machine, and never in CI."""
    found = shutil.which(name)
    if found is None:
        text = f"there is no {name} here; install it (Debian: apt-get install {name})"
        pytest.fail(text) if os.environ.get("CI") else pytest.skip(text)
    return found


@pytest.fixture
def variables(baton: Baton, begin: Begin, tmp_path: Path) -> dict[str, str]:
    """An environment with `baton` on the PATH, and runs whose ids are words, and others."""
    for number, name in enumerate(("ship-two", "weekly-2026-11-30T06:00:00Z", *ODD)):
        begin(f"t-{number}", run=samples.ref(f"t-{number}", workflow_id=name))
    folder = forks.script(tmp_path / "bin" / "baton").parent
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(tmp_path), "PS1": "ready> "}


def asked(program: list[str], variables: dict[str, str]) -> str:
    """What a shell prints."""
    done = subprocess.run(
        program, env=variables, capture_output=True, text=True, timeout=children.PATIENCE, check=True, stdin=subprocess.DEVNULL
    )
    return done.stdout


@pytest.mark.parametrize(("typed", "line"), COMPLETIONS)
def test_fish_completes(variables: dict[str, str], typed: str, line: str) -> None:
    """It says itself what it would complete a line to."""
    text = f"baton completion fish | source; complete -C '{typed}'"
    offered = asked([shell("fish"), "--no-config", "-c", text], variables)
    assert [one.split("\t")[0] for one in offered.splitlines()] == [line.split()[-1]]


def test_zsh_completes(variables: dict[str, str]) -> None:
    """At a terminal, with the Tab key; an apostrophe in a command's help is shown."""
    dialogue = [("ready> ", SHOWS_ITS_LINE.strip().replace("\n", "; ") + "\n"), ("READY\r", ""), ("ready> ", "")]
    for typed, line in COMPLETIONS:
        dialogue += [("", f"{typed}\t\x18"), (f"LINE={line}=", "\x15")]
    dialogue += [("", "baton budget \t"), ("Raise a run’s", "\x15exit\n")]
    assert at_terminal([shell("zsh"), "-f"], variables, dialogue).code in (0, 1, 130)


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_no_shell_is_offered_an_id_that_it_would_run(variables: dict[str, str], tmp_path: Path, name: str) -> None:
    """bash puts completions onto the line as they are, so that Enter would run what is in them."""
    asking = {
        "bash": {"COMP_WORDS": "baton show ship-", "COMP_CWORD": "2", "_BATON_COMPLETE": "complete_bash"},
        "zsh": {"_TYPER_COMPLETE_ARGS": "baton show ship-", "_BATON_COMPLETE": "complete_zsh"},
        "fish": {
            "_TYPER_COMPLETE_ARGS": "baton show ship-",
            "_BATON_COMPLETE": "complete_fish",
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        },
    }
    offered = asked(["baton"], variables | asking[name])
    assert "ship-two" in offered
    assert offered.count("ship-") == 1
