"""Eleven things that go wrong in an installation, each planted for real.

Planting is independent of how an anomaly is found and settled, so that it can be settled by commands and in a browser alike:
`plant` makes it and gives back what an operator would see of it, `settled` says whether it is over.
"""

import json
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import select

from ledger.db import Connection
from ledger.tables import action
from ledger.tables import run as run_table
from ledger.views.condemned import standings
from tests.operator.house import House, Run
from tests.operator.scripted import CLASH, OF_A_SOURCE, ONE_FILE, SHORTER, SOURCE
from tests.stack import until

CLEARER = "Say it clearer"


@dataclass(frozen=True)
class Planted:
    """An anomaly that is there. `values` stand for the words in capitals of its runbook; `run` is what it is about, if a run.

    `shown`: what an operator sees of it, in status, gates or the alerts of the feed. `mend`: what others do meanwhile, before
    the operator goes on, such as mending what is outside.
    """

    shown: str
    values: Mapping[str, str] = field(default_factory=dict)
    run: Run | None = None
    mend: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Anomaly:
    """One kind. `runbook` is the name under which alerts and gates lead to what is to be done."""

    runbook: str
    plant: Callable[[House], Awaitable[Planted]]
    settled: Callable[[House, Planted], Awaitable[None]]


async def at_gate(house: House, run: Run, gate: str) -> dict[str, str]:
    """Wait for a gate; the run and the gate as an operator names them."""
    await house.stack.gate(run, gate)
    return {"RUN": run.id, "GATE": gate}


async def goes_on_to(house: House, planted: Planted, gate: str) -> None:
    """The run has gone on to its next gate, and the one of the anomaly is not open any more."""
    assert planted.run is not None
    await house.stack.gate(planted.run, gate)
    assert (planted.values["RUN"], planted.values["GATE"]) not in await house.open_gates()


async def a_stuck_agent(house: House) -> Planted:
    """A planner that gives up after an objection."""
    run = await house.deliver(CLEARER)
    await house.stack.decide(await house.stack.gate(run, "plan-1"), "request_changes", note=ONE_FILE)
    return Planted("the planner could not plan this", await at_gate(house, run, "stuck-1"), run)


async def the_agent_goes_on(house: House, planted: Planted) -> None:
    """There is a plan again, by what the operator said."""
    assert planted.run is not None
    await goes_on_to(house, planted, "plan-2")
    assert (await house.stack.gate(planted.run, "plan-2")).title.endswith("as the operator said")


async def parked_money(house: House) -> Planted:
    """A run whose first call costs more than its ceiling."""
    before = len(house.gateway.requests)
    run = await house.deliver(CLEARER, effort="auto", ceiling_usd="0.000001")
    values = await at_gate(house, run, "ceiling-1")
    assert (await house.state_of(run), len(house.gateway.requests)) == (("parked", "ceiling-1"), before)
    return Planted(f"ceiling-1 of {run.id}", values | {"WHAT": run.id, "USD": "5"}, run)


async def the_call_is_made(house: House, planted: Planted) -> None:
    """The same call went to the model, and the change that it made waits for approval."""
    await goes_on_to(house, planted, "change-1")
    assert house.gateway.requests, "the model was asked"


async def an_open_breaker(house: House) -> Planted:
    """A provider that refuses the key: another agent stands in, and nobody asks that provider any more."""
    house.gateway.faults.set("small", "authentication")
    run = await house.deliver(CLEARER, effort="auto")
    await house.stack.gate(run, "change-1")
    values = {"RUN": run.id, "NAME": "provider:gateway"}
    return Planted("provider:gateway is unavailable", values, run, lambda: house.gateway.faults.clear("small"))


async def it_is_asked_again(house: House, planted: Planted) -> None:
    """The breaker is closed, and the next run has its work done by that provider's model."""
    assert "BREAKER" not in await house.baton("status")
    before = len(house.gateway.requests)
    run = await house.deliver(f"{CLEARER}, once more", effort="auto")
    await house.stack.gate(run, "change-1")
    assert len(house.gateway.requests) > before
    assert "stood in" not in await house.stack.said(run)


async def an_unknown_action(house: House) -> Planted:
    """A bank that takes a refund and breaks off before it answers."""
    house.bank.loses = True
    key = f"refund/{len(house.bank.book)}"
    asked = {"type": "refund", "target": "bank", "arguments": {"event": key, "body": {"cents": 700}}, "owner": "olga"}
    run = await house.stack.client.start_workflow(
        "Act", asked, id=f"act-{key.replace('/', '-')}", task_queue=house.stack.settings.task_queue
    )
    values = await at_gate(house, run, "unknown-1")
    house.bank.loses = False
    return Planted(f"unknown-1 of {run.id}", values | {"NUMBER": house.bank.book[-1]["id"]}, run)


async def the_action_is_known(house: House, planted: Planted) -> None:
    """It happened once, with the bank's own number for it, and the run is over."""
    assert planted.run is not None
    await planted.run.result()
    [(state, receipt)] = await house.ledger.read(_actions_of, (await house.ledger.read(_trace_of, planted.run.id)))
    assert (state, json.loads(receipt)["reference"]) == ("delivered", planted.values["NUMBER"])
    assert len(house.bank.book) == int(planted.values["NUMBER"].removeprefix("evt-")), "nothing was sent again"


def _trace_of(connection: Connection, run: str) -> str:
    found = connection.execute(select(run_table.c.trace).where(run_table.c.workflow_id == run)).scalar_one()
    return str(found)


def _actions_of(connection: Connection, trace: str) -> list[tuple[str, str]]:
    rows = connection.execute(select(action.c.state, action.c.receipt).where(action.c.trace == trace))
    return [(row.state, row.receipt) for row in rows]


async def a_stale_approval(house: House) -> Planted:
    """A plan is sent back, and somebody approves the one that they saw before, by a signal that answers nothing."""
    run = await house.deliver(CLEARER)
    first = await house.stack.gate(run, "plan-1")
    await house.stack.decide(first, "request_changes", note=SHORTER)
    values = await at_gate(house, run, "plan-2")
    await run.signal("approve", {"gate": "plan", "by": "ben", "subject": first.subject})
    return Planted("ben: sent approve and was refused", values, run)


async def the_new_plan_counts(house: House, planted: Planted) -> None:
    """What is there now was approved by the operator, and the run went on to the change."""
    await goes_on_to(house, planted, "change-1")


async def a_condemned_source(house: House) -> Planted:
    """A run has read a file, and somebody says that it was wrong."""
    run = await house.deliver(OF_A_SOURCE)
    await house.stack.gate(run, "plan-1")
    said = await house.baton("condemn", "--source", SOURCE, "--by", "ben", "--reason", "it was an old list", "--json")
    [id] = [json.loads(line)["id"] for line in said.splitlines() if line.startswith("{")]
    values = await at_gate(house, run, "held-1")
    return Planted("condemned by ben", values | {"ID": id}, run)


async def it_is_let_on(house: House, planted: Planted) -> None:
    """The run waits at its plan again, and nothing of the condemnation is left to do."""
    assert planted.run is not None
    await goes_on_to(house, planted, "plan-1")
    assert (await house.state_of(planted.run))[0] == "waiting"
    found = await house.ledger.read(lambda connection: standings(connection, {}, everything=True))
    assert [one.state for one in found if one.condemnation.id == planted.values["ID"]] == ["settled"]
    await house.baton("condemned", "undo", planted.values["ID"], "-m", "the anomaly is over")


async def a_wrong_agent_version(house: House) -> Planted:
    """A worker is started with a new version of the planner that nobody has released, and a run uses it."""
    text = (house.agents / "planner" / "v1.md").read_text()
    (house.agents / "planner" / "v2.md").write_text(text.replace("version: 1\n", "version: 2\n") + "\nBe quick.\n")
    await house.baton("down")
    await house.baton("up")
    run = await house.deliver(CLEARER)
    await house.stack.gate(run, "plan-1")
    return Planted("planner@v2 is live and was never released", {"AGENT": "planner@v2"}, run)


async def the_old_version_is_live(house: House, planted: Planted) -> None:
    """A new run uses the released version, the open one kept what it began with, and no worker complains."""
    run = await house.deliver(CLEARER)
    await house.stack.gate(run, "plan-1")
    assert "planner@v1" in await house.stack.said(run)
    assert planted.run is not None
    assert planted.run.id in {name for name, _ in await house.open_gates()}
    assert "planner@v2" not in await house.baton("status")


async def no_worker(house: House) -> Planted:
    """A worker is killed while a run is open."""
    run = await house.deliver(CLEARER)
    values = await at_gate(house, run, "plan-1")
    os.kill(house.worker().pid, signal.SIGKILL)
    return Planted("NOBODY WORKS", values, run)


async def somebody_works(house: House, planted: Planted) -> None:
    """The open run goes on."""
    assert "NOBODY WORKS" not in await house.baton("status")
    assert planted.run is not None
    await house.stack.decide(await house.stack.gate(planted.run, "plan-1"))
    await goes_on_to(house, planted, "change-1")


async def a_duplicate_ticket(house: House) -> Planted:
    """Two tickets got the same request key from the program that starts runs."""
    key, other = f"ticket-{len(await house.open_gates())}", "Say what a cent is"
    first = await house.deliver(CLEARER, request_key=key)
    await house.stack.gate(first, "plan-1")
    second = await house.deliver(other, request_key=key)
    report = await second.result()
    assert report.state == "could_not"
    values = {"RUN": first.id, "PATH": str(house.origin), "TICKET": other, "NEWKEY": f"{key}-other"}
    return Planted(f"a duplicate of {first.id}", values, first)


async def each_ticket_has_a_run(house: House, planted: Planted) -> None:
    """The first goes on as it did, and the other one is being worked on, once."""

    def asked(connection: Connection) -> list[str]:
        rows = connection.execute(select(run_table.c.input).where(run_table.c.request_key == planted.values["NEWKEY"]))
        return [json.loads(row.input)["instruction"] for row in rows]

    async def begun() -> list[str] | None:
        return await house.ledger.read(asked) or None

    assert await until(begun, "the other ticket has a run") == [planted.values["TICKET"]]
    assert planted.run is not None
    assert await house.state_of(planted.run) == ("waiting", "plan-1")


async def a_conflict(house: House) -> Planted:
    """Two writers at work side by side changed the same line."""
    run = await house.deliver(CLASH)
    await house.stack.approve(run, "plan-1")
    await house.stack.approve(run, "conflict-1")
    return Planted(f"conflict-2 of {run.id}", await at_gate(house, run, "conflict-2"), run)


async def the_later_one_is_done_again(house: House, planted: Planted) -> None:
    """Both are in the change that waits for approval."""
    await goes_on_to(house, planted, "change-1")


async def a_terminated_run(house: House) -> Planted:
    """Somebody ends a run in Temporal's own tools."""
    run = await house.deliver(CLEARER)
    await house.stack.gate(run, "plan-1")
    await run.terminate(reason="by mistake")
    return Planted("terminated in Temporal", {"RUN": run.id}, run)


async def it_is_done_again(house: House, planted: Planted) -> None:
    """A new run of the same input waits at its plan, and status does not ask for anything about the old one."""
    assert planted.run is not None

    def again(connection: Connection) -> list[str]:
        rows = connection.execute(select(run_table.c.workflow_id, run_table.c.input).where(run_table.c.state == "waiting"))
        return [row.workflow_id for row in rows if json.loads(row.input).get("retry_of")]

    async def waits() -> list[str] | None:
        return await house.ledger.read(again) or None

    assert len(await until(waits, "the run that replaces it waits at its plan")) == 1
    assert "ENDED" not in await house.baton("status")


ANOMALIES: Mapping[str, Anomaly] = {
    "stuck agent": Anomaly("gate-stuck", a_stuck_agent, the_agent_goes_on),
    "parked money": Anomaly("gate-ceiling", parked_money, the_call_is_made),
    "open circuit breaker": Anomaly("alert-breaker-open", an_open_breaker, it_is_asked_again),
    "unknown action": Anomaly("gate-unknown", an_unknown_action, the_action_is_known),
    "stale approval": Anomaly("alert-decision-refused", a_stale_approval, the_new_plan_counts),
    "condemned source": Anomaly("alert-condemned", a_condemned_source, it_is_let_on),
    "wrong agent version live": Anomaly("alert-agent-version", a_wrong_agent_version, the_old_version_is_live),
    "no worker": Anomaly("alert-nobody-works", no_worker, somebody_works),
    "duplicate ticket": Anomaly("alert-duplicate", a_duplicate_ticket, each_ticket_has_a_run),
    "conflict between workers": Anomaly("gate-conflict", a_conflict, the_later_one_is_done_again),
    "run terminated in Temporal": Anomaly("alert-run-ended", a_terminated_run, it_is_done_again),
}
"""Every anomaly, by what people call it."""

IN_THE_BROWSER = ("no worker", "duplicate ticket", "run terminated in Temporal")
"""Those that `make test` has settled in the console, each on a page of its own; the others by commands. `make soak` has each
both ways."""
