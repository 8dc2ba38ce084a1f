"""Regular expressions from a model, matched in a process of their own that is killed if one takes too long.

`re` cannot be interrupted and holds the interpreter lock, so `(a+)+$` on a hostile line would block the worker and its
heartbeats for years. Refusing nested quantifiers would miss `(a|a)*$` and refuse harmless patterns. The process gets bytes
and answers with line numbers; it opens nothing, and this file imports only the standard library, so that it starts fast.
"""

import json
import re
import resource
import selectors
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NoReturn, Self

STEP_SECONDS = 2.0
"""Timeout for one file."""

_CPU_SECONDS = 60
_MEMORY = 2 * 1024**3

Found = list[tuple[int, int]]
"""Where a pattern was found: line index and column, both from 0; one per line."""


class PatternRefused(Exception):
    """The pattern is not a valid regular expression; the text says why."""


class PatternTooSlow(Exception):
    """The process was killed because one file took too long or too much memory."""


class Matcher:
    """A running process for one pattern. Use it in a `with`; leaving kills the process whatever it is doing."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._process = subprocess.Popen(
            # Isolated: it reads strangers' text, so it imports nothing from the environment or from packages.
            [sys.executable, "-I", "-S", str(Path(__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
        )

    def __enter__(self) -> Self:
        try:
            self._ask({}, self._pattern.encode(errors="surrogatepass"), 10.0)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()

    def lines(self, text: str, room: int, seconds: float = STEP_SECONDS) -> Found:
        """The first `room` lines with a match. Raises `PatternTooSlow` after `seconds`; the matcher is then dead."""
        answer = self._ask({"room": room}, text.encode(), seconds)
        return [(line, column) for line, column in answer["found"]]

    def _ask(self, header: dict[str, int], data: bytes, seconds: float) -> dict[str, Any]:
        sent, answers = self._process.stdin, self._process.stdout
        if sent is None or answers is None:
            raise PatternTooSlow
        try:
            _send(sent, header | {"size": len(data)}, data)
        except BrokenPipeError:
            self._give_up()
        with selectors.DefaultSelector() as selector:
            selector.register(answers, selectors.EVENT_READ)
            # Waiting for the first byte is enough: an answer is one line, written at once.
            line = answers.readline() if selector.select(seconds) else b""
        if not line:
            self._give_up()
        answer: dict[str, Any] = json.loads(line)
        if "refused" in answer:
            raise PatternRefused(answer["refused"])
        return answer

    def _give_up(self) -> NoReturn:
        self._end()
        raise PatternTooSlow

    def _end(self) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        # Else the killed process would stay as a zombie until the worker ends.
        self._process.wait()


def matches(pattern: re.Pattern[str], text: str, room: int) -> Found:
    """The first `room` lines of the text in which the pattern is found. Line ends are not part of a line."""
    found: Found = []
    for index, line in enumerate(text.split("\n")):
        hit = pattern.search(line.removesuffix("\r"))
        if hit:
            found.append((index, hit.start()))
            if len(found) == room:
                break
    return found


def _send(pipe: IO[bytes], header: dict[str, int], data: bytes) -> None:
    pipe.write(json.dumps(header).encode() + b"\n" + data)
    pipe.flush()


def _main() -> None:
    # If the worker dies, nobody kills this process; its own limits end it.
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    # Whoever started the worker may have set a lower limit, which is as good.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    asked, answers = sys.stdin.buffer, sys.stdout.buffer
    try:
        pattern = re.compile(asked.read(json.loads(asked.readline())["size"]).decode(errors="surrogatepass"))
    except (re.error, RecursionError, OverflowError) as error:
        answers.write(json.dumps({"refused": str(error) or type(error).__name__}).encode() + b"\n")
        return
    answer: dict[str, Any] = {"ready": True}
    while True:
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()
        line = asked.readline()
        if not line:
            return
        header = json.loads(line)
        answer = {"found": matches(pattern, asked.read(header["size"]).decode(), header["room"])}


if __name__ == "__main__":
    _main()
