"""Whatever is sent to a workflow that waits, its sender is told, the feed has a line, and a correct decision still wins."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from contracts.gates import GateView
from contracts.runs import FeedLine
from tests import scripts
from tests.depth import count, soak
from tests.scripts import a_tester, answer, item, plan, says, unsure
from tests.stack import PATIENCE, Stack, sample, stack, until
from tests.workflows.sending import Cli, Said, Sdk, failed_tasks, raw, refusal, state_of
from workflows.kit.refusals import REFUSALS_LIMIT

PLANNER = says("planner", answer(plan(item("fix", ["shop/pricing.py"]))))
WHICH = {"id": "which", "text": "Up or down?"}
WRITER = says("writer", unsure("both are possible", WHICH), answer(None, "could_not", reason="that was all"))

Row = tuple[str, list[Any], str]
AT_ONCE = 6


@dataclass(frozen=True)
class Waiting:
    """A workflow at its gate, with the decision that would be right."""

    root: WorkflowHandle[Any, Any]
    handle: WorkflowHandle[Any, Any]
    view: GateView
    verb: str
    good: dict[str, Any]


def bad_messages(at: Waiting) -> list[Row]:
    """What is sent, with which arguments, and what the refusal says."""
    verb, good, gate = at.verb, at.good, at.view.gate
    other = "answer" if verb == "approve" else "approve"
    takes = ", ".join(at.view.verbs)
    return [
        (verb, [], "send exactly one JSON object"),
        (verb, [good, good], "got 2 arguments"),
        (verb, [gate], "got str"),
        (verb, [None], "got NoneType"),
        (verb, [7], "got int"),
        (verb, [[good]], "got list"),
        (verb, [{"gate": gate}], "by: Field required"),
        (verb, [good | {"gate": 7}], "gate: Input should be a valid string"),
        (verb, [good | {"gate": [[[[{}]]]]}], "gate: Input should be a valid string"),
        (verb, [good | {"gate": ""}], "gate: String should have at least 1 character"),
        (verb, [good | {"gate": f"{gate}\0"}], "gate: control characters and line ends are not allowed here"),
        (verb, [good | {"by": "bob\nmaria"}], "by: control characters and line ends are not allowed here"),
        (verb, [good | {"gat": gate}], "gat: Extra inputs are not permitted"),
        (verb, [good | {"x" * 40_000: gate}], "x: Extra inputs are not permitted"),
        (verb, [good | {"subject": "f" * 64}], "it changed since you opened it"),
        (verb, [good | {"subject": "short"}], "subject: String should match"),
        (verb, [good | {"gate": "deploy"}], f"there is no gate 'deploy' here; open gates: {gate}"),
        (verb, [good | {"note": "x" * 8001}], "note: String should have at most 8000 characters"),
        (verb, [good | {"note": "x" * 70_000}], "larger than 65536 bytes"),
        (verb, [good | {"answers": {"which": 7}}], "answers.which: Input should be a valid string"),
        (verb, [good | {"by": "\U0001f600" * 201}], "by: String should have at most 200 characters"),
        (verb, [good | {"by": "agent:planner"}], "agents never decide at a gate"),
        (other, [good], f"gate {gate} takes {takes}, not {other}"),
        ("launch", [good], "there is no"),
        ("launch", [], "there is no"),
        ("pause", [{}, {}], "pause takes at most one small JSON object"),
        ("pause", ["now"], "pause takes nothing, or one JSON object, got str"),
        ("resume", [{"note": "x" * 70_000}], "got more than 65536 bytes"),
    ]


UNREADABLE: list[Row] = [
    ("approve", [raw(b"x", b"binary/encrypted")], "Unknown payload encoding binary/encrypted"),
    ("approve", [raw(b"{}", None)], "Unknown payload encoding"),
    ("approve", [raw(b"\x01", b"binary/protobuf", messageType=b"nope.Nope")], "nope.Nope"),
    ("approve", [raw(b"\x0a\x00", b"binary/protobuf", messageType=b"temporal.api.common.v1.Payload")], "got Payload"),
    ("approve", [raw(b"", b"binary/null")], "got NoneType"),
    ("approve", [raw(b"\xff\xfe", b"binary/plain")], "got bytes"),
    ("approve", [raw(b"")], "Invalid JSON: EOF"),
    ("approve", [raw(b'{"gate": "\xff\xfe"}')], "invalid unicode"),
    ("approve", [raw(b'{"gate": "\\ud800", "by": "m"}')], "Invalid JSON"),
    ("approve", [raw(b'{"gate": NaN, "by": Infinity}')], "gate: Input should be a valid string (got nan)"),
    ("approve", [raw(b'{"gate": ' + b"9" * 4300 + b', "by": "m"}')], "gate: Input should be a valid string"),
    ("approve", [raw(b'{"gate": ' + b"9" * 100_000 + b"}")], "number out of range"),
    ("approve", [raw(b"[" * 100_000 + b"]" * 100_000)], "recursion limit exceeded"),
    ("approve", [raw(b'{"gate": ' + b"[" * 190 + b"]" * 190 + b', "by": "m"}')], "gate: Input should be a valid string"),
    ("pause", [raw(b"x", b"binary/encrypted")], "Unknown payload encoding binary/encrypted"),
    ("launch", [raw(b"x", b"binary/encrypted")], "there is no"),
]


@pytest.fixture(scope="module")
async def running(client: Client, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """One worker for all of them."""
    folder = tmp_path_factory.mktemp("messages")
    script = scripts.save(folder / "script.yaml", PLANNER, WRITER, a_tester())
    async with stack(client, folder / "state", script) as started:
        yield started


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository that is asked for a change."""
    return sample(tmp_path_factory.mktemp("messages") / "sample")


async def a_delivery(running: Stack, origin: Path) -> Waiting:
    """A delivery at its plan gate."""
    run = await running.deliver(origin, check="true")
    view = await running.gate(run, "plan-1")
    return Waiting(run, run, view, "approve", {"gate": view.gate, "by": "maria"})


async def a_child(running: Stack, origin: Path) -> Waiting:
    """A work item whose writer asks."""
    run = await running.deliver(origin, check="true")
    await running.approve(run, "plan-1")
    view = await running.gate(run, "clarify")
    child = running.client.get_workflow_handle(view.workflow_id)
    return Waiting(run, child, view, "answer", {"gate": view.gate, "by": "maria", "answers": {"which": "up"}})


Place = Callable[[Stack, Path], Awaitable[Waiting]]


WAYS = ((a_delivery, Sdk), (a_child, Cli), *soak((a_delivery, Cli), (a_child, Sdk)))
APART = count(4, soak=1)
"""Of that many messages one is sent by the Temporal CLI, which is a process of its own for each; the SDK sends them all."""


@pytest.mark.parametrize(("place", "channel"), WAYS, ids=lambda one: one.__name__)
async def test_bad_messages_are_refused_and_recorded(running: Stack, origin: Path, place: Place, channel: Any) -> None:
    """Every wrong signal and update, at both workflows: told to the sender where it waits, and in the feed in any case."""
    at = await place(running, origin)
    rows = bad_messages(at)[:: APART if channel is Cli else 1]
    await send_all(at, channel(running.client), rows)
    await all_recorded(running, at, rows)
    await a_good_decision_wins(running, at)


@pytest.mark.parametrize("place", [a_child, *soak(a_delivery)], ids=["WriteItem", *soak("Delivery")])
async def test_messages_that_are_not_what_they_say_are_refused_and_recorded(running: Stack, origin: Path, place: Place) -> None:
    """Unknown encodings, broken JSON and text, and nesting without end are refused like any other message."""
    at = await place(running, origin)
    await send_all(at, Sdk(running.client), UNREADABLE)
    await all_recorded(running, at, UNREADABLE)
    await a_good_decision_wins(running, at)


async def send_all(at: Waiting, sender: Sdk | Cli, rows: Sequence[Row]) -> None:
    """Each row as an update and as a signal, a few at a time. After each few the workflow still tells its state."""
    before = await state_of(at.handle)
    for first in range(0, len(rows), AT_ONCE):
        await asyncio.gather(*(send_one(at, sender, row) for row in rows[first : first + AT_ONCE]))
        assert await state_of(at.handle) == before, rows[first : first + AT_ONCE]


async def send_one(at: Waiting, sender: Sdk | Cli, row: Row) -> None:
    """One row both ways; the sender of an update is told what is wrong."""
    name, args, said = row
    told = await sender.update(at.handle.id, name, args)
    assert (told.taken, said in told.text) == (False, True), (name, said, told.text)
    assert await sender.signal(at.handle.id, name, args) == Said(True, told_of_signals(sender)), (name, said)


def told_of_signals(sender: Sdk | Cli) -> str:
    """Signals are never answered: that it was sent is all that its sender hears."""
    return "None" if isinstance(sender, Sdk) else "Signal workflow succeeded\n"


async def all_recorded(running: Stack, at: Waiting, rows: Sequence[Row]) -> None:
    """A line of the feed for each, with its reason."""

    async def lines() -> list[FeedLine] | None:
        found = [line for line in await running.feed(at.root) if line.did.endswith("and was refused")]
        return found if len(found) >= 2 * len(rows) else None

    found = await until(lines, f"{2 * len(rows)} refusals were recorded")
    assert len(found) == 2 * len(rows)
    assert {line.channel for line in found} >= {"signal", "update"}
    for name, _, said in rows:
        assert sum(name in line.did and said in line.why for line in found) >= 2, (name, said)


async def a_good_decision_wins(running: Stack, at: Waiting) -> None:
    """The gate is still open, takes the right decision, and no task of the workflow or its parent ever failed."""
    told = await Sdk(running.client).update(at.handle.id, at.verb, [at.good])
    assert told.taken, told.text
    assert "'won': True" in told.text
    await at.root.cancel()
    with pytest.raises(WorkflowFailureError):  # its worker must not stop in the middle of that
        await asyncio.wait_for(at.root.result(), PATIENCE)
    assert await failed_tasks(at.handle) == []
    assert await failed_tasks(at.root) == []


async def test_a_command_line_that_names_a_wrong_encoding_is_refused(running: Stack, origin: Path) -> None:
    """`--input-meta` can say that JSON is something else: neither a start, a signal, an update nor a query comes to harm."""
    at, sender = await a_delivery(running, origin), Cli(running.client, "--input-meta", "encoding=binary/encrypted")
    said = "Unknown payload encoding binary/encrypted"
    await send_one(at, sender, (at.verb, [at.good], said))
    await all_recorded(running, at, [(at.verb, [at.good], said)])
    assert (await sender.query(at.handle.id, "status", [7])).taken
    workflow, _ = await sender.start("Delivery", [{}], running.settings.task_queue)
    assert said in await refusal(running.client, workflow)
    await a_good_decision_wins(running, at)


@pytest.mark.parametrize("channel", [Cli, *soak(Sdk)])
async def test_bad_queries_change_nothing(running: Stack, origin: Path, channel: Any) -> None:
    """An unknown query is answered with the names that there are; arguments to a known one do no harm."""
    at, sender = await a_delivery(running, origin), channel(running.client)
    unknown = await sender.query(at.handle.id, "statsu", [])
    assert not unknown.taken
    assert "statsu" in unknown.text
    assert "status" in unknown.text
    for args in ([], [7], [{}, "x"]):
        assert (await sender.query(at.handle.id, "status", args)).taken
    await a_good_decision_wins(running, at)


async def test_a_flood_of_bad_messages_is_recorded_up_to_a_limit(running: Stack, origin: Path) -> None:
    """Of many wrong signals the first two hundred are kept, the others only refused; the gate still takes a good decision."""
    at, sender = await a_delivery(running, origin), Sdk(running.client)
    await asyncio.gather(*(sender.signal(at.handle.id, at.verb, [at.good | {"gate": f"x{n}"}]) for n in range(300)))
    told = await sender.update(at.handle.id, at.verb, [7])
    assert "got int" in told.text
    await a_good_decision_wins(running, at)

    async def recorded() -> bool | None:
        found = [line for line in await running.feed(at.root) if line.did.endswith("and was refused")]
        return True if len(found) == REFUSALS_LIMIT else None

    await until(recorded, f"{REFUSALS_LIMIT} refusals were recorded")


@pytest.mark.parametrize("name", ["approve", "launch"])
async def test_a_bad_message_that_comes_with_the_start_is_refused(running: Stack, origin: Path, name: str) -> None:
    """Sent together with the start, before there is any gate: recorded like any other, and the run goes its way."""
    asked = {"repository": str(origin), "instruction": "Fix it", "owner": "olga", "check": "true"}
    run = await running.client.start_workflow(
        "Delivery",
        asked,
        id=f"with-{name}-{secrets.token_hex(4)}",
        task_queue=running.settings.task_queue,
        start_signal=name,
        start_signal_args=[7],
    )
    view = await running.gate(run, "plan-1")

    async def recorded() -> bool | None:
        return True if f"sent {name} and was refused" in await running.said(run) else None

    await until(recorded, "the message was recorded")
    await a_good_decision_wins(running, Waiting(run, run, view, "approve", {"gate": view.gate, "by": "maria"}))
