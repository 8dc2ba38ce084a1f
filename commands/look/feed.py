"""`baton feed`: what was done, why, and what comes next."""

import asyncio
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.context import LOOK, Json, Project, duration, open_ledger, settings, watching
from commands.errors import NothingYet, Usage
from commands.output import Out, quiet
from commands.text import tell_line

if TYPE_CHECKING:
    from contracts.runs import FeedLine
    from ledger.db import Ledger
    from ledger.views.feed import Filter

LINES = 100
"""Lines shown if no starting point is given."""

LOOK_EVERY = 0.3


def add_to(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command(rich_help_panel=LOOK)(feed)


def feed(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="Show only this run; default: all runs.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing new lines until the run ends.")] = False,
    since: Annotated[str | None, typer.Option("--since", help="Show lines since then: 30s, 15m, 2h, 7d.")] = None,
    after: Annotated[
        int | None, typer.Option("--after", min=0, metavar="SEQ", help="Show lines after this line number.")
    ] = None,
    at: Annotated[
        int | None, typer.Option("--at", min=1, metavar="SEQ", help="Show the feed as it was at this line: none after it.")
    ] = None,
    agent: Annotated[str, typer.Option("--agent", metavar="NAME", help="Show what this agent did, or NAME@VERSION.")] = "",
    stage: Annotated[str, typer.Option("--stage", metavar="NAME", help="Show lines of this stage.")] = "",
    alerts: Annotated[bool, typer.Option("--alerts", help="Show alerts alone.")] = False,
    text: Annotated[
        str, typer.Option("--find", metavar="TEXT", help="Show lines with this text in what was done, why, or what comes next.")
    ] = "",
    project: Project = None,
    overview: Annotated[bool, typer.Option("--overview", help="Leave out model turns, tool calls and other details.")] = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Print one JSON document per line.")] = False,
    as_json: Json = False,
) -> None:
    """Show the feed: what was done, why, what comes next, by whom, and what it cost. Ordered by time; --jsonl by number."""
    if as_json and follow:
        raise Usage("--json prints one document and --follow has no end: use --jsonl with --follow")
    if at is not None and follow:
        raise Usage("--at ends at a line that is written and --follow has no end: leave one of them out")
    moment = None if since is None else datetime.now(UTC) - duration(since)
    out = Out(as_json=as_json or jsonl)
    try:
        with open_ledger(settings()) as ledger:
            from ledger.views.feed import Filter, check_line

            trace = _trace(ledger, run)
            ledger.read_now(check_line, at or 0)
            wanted = Filter(trace, project, agent, stage, alerts, text, at or 0)
            reader = Reader(out, ledger, wanted, overview=overview, jsonl=jsonl)
            reader.begin(moment, after)
            with watching(run):
                asyncio.run(reader.read(follow=follow))
    except NothingYet as nothing:
        if run is not None:
            raise
        out.note(str(nothing))
        if as_json:
            out.document(lines=[], last=0)


def _trace(ledger: "Ledger", run: str | None) -> str | None:
    if run is None:
        return None
    from ledger.views.runs import find_run

    return ledger.read_now(find_run, run).trace


class Reader:
    """Reads the feed by sequence number, so a reader that continues after the last number it saw misses nothing.

    People get what is there by time: a line is numbered when it is committed, which may be long after it happened.
    """

    def __init__(self, out: Out, ledger: "Ledger", wanted: "Filter", *, overview: bool, jsonl: bool) -> None:
        self._out, self._ledger, self._wanted, self._trace = out, ledger, wanted, wanted.trace
        self._overview, self._jsonl = overview, jsonl
        self._since: datetime | None = None
        self._names: dict[str, str] = {}
        self._seq = 0
        self._shown = 0
        self._older = False

    def begin(self, since: datetime | None, after: int | None) -> None:
        """Choose where to start: after a number, at an instant, or, if both are None, with the most recent lines."""
        from ledger.views.feed import seq_before

        self._since = since
        if after is not None:
            self._seq = after
            return
        # All of one run, but of all runs only the latest: that feed grows without end.
        last = LINES if since is None and self._trace is None else None
        self._seq = self._ledger.read_now(seq_before, self._wanted, since=since, last=last)
        self._older = last is not None and self._seq > 0

    async def read(self, *, follow: bool) -> None:
        """Print the existing lines; with `follow`, keep printing until the run has ended."""
        kept: list[dict[str, Any]] = []
        with self._spinner(follow):
            while True:
                # Read the state before the lines: if the run had ended by then, this read has all of its lines.
                ended = self._has_ended()
                lines = self._next()
                self._names = self._names_of(lines)
                with quiet() if lines else nullcontext():
                    kept += [self._tell(line) for line in lines]
                if not follow or (ended and not lines):
                    break
                if not lines:
                    await asyncio.sleep(LOOK_EVERY)
        if self._out.as_json and not self._jsonl:
            self._out.document(lines=kept, last=self._seq)
        elif not self._shown:
            self._out.note("no lines yet")
        elif self._older and not self._jsonl:
            self._out.note(f"these are the last {LINES} lines: `baton feed --since 1d` or `--after 0` shows earlier ones")

    def _spinner(self, follow: bool) -> AbstractContextManager[None]:
        text = "waiting for the next line (Ctrl-C stops watching, not the run)"
        return self._out.waiting(text) if follow else nullcontext()

    def _next(self) -> "list[FeedLine]":
        """All lines that have come since, those asked for."""
        from ledger.views.feed import head, lines

        # Read first: what is not wanted up to there need not be looked at again.
        newest = self._ledger.read_now(head) if self._wanted.is_narrow else 0
        came: list[FeedLine] = []
        while found := self._ledger.read_now(lines, self._wanted, self._seq):
            self._seq = found[-1].seq
            came += found
        self._seq = max(self._seq, min(newest, self._wanted.until or newest))
        wanted = [line for line in came if self._since is None or line.at >= self._since]
        wanted = [line for line in wanted if not self._overview or line.importance != "detail"]
        # By number where a program reads them: it goes on behind the last one that it has seen.
        return wanted if self._jsonl else sorted(wanted, key=lambda line: (line.at, line.seq))

    def _has_ended(self) -> bool:
        from ledger.views.runs import find_run

        return self._trace is not None and self._ledger.read_now(find_run, self._trace).has_ended

    def _tell(self, line: "FeedLine") -> dict[str, Any]:
        self._shown += 1
        fields = line.model_dump(mode="json")
        if self._jsonl:
            self._out.record(**fields)
        elif not self._out.as_json:
            tell_line(self._out, line, of="" if self._trace is not None else self._run_of(line))
        return fields

    def _names_of(self, lines: "list[FeedLine]") -> dict[str, str]:
        """What names the runs of these lines. Read each time: a later run may have taken a workflow id since."""
        from ledger.views.runs import names_of

        return {} if self._trace is not None else self._ledger.read_now(names_of, list({line.trace for line in lines}))

    def _run_of(self, line: "FeedLine") -> str:
        """The name of the run that a line belongs to, as other commands take it; a child's lines belong to its run."""
        return self._names.get(line.trace, line.run or line.trace)
