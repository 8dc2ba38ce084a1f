"""`baton verify` and `baton export`: whether the record is as it was written, and a run's record in one file."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.context import LOOK, Json, Run, open_ledger, run_ids, settings
from commands.errors import Code, Usage
from commands.output import Out, safe
from contracts.printed import command
from contracts.text import amount

if TYPE_CHECKING:
    from ledger.db import Connection, Ledger
    from ledger.manifest import Manifest
    from ledger.views.integrity import Verified

Some = Annotated[
    str | None, typer.Argument(metavar="[RUN]", help="The run to look at; none with --all.", autocompletion=run_ids)
]
All = Annotated[bool, typer.Option("--all", help="Look at every run, and at the feed as a whole.")]
Bundle = Annotated[
    Path | None, typer.Option("--bundle", metavar="FILE", help="Look at this file, written by `baton export`.", dir_okay=False)
]
Head = Annotated[
    str, typer.Option("--head", metavar="HASH", help="The run's last hash as an earlier `verify` printed it; it still has it.")
]
Digest = Annotated[
    str, typer.Option("--digest", metavar="DIGEST", help="What `baton export` printed: the file still holds exactly that.")
]
Figures = Annotated[
    bool, typer.Option("--figures", help="Look at the figures that are kept of every run: they equal its rows.")
]
Rebuild = Annotated[
    bool, typer.Option("--rebuild", help="With --figures: add up anew those that do not, and all that changed.")
]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write; one that is there stays.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the app."""
    app.command(rich_help_panel=LOOK)(verify)
    app.command(rich_help_panel=LOOK)(export)


def verify(
    run: Some = None,
    every: All = False,
    bundle: Bundle = None,
    head: Head = "",
    digest: Digest = "",
    figures: Figures = False,
    rebuild: Rebuild = False,
    as_json: Json = False,
) -> None:
    """Check that no row of a run's record was altered, removed or moved: feed, decisions, actions, handoffs, artifacts.

    With --figures: check what is kept of runs for `baton spend` and `baton figures` instead.
    """
    if rebuild and not figures:
        raise Usage("--rebuild goes with --figures: nothing else that verify looks at can be made anew")
    if figures:
        if run is not None or every or bundle is not None or head or digest:
            raise Usage("--figures looks at every run and at nothing else; --rebuild and --json go with it")
        from commands.look.kept import check

        check(Out(as_json=as_json), rebuild=rebuild)
    if (run is None) != (every or bundle is not None) or (head and every):
        raise Usage("name one run, or give --all, or --bundle FILE, or --figures; --head goes with one run")
    if head and len(head) < SHORTEST_HASH:
        raise Usage(f"--head {head[:20]} is too short to be one hash: give its first {SHORTEST_HASH} characters, or all 64")
    if digest and (bundle is None or len(digest) < SHORTEST_HASH):
        raise Usage(
            f"--digest goes with --bundle FILE, and has at least {SHORTEST_HASH} of the 64 characters that `export` printed"
        )
    out = Out(as_json=as_json)
    with _ledger(bundle) as ledger:
        found, gaps, whole = _looked_at(ledger, run, every=every, bundle=bundle is not None, digest=digest)
    for one in found:
        if head and one.trace == found[0].trace and not _has(one, head):
            one.problems.append(
                f"the feed has no line with the hash {safe(head, 80)}: it was written anew, or is another run's"
            )
    wrong = sum(len(one.problems) for one in found) + len(gaps)
    known = {} if whole is None else {"digest": whole.digest}
    out.document(runs=[_fields(one) for one in found], problems=wrong, gaps=gaps, **known)
    _tell_all(out, found, gaps, whole, compared=bool(digest))
    raise typer.Exit(Code.FAILED if wrong else Code.DONE)


def _looked_at(
    ledger: "Ledger", run: str | None, *, every: bool, bundle: bool, digest: str
) -> "tuple[list[Verified], list[str], Manifest | None]":
    """What was looked at, what is missing of the whole, and what a bundle says of itself."""
    found, gaps = _verified(ledger, run), list[str]()
    if every:
        others, gaps = ledger.read_now(_whole_feed)
        return [*found, *others], gaps, None
    if not bundle:
        return found, gaps, None
    # What was condemned, where the run is touched by that. Of the feed as a whole a bundle has one run's lines.
    others, _ = ledger.read_now(_whole_feed)
    whole = _manifest(ledger, digest)
    return [*found, *others], list(whole.problems), whole


def _tell_all(out: Out, found: "list[Verified]", gaps: list[str], whole: "Manifest | None", *, compared: bool) -> None:
    for one in found:
        _tell(out, one)
    for gap in gaps:
        out.line(f"  {safe(gap, 400)}")
    if not found:
        out.note("there is no run to look at")
    if whole is not None:
        out.line(f"digest {whole.digest or 'none'}")
    if whole is not None and not compared:
        out.note("whoever can write to the file can write all of it anew: compare the digest with what `baton export` printed")


def _tell(out: Out, one: "Verified") -> None:
    counts = f"{amount(one.lines, 'feed line')}, {amount(one.rows, 'row')}, {amount(one.artifacts, 'artifact')}"
    said = "as it was written" if not one.problems else amount(len(one.problems), "problem")
    out.line(f"{safe(one.run)}: {said} ({counts}); last hash {one.head[:16] or 'none'}", "bold" if one.problems else "")
    if one.unsealed:
        out.line(f"  {amount(one.unsealed, 'row')} from before rows were sealed: whether they were altered cannot be told")
    for problem in one.problems:
        out.line(f"  {safe(problem, 400)}")


def _manifest(ledger: "Ledger", digest: str) -> "Manifest":
    from ledger import manifest

    whole = ledger.read_now(manifest.read)
    if not digest or whole.digest.startswith(digest.lower()):
        return whole
    other = f"its digest is {whole.digest[:16] or 'none'} and not {safe(digest, 80)}: it is not the file that was exported"
    return whole._replace(problems=(*whole.problems, other))


def _fields(one: "Verified") -> dict[str, Any]:
    return {name: value for name, value in asdict(one).items() if name != "hashes"}


def _has(one: "Verified", head: str) -> bool:
    return any(known.startswith(head.lower()) for known in one.hashes)


SHORTEST_HASH = 16


@contextmanager
def _ledger(bundle: Path | None) -> "Iterator[Ledger]":
    if bundle is None:
        with open_ledger(settings()) as ledger:
            yield ledger
        return
    from ledger.db import Ledger

    if not bundle.is_file():
        raise Usage(f"there is no file {bundle}; `baton export RUN -o FILE` writes one")
    with tempfile.TemporaryDirectory(prefix="baton-verify-") as folder:
        # A copy: opening a SQLite ledger writes to its file.
        copy = Path(shutil.copy(bundle, Path(folder) / "ledger.db"))
        ledger = Ledger(f"sqlite:///{copy}", Path(folder))
        try:
            yield ledger
        finally:
            ledger.close()


def _verified(ledger: "Ledger", run: str | None) -> "list[Verified]":
    from ledger.views.integrity import verified
    from ledger.views.runs import find_run, traces

    names = [run] if run is not None else ledger.read_now(traces)

    def look(connection: "Connection", name: str) -> "Verified":
        return verified(connection, ledger.files, find_run(connection, name))

    # One by one: a single reading of everything would hold its snapshot, and its memory, for as long as it takes.
    return [ledger.read_now(look, name) for name in names]


def _whole_feed(connection: "Connection") -> "tuple[list[Verified], list[str]]":
    from ledger.views.integrity import about_no_run, gaps

    return about_no_run(connection), gaps(connection)


def export(run: Run, output: Output, as_json: Json = False) -> None:
    """Write a run's whole record into one file, a SQLite ledger of its own, which `baton verify --bundle` checks anywhere."""
    if output.exists():
        raise Usage(f"{output} is there already; name another file")
    out = Out(as_json=as_json)
    with open_ledger(settings()) as ledger:
        from ledger.bundle import write
        from ledger.views.runs import find_run

        trace = ledger.read_now(find_run, run).trace
        # Under another name until it is whole: a file with the right name is a whole one.
        partial = output.with_name(f".{output.name}.partial")
        partial.unlink(missing_ok=True)
        try:
            made = write(ledger, trace, partial)
            partial.rename(output)
        finally:
            partial.unlink(missing_ok=True)
    size = output.stat().st_size
    out.document(run=run, trace=trace, file=str(output), artifacts=made.artifacts, bytes=size, digest=made.digest)
    out.line(f"wrote {safe(output, 300)}: {amount(made.artifacts, 'artifact')}, {size >> 10} KiB")
    out.line(f"digest {made.digest}")
    out.note(f"to check it: `{command('verify', options=f'--bundle {safe(output)} --digest {made.digest}')}`")
    out.note(
        "hand the digest on by another way than the file: without it nobody can tell this file from one that was made anew"
    )
