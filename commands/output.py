"""Command output: data on stdout, everything else on stderr; colour and wrapping only on a terminal."""

import io
import json
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from commands.errors import Usage
from contracts.errors import BatonError
from contracts.text import for_terminal, one_line, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

SCHEMA = 1
"""Version of the JSON documents' field names."""


class Out:
    """Prints one command's output. With `as_json` only `document` and `record` write to stdout.

    `form`: what a report is printed as (`--as`); then it alone belongs on stdout. None: as text.
    """

    def __init__(self, *, as_json: bool = False, form: str | None = None) -> None:
        self.as_json, self.form = as_json, form
        self.terminal = sys.stdout.isatty() and not as_json and form is None

    def document(self, **fields: Any) -> None:
        """Print the command's one JSON document. Does nothing without `--json`."""
        if self.as_json:
            self.record(**fields)

    def record(self, **fields: Any) -> None:
        """Print one line of JSON to stdout, with or without `--json`; what controls a terminal is escaped as JSON does."""
        # JSON has an escape for every character that the reader's encoding lacks.
        ascii_only = not (sys.stdout.encoding or "").lower().startswith("utf")
        _write(sys.stdout, visible(json.dumps({"schema": SCHEMA, **fields}, default=_plain, ensure_ascii=ascii_only)))

    def line(self, text: str = "", style: str = "") -> None:
        """Print one line of data. The caller makes it safe to show: see `safe`."""
        if self.as_json:
            return
        if self.terminal and style:
            with quiet():
                # Soft wrap: Rich would break long ids and commands, which people copy.
                _console().print(text, style=style, soft_wrap=True)
        else:
            _write(sys.stdout, text)

    def note(self, text: str) -> None:
        """Print one line of progress or advice to stderr."""
        _write(sys.stderr, text)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], words: Collection[str] = ()) -> None:
        """Print aligned columns; on a narrow terminal those named in `words` wrap. Cells are made safe here."""
        if self.as_json:
            return
        from commands.tables import laid_out

        cells = [[safe(cell) for cell in row] for row in rows]
        lines = laid_out(columns, cells, words, _console().width if self.terminal else None)
        for number, line in enumerate(lines):
            self.line(line, "bold" if number == 0 and line.startswith(columns[0]) else "")

    def page(self, text: str) -> None:
        """Print long text, through the pager on a terminal."""
        if self.as_json:
            return
        shown = safe_text(text, limit=2_000_000)
        if self.terminal:
            console = _console()
            # Without styles: a pager such as plain `less` shows colour codes as text.
            with console.pager(styles=False):
                console.print(shown, soft_wrap=True)
        else:
            _write(sys.stdout, shown)

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show a spinner while the block runs. Does nothing unless stderr is a terminal."""
        if not sys.stderr.isatty() or self.as_json:
            yield
            return
        _spinners.append(_spinner(text))
        try:
            _spinners[-1].start()
            yield
        finally:
            _spinners.pop().stop()


class OutputLost(BatonError):
    """What a command prints cannot be written where it should go."""


def prepare_streams() -> None:
    """Make the three streams usable: one that is closed leads nowhere, and characters that do not fit are replaced.

    Raises `Usage` if stdout is closed: the command would do its work and could not say what it did.
    """
    closed = [number for number in (0, 1, 2) if not _is_open(number)]
    for _ in closed:
        os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, so that no file of ours becomes a stream
    for number, name in ((1, "stdout"), (2, "stderr")):
        if number in closed or getattr(sys, name) is None:
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115 (stays open)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if 1 in closed:
        raise Usage("standard output is closed, so nothing could be shown and nothing was done; >/dev/null discards it")


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def safe(text: object, limit: int = 300) -> str:
    """Untrusted text as one line without terminal control sequences, cut at `limit` characters."""
    return one_line(str(text), limit)


def safe_text(text: str, limit: int = 20_000) -> str:
    """Untrusted text as several lines without terminal control sequences, cut at `limit` characters."""
    return for_terminal(text, limit)


def box(label: str, text: str) -> list[str]:
    """Somebody else's words set apart from ours: a label, and a bar before each line."""
    lines = safe_text(text.strip(), limit=6000).splitlines()
    return [f"  ┌ {label}", *(f"  │ {line}" for line in lines), "  └"]


def clock(instant: datetime) -> str:
    """An instant in UTC, with its zone, and with the date only if it is not today."""
    # UTC as in the texts on record, which workers on other machines write: two zones side by side would be misread.
    return f"{moment(instant)} UTC"


def moment(instant: datetime) -> str:
    """`clock` without the zone, for a column whose heading says it."""
    when = instant.astimezone(UTC)
    return f"{when:%H:%M:%S}" if when.date() == datetime.now(UTC).date() else f"{when:%Y-%m-%d %H:%M}"


def left(deadline: datetime) -> str:
    """The time left until then, in its largest unit."""
    seconds = int((deadline - datetime.now(UTC)).total_seconds())
    if seconds <= 0:
        return "over"
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        # From two on: one hour and fifty minutes must not read `1 h`.
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _console() -> "Console":
    from rich.console import Console

    # No markup: [brackets] in an agent's text would be taken for styles and disappear.
    return Console(file=sys.stdout, markup=False, highlight=False)


_spinners: "list[Live]" = []
"""Active spinners. They are hidden while a line is printed: two writers on one terminal line would garble both."""


def _spinner(text: str) -> "Live":
    from rich.console import Console
    from rich.live import Live
    from rich.spinner import Spinner

    # By default Rich redirects prints to the spinner's stream (stderr); our data must reach stdout.
    return Live(
        Spinner("dots", text), console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Hide the spinner while several lines are written: toggling it for each line would flicker."""
    turning = [live for live in _spinners if live.is_started]
    for live in turning:
        live.stop()
    try:
        yield
    finally:
        for live in turning:
            live.start()


def _write(stream: Any, text: str) -> None:
    with quiet():
        try:
            stream.write(text + "\n")
            stream.flush()  # stdout and stderr must stay in order when both go to one place
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputLost(f"the output cannot be written: {error.strerror or error}") from None


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)
