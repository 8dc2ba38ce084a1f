"""Asking the person at the terminal. What was typed before a question stood there is no answer to it."""

import asyncio
import contextlib
import getpass
import sys
import termios
from collections.abc import Iterator

import typer


def forget_typed() -> None:
    """Drop what was typed and not read yet: whoever typed it cannot have seen what comes now. Nothing where no terminal is."""
    if sys.stdin.isatty():
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def confirmed(question: str) -> bool:
    """Yes or no; Enter alone is no. Anything else is asked again. Raises `typer.Abort` at the end of the input."""
    while True:
        said = _asked(f"{question} [y/N]", default="").strip().lower()
        if said in {"y", "yes"}:
            return True
        if said in {"", "n", "no"}:
            return False
        typer.echo("  that is neither y nor n", err=True)


def told(question: str) -> str:
    """Some words; nothing but spaces is asked again. Raises `typer.Abort` at the end of the input."""
    while True:
        said = _asked(question, default="")
        if said.strip():
            return said
        typer.echo("  some words are needed here; Ctrl-C sends nothing", err=True)


def told_if_any(question: str) -> str:
    """Some words, or "" where Enter alone was pressed. Raises `typer.Abort` at the end of the input."""
    return _asked(f"{question} [Enter: leave it out]", default="").strip()


def told_unseen(question: str) -> str:
    """A line that is not shown while it is typed. Raises `typer.Abort` at the end of the input."""
    try:
        # It hides what is typed and drops what was typed before, and only then asks: Typer's own prompt asks first.
        return getpass.getpass(f"{question}: ")
    except EOFError:
        raise typer.Abort from None


@contextlib.contextmanager
def typed_line() -> Iterator["asyncio.Future[str]"]:
    """The next line typed. No thread blocks on stdin, so Ctrl-C ends the command at once."""
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        if not line.done():
            # A terminal hands over whole lines, so that this does not block once there is something to read.
            line.set_result(sys.stdin.readline())

    loop.add_reader(sys.stdin.fileno(), read)
    try:
        yield line
    finally:
        loop.remove_reader(sys.stdin.fileno())


def _asked(question: str, default: str) -> str:
    # Before the question is written and not after it: a quick answer to what is seen must not be lost.
    forget_typed()
    after = " " if question.endswith((".", "?", "!")) else ": "
    answer: str = typer.prompt(question, default=default, show_default=False, err=True, prompt_suffix=after)
    return answer
