"""Runs that a ceiling parks: what they say, what lets them go on, and what they cost in the end."""

import contextlib
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError

from contracts.gates import GateView
from ledger import gates
from ledger.money import ceilings
from ledger.money.ceilings import Change
from ledger.tables import ceiling_change, reservation, run, scope, trip, turn
from tests import scripts
from tests.scripts import a_tester, answer, call, calls, item, plan, read, says, summary, unsure, write, writer
from tests.stack import sample, until
from tests.wire.server import WireServer
from tests.workflows.asked import Asking
from tests.workflows.conftest import Ask, Start

PRICED = '[classes]\nworker = [{ model = "openai:test", price = { input = 1_000_000, output = 2_000_000 } }]\n'
TURNS = (calls(call("run_state")), answer(summary("did it")))


@contextlib.asynccontextmanager
async def paid(asking: Ask, folder: Path, **settings: Any) -> AsyncIterator[tuple[Asking, WireServer]]:
    """A step of two turns whose model costs money, and the server that sees every call of it."""
    script = scripts.save(folder / "wire.yaml", says("helper", *TURNS))
    async with WireServer(script=script) as server:
        options = {"routes": PRICED, "model": "", "openai_base_url": server.openai_url} | settings
        async with asking(*TURNS, **options) as made:
            yield made, server


def rows(made: Asking, table: Any) -> list[Any]:
    """All rows of a table."""

    def read(connection: Connection) -> list[Any]:
        return list(connection.execute(select(table)).all())

    return made.stack.ledger.read_now(read)


def books(made: Asking) -> dict[str, tuple[int, int, int]]:
    """Ceiling, spent and held by the kind of scope."""
    return {row.id.split(":")[0]: (row.ceiling, row.spent, row.held) for row in rows(made, scope)}


async def test_a_raise_lets_the_same_call_go_on(asking: Ask, tmp_path: Path) -> None:
    """A refused call parks its run at one gate and is not made; raised, it is made once, and the run ends as any other."""
    async with paid(asking, tmp_path) as (made, server):
        started = await made.start(ceiling_usd="0.000001")
        view = await made.stack.gate(started, "ceiling")
        assert (server.requests, rows(made, reservation)) == ([], [])
        assert [(one.state, one.waiting_for) for one in rows(made, run)] == [("parked", "ceiling-1")]
        assert view.ceiling is not None
        assert (view.ceiling.scope, view.ceiling.ceiling, view.verbs) == (f"run:{view.trace}", 1, ("raise_ceiling", "stop"))
        assert "the ceiling is $0.000001, $0.00 is spent and $0.00 held" in view.facts[0]
        answered = await made.stack.decide(view, "raise_ceiling", to_usd="1.5", note="go on")
        ended = await made.ended(started)
    assert (answered["won"], ended.handoff.outcome, ended.summary) == (True, "done", "did it")
    assert len(server.requests) == len(ended.turns) == 2
    assert books(made)["run"] == (1_500_000, sum(turn.usd_micros for turn in ended.turns), 0)
    assert [(one.before, one.after, one.by, one.why) for one in rows(made, ceiling_change)] == [
        (1, 1_500_000, "maria", "go on")
    ]
    assert [(one.how, one.by, one.closed_at is not None) for one in rows(made, trip)] == [("raise_ceiling", "maria", True)]
    assert [one.state for one in rows(made, run)] == ["done"]


async def test_too_small_a_raise_parks_again(asking: Ask, tmp_path: Path) -> None:
    """A raise that is not enough is no mistake: the call waits at the next gate, which says the new numbers."""
    async with paid(asking, tmp_path) as (made, server):
        started = await made.start(ceiling_usd="0.000001")
        await made.stack.decide(await made.stack.gate(started, "ceiling"), "raise_ceiling", to_usd="0.000002")
        view = await made.stack.gate(started, "ceiling-2")
        assert view.ceiling is not None
        assert (view.ceiling.ceiling, server.requests) == (2, [])
        await made.stack.decide(view, "raise_ceiling", to_usd="1")
        assert (await made.ended(started)).handoff.outcome == "done"


async def test_a_stop_ends_the_run_with_what_it_has(asking: Ask, tmp_path: Path) -> None:
    """Stopped at a ceiling, a run ends with the reason; what it did before stays, and nothing is held."""
    async with paid(asking, tmp_path) as (made, server):
        started = await made.start(ceiling_usd="0.000001")
        view = await made.stack.gate(started, "ceiling")
        assert view.ceiling is not None
        exactly = f"{view.ceiling.wanted / 1_000_000:.6f}"  # enough for the first of two calls
        await made.stack.decide(view, "raise_ceiling", to_usd=exactly)
        await made.stack.decide(await made.stack.gate(started, "ceiling-2"), "stop", note="not worth more")
        with pytest.raises(WorkflowFailureError) as failed:
            await started.result()
    assert str(failed.value.cause).startswith("Stopped: stopped at ceiling-2 by maria: not worth more; run:")
    assert len(server.requests) == 1
    assert [one.state for one in rows(made, reservation)] == ["settled"]
    assert books(made)["run"][2] == 0


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"note": "more"}, "raise_ceiling needs the new ceiling in US dollars"),
    ({"to_usd": "0.000001"}, r"the ceiling is \$0.00.*is not higher"),
    ({"to_usd": "-3"}, "to_usd: Input should be greater than 0"),
    ({"to_usd": "lots"}, "to_usd"),
    ({"to_usd": "501"}, r"policy allows a run at most \$500, not \$501"),
    ({"to_usd": "1", "subject": "0" * 64}, "but you looked at 000000000000"),
]


async def test_a_wrong_raise_is_refused(asking: Ask, tmp_path: Path) -> None:
    """A raise that says no amount, no more than there is, or more than policy allows is refused, and the gate stays open."""
    async with paid(asking, tmp_path) as (made, _):
        started = await made.start(ceiling_usd="0.000001")
        view = await made.stack.gate(started, "ceiling")
        for said, why in WRONG:
            with pytest.raises(WorkflowUpdateFailedError) as refused:
                await made.stack.decide(view, "raise_ceiling", **said)
            assert re.search(why, str(refused.value.cause))
            assert await made.stack.gate(started, "ceiling-1") == view
        await made.stack.decide(view, "stop")
        with pytest.raises(WorkflowFailureError):
            await started.result()


async def test_a_shared_ceiling_is_raised_for_all(asking: Ask, tmp_path: Path) -> None:
    """At a month's ceiling the run's own gate takes no raise; raised in the ledger, a nudge lets the run go on."""
    async with paid(asking, tmp_path, ceilings={"run_usd": 1, "agent_day_usd": 1, "month_usd": "0.001"}) as (made, server):
        started = await made.start()
        view = await made.stack.gate(started, "ceiling")
        assert view.ceiling is not None
        month = view.ceiling.scope
        assert (month.startswith("month:"), view.ceiling.resets_at is not None) == (True, True)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await made.stack.decide(view, "raise_ceiling", to_usd="5")
        raised = Change("raise-1", month, 5_000_000, "maria", "month end", "cli")
        await made.stack.ledger.tx(ceilings.raise_to, raised)
        assert await started.execute_update("nudge", {}) == "1 step retries"
        ended = await made.ended(started)
    assert f"`baton budget raise {month} --to USD -m why`" in str(refused.value.cause)
    assert (ended.handoff.outcome, len(server.requests)) == ("done", 2)
    assert [(one.how, one.by) for one in rows(made, trip)] == [("released", "")]


async def test_another_ceiling_is_another_gate(asking: Ask, tmp_path: Path) -> None:
    """Raised, the month lets go a call that the run itself has no room for now: the next gate is about the run."""
    async with paid(asking, tmp_path, ceilings={"run_usd": 1, "agent_day_usd": 1, "month_usd": "0.001"}) as (made, _):
        started = await made.start()
        view = await made.stack.gate(started, "ceiling-1")
        assert view.ceiling is not None
        for name, which, to in (("cut", f"run:{view.trace}", 10), ("raise", view.ceiling.scope, 5_000_000)):
            await made.stack.ledger.tx(ceilings.change, Change(name, which, to, "olga", "", "test"))
        await started.signal("nudge", {})
        second = await made.stack.gate(started, "ceiling-2")
        assert second.ceiling is not None
        assert second.ceiling.scope == f"run:{view.trace}"
        await made.stack.decide(second, "raise_ceiling", to_usd="1")
        assert (await made.ended(started)).handoff.outcome == "done"
    assert [(one.gate, one.how) for one in rows(made, trip)] == [("ceiling-1", "released"), ("ceiling-2", "raise_ceiling")]


async def test_a_call_that_fails_of_something_else_needs_no_ceiling(asking: Ask, tmp_path: Path) -> None:
    """The month has room again and the model is away: the ceiling's gate closes although the call is still not answered."""
    ceilings_ = {"run_usd": 1, "agent_day_usd": 1, "month_usd": "0.001"}
    breakers = {"failures": 1, "cooldown": timedelta(seconds=1), "longest": timedelta(seconds=1)}
    async with paid(asking, tmp_path, ceilings=ceilings_, breakers=breakers) as (made, server):
        started = await made.start()
        view = await made.stack.gate(started, "ceiling")
        assert view.ceiling is not None
        server.faults.set("test", "server")
        await made.stack.ledger.tx(ceilings.raise_to, Change("up", view.ceiling.scope, 5_000_000, "maria", "", "cli"))
        await started.signal("nudge", {})

        async def closed() -> bool | None:
            return True if [one.how for one in rows(made, trip)] == ["released"] else None

        await until(closed, "the gate closed while nobody had answered")
        assert rows(made, turn) == []
        server.faults.clear()
        assert (await made.ended(started)).handoff.outcome == "done"


FORGED: list[dict[str, Any]] = [
    {"path": "x", "refused": {"scope": "project:x", "ceiling": 1, "wanted": 1}},
    {"path": "write/1/one", "refused": {"scope": "month:9999-12", "ceiling": 10**15, "wanted": 10**30}},
]


FROM_OUTSIDE: list[list[Any]] = [
    [],
    ["x"],
    [{}],
    [{"path": "a", "refused": {"scope": 1}}],
    [{}, {}],
    *([one] for one in FORGED),
]


async def test_messages_of_the_family_are_read_strictly(asking: Ask, tmp_path: Path) -> None:
    """Whoever sends a run what only its own workflows send is refused, and told why in the feed; the run goes on."""
    async with paid(asking, tmp_path) as (made, _):
        started = await made.start(ceiling_usd="0.000001")
        view: GateView = await made.stack.gate(started, "ceiling")
        names = ("parked", "halted")
        for said in FROM_OUTSIDE:
            for name in names:
                await started.signal(name, args=said)

        async def refusals() -> bool | None:
            text = await made.stack.said(started)
            return True if all(text.count(f"sent {one} and was refused") == len(FROM_OUTSIDE) for one in names) else None

        await until(refusals, "the refusals were recorded")
        await made.stack.decide(view, "raise_ceiling", to_usd="1")
        assert (await made.ended(started)).handoff.outcome == "done"


WHICH = {"id": "which", "text": "Which one?"}

FORGERIES: dict[str, tuple[dict[str, Any], str]] = {
    "another child": ({"path": "write/1/two"}, "no child of it works at 'write/1/two'"),
    "a neighbour by its first letters": ({"path": "write/1/ones"}, "no child of it works at 'write/1/ones'"),
    "another run": ({"scope": "run:0123"}, "'run:0123' is not one of its ceilings now"),
    "no ceiling": ({"scope": "the moon"}, "'the moon' is not one of its ceilings now"),
    "a month long ago": ({"scope": "month:2001-01"}, "'month:2001-01' is not one of its ceilings now"),
    "a month to come": ({"scope": "month:9999-12"}, "'month:9999-12' is not one of its ceilings now"),
    "money below nothing": ({"wanted": -1}, "its numbers are not amounts of money"),
    "money beyond the ledger": ({"ceiling": 2**63}, "its numbers are not amounts of money"),
}


async def test_only_what_a_child_can_say_opens_a_ceiling(start: Start, tmp_path: Path) -> None:
    """While a child works anybody can say that it waits for money: what it cannot have said is refused and opens nothing."""
    one = writer("one", unsure("both fit", WHICH), read("one.py"), write("one.py", "value = 1\n"), answer(summary()))
    async with start(says("planner", answer(plan(item("one", ["one.py"])))), one, a_tester(), check=None) as stack:
        run_ = await stack.deliver(sample(tmp_path / "sample", {"one.py": ""}), check="true")
        await stack.approve(run_, "plan")
        view = await stack.gate(run_, "write.1.one.clarify-1")
        for forged, _ in FORGERIES.values():
            refused = {"scope": f"run:{view.trace}", "ceiling": 1, "wanted": 1} | forged
            path = refused.pop("path", "write/1/one")
            await run_.signal("parked", {"path": path, "refused": refused})

        async def all_refused() -> bool | None:
            return True if (await stack.said(run_)).count("sent parked and was refused") == len(FORGERIES) else None

        await until(all_refused, "each of them was refused")
        said = await stack.said(run_)
        opened = [one.gate for one in await stack.ledger.read(gates.open_gates)]
        await stack.decide(view, "answer", answers={"which": "the first"})
        await stack.approve(run_, "change")
        report = await run_.result()
    assert [why for _, why in FORGERIES.values() if why not in said] == []
    assert (opened, report.state) == (["write.1.one.clarify-1"], "done")
