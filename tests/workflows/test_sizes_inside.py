"""Large things that come up in a run: a model's reply, a file, a check's output, a change. None gets into history as it is."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from pydantic import SecretStr
from sqlalchemy import Connection, select
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowHandle

from activities.tools import patches as patch_tool
from activities.turns.replies import KEPT
from contracts.base import BODY_LIMIT
from contracts.conversation import ModelReply, ToolCall, Usage
from converter import PAYLOAD_LIMIT
from ledger.tables import artifact
from tests.children import PATIENCE
from tests.depth import count, soak
from tests.scripts import a_tester, answer, call, calls, edit, item, plan, says, summary, writer
from tests.stack import Stack, sample
from tests.wire.server import WireServer
from tests.workflows.asked import Asking
from tests.workflows.conftest import Ask, Start
from tests.workflows.sending import failed_tasks

MB = 1_000_000
FILES = count(400, soak=2000)
"""Of a change, whose names together are larger than any payload may be."""
SLOW = 240.0
"""Seconds for git over thousands of files, on a machine that does much else."""
DONE = ModelReply(text=json.dumps(answer(summary("short"))["answer"]), stop="end", model="m", usage=Usage(input=1, output=1))


def payloads(message: Message) -> list[Payload]:
    """Every payload in a message, wherever it stands."""
    if isinstance(message, Payload):
        return [message]
    found: list[Payload] = []
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        of_map = field.message_type.GetOptions().map_entry
        several = [value[key] for key in value] if of_map else list(value) if field.is_repeated else [value]
        found += [payload for one in several if isinstance(one, Message) for payload in payloads(one)]
    return found


async def largest_payload(handle: WorkflowHandle[Any, Any]) -> int:
    """Bytes of the largest payload in a workflow's history. No task of it may have failed."""
    assert await failed_tasks(handle) == []
    return max([payload.ByteSize() async for event in handle.fetch_history_events() for payload in payloads(event)])


def saying(size: int) -> ModelReply:
    """A reply with a long text."""
    return DONE.model_copy(update={"text": "x" * size})


def calling(size: int) -> ModelReply:
    """A reply with a tool call whose arguments are long."""
    written = ToolCall(call_id="c1", name="write_file", arguments={"path": "a.txt", "content": "x" * size})
    return DONE.model_copy(update={"text": "", "calls": (written,), "stop": "tools"})


@asynccontextmanager
async def endpoint(asking: Ask, kind: str) -> AsyncIterator[tuple[WireServer, Asking]]:
    """An agent whose model speaks over a real client of one kind."""
    routes = f'[classes]\nworker = [{{ model = "{kind}:test", free = true }}]\n'
    async with WireServer() as server:
        url = server.openai_url if kind == "openai" else server.url
        settings = {f"{kind}_base_url": url, f"{kind}_api_key": SecretStr("k"), "model": ""}
        async with asking(answer(summary("unused")), routes=routes, **settings) as made:
            yield server, made


SMALLER, LARGER = (MB // 2, 1_900_000), (2_100_000, 5 * MB)


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [("anthropic", LARGER), ("openai", SMALLER), *soak(("anthropic", SMALLER), ("openai", LARGER))],
)
async def test_a_large_reply_is_kept_apart_and_repaired(asking: Ask, kind: str, sizes: tuple[int, int]) -> None:
    """Neither its text nor its arguments are run, stored in the turn, or sent again; the whole is an artifact."""
    async with endpoint(asking, kind) as (server, made):
        server.play(saying(sizes[0]), calling(sizes[1]), DONE)
        run = await made.start()
        ended = await made.ended(run)
        stored = await made.stack.ledger.read(artifact_sizes)
        assert await largest_payload(run) < BODY_LIMIT
        asked = [len(json.dumps(one.body)) for one in server.requests]
    assert (ended.handoff.outcome, ended.summary) == ("done", "short")
    assert [f"and may have {KEPT}; answer shorter" in problem for problem in ended.problems] == [True, True, False]
    assert all(len(row.reply) < 10_000 for row in ended.turns)
    assert [sum(size > wanted for size in stored) >= 1 for wanted in sizes] == [True, True]
    assert max(asked) < 50_000


@pytest.mark.parametrize("kind", ["anthropic", "openai"])
async def test_a_reply_without_end_is_not_read_to_its_end(asking: Ask, kind: str) -> None:
    """Of 50 MB a few are read; a person is told why there is no answer, and nothing is tried again unless they say so."""
    async with endpoint(asking, kind) as (server, made):
        server.play(saying(50 * MB), DONE)
        run = await made.start()
        await made.stack.decide(await made.stack.gate(run, "stuck"), "reject", note="another endpoint first")
        ended = await made.ended(run)
        assert await largest_payload(run) < BODY_LIMIT
        assert (len(server.requests), len(server.queue)) == (1, 1)
        await asyncio.wait_for(server.requests[0].gone.wait(), PATIENCE)  # closed before it had the whole answer
    assert (ended.handoff.outcome, ended.turns) == ("could_not", [])
    assert "the reply is larger than 8388608 bytes; reading stopped there" in ended.handoff.reason


async def test_a_model_with_a_name_without_end_is_named_in_short(asking: Ask) -> None:
    """What an endpoint says it is goes into the record of each turn, and is cut there."""
    async with endpoint(asking, "openai") as (server, made):
        server.play(DONE.model_copy(update={"model": "m" * 3 * MB}))
        run = await made.start()
        ended = await made.ended(run)
        assert await largest_payload(run) < BODY_LIMIT
    assert ended.handoff.outcome == "done"
    assert ended.handoff.producer.model.startswith("openai:mmm")
    assert len(ended.handoff.producer.model) < 300


def artifact_sizes(connection: Connection) -> list[int]:
    return list(connection.execute(select(artifact.c.size)).scalars())


SIZES = {"half": MB // 2, "more": 2_100_000, "large": count(5, soak=50) * MB} | dict(soak(("two", 1_900_000)))
LINE = "a line of a generated file, with a needle in it\n"
LOUD = "python3 -c \"print('x' * 50_000_000)\""


async def test_large_files_and_loud_checks_stay_out_of_history(start: Start, tmp_path: Path) -> None:
    """Files from 0.5 MB on and 50 MB of output are read, searched, printed; agents see a part, history sees nothing of it."""
    files = {f"data/{name}.txt": LINE * (size // len(LINE)) for name, size in SIZES.items()}
    origin = sample(tmp_path / "sample", files)
    looks = calls(*(call("read_file", path=f"data/{name}.txt", lines=5000) for name in SIZES))
    planner = says("planner", looks, calls(call("search", query="needle")), answer(plan(item("fix", ["README.md"]))))
    change = edit("README.md", "Prices are whole cents.\n", "Prices are whole cents, always.\n")
    async with start(planner, writer("fix", change, calls(call("run_checks"))), a_tester(), check=None) as stack:
        run = await stack.deliver(origin, check=LOUD)
        await stack.approve(run, "plan")
        view = await stack.gate(run, "change")
        await stack.decide(view, "reject", note="too loud")
        report = await run.result()
        assert max(await family(stack, run, "write.1.fix")) < BODY_LIMIT
    assert report.tests is not None
    assert report.tests.verdict == "passed"
    assert report.tests.runs[0].output.size < MB
    assert len(report.tests.runs[0].tail) <= 3000


async def test_a_plan_as_large_as_plans_may_be_fits(start: Start, tmp_path: Path) -> None:
    """Thirty items with all that they may say: the gate shows what fits, and nothing comes near what Temporal refuses."""
    items = [
        item(f"item-{number}", [f"generated/{number}/{'x' * 60}/{at}.py" for at in range(10)], intent="why " * 200)
        for number in range(30)
    ]
    whole = plan(*items, risks=["r" * 300] * 20, summary="s" * 4000)
    assert 60_000 < len(json.dumps(whole)) < BODY_LIMIT
    async with start(says("planner", answer(whole))) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"), instruction="\u4e2d" * 20_000)
        view = await stack.gate(run, "plan")
        status = await run.query("status")
        await stack.decide(view, "reject", note="too much")
        assert (await run.result()).state == "could_not"
        largest = await largest_payload(run)
    assert view.facts[0] == "30 work items, 300 files"
    assert view.facts[-1].endswith(" more; the subject has everything")
    assert len(json.dumps(view.facts)) < 20_000
    assert len(json.dumps(status)) < BODY_LIMIT
    assert largest < PAYLOAD_LIMIT * 3 // 4


async def family(stack: Stack, run: WorkflowHandle[Any, Any], *children: str) -> list[int]:
    """The largest payload of a run and of each of its children."""
    handles = [run, *(stack.client.get_workflow_handle(f"{run.id}.{child}") for child in children)]
    return [await largest_payload(handle) for handle in handles]


def creating(names: list[str]) -> str:
    """A patch that makes these files."""
    return "".join(f"--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+x\n" for name in names)


@pytest.mark.timeout(600)
async def test_a_change_of_many_files_is_named_in_part(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it is counted and listed in an artifact, gates show the first, and no payload grows with the number of files."""
    monkeypatch.setattr(patch_tool, "PATCHED_FILES", FILES)  # so that two calls make what would take a hundred
    long = {number: "_and_more" * 20 * (number >= 100) for number in range(FILES - 1)}  # of those that no gate shows
    made = [f"generated/{number // 100:02}/a_file_with_a_name_{number:04}{more}.py" for number, more in long.items()]
    made += ["Makefile"]
    assert len("".join(made)) > BODY_LIMIT, "their names would fit into a payload"
    patches = [calls(call("apply_patch", patch=creating(made[at : at + FILES // 2]))) for at in (0, FILES // 2)]
    planner = says("planner", answer(plan(item("fix", ["README.md"]))))
    async with start(planner, writer("fix", *patches), a_tester(), check=None) as stack:
        run = await stack.deliver(sample(tmp_path / "sample"), check="true")
        await stack.approve(run, "plan")
        outside = await stack.gate(run, "conflict", SLOW)
        await stack.decide(outside)
        view = await stack.gate(run, "change", SLOW)
        status, feed = await run.query("status"), await run.query("feed")
        await stack.decide(view, "reject", note="too much")
        report = await run.result()
        listing = json.loads(await stack.artifact(report.counts.listing))
        assert max(await family(stack, run, "write.1.fix")) < BODY_LIMIT
    assert outside.facts[0].endswith(f" and {FILES - 20} more")
    assert any(fact.startswith(f"{FILES} files, +{FILES} -0: Makefile, generated/00/a_file") for fact in view.facts[:3])
    assert view.risk.startswith("high: ")
    assert "runs automatically, or instructs tools and agents: Makefile" in view.risk
    assert (report.counts.files, report.counts.added) == (FILES, FILES)
    assert [(one.kind, one.paths) for one in report.counts.risks] == [("runs_itself", ("Makefile",))]
    assert sorted(one["path"] for one in listing["files"]) == sorted(made)
    assert 0 < len(report.files) <= 100
    assert max(len(json.dumps(one)) for one in (status, feed)) < BODY_LIMIT
