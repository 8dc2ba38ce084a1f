"""Tool calls: one stored result per (turn, index). An edit that was cut short is undone and repeated, never doubled."""

import asyncio
import contextlib
import functools
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.agents.catalogue import Catalogue
from activities.git import TreeRefused
from activities.repositories.check_run import Ran, run_check
from activities.repositories.workspaces import Lease, Workspaces
from activities.resources import Resources
from activities.running.commit import commit_alone, commit_riders
from activities.running.failpoints import reach
from activities.running.heartbeat import beating
from activities.sandbox import Sandbox
from activities.tools.base import READS, RESULT_LIMIT, Source, Tool, ToolContext, ToolOutcome, ToolProblem
from activities.tools.programs import Programs
from activities.turns import lines
from activities.turns.outside import outside_call, tool_for
from activities.turns.repeats import same_effect
from activities.turns.replies import decode_arguments
from contracts.agents import AgentRef
from contracts.base import canonical, digest_of
from contracts.errors import BatonError, DiskUnavailable
from contracts.programs import PROGRAM, RUN_PROGRAM, ProgramRan
from contracts.repositories import Workspace
from contracts.text import for_model
from contracts.turns import RunTool, ToolDone
from ledger import artifacts, handoffs, turns
from ledger.db import Ledger
from ledger.turns import NewResult


@dataclass(frozen=True)
class ToolEnd:
    """A tool call's outcome before it is stored."""

    body: dict[str, Any]
    failed: bool
    sources: tuple[Source, ...] = ()
    patch: bytes | None = None
    state: str | None = None
    repeated: bool = False


class Tools:
    """The activity `run_tool`, with what tools need: ledger, workspaces, the sandbox (None: commands are refused)."""

    def __init__(
        self,
        ledger: Ledger,
        catalogue: Catalogue,
        tools: Mapping[str, Tool],
        workspaces: Workspaces,
        sandbox: Sandbox | None,
        resources: Resources,
        programs: Programs | None = None,
    ) -> None:
        self._programs = programs
        self._ledger = ledger
        self._catalogue = catalogue
        self._tools = tools
        self._workspaces = workspaces
        self._sandbox = sandbox
        self._resources = resources

    @activity.defn
    async def run_tool(self, request: RunTool) -> ToolDone:
        """Run one tool call of a stored turn and store its result. A failed tool is a result, not a failed activity.

        Called again it returns the stored result. An edit that never reported is undone first: the workspace is rebuilt from
        the state that the request names.
        """
        stored = await self._ledger.read(turns.find_result, request.turn, request.index)
        if stored is not None:
            # An earlier attempt stored it and was cut off; the feed lines that ride on this request may still be missing.
            await commit_alone(self._ledger, request)
            return _done(stored)
        async with beating():
            row = await self._ledger.read(turns.get, request.turn)
            request = request.model_copy(update={"agent": turns.agent_of(row)})
            reply = turns.reply_of(row)
            name, arguments = reply.calls[request.index].name, decode_arguments(reply, request.index)
            agent = self._catalogue.pinned(turns.agent_of(row))
            tool = self._tools.get(name) if name in {tool.name for tool in agent.tools} else None
            if row.provider == PROGRAM:
                # Asked here: what reads the ledger runs in a thread that belongs to no activity.
                start = activity.info().attempt if activity.in_activity() else 1
                tool, arguments = await self._ledger.read(outside_call, self._ledger.files, row, agent, request, start)
            if tool is None:
                return await self._keep(request, name, arguments, _failure(f"{agent.file.name} may not use {name}"), 0)
            if tool.effect == "none" or request.workspace is None or request.workspace.access == "read":
                return await self._look(tool, request, arguments)
            async with self._leased(request.workspace.name) as lease:
                return await self._change(tool, request, request.workspace, arguments, lease)

    async def _look(self, tool: Tool, request: RunTool, arguments: bytes) -> ToolDone:
        """Run a tool that changes nothing."""
        started = time.monotonic()
        outcome = _failure(f"{tool.name} needs a workspace that may be written, and this step has none", state=_state(request))
        if tool.effect == "none":
            outcome = await self._call(tool, request, arguments)
        return await self._keep(request, tool.name, arguments, outcome, started)

    async def _keep(self, request: RunTool, name: str, arguments: bytes, outcome: ToolEnd, started: float) -> ToolDone:
        latency_ms = int((time.monotonic() - started) * 1000) if started else 0
        done = await self._ledger.tx(self._store, request, name, arguments, outcome, latency_ms)
        reach("tool.before_completion")
        return done

    async def _change(self, tool: Tool, request: RunTool, use: Workspace, arguments: bytes, lease: Lease) -> ToolDone:
        """Run a tool that changes the workspace, which nobody else may use meanwhile, and record the state it leaves."""
        started = time.monotonic()
        earlier = await self._ledger.read(same_effect, request, tool.name, _arguments_digest(arguments))
        if earlier is not None:
            note = "an identical call was the last change to the workspace; it was done once, and not repeated"
            outcome = ToolEnd(json.loads(earlier.body) | {"note": note}, failed=False, state=use.state, repeated=True)
            return await self._keep(request, tool.name, arguments, outcome, started)
        directory = await asyncio.to_thread(self._workspaces.ensure, use.name, use.ref, use.state, self._read, lease=lease)
        # From here on the marker says that nobody may trust the folder: if this worker dies now, the next one rebuilds it.
        await asyncio.to_thread(self._workspaces.begin_change, use.name, lease=lease)
        outcome = await self._edited(tool, request, use, directory, arguments)
        done = await self._keep(request, tool.name, arguments, outcome, started)
        if outcome.patch is not None and tool.name != RUN_PROGRAM:
            # After the commit: only now does the ledger know this state. What a program left beside its patch is nobody's:
            # after it the folder is made anew.
            await asyncio.to_thread(self._workspaces.end_change, use.name, done.state, lease=lease)
        return done

    async def _edited(self, tool: Tool, request: RunTool, use: Workspace, directory: Path, arguments: bytes) -> ToolEnd:
        reach("tool.before_effect")
        try:
            outcome = await tool.call(self._context(request, directory), arguments)
        except ToolProblem as error:
            # The workspace stays dirty: whatever the tool left behind is undone before the next use.
            return _failure(str(error), state=use.state)
        reach("tool.before_result")
        success = _success(outcome, state=use.state)
        if outcome.undone:
            return success
        try:
            patch = await asyncio.to_thread(self._workspaces.patch, use.name)
        except TreeRefused as error:
            return _failure(f"{error}; the change was undone", state=use.state)
        return ToolEnd(success.body, failed=False, sources=success.sources, patch=patch)

    @contextlib.asynccontextmanager
    async def _leased(self, name: str) -> AsyncIterator[Lease]:
        """Hold a workspace. A worker that lost its connection during a change may still be writing to it."""
        held = self._workspaces.lease(name)
        lease = await asyncio.to_thread(held.__enter__)
        try:
            yield lease
        finally:
            # Shielded: a cancelled attempt must release it, or the next one waits as long as this process lives.
            await asyncio.shield(asyncio.to_thread(held.__exit__, None, None, None))

    async def _call(self, tool: Tool, request: RunTool, arguments: bytes) -> ToolEnd:
        use = request.workspace if tool.needs == READS else None
        directory = None if use is None else await self._ensure(use)
        try:
            outcome = await tool.call(self._context(request, directory), arguments)
        except ToolProblem as error:
            return _failure(str(error), state=_state(request))
        return _success(outcome, state=_state(request))

    async def _ensure(self, use: Workspace) -> Path:
        return await asyncio.to_thread(self._workspaces.ensure, use.name, use.ref, use.state, self._read)

    def _read(self, digest: str) -> bytes:
        return self._ledger.read_now(artifacts.get, self._ledger.files, digest)

    def _context(self, request: RunTool, directory: Path | None) -> ToolContext:
        run, use, written = request.run, request.workspace, _written(request.workspace)
        return ToolContext(
            trace=run.trace,
            path=run.path,
            agent=_agent(request).name,
            workspace=directory,
            ledger=self._ledger,
            sandbox=self._sandbox,
            check=functools.partial(self._check, use) if use is not None and use.check else None,
            lfs=None if use is None or directory is None else functools.partial(self._workspaces.lfs, use.ref.repository),
            given=request.resources,
            resources=self._resources,
            programs=self._programs,
            patch=None if written is None else functools.partial(asyncio.to_thread, self._workspaces.patch, written),
            environment=_environment(use),
        )

    async def _check(self, use: Workspace) -> Ran:
        if self._sandbox is None:
            raise ToolProblem("this worker has no sandbox, so no command is run; an operator has to run `baton doctor`")
        # On the files as they are now, not the last recorded state: an agent checks what it has just edited.
        mirror, tree = await asyncio.to_thread(self._workspaces.snapshot, use.name)
        try:
            environment = _environment(use)
            return await run_check(self._sandbox, self._workspaces, mirror, tree, use.check or "", environment=environment)
        except DiskUnavailable:
            raise
        except BatonError as error:
            raise ToolProblem(f"the check could not be run: {error}") from None

    def _store(
        self, connection: Connection, request: RunTool, name: str, arguments: bytes, outcome: ToolEnd, latency_ms: int
    ) -> ToolDone:
        run, tool = request.run, tool_for(request) if name == RUN_PROGRAM else self._tools.get(name)
        shown = []
        for source in outcome.sources:
            kept = artifacts.put(connection, self._ledger.files, source.data, source.media_type)
            sources = tool.sources(source) if tool is not None and source.untrusted else ()
            artifacts.note_seen(
                connection, run.trace, run.path, kept.digest, source.name, untrusted=source.untrusted, sources=sources
            )
            shown.append({"name": source.name, "artifact": kept.digest})
        state = outcome.state
        if outcome.patch is not None:
            state = artifacts.put(connection, self._ledger.files, outcome.patch, "text/x-diff").digest
        body = for_model(json.dumps(outcome.body | ({"artifacts": shown} if shown else {}), ensure_ascii=False), RESULT_LIMIT)
        new = NewResult(
            turn=request.turn,
            index=request.index,
            name=name,
            arguments_digest=_arguments_digest(arguments),
            body=body,
            failed=outcome.failed,
            effect=tool.effect if tool is not None else "none",
            state_before=_state(request) or "",
            state_after=state or "",
            repeated=outcome.repeated,
            artifacts=[one["artifact"] for one in shown],
            latency_ms=latency_ms,
        )
        # Another attempt was faster: its result stands, and the conversation goes on from that one.
        if not turns.insert_result(connection, new):
            return _done(_row(connection, request))
        used = [*(one["artifact"] for one in shown), *(source.origin for source in outcome.sources if source.origin)]
        handoffs.link(connection, f"{request.turn}/{request.index}", "used", used)
        handoffs.link(connection, f"{request.turn}/{request.index}", "derived", [request.turn])
        error, label = str(outcome.body.get("error", "")), _agent(request).label
        line = lines.tool_ran(request, label, name, state, error, failed=outcome.failed, repeated=outcome.repeated)
        if name == RUN_PROGRAM and not outcome.failed:
            line = lines.program_ran(request, label, ProgramRan.model_validate(outcome.body["result"]), state)
        commit_riders(connection, request, [line])
        return ToolDone(failed=outcome.failed, state=state, repeated=outcome.repeated)


def _row(connection: Connection, request: RunTool) -> Row[Any]:
    row = turns.find_result(connection, request.turn, request.index)
    if row is None:
        raise ApplicationError("the tool's result was stored and is gone; is the ledger being restored?")
    return row


def _done(row: Row[Any]) -> ToolDone:
    return ToolDone(failed=bool(row.failed), state=row.state_after or None, repeated=bool(row.repeated))


def _agent(request: RunTool) -> AgentRef:
    assert request.agent is not None, "run_tool sets it from the stored turn"
    return request.agent


def _success(outcome: ToolOutcome, state: str | None = None) -> ToolEnd:
    body = {"result": outcome.result.model_dump(mode="json")}
    return ToolEnd(body, failed=False, sources=outcome.sources, state=state)


def _failure(reason: str, state: str | None = None) -> ToolEnd:
    return ToolEnd({"error": reason}, failed=True, state=state)


def _written(use: Workspace | None) -> str | None:
    """The name of the workspace that the step may write; None if it has none."""
    return None if use is None or use.access == "read" else use.name


def _environment(use: Workspace | None) -> Path | None:
    """What was prepared for the step's check."""
    return None if use is None or use.environment is None else Path(use.environment)


def _state(request: RunTool) -> str | None:
    return None if request.workspace is None else request.workspace.state


def _arguments_digest(arguments: bytes) -> str:
    return digest_of("arguments", canonical(json.loads(arguments)))
