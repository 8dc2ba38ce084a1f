"""Logs: every line says which run it belongs to, once, without what was said in it."""

import asyncio
import contextlib
import io
import json
import logging
import os
import re
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

import logs
from activities.running.tracing import Tracing
from contracts.conversation import ModelReply, ToolCall, Usage
from contracts.ids import w3c_trace_id
from contracts.runs import Request, RunRef
from tests.activities import agentfiles
from tests.scripts import answer, summary
from tests.stack import beside, dev_server, stack
from tests.wire.server import WireServer
from tests.workflows.asked import Asking
from tests.workflows.asking import AskOnce
from workflows.guard import Guard

ROOT = Path(__file__).parent.parent
SWITCHES = (
    "workflow_info_on_message",
    "activity_info_on_message",
    "full_workflow_info_on_extra",
    "full_activity_info_on_extra",
)
STARTED: list[str] = []
"""A mark for each time that workflow code below was run from its beginning."""

Lines = Callable[[], list[dict[str, Any]]]


@activity.defn
async def talk(request: Request) -> None:
    """Log from an activity in every way that ours do: by Temporal's logger, by our own, and from a thread."""
    activity.logger.info("by Temporal's logger")
    logs.log().info("by our own", action="talked")
    await asyncio.to_thread(lambda: logs.log().info("from a thread", action="talked"))


@workflow.defn(name="Talkative")
class Talkative:
    """Logs before, between and after activities."""

    @workflow.run
    async def run(self, request: Request) -> None:
        """Two activities with three lines around them."""
        STARTED.append(workflow.info().workflow_id)
        for line in ("before", "between"):
            workflow.logger.info(line)
            await workflow.execute_activity(talk, request, start_to_close_timeout=timedelta(seconds=20))
        workflow.logger.info("after")


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[Client]:
    """A client of a dev server."""
    async with dev_server() as environment:
        yield environment.client


@pytest.fixture
def untouched() -> Iterator[None]:
    """Puts the process's logging back to what it was: a worker has it for itself, tests share it."""
    root = logging.getLogger()
    kept = (root.handlers[:], root.level, {name: logging.getLogger(name).level for name in logs.QUIET})
    switches = [
        (one, name, getattr(one, name)) for one in (workflow.logger, activity.logger) for name in SWITCHES if hasattr(one, name)
    ]
    yield
    root.handlers[:] = kept[0]
    root.setLevel(kept[1])
    for name, level in kept[2].items():
        logging.getLogger(name).setLevel(level)
    for one, name, value in switches:
        setattr(one, name, value)
    structlog.reset_defaults()


@pytest.fixture
def lines(untouched: None) -> Lines:
    """Logging as a worker configures it, with JSON at level info; gives back the lines so far."""
    written = configured("json", "info")
    return lambda: [json.loads(line) for line in written.getvalue().splitlines()]


def configured(log_format: str, level: str) -> io.StringIO:
    """Configure logging with a stderr of its own."""
    written = io.StringIO()
    with contextlib.redirect_stderr(written):
        logs.configure(log_format, level)
    return written


async def talked(client: Client, *traces: str) -> None:
    """Run the talkative workflow for each trace at the same time, on a worker that keeps no workflow in memory."""
    queue = f"logs-{secrets.token_hex(4)}"
    async with Worker(
        client,
        task_queue=queue,
        workflows=[Talkative],
        activities=[talk],
        interceptors=[Guard(), Tracing()],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_cached_workflows=0,
    ):
        asked = [Request(run=RunRef(trace=trace, path="plan/1", workflow_id=f"run-{trace}")) for trace in traces]
        runs = [client.execute_workflow("Talkative", one, id=one.run.workflow_id, task_queue=queue) for one in asked]
        await asyncio.gather(*runs)


async def test_lines_of_an_activity_say_where_they_belong(client: Client, lines: Lines) -> None:
    """Each line carries run, trace, path and W3C ids, by whichever logger and from a thread; runs do not mix."""
    traces = [f"trace-{secrets.token_hex(4)}" for _ in range(2)]
    await talked(client, *traces)
    said = lines()
    for trace in traces:
        ours = [line for line in said if line.get("trace") == trace]
        assert sorted(line["event"] for line in ours) == sorted(["by Temporal's logger", "by our own", "from a thread"] * 2)
        for line in ours:
            assert (line["run"], line["path"], line["level"]) == (f"run-{trace}", "plan/1", "info")
            assert line["trace_id"] == w3c_trace_id(trace)
            assert re.fullmatch(r"[0-9a-f]{32}", line["trace_id"])
            assert re.fullmatch(r"[0-9a-f]{16}", line["span_id"])
            assert line["timestamp"].endswith("Z")
        temporal = [line for line in ours if line["event"] == "by Temporal's logger"]
        assert [(line["activity"], line["attempt"]) for line in temporal] == [("talk", 1)] * 2
        assert not any("{" in line["event"] for line in ours)


async def test_lines_of_a_workflow_are_not_repeated_on_replay(client: Client, lines: Lines) -> None:
    """The workflow's code runs again from its beginning for every task, and each of its lines is there once, with its run."""
    trace = f"trace-{secrets.token_hex(4)}"
    await talked(client, trace)
    said = [line for line in lines() if line["logger"].startswith("temporalio.workflow")]
    assert STARTED.count(f"run-{trace}") == 3
    assert [line["event"] for line in said] == ["before", "between", "after"]
    assert {line["run"] for line in said} == {f"run-{trace}"}


SECRETS = ("instructed-secret", "argument-secret", "answered-secret")
USAGE = Usage(input=1, output=1)
REPLIES = (
    ModelReply(
        text="",
        calls=(ToolCall(call_id="1", name="read_artifact", arguments={"id": "argument-secret"}),),
        stop="tools",
        model="test",
        usage=USAGE,
    ),
    ModelReply(text=json.dumps(answer(summary("answered-secret"))["answer"]), stop="end", model="test", usage=USAGE),
)


async def test_no_message_is_in_the_log(client: Client, lines: Lines, tmp_path: Path) -> None:
    """A whole step with a provider's real client writes down neither the task, nor a tool's arguments, nor the answer."""
    agentfiles.write(tmp_path / "agents", tools=["read_artifact"])
    (tmp_path / "agents" / "routes.toml").write_text('[classes]\nworker = [{ model = "openai:test", free = true }]\n')
    async with WireServer() as server:
        server.play(*REPLIES)
        options: dict[str, Any] = {"agents": tmp_path / "agents", "openai_base_url": server.openai_url}
        serving = stack(client, tmp_path / "state", **options)
        async with serving as running, beside(running, "ask", AskOnce, sandboxed=False) as queue:
            asking = Asking(running, queue)
            ended = await asking.ended(await asking.start(instruction="instructed-secret"))
        assert len(server.requests) == 2
    assert ended.summary == "answered-secret"
    said = lines()
    assert said
    assert [one for one in SECRETS if one in json.dumps(said)] == []
    assert {line["logger"].split(".")[0] for line in said} <= {"baton", "temporalio"}


def test_libraries_that_say_too_much_are_quiet(untouched: None) -> None:
    """Even at level debug SDKs and HTTP clients only warn: their lower lines hold whole requests."""
    written = configured("json", "debug")
    for name in logs.QUIET:
        for logger in (logging.getLogger(name), logging.getLogger(f"{name}.deeper")):
            logger.debug("a body")
            logger.info("a body")
            logger.warning("something is wrong")
    said = [json.loads(line) for line in written.getvalue().splitlines()]
    assert {line["event"] for line in said} == {"something is wrong"}
    assert len(said) == 2 * len(logs.QUIET)


def test_configuring_twice_writes_each_line_once(untouched: None) -> None:
    """A second call replaces the first."""
    configured("json", "info")
    written = configured("json", "warning")
    logs.log().info("too low", action="tried")
    logs.log().warning("once", action="tried")
    assert [json.loads(line)["event"] for line in written.getvalue().splitlines()] == ["once"]


def test_an_error_is_one_line_with_its_trace(untouched: None) -> None:
    """A traceback stays within its line, so that a line-based collector keeps it whole."""
    written = configured("json", "info")
    try:
        raise ValueError("broken")
    except ValueError:
        logs.log().exception("it failed", action="tried")
    (line,) = written.getvalue().splitlines()
    assert "ValueError: broken" in json.loads(line)["exception"]


PROGRAM = "import sys, logs; logs.configure(sys.argv[1], 'info'); logs.log().info('a sentence', action='tried')"


@pytest.mark.parametrize(
    ("wanted", "terminal", "pretty"), [("auto", True, True), ("auto", False, False), ("json", True, False)]
)
def test_lines_are_for_people_on_a_terminal(wanted: str, terminal: bool, pretty: bool) -> None:
    """On a terminal a person reads them, in colours; in a pipe, or where it is asked for, they are JSON."""
    read, written = os.openpty() if terminal else os.pipe()
    subprocess.run([sys.executable, "-c", PROGRAM, wanted], stderr=written, cwd=ROOT, check=True)
    text = os.read(read, 65536).decode()
    os.close(read)
    os.close(written)
    assert "a sentence" in text
    assert ("\x1b[" in text) is pretty
    if not pretty:
        assert json.loads(text)["action"] == "tried"
