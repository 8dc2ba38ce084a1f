"""The whole stack for a test: a real dev server, a real worker in this process, a real ledger, real git and sandbox."""

import asyncio
import atexit
import contextlib
import functools
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Interceptor, Worker

import config
import worker
import worker_parts
from activities.providers.base import Provider
from activities.running.tracing import Tracing
from commands import server
from commands.demo.repository import make_sample
from contracts.conversation import ModelReply, ModelRequest
from contracts.delivery.run import DeliveryReport
from contracts.gates import GateView
from contracts.runs import FeedLine
from converter import DATA_CONVERTER
from ledger import artifacts, feed, gates
from ledger.db import Ledger
from ledger.workers import BEAT
from search_attributes import SEARCH_ATTRIBUTES
from tests import ledgers
from tests.children import PATIENCE
from workflow_runner import workflow_runner
from workflows.guard import Guard

T = TypeVar("T")

LOOK = 0.25
"""Seconds between two looks for a gate in the ledger. Each takes a millisecond of a core, and a busy machine makes many."""

SELDOM = 1.0
"""Seconds between two questions to Temporal while the ledger is looked at."""


@contextlib.asynccontextmanager
async def dev_server(*more: str) -> AsyncIterator[WorkflowEnvironment]:
    """A dev server with the settings that `baton up` gives it, and `more` of the form KEY=JSON."""
    extra = [part for value in (*server.DYNAMIC_CONFIG, *more) for part in ("--dynamic-config-value", value)]
    async with await _started(
        dev_server_existing_path=str(server.temporal_program()),
        dev_server_extra_args=extra,
        dev_server_log_level="error",
        search_attributes=SEARCH_ATTRIBUTES,
        data_converter=DATA_CONVERTER,
    ) as environment:
        yield environment


async def _started(**how: Any) -> WorkflowEnvironment:
    """A dev server, tried again while the machine is too busy: the SDK waits for it for five seconds and no longer."""
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            return await WorkflowEnvironment.start_local(**how)
        except RuntimeError as error:
            if "did not start within" not in str(error) or time.monotonic() > ends:
                raise


async def until(condition: Callable[[], Awaitable[T | None]], what: str, limit: float = PATIENCE, every: float = 0.1) -> T:
    """The first value that is not None, or an error that says what did not happen. `every`: seconds between two looks.

    A condition that says False is a mistake, and told: it would be taken for an answer, and waits for nothing.
    """
    ends = time.monotonic() + limit
    while (value := await condition()) is None:
        assert time.monotonic() < ends, f"within {limit} s it did not happen that {what}"
        await asyncio.sleep(every)
    assert value is not False, f"the condition that {what} says False, which waits for nothing: it has to say None"
    return value


async def result_of(run: WorkflowHandle[Any, T]) -> T:
    """What a run ends with, or an error that says that it does not end."""
    try:
        return await asyncio.wait_for(run.result(), PATIENCE)
    except TimeoutError:
        raise AssertionError(f"{run.id} has not ended within {PATIENCE} s") from None


@dataclass
class Stack:
    """One test's own worker, ledger, task queue and state folder on the shared server."""

    client: Client
    settings: config.Settings
    ledger: Ledger
    parts: worker_parts.Parts
    check: str | None = None
    """What deliveries that name no check are asked to run; None: what the repository has."""

    async def deliver(self, repository: Path | str, queue: str = "", **more: Any) -> WorkflowHandle[Any, DeliveryReport]:
        """Start a delivery as `temporal workflow start` would: by type name and plain JSON. `queue`: another worker's."""
        asked = {"repository": str(repository), "instruction": "Fix it", "owner": "olga", "check": self.check} | more
        return await self.client.start_workflow(
            "Delivery",
            asked,
            id=f"deliver-{secrets.token_hex(4)}",
            task_queue=queue or self.settings.task_queue,
            result_type=DeliveryReport,
        )

    async def gate(self, run: WorkflowHandle[Any, Any], name: str, limit: float = PATIENCE) -> GateView:
        """The open gate of this id, or of this kind, of a run or its children; waits until it opens."""

        return await self._opened(run, lambda view: name in {view.gate, view.kind}, f"gate {name}", limit)

    async def next_gate(self, run: WorkflowHandle[Any, Any]) -> GateView:
        """The gate of a run or its children that is open, whichever it is; waits until one is. A wrong one is seen at once."""
        return await self._opened(run, lambda _: True, "any gate", PATIENCE)

    async def _opened(
        self, run: WorkflowHandle[Any, Any], wanted: Callable[[GateView], bool], what: str, limit: float
    ) -> GateView:
        """The ledger is read at every look; Temporal, which costs much more, is asked now and then whether the run ended."""
        asked = time.monotonic()

        async def look() -> GateView | None:
            nonlocal asked
            for view in await self.ledger.read(gates.open_gates):
                if view.workflow_id.startswith(run.id) and wanted(view):
                    return view
            if time.monotonic() - asked >= SELDOM:
                await self._fail_if_ended(run, what)
                asked = time.monotonic()
            return None

        return await until(look, f"{what} of {run.id} opened", limit, LOOK)

    async def _fail_if_ended(self, run: WorkflowHandle[Any, Any], waited_for: str) -> None:
        status = (await run.describe()).status
        if status is not None and status.name != "RUNNING":
            try:
                ended: Any = await run.result()
            except WorkflowFailureError as error:
                ended = error.cause
            raise AssertionError(f"{run.id} ended while {waited_for} was waited for: {ended}")

    async def decide(self, view: GateView, verb: str = "approve", by: str = "maria", **more: Any) -> dict[str, Any]:
        """Send an update to the gate and give back the answer."""
        handle = self.client.get_workflow_handle(view.workflow_id)
        decision = {"gate": view.gate, "by": by, "subject": view.subject} | more
        answer: dict[str, Any] = await handle.execute_update(verb, decision)
        return answer

    async def approve(self, run: WorkflowHandle[Any, Any], name: str, **more: Any) -> GateView:
        """Wait for a gate and approve it."""
        view = await self.gate(run, name)
        await self.decide(view, "approve", **more)
        return view

    async def feed(self, run: WorkflowHandle[Any, Any]) -> list[FeedLine]:
        """All lines of a run's family so far."""
        lines = await self.ledger.read(feed.after, 0, limit=10_000)
        return [line for line in lines if line.run.startswith(run.id)]

    async def said(self, run: WorkflowHandle[Any, Any]) -> str:
        """The feed as text, for looking for a line."""
        return "\n".join(f"{line.actor}: {line.did} | {line.why} | {line.next}" for line in await self.feed(run))

    async def artifact(self, digest: str) -> bytes:
        """The bytes under a digest."""
        return await self.ledger.read(artifacts.get, self.ledger.files, digest)


@dataclass
class Held:
    """A provider that keeps its answers to one agent back: `asked` is set when there is one to give, `go` lets it go."""

    inner: Provider
    agent: str
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        """That of the provider that answers."""
        return self.inner.name

    async def complete(self, request: ModelRequest) -> ModelReply:
        """The answer, later."""
        if request.agent == self.agent:
            self.asked.set()
            await self.go.wait()
        return await self.inner.complete(request)

    async def close(self) -> None:
        """Close the provider that answers."""
        await self.inner.close()


def held(stack: Stack, agent: str, provider: str = "scripted") -> Held:
    """From now on the answers to this agent are kept back, so that a test can act while its model thinks."""
    providers = stack.parts.providers
    providers[provider] = kept = Held(providers[provider], agent)
    return kept


@contextlib.asynccontextmanager
async def no_run_is_left(client: Client, queue: str) -> AsyncIterator[None]:
    """Put directly within the block of a worker: what still runs on its queue is terminated before the worker stops.

    Stopped between a workflow's task and the activity that the server sends along with its completion, the SDK panics.
    """
    try:
        yield
    finally:
        try:
            await _terminate_all(client, f"TaskQueue = '{queue}' AND ExecutionStatus = 'Running'")
        except RPCError as error:
            if error.status is not RPCStatusCode.UNAVAILABLE:  # Ctrl-C ends the server, too: nothing runs there any more
                raise


async def _terminate_all(client: Client, query: str) -> None:
    ended: set[str | None] = set()
    # The list is made after the fact: who is listed again may be gone already, and children may come later.
    while left := [run async for run in client.list_workflows(query) if run.run_id not in ended]:
        for run in left:
            ended.add(run.run_id)
            try:
                await client.get_workflow_handle(run.id, run_id=run.run_id).terminate("its test has ended")
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:  # which is: it has ended
                    raise


@contextlib.asynccontextmanager
async def beating(parts: worker_parts.Parts) -> AsyncIterator[None]:
    """A worker's heartbeats, from before it takes a task until it ends. Rounds of upkeep are made by the tests of them."""

    async def again() -> None:
        while True:
            await asyncio.sleep(BEAT.total_seconds())
            await parts.upkeep.beat()

    await parts.upkeep.beat()
    beats = asyncio.create_task(again())
    try:
        yield
    finally:
        beats.cancel()
        await asyncio.wait([beats])
        await parts.upkeep.end()


@contextlib.asynccontextmanager
async def stack(
    client: Client,
    state: Path,
    script: Path | None = None,
    *,
    check: str | None = None,
    runs_stay: bool = False,
    beats: bool = False,
    **settings: Any,
) -> AsyncIterator[Stack]:
    """A worker on a fresh task queue. Workflow code runs in Temporal's import sandbox, as the house wants it in tests.

    What still runs at the end is terminated, unless `runs_stay`: then it should wait for somebody, and not for the worker.
    `check`: of deliveries that name none, as in `Stack`. `beats`: it sends heartbeats, by which commands see that it works.
    """
    if script is not None:
        settings = {"model": "scripted:test", "script": script} | settings
    values = {"workflow_sandbox": True, "state": state, "task_queue": f"baton-{secrets.token_hex(4)}"} | settings
    loaded = config.Settings(**values)
    ledger = Ledger(loaded.database, loaded.artifacts)
    try:
        ledgers.migrate(ledger)
        parts = worker_parts.build(loaded, ledger)
        try:
            worker.take_up_policy(parts)
            leaving = contextlib.nullcontext() if runs_stay else no_run_is_left(client, loaded.task_queue)
            async with contextlib.AsyncExitStack() as beside:
                if beats:
                    await beside.enter_async_context(beating(parts))
                await beside.enter_async_context(worker.make_worker(client, loaded, parts))
                await beside.enter_async_context(leaving)
                yield Stack(client, loaded, ledger, parts, check)
        finally:
            for provider in parts.providers.values():
                await provider.close()
    finally:
        ledger.close()


@contextlib.asynccontextmanager
async def beside(
    stack: Stack,
    name: str,
    *workflows: type,
    sandboxed: bool = True,
    runs_stay: bool = False,
    interceptors: Sequence[Interceptor] = (),
    **options: Any,
) -> AsyncIterator[str]:
    """A second worker with the stack's activities and these workflows; the name of its task queue. `runs_stay` as there."""
    queue = f"{stack.settings.task_queue}-{name}"
    serving = Worker(
        stack.client,
        task_queue=queue,
        workflows=workflows,
        activities=stack.parts.activities,
        interceptors=[Guard(), Tracing(), *interceptors],
        workflow_runner=workflow_runner(sandboxed=sandboxed),
        max_heartbeat_throttle_interval=timedelta(seconds=1),
        default_heartbeat_throttle_interval=timedelta(seconds=1),
        **options,
    )
    async with serving, contextlib.nullcontext() if runs_stay else no_run_is_left(stack.client, queue):
        yield queue


QUICK = "python -c 'from shop.pricing import discounted, total; discounted(999, 50), total([(1, 1)])'"
"""A check of the sample that takes a twentieth of the time of its tests, for runs that are not about checks.

It passes on the base, and notices where a line of the source raises an error.
"""


def sample(folder: Path, files: dict[str, str] | None = None) -> Path:
    """The demo's sample as a bare origin; `files` are written over it in a second commit."""
    origin = _sample(folder)
    if files:
        work = folder / "work"
        for name, text in files.items():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_text(text)
        git(work, "add", "--all")
        git(work, "commit", "--quiet", "--message=More")
        git(work, "push", "--quiet", str(origin), "main")
    return origin


def _sample(folder: Path) -> Path:
    """As `make_sample`, copied from the first one of this process: that takes a quarter of the time of git's commands."""
    first, origin = _first_sample(), folder / "origin.git"
    if not origin.exists():
        # Git's examples of hooks are most of the files, and none of them is ever run.
        shutil.copytree(first, folder, ignore=shutil.ignore_patterns("*.sample"), dirs_exist_ok=True)
        settings = origin / "config"
        settings.write_text(settings.read_text().replace(str(first), str(folder)))
    return origin


@functools.cache
def _first_sample() -> Path:
    """Removed when this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="baton-sample-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    make_sample(folder)
    return folder


def git(where: Path, *arguments: str) -> str:
    """Plain git, as a user would run it, without this machine's configuration."""
    variables = {
        "PATH": os.environ["PATH"],
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        **{f"GIT_{who}_{what}": "test@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    done = subprocess.run(["git", *arguments], cwd=where, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()
