"""The tool that runs an outside program in a step's place. No agent file can name it: only the provider `command` calls it.

A program is as little to be trusted as what it reads: it runs in the sandbox, and what counts is what it leaves in the
workspace, checked like any other change.
"""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from activities.files.locks import Busy
from activities.git.errors import GitProblem
from activities.git.trees import delete_folder
from activities.repositories.check_command import script_of
from activities.repositories.kept_environments import used
from activities.sandbox import Completed, Sandbox
from activities.sandbox.doorway import FOLDER, doorway, through
from activities.sandbox.layout import GIVEN
from activities.sandbox.limits import MIB
from activities.tools.base import WRITES, Source, Tool, ToolContext, ToolOutcome, ToolProblem
from contracts.errors import ContractViolation, Misconfigured
from contracts.programs import BODY_LIMIT, RUN_PROGRAM, TEXT_LIMIT, ProgramCall, ProgramEnd, ProgramRan, ProgramSetting
from contracts.text import for_model, one_line

SHOWN = 2000
"""Characters of the end of a program's output in its result; all that was kept of it is an artifact."""

SECRET = 8
"""Shortest value of a variable that is looked for in what a program prints and writes: a shorter one is in any text."""

NOT_FOUND, LAST = 127, 300

_DOOR = f"{GIVEN}/door"
_LINES = 200
"""Lines at the end of an output in which the program's last word is looked for."""


async def _run(context: ToolContext, asked: ProgramCall) -> ToolOutcome:
    if context.programs is None or context.sandbox is None:
        raise ToolProblem("this worker has no sandbox, so no program is run; an operator has to run `baton doctor`")
    try:
        setting, secrets = context.programs.get(asked.program), context.programs.variables(asked.program)
        done = await _done(context, context.sandbox, setting, secrets, asked)
    except (Misconfigured, Busy) as error:
        raise ToolProblem(f"the program {asked.program} could not be run: {error}") from None
    output = _without(done.output, secrets)
    end = _end(output) if done.exit_code == 0 and not done.stopped else _could_not(_bad_end(asked.program, done))
    if context.patch is not None and end.outcome != "could_not":
        end = await _with_change(context, context.patch, end, secrets)
    result = ProgramRan(
        program=asked.program,
        exit_code=done.exit_code,
        seconds=round(done.duration.total_seconds()),
        starts=asked.start,
        **dict(end),
        end_of_output=for_model(output.decode(errors="replace")[-SHOWN:], SHOWN),
    )
    return ToolOutcome(result, (Source(f"output of {asked.program}", output),), undone=end.outcome == "could_not")


async def _done(
    context: ToolContext, sandbox: Sandbox, setting: ProgramSetting, secrets: Mapping[str, str], asked: ProgramCall
) -> Completed:
    """Run it to its end, in the workspace or, for a step without one, in an empty folder."""
    limits = sandbox.limits(output=setting.output_kib * 1024, cpu=setting.timeout)
    # What the check sees, read-only as there: a program that runs the project's tests sees what they are judged by.
    prepared = context.environment
    if prepared is not None:
        await asyncio.to_thread(used, prepared)
    if setting.memory_mib is not None:
        limits = replace(limits, memory=setting.memory_mib * MIB)
    # The name of a program that stands alone says where it is looked for: in the sandbox, never on this machine.
    with tempfile.TemporaryDirectory(prefix="baton-program-") as made:
        empty = Path(made) / "empty"
        empty.mkdir()
        async with _way_out(Path(made), setting) as (argv, shown):
            return await sandbox.run(
                argv,
                directory=context.workspace or empty,
                environment=setting.environment or prepared,
                beside=() if context.workspace is None or setting.environment is None else (prepared,),
                check=script_of(asked.task.check, prepared) if asked.task.check else "",
                variables=secrets,
                timeout=setting.timeout,
                limits=limits,
                given=asked.task.stored(),
                shown=shown,
            )


@contextlib.asynccontextmanager
async def _way_out(folder: Path, setting: ProgramSetting) -> AsyncIterator[tuple[Sequence[str], Mapping[str, Path]]]:
    """The command, and the folder by which it reaches the declared hosts; beside the workspace, of which it is no part."""
    if not setting.hosts:
        yield setting.argv, {}
        return
    async with doorway(folder, setting.hosts):
        yield through(setting.argv, _DOOR), {_DOOR: folder / FOLDER}


async def _with_change(
    context: ToolContext, patch: Callable[[], Awaitable[bytes]], end: ProgramEnd, secrets: Mapping[str, str]
) -> ProgramEnd:
    """The same end where there is a change that can be used; else why there is none."""
    # No tree that we check out has one: it is the program's own, and git is never run under it.
    await asyncio.to_thread(delete_folder, context.root() / ".git")
    try:
        changed = await patch()
    except GitProblem as error:
        return _could_not(f"what it left cannot be stored: {error}")
    if told := [name for name, value in secrets.items() if len(value) >= SECRET and value.encode() in changed]:
        return _could_not(f"what it left holds the value of {', '.join(told)}, which it may see and not write down")
    if not changed:
        return _could_not(f"it changed nothing{f': {said}' if (said := end.reason or end.summary) else ''}")
    return end


def _end(output: bytes) -> ProgramEnd:
    """What the program says of its work, and `done` where it says nothing."""
    for line in reversed(output.decode(errors="replace").splitlines()[-_LINES:]):
        found = _object(line)
        if found is None or "outcome" not in found:
            continue
        try:
            end = ProgramEnd.read(line)
        except ContractViolation as error:
            return _could_not(f"the last line of its output is no program_end/1: {'; '.join(error.problems)}")
        if len(json.dumps(end.body, ensure_ascii=False)) > BODY_LIMIT:
            return _could_not(f"its body has more than {BODY_LIMIT} characters")
        if end.outcome != "done" and not end.reason.strip():
            return _could_not(f"it ended {end.outcome} and gave no reason")
        return end
    return ProgramEnd(outcome="done")


def _object(line: str) -> dict[str, object] | None:
    if not line.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _could_not(reason: str) -> ProgramEnd:
    return ProgramEnd(outcome="could_not", reason=reason[:TEXT_LIMIT])


def _bad_end(name: str, done: Completed) -> str:
    """Why a program that did not end well counts as one that could not."""
    if done.exit_code is None or done.stopped:
        return f"{name} was stopped: {done.stopped}"
    if done.exit_code == NOT_FOUND:
        return f"{name} ended with {NOT_FOUND}: there is no such program in the sandbox; `baton doctor` looks for it"
    return f"{name} ended with {done.exit_code}: {one_line(done.output.decode(errors='replace').strip()[-LAST:], LAST)}"


def _without(output: bytes, secrets: Mapping[str, str]) -> bytes:
    """An output without the values of the program's variables."""
    for name, value in secrets.items():
        if len(value) >= SECRET:
            output = output.replace(value.encode(), f"[{name}]".encode())
    return output


_WORDS = "Runs a declared outside program in the sandbox, in this step's place."

WRITING = Tool(RUN_PROGRAM, _WORDS, ProgramCall, ProgramRan, _run, WRITES)
"""In the step's workspace: the files that it leaves are its result."""

ANSWERING = Tool(RUN_PROGRAM, _WORDS, ProgramCall, ProgramRan, _run)
"""In an empty folder: its last line is its result."""
