"""The ways a run can go whose histories are saved: for each what the models say, and what people do."""

import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError

from contracts.gates import GateView
from contracts.pauses import HELD_UP
from ledger import pauses, runs
from ledger.money import ceilings
from ledger.views.runs import money_of
from tests.activities.agentfiles import routed
from tests.activities.loads.places import MAPPING, TABLE, Place, csv, tables
from tests.activities.support.places import BILLING, Shop, ticket
from tests.scripts import a_tester, answer, call, calls, edit, item, plan, says, summary, unsure, write, writer
from tests.stack import Stack, git, held, until
from tests.workflows.ailing import diagnosis, finds, planned, weighs
from tests.workflows.reviewing import HAPPY

OLD = "    return int(cents * (100 - percent) / 100)\n"
NEW = "    return (cents * (100 - percent) + 50) // 100\n"
FIX = edit("shop/pricing.py", OLD, NEW)
FILE = "shop/pricing.py"
PATCH = f"diff --git a/{FILE} b/{FILE}\n--- a/{FILE}\n+++ b/{FILE}\n@@ -8,2 +8,2 @@\n-{OLD}+{NEW} \n"
LINE = "Prices are whole cents.\n"
PLANNER = says("planner", answer(plan(item("fix", ["shop/pricing.py"]))))
AGAIN = says("planner", answer(plan(item("fix", ["shop/pricing.py", "README.md"]), summary="again")), occurrence=2)
SHORT = """
[gates.plan]
who = ["*"]
deadline = "PT2S"
reminder = "PT1S"
escalation = ["owner"]
expiry = "escalate"
"""

WORK_IS_SHORT = SHORT.replace("gates.plan", "gates.work")

NOTICES = """
[actions."notice"]
adapter = "file.write"
tier = "confirm"
reversible = "no"
accountable = "owner"
"""
CORRECTS = """
[actions."sql.execute"]
adapter = "sql.execute"
tier = "auto"
reversible = "no"
accountable = "owner"
"""
COMMENTS = """
[actions."git.comment"]
adapter = "git.comment"
tier = "confirm"
reversible = "no"
accountable = "owner"
"""
NOTICE = {"type": "notice", "target": "notices", "arguments": {"path": "notice.txt", "text": "closed"}}

SERVICES = {"services": [{"name": name, "logs": [f"logs:{name}"]} for name in ("shop", "stock")]}
LOGS = {
    "shop": "2026-11-30 08:00:07,000 ERROR order 3 failed: stock timed out\n",
    "stock": "2026-11-30 08:00:06,000 ERROR Too many open files\n",
}

DRAFTS = """
[actions."support.reply"]
adapter = "email.send"
tier = "draft"
reversible = "no"
accountable = "owner"
"""

TICKETS = {"desk": "shop", "folder": "inbox", "file": "tickets.jsonl"}

LOADED = {"target": "books", "table": "orders", "folder": "inbox", "file": "orders.csv"}

Run = WorkflowHandle[Any, Any]
Script = tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Scenario:
    """What the models say and what people do, until the run ends. `children` are the items whose histories are kept, too."""

    script: Script
    people: Callable[[Stack, Run], Awaitable[None]]
    children: tuple[str, ...] = ()
    asked: dict[str, Any] = field(default_factory=dict)
    pipeline: str = "Delivery"
    """The workflow type that is started. A delivery is given a repository and an instruction; any other only `asked`."""
    gates: str = ""
    """Tables that replace those of policy.toml."""
    settings: Callable[[Path], dict[str, Any]] = lambda _: {}
    """Further settings of the worker, for the folder that it is played in."""
    pull_request: bool = False
    """The change is pull request 7 of a host that is there while it is played; `pull_request` of the input is its address."""
    paid: bool = False
    """The models cost money, and answer over HTTP."""


async def _happy(stack: Stack, run: Run) -> None:
    await stack.approve(run, "plan")
    await stack.approve(run, "change")


def _by_hand(agent: str) -> Callable[[Path], dict[str, Any]]:
    """Settings by which a person does the steps of this agent."""

    def settings(place: Path) -> dict[str, Any]:
        return {"agents": routed(place / "agents", **{agent: '[{ model = "human" }]'})}

    return settings


async def _plan_by_hand(stack: Stack, run: Run) -> None:
    """The first answer does not fit; the second, a signal, does."""
    view, made = await stack.gate(run, "work"), PLANNER["turns"][0]["answer"]
    with contextlib.suppress(WorkflowUpdateFailedError):
        await stack.decide(view, "answer", made=made | {"body": {}})
    await run.signal("answer", {"gate": view.gate, "by": "maria", "made": made})
    await _happy(stack, run)


async def _write_by_hand(stack: Stack, run: Run) -> None:
    await stack.approve(run, "plan")
    await stack.decide(await stack.gate(run, "work"), "answer", made=answer(summary())["answer"], patch=PATCH)
    await stack.approve(run, "change")


async def _reject_the_plan(stack: Stack, run: Run) -> None:
    view = await stack.gate(run, "plan")
    await run.signal("reject", {"gate": view.gate, "by": "maria", "note": "not now"})


async def _reject_the_change(stack: Stack, run: Run) -> None:
    await stack.approve(run, "plan")
    await stack.decide(await stack.gate(run, "change"), "reject", note="not before the release")


async def _request_changes(stack: Stack, run: Run) -> None:
    await stack.decide(await stack.gate(run, "plan-1"), "request_changes", note="smaller")
    await stack.approve(run, "plan-2")
    await stack.decide(await stack.gate(run, "change-1"), "request_changes", note="say it in the README")
    await stack.approve(run, "change-2")


async def _approve_the_action(stack: Stack, run: Run) -> None:
    await stack.approve(run, "action-1")


def _a_folder(place: Path) -> dict[str, Any]:
    return {"targets": {"notices": {"kind": "folder", "path": str(place)}}}


def _two_logs(place: Path) -> dict[str, Any]:
    for name, text in LOGS.items():
        (place / name).mkdir()
        (place / name / f"{name}.log").write_text(text)
    return {"logs": {name: {"path": str(place / name)} for name in LOGS}}


def _a_desk(place: Path) -> dict[str, Any]:
    shop = Shop(place, f"sqlite:///{place}/shop.db")
    shop.file(
        ticket("T-1", "ann@shop.test", "Please, my card was charged twice for AB-1001, 42.00 EUR."),
        ticket("T-2", "bob@shop.test", "The app crashes when I look at the map."),
        ticket("T-3", "bob@shop.test", "Thanks, that was quick!"),
    )
    return shop.settings(2525)


def _a_table(place: Path) -> dict[str, Any]:
    books = Place(place, f"sqlite:///{place}/books.db")
    (place / "books.db").touch()
    books.rows(f"create table orders ({TABLE})")
    books.file(csv("1,ann,5,", "2,bob,x,"))
    books.ledger.close()
    return {"targets": tables(books.url, books.contract), "folders": {"inbox": {"path": str(place / "inbox")}}}


def _two_rows_more(place: Path) -> dict[str, Any]:
    settings = _a_table(place)
    (place / "inbox" / "orders.csv").write_text(csv("1,ann,5,", "2,bob,6,"))
    return settings


async def _load_the_rows(stack: Stack, run: Run) -> None:
    await stack.approve(run, "stuck-1")
    await stack.approve(run, "action-1")


async def _approve_the_mapping(stack: Stack, run: Run) -> None:
    await stack.approve(run, "plan-1")


async def _weigh_again_and_reject(stack: Stack, run: Run) -> None:
    await stack.decide(await stack.gate(run, "conflict-1"), "request_changes", note="look at the times")
    await stack.decide(await stack.gate(run, "conflict-2"), "reject", note="we look ourselves")


async def _let_one_of_two_corrections(stack: Stack, run: Run) -> None:
    """Policy lets them happen by themselves, and what they write comes from a file: a person is asked about each."""
    await stack.approve(run, "action-1")
    await stack.decide(await stack.gate(run, "action-2"), "reject", note="the file is wrong")


async def _reject_the_correction(stack: Stack, run: Run) -> None:
    await stack.decide(await stack.gate(run, "action-1"), "reject", note="the file is wrong")


async def _deal_with_two_tickets(stack: Stack, run: Run) -> None:
    """A person pays one back and sends its answer themselves, and takes the other over."""
    await stack.decide(await stack.gate(run, "ticket.1-t-1.draft-1"), "done", reference="BANK-7")
    await stack.decide(await stack.gate(run, "ticket.1-t-1.draft-2"), "done")
    await stack.decide(await stack.gate(run, "ticket.2-t-2.stuck-1"), note="I call them")


async def _reject_the_answer(stack: Stack, run: Run) -> None:
    await stack.decide(await stack.gate(run, "action-1"), "reject", note="too short")


async def _nobody(stack: Stack, run: Run) -> None:
    del stack, run


async def _cancel_while_writing(stack: Stack, run: Run) -> None:
    await stack.approve(run, "plan")
    child = stack.client.get_workflow_handle(f"{run.id}.write.1.fix")

    async def asked() -> bool | None:
        started = await stack.client.count_workflows(f"WorkflowId = '{child.id}'")
        if not started.count:
            return None
        pending = (await child.describe()).raw_description.pending_activities
        return True if any(one.activity_type.name == "call_model" for one in pending) else None

    await until(asked, "the writer was asked")
    await run.cancel()


async def _answer_questions(stack: Stack, run: Run) -> None:
    await stack.decide(await stack.gate(run, "clarify-1"), "answer", answers={"direction": "up"})
    await stack.approve(run, "plan")
    await stack.decide(await stack.gate(run, "write.1.fix.clarify-1"), "answer", answers={"whole": "yes"})
    await stack.approve(run, "change")


async def _pause_and_be_refused(stack: Stack, run: Run) -> None:
    view = await stack.gate(run, "plan")
    await run.execute_update("pause", {})
    await run.signal("approve", {"gate": "plan-9", "by": "maria"})
    try:
        await stack.decide(view, "approve", subject="0" * 64)
    except WorkflowUpdateFailedError:
        await run.signal("reject", {"gate": "change", "by": "maria", "note": "too early, and kept"})
    await stack.decide(view)
    await run.execute_update("resume", {})


async def _pause_while_planning(stack: Stack, run: Run) -> None:
    """The planner's first call, which was sent with what the run's row should say, answers in the middle of a pause."""
    planner = held(stack, "planner")
    await planner.asked.wait()
    await run.execute_update("pause", {})
    await until(lambda: row_is(stack, run, "paused"), "the row says paused")
    planner.go.set()
    await until(lambda: took_the_answer(run), "the run has taken the planner's answer")
    await run.execute_update("resume", {})
    await stack.decide(await stack.gate(run, "plan"), "reject", note="not now")


async def _hold_the_writer_and_the_push(stack: Stack, run: Run) -> None:
    """A pause of an agent holds a child, and one of everything the run itself; both are lifted."""
    for gate, kind, name in (("plan", "agent", "writer"), ("change", "all", "")):
        view = await stack.gate(run, gate)
        await stack.ledger.tx(pauses.put, kind, name, "olga", "it deletes tests", "cli")
        await stack.decide(view)
        await until(lambda: _is_held(stack, run), "the row says that a pause holds it")
        await stack.ledger.tx(pauses.lift, kind, name, "bob", "it was the prompt", "cli")


async def _is_held(stack: Stack, run: Run) -> bool | None:
    return True if (await stack.ledger.read(runs.find, run.id)).waiting_for == HELD_UP else None


async def row_is(stack: Stack, run: Run, state: str) -> bool | None:
    """True once the run's row says that."""
    return True if (await stack.ledger.read(runs.find, run.id)).state == state else None


async def took_the_answer(run: Run, of: str = "call_model") -> bool | None:
    """True once a workflow has gone on, as far as it could, with what the first activity of this name gave it."""
    sent: set[int] = set()
    answered = False
    for event in (await run.fetch_history()).events:
        if event.activity_task_scheduled_event_attributes.activity_type.name == of:
            sent.add(event.event_id)
        if answered and event.HasField("workflow_task_completed_event_attributes"):
            return True
        answered = answered or event.activity_task_completed_event_attributes.scheduled_event_id in sent
    return None


async def _settle_conflicts(stack: Stack, run: Run) -> None:
    await stack.approve(run, "plan")
    for gate in ("conflict-1", "conflict-2", "change"):
        await stack.approve(run, gate)


async def _give_up(stack: Stack, run: Run) -> None:
    await stack.approve(run, "plan")
    # Without the subject's digest: it covers what the checks print, in which folders of this machine are renamed.
    await stack.decide(await stack.gate(run, "stuck-1"), "request_changes", note="once more", subject=None)
    await stack.decide(await stack.gate(run, "stuck-2"), "reject", note="enough", subject=None)


async def _name_another_check(stack: Stack, run: Run) -> None:
    """The base shows that the check cannot run: one that is no better is named, then one that is. Without the subjects'
    digests: they cover what the check printed."""
    await stack.decide(await stack.gate(run, "stuck-1"), "request_changes", note="so", answers={"check": "nose"}, subject=None)
    await stack.decide(await stack.gate(run, "stuck-2"), "request_changes", note="check: pytest -q", subject=None)
    await _happy(stack, run)


async def _ask_for_an_environment(stack: Stack, run: Run) -> None:
    """The repository declares nothing, which the next gate says; then the check is mended."""
    await stack.decide(await stack.gate(run, "stuck-1"), "request_changes", note="environment: prepare", subject=None)
    await stack.decide(await stack.gate(run, "stuck-2"), "request_changes", note="check: pytest -q", subject=None)
    await _happy(stack, run)


async def _go_on_without_a_check(stack: Stack, run: Run) -> None:
    await stack.decide(await stack.gate(run, "stuck-1"), subject=None)
    await stack.decide(await stack.gate(run, "plan"), "reject", note="not now")


async def _raise_twice(stack: Stack, run: Run) -> None:
    """First the planner finds no room, then both writers."""
    await stack.decide(await stack.gate(run, "ceiling-1"), "raise_ceiling", to_usd="20")
    await without_room(stack, await stack.gate(run, "plan"))
    await stack.decide(await stack.gate(run, "ceiling-2"), "raise_ceiling", to_usd="30")
    await stack.approve(run, "change")


async def _stop_the_writers(stack: Stack, run: Run) -> None:
    await without_room(stack, await stack.gate(run, "plan"))
    await stack.decide(await stack.gate(run, "ceiling-1"), "stop", note="not worth more")


async def without_room(stack: Stack, view: GateView) -> None:
    """Approve a plan once its run has no money left."""

    def cut(connection: Connection) -> None:
        change = ceilings.Change("cut", f"run:{view.trace}", money_of(connection, view.trace).spent + 10, "olga", "", "test")
        ceilings.change(connection, change)

    await stack.ledger.tx(cut)
    await stack.decide(view)


_WRONG = writer("fix", edit("shop/pricing.py", OLD, "    return cents + 1\n"))
_MEND = says(
    "writer", edit("shop/pricing.py", "    return cents + 1\n", NEW), answer(summary("mended")), text="Your item is `rework-1`"
)
_STILL_WRONG = says(
    "writer", edit("shop/pricing.py", "cents + 1", "cents + 2"), answer(summary("better")), text="Your item is `rework-1`"
)
_SAY_IT = edit("README.md", LINE, f"{LINE}Half a cent rounds up.\n")
_README = says("writer", _SAY_IT, answer(summary()), text="Your item is `rework-1`")
_INVALID = answer({"summary": "no items"})
_SLOW = writer("fix", FIX) | {"delay_ms": 20_000}
_ASKS = says(
    "planner",
    unsure("both readings are possible", {"id": "direction", "text": "Up or down?", "options": ["up", "down"]}),
    answer(plan(item("fix", ["shop/pricing.py"]))),
)
_WRITER_ASKS = says(
    "writer",
    unsure("whole numbers or not", {"id": "whole", "text": "Whole numbers only?"}),
    FIX,
    answer(summary()),
    text="Your item is `fix`",
)
_TWO = says("planner", answer(plan(item("fix", ["shop/pricing.py"]), item("doc", ["README.md"]))))
_CLASH = writer("doc", edit("shop/pricing.py", OLD, "    return round(cents * (100 - percent) / 100)\n"))
_ON_TOP = says("writer", _SAY_IT, answer(summary()), text="do yours on top of them")
_RED = a_tester(write("tests/test_new.py", "X = 1\n"))
_PARALLEL = calls(call("read_file", path="README.md"), call("read_file", path="shop/pricing.py"))


async def _be_refused(stack: Stack, run: Run) -> None:
    await stack.approve(run, "plan")
    view = await stack.gate(run, "change")
    origin = json.loads(await stack.artifact(view.subject))["repository"]
    git(Path(origin), "branch", "saved", "main")  # somebody else was faster
    await stack.decide(view)


async def _push_elsewhere(stack: Stack, run: Run) -> None:
    await _be_refused(stack, run)
    await stack.approve(run, "stuck", answers={"branch": "saved", "author": "same"})
    await stack.approve(run, "stuck-2", answers={"branch": "saved-2", "author": "Release Bot <bot@example.org>"})
    await stack.approve(run, "action")


SCENARIOS: dict[str, Scenario] = {
    "happy": Scenario((PLANNER, writer("fix", _PARALLEL, FIX), a_tester()), _happy, ("write.1.fix",)),
    "rejected-plan": Scenario((PLANNER,), _reject_the_plan),
    "rejected-change": Scenario((PLANNER, writer("fix", FIX), a_tester()), _reject_the_change),
    "changes-requested": Scenario(
        (AGAIN, PLANNER, _README, writer("fix", FIX), a_tester()), _request_changes, ("write.1.fix", "rework.rework-1")
    ),
    "expired": Scenario((PLANNER,), _nobody, gates=SHORT),
    "repaired": Scenario(
        (says("planner", _INVALID, *PLANNER["turns"]), _MEND, writer("fix", _INVALID, *_WRONG["turns"][:1]), a_tester()),
        _happy,
        ("write.1.fix", "rework.rework-1"),
    ),
    "cancelled": Scenario((PLANNER, _SLOW), _cancel_while_writing, ("write.1.fix",)),
    "clarified": Scenario((_ASKS, _WRITER_ASKS, a_tester()), _answer_questions, ("write.1.fix",)),
    "paused": Scenario((PLANNER, writer("fix", FIX), a_tester()), _pause_and_be_refused),
    "paused-while-planning": Scenario((PLANNER,), _pause_while_planning),
    "held-by-pauses": Scenario((PLANNER, writer("fix", FIX), a_tester()), _hold_the_writer_and_the_push, ("write.1.fix",)),
    "conflict": Scenario((_TWO, _ON_TOP, writer("fix", FIX), _CLASH, a_tester()), _settle_conflicts, ("write.1.doc",)),
    "parked": Scenario(
        (_TWO, writer("fix", FIX), writer("doc", _SAY_IT), a_tester()),
        _raise_twice,
        ("write.1.fix",),
        asked={"ceiling_usd": "0.000001"},
        paid=True,
    ),
    "stopped": Scenario(
        (_TWO, writer("fix", FIX), writer("doc", _SAY_IT), a_tester()), _stop_the_writers, ("write.1.fix",), paid=True
    ),
    "stuck": Scenario((PLANNER, _STILL_WRONG, _WRONG, _RED), _give_up, asked={"rework": 0}),
    # Played by a release that does not know the change `refused-push`: the run ends where the push is refused.
    "refused-push-before": Scenario((PLANNER, writer("fix", FIX), a_tester()), _be_refused),
    "refused-push": Scenario((PLANNER, writer("fix", FIX), a_tester()), _push_elsewhere),
    "base-renamed": Scenario((PLANNER, writer("fix", FIX), a_tester()), _name_another_check, asked={"check": "pyest -q"}),
    "base-prepared": Scenario((PLANNER, writer("fix", FIX), a_tester()), _ask_for_an_environment, asked={"check": "pyest -q"}),
    "base-without": Scenario((PLANNER,), _go_on_without_a_check, asked={"check": "pyest -q"}),
    "review-happy": Scenario(HAPPY, _nobody, asked={"head": "odd"}, pipeline="Review"),
    # No key: what stands in for the agents does the whole review.
    "review-keyless": Scenario((), _nobody, asked={"head": "odd"}, pipeline="Review"),
    "review-parts": Scenario(HAPPY, _nobody, ("part.1.g01",), asked={"head": "large"}, pipeline="Review"),
    # Reviewed, and the comment written once a person has said so.
    "review-commented": Scenario(
        HAPPY,
        _approve_the_action,
        asked={"target": "host", "comment": True},
        pipeline="Review",
        gates=COMMENTS,
        pull_request=True,
    ),
    # Steps that a person does: answered, handed in as a patch in a child, and left to the deadline.
    "work-planned": Scenario((writer("fix", FIX), a_tester()), _plan_by_hand, settings=_by_hand("planner")),
    "work-written": Scenario((PLANNER, a_tester()), _write_by_hand, ("write.1.fix",), settings=_by_hand("writer")),
    "work-expired": Scenario((PLANNER,), _nobody, settings=_by_hand("planner"), gates=WORK_IS_SHORT),
    "load-given": Scenario(
        (PLANNER,), _load_the_rows, ("load.part-1",), asked=LOADED | {"mapping": MAPPING}, pipeline="Load", settings=_a_table
    ),
    "load-proposed": Scenario(
        (says("mapper", answer(MAPPING)),), _approve_the_mapping, asked=LOADED, pipeline="Load", settings=_a_table
    ),
    "load-reconciled": Scenario(
        (PLANNER,),
        _reject_the_correction,
        asked=LOADED | {"file": None, "reconcile": "orders.csv", "correct": True},
        pipeline="Load",
        settings=_a_table,
    ),
    "load-compared": Scenario(
        (PLANNER,),
        _nobody,
        asked={"folder": "inbox", "reconcile": "orders.csv", "against": "orders.csv", "key": "id"},
        pipeline="Load",
        settings=_a_table,
    ),
    "load-outside": Scenario(
        (PLANNER,),
        _let_one_of_two_corrections,
        asked=LOADED | {"file": None, "reconcile": "orders.csv", "correct": True},
        pipeline="Load",
        gates=CORRECTS,
        settings=_two_rows_more,
    ),
    # No key: code stands in for every agent. The shop blames the stock, which has a fault; a person lets the fix be escalated.
    "diagnosis-keyless": Scenario(
        (), _approve_the_mapping, ("service.shop",), asked=SERVICES, pipeline="Diagnosis", settings=_two_logs
    ),
    # Each blames the other; a person wants it weighed once more, and then says no.
    "diagnosis-apart": Scenario(
        (
            planned(shop="when it began"),
            finds("shop", answer(diagnosis("elsewhere", blames="stock"))),
            finds("stock", answer(diagnosis("elsewhere", blames="shop"))),
            weighs(),
        ),
        _weigh_again_and_reject,
        asked=SERVICES,
        pipeline="Diagnosis",
        settings=_two_logs,
    ),
    "support-keyless": Scenario(
        (),
        _deal_with_two_tickets,
        ("ticket.1-t-1", "ticket.2-t-2"),
        asked=TICKETS,
        pipeline="Support",
        gates=DRAFTS,
        settings=_a_desk,
    ),
    # One ticket by itself is a run of its own, and has no child.
    "support-one": Scenario(
        BILLING,
        _reject_the_answer,
        asked={"desk": "shop", "ticket": "Where is my invoice?", "customer": "ann@shop.test", "id": "T-9"},
        pipeline="Support",
        settings=_a_desk,
    ),
    "act-confirmed": Scenario((PLANNER,), _approve_the_action, asked=NOTICE, pipeline="Act", gates=NOTICES, settings=_a_folder),
}
