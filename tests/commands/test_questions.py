"""Questions at a real terminal: only what is typed after a question stands there answers it."""

import itertools
import os
import pty
import select
import sys
from pathlib import Path

import pytest

from tests import children, depth

ROOT = Path(__file__).parents[2]

ASKER = """
import asyncio, os, sys
from commands import questions

async def line():
    questions.forget_typed()
    print("go on", file=sys.stderr, flush=True)
    with questions.typed_line() as typed:
        return await typed

asks = {
    "confirmed": lambda: questions.confirmed("go on"),
    "told": lambda: questions.told("go on"),
    "told_if_any": lambda: questions.told_if_any("go on"),
    "typed_line": lambda: asyncio.run(line()),
}
os.write(2, b"READY")
os.read(int(sys.argv[2]), 1)
print("ANSWER", repr(asks[sys.argv[1]]()), file=sys.stderr, flush=True)
"""
"""Asks once the pipe that it is given has something in it: until then somebody types at a terminal without a question."""

AHEAD = {
    "two answers": "y\ny\n",
    "half a line": "yes",
    "an end of input": "\x04",
    "many lines": "y\n" * 400,
    "an arrow key": "\x1b[Ay\n",
    "words": "because I say so\nand more\n",
    "another alphabet": "\u65e5\u672c\n",
}


class Asker:
    """The program at a terminal of its own."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self.shown = ""

    def until(self, text: str) -> None:
        """Read the screen until a text stands on it below what the last call found, and forget what is above."""
        while text not in self.shown:
            ready, _, _ = select.select([self._terminal], [], [], children.PATIENCE)
            assert ready, f"{text!r} never stood on the screen: {self.shown!r}"
            self.shown += os.read(self._terminal, 65_536).decode(errors="replace")
        self.shown = self.shown.partition(text)[2]

    def type(self, text: str) -> None:
        """Type, as a person would."""
        os.write(self._terminal, text.encode())


def asked(kind: str, ahead: str, answer: str) -> str:
    """What the question was answered with; each line of the answer is typed when the question stands there (again)."""
    ours, theirs = pty.openpty()
    goes, go = os.pipe()
    try:
        streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs, "pass_fds": (goes,), "cwd": ROOT}
        with children.started(sys.executable, "-c", ASKER, kind, str(goes), **streams):
            screen = Asker(ours)
            screen.until("READY")
            # The mark comes back when all of it has reached the terminal.
            screen.type(f"{ahead}#")
            screen.until("#")
            os.write(go, b"x")
            screen.until("go on")
            first, *others = answer.splitlines(keepends=True)
            screen.type(first)
            for other in others:
                screen.until("go on")
                screen.type(other)
            screen.until("ANSWER ")
            found = screen.shown
            while "\n" not in found:
                found += os.read(ours, 65_536).decode()
            return found.splitlines()[0]
    finally:
        for one in (ours, theirs, goes, go):
            os.close(one)


ASKED = (
    ("confirmed", "n\n", "False"),
    ("confirmed", "maybe\nY\n", "True"),
    ("told", "a reason\n", "'a reason'"),
    ("told", "   \nwhy\n", "'why'"),
    ("told_if_any", "\n", "''"),
    ("typed_line", "n\n", "'n\\n'"),
)
"""Each kind of question, what is typed after it, and what it takes that for."""

MET = depth.soak(*itertools.product(ASKED, AHEAD)) or tuple(zip(itertools.cycle(ASKED), AHEAD, strict=False))
"""Each question and whatever was typed before it: each at least once, in the soak all with all."""


@pytest.mark.parametrize(
    ("kind", "answer", "said", "ahead"),
    [(*asked, AHEAD[name]) for asked, name in MET],
    ids=[f"{asked[0]}-{name}" for asked, name in MET],
)
def test_what_was_typed_before_a_question_answers_none(kind: str, answer: str, said: str, ahead: str) -> None:
    """Whatever it was; what is not understood is asked again."""
    assert asked(kind, ahead, answer) == said
