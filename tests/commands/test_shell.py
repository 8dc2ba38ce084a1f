"""What a shell and its user expect of every command: help, version, completion, closed pipes, and names that are text."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

import starter
from commands.errors import Code
from commands.server import ROOT
from ledger.db import Ledger
from tests import children, forks
from tests.commands.conftest import Baton, Begin

PROGRAM = [sys.executable, str(ROOT / "starter.py")]


def every_command() -> list[tuple[str, ...]]:
    """The words of all commands, those of groups included."""
    found = []
    for name, one in get_command(starter.assemble()).commands.items():  # type: ignore[attr-defined]  # it is a group
        below = getattr(one, "commands", {})
        found += [(name,), *((name, sub) for sub in below)]
    return found


@pytest.mark.parametrize("words", every_command(), ids=" ".join)
def test_every_command_takes_h_and_help(baton: Baton, words: tuple[str, ...]) -> None:
    """Both print the same page, with exit code 0, and say what the command does."""
    short, whole = baton(*words, "-h"), baton(*words, "--help")
    assert (short.code, whole.code) == (0, 0)
    assert short.out == whole.out
    assert "Usage: baton" in short.out


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version_is_printed(baton: Baton, flag: str) -> None:
    """That of the package, and nothing else is done."""
    ran = baton(flag)
    version = next(line for line in (ROOT / "pyproject.toml").read_text().splitlines() if line.startswith("version"))
    assert (ran.code, ran.out) == (0, f"baton {version.partition('= ')[2].strip(chr(34))}\n")


COMPLETE = """
{script}
COMP_WORDS=({words}) COMP_CWORD={at}
_baton_completion baton
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("bud",), {"budget"}),
        (("budget", "r"), {"raise", "reconcile", "review"}),
        (("deliver", "--rep"), {"--repository"}),
        (("show", "ship-"), {"ship-1", "ship-2"}),
        (("cancel", "ship-2"), {"ship-2"}),
    ],
)
def test_bash_completes_commands_options_and_runs(
    baton: Baton, begin: Begin, tmp_path: Path, words: tuple[str, ...], wanted: set[str]
) -> None:
    """The printed script, in a real bash."""
    from tests.ledger import samples

    for number in (1, 2):
        begin(f"t-{number}", run=samples.ref(f"t-{number}", workflow_id=f"ship-{number}"))
    script = baton("completion", "bash").out
    folder = forks.script(tmp_path / "bin" / "baton").parent
    text = COMPLETE.format(script=script, words=" ".join(("baton", *words)), at=len(words))
    variables = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "--norc", "-c", text], env=variables, capture_output=True, text=True, timeout=children.PATIENCE, check=True
    )
    assert set(done.stdout.split()) == wanted, done.stderr


@pytest.mark.parametrize(
    ("shell", "mark", "variables"),
    [
        ("zsh", "#compdef baton", {"_BATON_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "baton bud"}),
        (
            "fish",
            "complete --command baton",
            {
                "_BATON_COMPLETE": "complete_fish",
                "_TYPER_COMPLETE_FISH_ACTION": "get-args",
                "_TYPER_COMPLETE_ARGS": "baton bud",
            },
        ),
    ],
)
def test_zsh_and_fish_are_answered(baton: Baton, shell: str, mark: str, variables: dict[str, str]) -> None:
    """The script for the shell, and the answer to what that script asks."""
    assert mark in baton("completion", shell).out
    assert "budget" in baton.process(**variables).out


def test_another_shell_is_a_usage_error(baton: Baton) -> None:
    """It names those there are."""
    ran = baton("completion", "tcsh")
    assert (ran.code, "bash" in ran.err) == (2, True)


@pytest.mark.parametrize("arguments", [("feed", "--jsonl"), ("agents", "list"), ("contracts",)])
def test_a_reader_that_stops_is_no_failure(baton: Baton, ledger: Ledger, begin: Begin, arguments: tuple[str, ...]) -> None:
    """As for other programs: 141 and not a word, whatever was still to be written."""
    from ledger import feed
    from tests.ledger import samples

    begin()
    ledger.tx_now(feed.append, samples.ref(), [samples.note(f"{number}", why="x" * 900) for number in range(300)])
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run(
            [*forks.program(), *arguments],
            stdout=closed,
            stderr=subprocess.PIPE,
            timeout=children.PATIENCE,
            check=False,
            text=True,
        )
    assert (done.returncode, done.stderr) == (Code.PIPE, "")


@pytest.mark.parametrize(("redirected", "code"), [(">&-", Code.USAGE), ("2>&-", Code.DONE)])
def test_a_closed_stream_is_nobody_who_reads(baton: Baton, begin: Begin, redirected: str, code: Code) -> None:
    """Without stderr a command does what it does. Without stdout it could not say what it did, and does nothing."""
    begin()
    done = subprocess.run(
        ["sh", "-c", f"{PROGRAM[0]} {PROGRAM[1]} runs {redirected}"],
        capture_output=True,
        timeout=children.PATIENCE,
        check=False,
    )
    assert done.returncode == code, done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([b"show", b"caf\xe9"], 3),
        ([b"show", b"--json", b"caf\xe9"], 3),
        ([b"why", b"\xff\xfe"], 3),
        ([b"budget", b"show", b"caf\xe9"], 3),
        ([b"pause", b"run", b"-m", b"caf\xe9"], 2),
        ([b"approve", b"run", b"--by", b"Ren\xe9"], 2),
    ],
)
def test_an_argument_that_is_not_utf8_is_named(baton: Baton, begin: Begin, arguments: list[bytes], code: int) -> None:
    """No such name can be, and no such text can be kept: one sentence, with the bytes written out."""
    begin()
    done = subprocess.run([*forks.program(), *arguments], capture_output=True, timeout=children.PATIENCE, check=False)
    said = done.stderr.decode()
    assert (done.returncode, "UTF-8" in said, "unexpected" in said) == (code, True, False), said
    assert "\\x" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("pause", "RUN", "--by", ""),
        ("cancel", "RUN", "--by", " "),
        ("approve", "RUN", "--yes", "--by", ""),
        ("retry", "RUN", "--by", ""),
        ("budget", "raise", "month", "--to", "5", "-m", "why", "--by", ""),
        ("budget", "raise", "month", "--to", "5", "-m", ""),
        ("models", "close", "model:a:b", "-m", "why", "--by", ""),
        ("models", "close", "model:a:b", "-m", " "),
        ("deliver", "-r", ".", "-i", "x", "--owner", ""),
        ("deliver", "-r", ".", "-i", "x", "--by", ""),
        ("deliver", "-r", ".", "-i", "x", "--request-key", " "),
        ("deliver", "-r", ".", "-i", "x", "--base", ""),
        ("demo", "--approve-as", ""),
    ],
    ids=" ".join,
)
def test_an_empty_name_is_refused(baton: Baton, begin: Begin, arguments: tuple[str, ...]) -> None:
    """It would count as none, and somebody else would be on record."""
    run = begin()
    ran = baton(*(run if one == "RUN" else one for one in arguments))
    assert (ran.code, "empty" in ran.err) == (2, True), ran.err


@pytest.mark.parametrize("typed", ["0.0000001", "1e-7", "0.0000009999"])
def test_a_ceiling_that_would_count_as_zero_is_refused(baton: Baton, typed: str) -> None:
    """The smallest amount is named."""
    ran = baton("deliver", "-r", str(ROOT), "-i", "x", "--ceiling-usd", typed)
    assert (ran.code, "--ceiling-usd: the smallest amount is 0.000001" in ran.err) == (2, True), ran.err
