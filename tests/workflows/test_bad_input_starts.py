"""Whatever a workflow is started with, it begins, or it ends at once with a reason; by SDK and by Temporal's own program."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.common import RawValue

from contracts.base import BODY_LIMIT
from contracts.delivery.plan import WorkItem
from contracts.delivery.writing import WriteItemInput, WriteTask
from contracts.inputs import RunContext
from contracts.pins import Began
from contracts.repositories import WorkspaceRef
from contracts.runs import RunRef
from tests import scripts
from tests.depth import count
from tests.scripts import could_not, says
from tests.stack import Stack, stack
from tests.workflows.sending import Cli, Sdk, failed_tasks, raw, refusal

OK = {"repository": "r", "instruction": "i"}

PART = WriteItemInput(
    context=RunContext(
        run=RunRef(trace="somebody-else's", path="write/1/fix"),
        began=Began(owner="olga", ceiling_micros=1, policy_digest="0" * 64, agents={}, gates={}),
    ),
    task=WriteTask(
        item=WorkItem(id="fix", intent="i", files=("a",), settings=(), acceptance=("a",), depends_on=()),
        instruction="i",
        plan_summary="s",
    ),
    start=WorkspaceRef(repository="r", base="b"),
)

STARTS: list[tuple[str, list[Any], str]] = [
    # the type, what it is given, and what the failure says
    ("Delivery", [{"instruction": "x"}], "repository: Field required"),
    ("Delivery", [OK | {"chek": "pytest"}], "chek: Extra inputs are not permitted"),
    ("Delivery", [OK | {"rework": "many"}], "rework: Input should be a valid integer"),
    ("Delivery", [OK | {"ceiling_usd": -1}], "ceiling_usd: Input should be greater than 0"),
    ("Delivery", [OK | {"ceiling_usd": 1e-7}], "ceiling_usd: the smallest amount is 0.000001"),
    ("Delivery", [OK | {"owner": " "}], "owner: it is empty"),
    ("Delivery", [OK | {"owner": "olga", "by": "\u00a0"}], "by: it is empty"),
    ("Delivery", [OK | {"branch": "a\0b"}], "branch: control characters and line ends are not allowed here"),
    ("Delivery", [OK | {"owner": "olga\n"}], "owner: control characters"),
    ("Delivery", [OK | {"check": "pytest\0"}], "check: NUL characters are not allowed here"),
    ("Delivery", [OK | {"instruction": "\U0001f600" * 20_000}], f"the input has 80202 bytes, the limit is {BODY_LIMIT}"),
    ("Delivery", [OK | {"x" * 300_000: 1}], "x: Extra inputs"),
    ("Delivery", ["just text"], "(whole): Input should be"),
    ("Delivery", [7], "(whole): Input should be"),
    ("Delivery", [None], "object"),
    ("Delivery", [[1, 2]], "(whole): Input should be"),
    ("Delivery", [], "takes exactly one JSON object"),
    ("Delivery", [OK, {}], "takes exactly one JSON object"),
    ("WriteItem", [], "takes exactly one JSON object"),
    ("WriteItem", [{}, {}], "takes exactly one JSON object"),
    ("WriteItem", ["text"], "(whole): Input should be"),
    ("WriteItem", [None], "object"),
    ("WriteItem", [OK], "context: Field required; task: Field required; start: Field required"),
    ("Delivry", [OK], "there is no workflow type 'Delivry'; there are Delivery"),
    ("Delivry", [], "there is no workflow type 'Delivry'; there are Delivery"),
]

UNREADABLE = [
    # payloads that are not what they say, and what the failure says
    (raw(b"x", b"binary/encrypted"), "Unknown payload encoding binary/encrypted"),
    (raw(b"x", b"\xff\xfe"), "the payload could not be read"),
    (raw(b"{}", None), "Unknown payload encoding"),
    (raw(b"\x01", b"binary/protobuf", messageType=b"nope.Nope"), "nope.Nope"),
    (raw(b"{}", b"json/protobuf"), "the payload could not be read"),
    (raw(b"", b"binary/null"), "but got NoneType"),
    (raw(b"\xff\xfe", b"binary/plain"), "but got bytes"),
    (raw(b""), "Invalid JSON: EOF"),
    (raw(b'{"repository": '), "Invalid JSON: EOF"),
    (raw(b'{"repository": "\xff\xfe"}'), "invalid unicode"),
    (raw(b'{"repository": "\\ud800"}'), "Invalid JSON"),
    (raw(b'{"rework": NaN, "repository": "r", "instruction": "i"}'), "rework: Input should be a finite number"),
    (raw(b'{"rework": ' + b"9" * 100_000 + b"}"), "number out of range"),
    (raw(b"[" * 100_000 + b"]" * 100_000), "recursion limit exceeded"),
]


@pytest.fixture(scope="module")
async def running(client: Client, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """One worker for all of them."""
    folder = tmp_path_factory.mktemp("starts")
    script = scripts.save(folder / "script.yaml", says("planner", could_not("nothing gets this far")))
    async with stack(client, folder / "state", script) as started:
        yield started


EACH_WAY = [(Sdk, *row) for row in STARTS] + [(Cli, *row) for row in STARTS[:: count(4, soak=1)]]
"""The Temporal CLI is a process of its own for each start, and sends some of them; the SDK sends them all."""


@pytest.mark.parametrize(("channel", "kind", "args", "said"), EACH_WAY)
async def test_a_bad_start_fails_with_a_reason(
    running: Stack, channel: type[Sdk | Cli], kind: str, args: list[Any], said: str
) -> None:
    """A start that does not fit fails at once and names what is wrong; it never stays running, and no task of it fails."""
    workflow, told = await channel(running.client).start(kind, args, running.settings.task_queue)
    assert told.taken, told.text
    assert said in await refusal(running.client, workflow)
    assert await failed_tasks(running.client.get_workflow_handle(workflow)) == []


@pytest.mark.parametrize("channel", [Sdk, Cli])
async def test_a_part_of_a_run_is_not_started_by_itself(running: Stack, channel: type[Sdk | Cli]) -> None:
    """Its pins, limits and policy would be whatever the sender says: it is refused, with what to start instead."""
    asked = [PART.model_dump(mode="json")]
    workflow, _ = await channel(running.client).start("WriteItem", asked, running.settings.task_queue)
    said = await refusal(running.client, workflow)
    assert said == "WriteItem is part of a run and cannot be started alone; start Delivery"


OF_OTHERS = [(kind, *row) for kind in ("WriteItem", "Delivry") for row in UNREADABLE[:: count(4, soak=1)]]


@pytest.mark.parametrize(("kind", "payload", "said"), [*(("Delivery", *row) for row in UNREADABLE), *OF_OTHERS])
async def test_a_start_that_is_not_what_it_says_fails_with_a_reason(
    running: Stack, kind: str, payload: RawValue, said: str
) -> None:
    """Wrong encodings, broken JSON and text, and nesting without end fail the run at once, and the reason stays short."""
    workflow, told = await Sdk(running.client).start(kind, [payload], running.settings.task_queue)
    assert told.taken, told.text
    reason = await refusal(running.client, workflow)
    assert (said if kind == "Delivery" else "") in reason
    assert len(reason) < 3000
    assert await failed_tasks(running.client.get_workflow_handle(workflow)) == []
