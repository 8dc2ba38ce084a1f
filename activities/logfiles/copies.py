"""The activities that copy a service's logs, and that look up what a diagnosis quotes from them."""

import asyncio
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

from sqlalchemy import Connection
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.logfiles.records import Record, records
from activities.logfiles.signs import Looking
from activities.logfiles.sources import (
    FILE_KEPT,
    FILES,
    SERVICE_KEPT,
    Place,
    SourceRefused,
    Text,
    beneath,
    kept,
    placed,
    text_of,
)
from activities.resources import NotDeclared, Resources
from activities.running.commit import commit_alone, commit_riders
from activities.running.heartbeat import beating
from activities.sandbox import Sandbox, SandboxUnavailable
from activities.sandbox.limits import DEFAULT
from contracts.base import sha256
from contracts.diagnosis_input import DECLARED
from contracts.diagnosis_parts import (
    CheckDiagnosis,
    CheckedDiagnosis,
    CopiedFile,
    LogClaim,
    Quoted,
    Snapshot,
    TakeSnapshot,
    Unsupported,
)
from contracts.errors import Misconfigured
from contracts.evidence import bears
from contracts.globs import at_any_depth
from contracts.handoff import Claim
from contracts.step_resources import Logs
from contracts.text import amount, one_line
from ledger import artifacts
from ledger.db import Ledger

CONFIG_KEPT = 256 * 1024
"""Most bytes of a configuration file."""

QUOTES = 3
"""Most quotes of a claim that are handed on."""

COMMAND_TIME = timedelta(minutes=2)
COMMAND_OUTPUT = 8 * 1024 * 1024


@dataclass
class _Taken:
    """What was read so far: files with their texts, what could not be read, and the room that is left."""

    texts: list[tuple[CopiedFile, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    room: int = SERVICE_KEPT
    looking: Looking = field(default_factory=Looking)

    def add(self, name: str, kind: str, text: Text, now: datetime) -> None:
        """Keep one text; its name is made unique."""
        names = {file.name for file, _ in self.texts}
        name = name if name not in names else next(one for at in range(2, 999) if (one := f"{name} ({at})") not in names)
        whole = "\n".join(text.lines)
        self.room -= len(whole)
        times = list[datetime]()
        if kind == "log":
            self.looking.take(_timed(records(text.lines, now, text.first, name), times))
        file = CopiedFile(
            name=name,
            kind="log" if kind == "log" else "config",
            artifact=sha256(whole.encode()),
            first_line=text.first,
            lines=len(text.lines),
            begins=min(times, default=None),
            ends=max(times, default=None),
            note=text.note,
        )
        self.notes += [text.note] if text.note else []
        self.texts.append((file, whole))


def _timed(found: Iterable[Record], times: list[datetime]) -> Iterator[Record]:
    for record in found:
        if record.at is not None:
            times.append(record.at)
        yield record


class LogCopies:
    """The activities `take_snapshot` and `check_diagnosis`. Logs are read and never written."""

    def __init__(self, ledger: Ledger, resources: Resources, sandbox: Sandbox | None) -> None:
        """`sandbox` None: declared commands are not run, and the snapshot says so."""
        self._ledger = ledger
        self._resources = resources
        self._sandbox = sandbox

    @activity.defn
    async def take_snapshot(self, request: TakeSnapshot) -> Snapshot:
        """Copy a service's logs as they are now, within the times. A source that cannot be read is a note.

        Fails as a refused input if there is no log at all. Called again it may find more: logs grow.
        """
        now = activity.info().started_time.astimezone(UTC)
        async with beating():
            taken = await self._taken(request, now)
            if not any(file.kind == "log" for file, _ in taken.texts):
                why = "; ".join(taken.notes)[:2000] or "no source names a file"
                raise ApplicationError(
                    f"{request.service.name} has no log to read: {why}", type="InputRefused", non_retryable=True
                )
            return await self._ledger.tx(self._keep, request, taken)

    @activity.defn
    async def check_diagnosis(self, request: CheckDiagnosis) -> CheckedDiagnosis:
        """Look up every quote. A claim without any that is there is unsupported, and no claim any more. Changes nothing."""
        async with beating():
            checked = await asyncio.to_thread(self._checked, request)
            await commit_alone(self._ledger, request)
            return checked

    async def _taken(self, request: TakeSnapshot, now: datetime) -> _Taken:
        taken, service = _Taken(), request.service
        for source in service.logs:
            if source.startswith(DECLARED):
                await self._declared(source.removeprefix(DECLARED), request, taken, now)
            else:
                await asyncio.to_thread(_copy, functools.partial(placed, source), request, taken, now)
        for path in service.config:
            await asyncio.to_thread(_configuration, path, taken, now)
        return taken

    async def _declared(self, name: str, request: TakeSnapshot, taken: _Taken, now: datetime) -> None:
        try:
            setting = self._resources.log_files(Logs(name=name))
        except (NotDeclared, ValueError) as error:
            taken.notes.append(f"{DECLARED}{name}: {one_line(str(error), 500)}")
            return
        if not setting.command:
            await asyncio.to_thread(_copy, lambda: beneath(setting.path, at_any_depth(setting.files)), request, taken, now)
            return
        try:
            said, note = await self._printed(setting.command, setting.path)
        except (SandboxUnavailable, Misconfigured) as error:
            taken.notes.append(f"{DECLARED}{name}: its command was not run: {one_line(str(error), 500)}")
            return
        text = kept(name, BytesIO(said), request.since, request.until, now)
        taken.add(f"{DECLARED}{name}", "log", text, now)
        taken.notes += [f"{DECLARED}{name}: {note}"] if note else []

    async def _printed(self, command: Sequence[str], folder: Path) -> tuple[bytes, str]:
        """What a declared command prints, and what is wrong with that. It sees its folder alone, may write nothing."""
        if self._sandbox is None:
            raise SandboxUnavailable("there is no sandbox on this worker's machine; `baton doctor` says how to get one")
        limits = replace(DEFAULT, output=COMMAND_OUTPUT)
        done = await self._sandbox.run(command, directory=folder, writable=False, timeout=COMMAND_TIME, limits=limits)
        wrong = [f"it ended with {done.exit_code}"] if done.exit_code else []
        wrong += [f"it was stopped: {done.stopped}"] if done.stopped else []
        wrong += ["the middle of its output is missing"] if done.truncated else []
        return done.output, "; ".join(wrong)

    def _keep(self, connection: Connection, request: TakeSnapshot, taken: _Taken) -> Snapshot:
        run = request.run
        for file, text in taken.texts:
            kept = artifacts.put(connection, self._ledger.files, text.encode())
            artifacts.note_seen(connection, run.trace, run.path, kept.digest, file.name, untrusted=True, sources=("log",))
        files = tuple(file for file, _ in taken.texts)
        made = Snapshot(service=request.service.name, files=files, signs=taken.looking.seen(), notes=tuple(taken.notes[:50]))
        manifest = artifacts.put(connection, self._ledger.files, made.stored(), "application/json")
        artifacts.note_seen(connection, run.trace, run.path, manifest.digest, "snapshot", untrusted=True, sources=("log",))
        commit_riders(connection, request, [])
        return made.model_copy(update={"manifest": manifest.digest})

    def _checked(self, request: CheckDiagnosis) -> CheckedDiagnosis:
        snapshot, good, bad = request.snapshot, list[LogClaim](), list[Unsupported]()
        for claim in request.diagnosis.claims:
            found, why = self._supported(claim, snapshot)
            if found:
                good.append(claim.model_copy(update={"quotes": tuple(found[:QUOTES])}))
            else:
                bad.append(Unsupported(claim=claim, reason=why))
        return CheckedDiagnosis(
            service=snapshot.service,
            diagnosis=request.diagnosis.model_copy(update={"claims": tuple(good)}),
            unsupported=tuple(bad),
            signs=snapshot.signs.model_copy(update={"signs": snapshot.signs.signs[:4]}),
            files=snapshot.files[:10],
            notes=snapshot.notes[:10],
        )

    def _supported(self, claim: LogClaim, snapshot: Snapshot) -> tuple[list[Quoted], str]:
        """The quotes that are there, each at its line; without any the reason."""
        found, why, there = list[Quoted](), "it quotes no line", ", ".join(file.name for file in snapshot.files[:5])
        plain = Claim(subject=claim.subject, attribute=claim.attribute, value=claim.value)
        for one in claim.quotes:
            file = next((file for file in snapshot.files if file.name == one.file), None)
            if file is None:
                why = f"there is no file {one_line(one.file, 200)}; there are {there}"
                continue
            line = _line_of(one, file, self._ledger.read_now(artifacts.get, self._ledger.files, file.artifact).decode())
            if line is None:
                why = f"the quote is not in {file.name}"
            elif not bears(one.quote, plain, one.quote):
                why = "the quote has nothing to do with what is claimed"
            else:
                found.append(one.model_copy(update={"line": line}))
        return found, why


def _line_of(one: Quoted, file: CopiedFile, text: str) -> int | None:
    """The number of the line that holds a quote: the one that it names, else the nearest to it. None: no line does."""
    wanted = one.quote.strip()
    numbers = [number for number, line in enumerate(text.split("\n"), file.first_line) if wanted in line]
    return min(numbers, key=lambda number: abs(number - one.line), default=None)


def _copy(find: Callable[[], tuple[Place, ...]], request: TakeSnapshot, taken: _Taken, now: datetime) -> None:
    try:
        found = find()
    except (SourceRefused, OSError) as error:
        taken.notes.append(one_line(str(error), 500))
        return
    for at, place in enumerate(found):
        if len(taken.texts) >= FILES or taken.room <= 0:
            left = amount(len(found) - at, "further file")
            taken.notes.append(f"{left} not read: there is room for {FILES} files, {SERVICE_KEPT >> 20} MiB")
            return
        try:
            text = text_of(place, request.since, request.until, now, min(taken.room, FILE_KEPT))
        except (SourceRefused, OSError) as error:
            taken.notes.append(one_line(str(error), 500))
            continue
        taken.add(place.name, "log", text, now)


def _configuration(path: str, taken: _Taken, now: datetime) -> None:
    try:
        (place,) = placed(path)
        text = text_of(place, None, None, now, CONFIG_KEPT)
    except (SourceRefused, OSError) as error:
        taken.notes.append(f"configuration: {one_line(str(error), 500)}")
        return
    taken.add(place.name, "config", text, now)
