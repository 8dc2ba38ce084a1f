"""`baton budget`: what waits for money is shown, raised and stopped, one run or all that share a ceiling."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from commands.money.ceilings import shared_scope
from contracts.delivery.run import DeliveryReport
from contracts.money import Ceilings
from contracts.runs import RunChange, RunState
from ledger import feed, runs
from ledger.db import Ledger
from ledger.money import ceilings, spend
from ledger.money.spend import About, Scope
from ledger.views.money import ceilings_of_today
from ledger.views.runs import money_of
from tests import scripts
from tests.commands.conftest import CONVERSATIONS, Baton, Begin, asking
from tests.dates import well_before_midnight
from tests.ledger import samples
from tests.paid import copied
from tests.scripts import a_tester, answer, edit, item, plan, says, writer
from tests.stack import Stack, sample, stack
from tests.wire.server import WireServer

NOW = datetime(2026, 11, 21, tzinfo=UTC)
TWO = (
    says("planner", answer(plan(item("a", ["README.md"]), item("b", ["NEWS.md"])))),
    writer("a", edit("README.md", "Prices are whole cents.\n", "Prices are whole cents, always.\n")),
    writer("b", scripts.write("NEWS.md", "Prices are whole cents, always.\n")),
    a_tester(),
)


@asynccontextmanager
async def paid(
    client: Client, baton: Baton, folder: Path, *conversations: dict[str, Any], **ceilings: Any
) -> AsyncIterator[Stack]:
    """A worker whose model costs money, over HTTP, and a command line that talks to it."""
    script = scripts.save(folder / "wire.yaml", *(conversations or CONVERSATIONS))
    agents = copied(folder / "agents")
    levels = {"run_usd": 20, "agent_day_usd": 100, "month_usd": 1000} | ceilings
    async with WireServer(script=script) as server:
        options = {"openai_base_url": server.openai_url, "agents": agents, "ceilings": levels}
        async with stack(client, baton.state, beats=True, **options) as running:
            baton.use(running)
            yield running


async def test_one_run_is_shown_raised_and_goes_on(baton: Baton, client: Client, tmp_path: Path) -> None:
    """A run that needs more waits; `show` exits with 8 and names the commands; raised by its id, it goes on to its gate."""
    async with paid(client, baton, tmp_path):
        command = asking(sample(tmp_path / "sample"), "--ceiling-usd", "0.000001", "--wait-for-gate", "--json")
        started = await baton.live(*command)
        assert (started.code, started.json["gates"]) == (4, ["ceiling-1"])
        run = started.json["run"]
        shown = await baton.live("budget", "show")
        assert shown.code == 8
        assert f"run {run}" in shown.out
        listed = (await baton.live("gates", "--json")).json["gates"][0]
        assert listed["commands"][0] == f'baton budget raise {run} --to USD -m "why"'
        raised = await baton.live("budget", "raise", run, "--to", "20", "-m", "it is worth it", "--by", "maria", "--json")
        assert (raised.code, raised.json["outcome"]) == (0, "confirmed")
        waits = await baton.live("result", run, "--wait-for-gate", "--json")
        assert waits.json["gates"] == ["plan-1"]
        assert (await baton.live("budget", "show")).code == 0
        again = await baton.live("budget", "raise", run, "--to", "30", "-m", "more", "--json")
        assert (again.code, again.json["before_micros"], again.json["after_micros"]) == (0, 20_000_000, 30_000_000)
        assert (await baton.live("budget", "raise", run, "--to", "501", "-m", "more")).code == 5
        assert (await baton.live("budget", "stop", run, "-m", "no")).code == 3
        await baton.live("cancel", run)


async def test_a_shared_ceiling_lets_every_run_go_on(baton: Baton, client: Client, tmp_path: Path) -> None:
    """Three runs wait at the month's ceiling; no fourth is admitted; one raise nudges all three, and each reaches its gate."""
    await well_before_midnight(timedelta(minutes=5))
    async with paid(client, baton, tmp_path, month_usd="0.0001") as running:
        origin = sample(tmp_path / "sample")
        runs = [await running.deliver(origin, check="true") for _ in range(3)]
        views = [await running.gate(run, "ceiling") for run in runs]
        assert {view.ceiling.scope for view in views if view.ceiling} == {f"month:{datetime.now(UTC):%Y-%m}"}
        refused = await baton.live(*asking(origin, "--wait-for-gate", "--json"))
        assert refused.code == 8
        assert "no new run is admitted" in refused.err
        assert [line.importance for line in await running.ledger.read(feed.after) if "refused a new run" in line.did] == [
            "alert"
        ]
        raised = await baton.live("budget", "raise", "month", "--to", "50", "-m", "month end", "--json")
        assert (raised.code, raised.json["waiting"], raised.json["nudged"]) == (0, 3, 3)
        for run in runs:
            assert (await running.gate(run, "plan")).gate == "plan-1"
        for run in runs:
            await run.cancel()


@pytest.mark.parametrize("command", [("raise", "month", "--to", "0.0002"), ("stop", "month")], ids=["raise", "stop"])
async def test_a_run_that_was_terminated_waits_no_more(
    baton: Baton, client: Client, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """Ended in Temporal while it waited, a run keeps no others out once somebody raises the ceiling or stops what waits."""
    async with paid(client, baton, tmp_path, month_usd="0.0001") as running:
        run = await running.deliver(sample(tmp_path / "sample"), check="true")
        view = await running.gate(run, "ceiling")
        assert view.ceiling is not None
        await run.terminate("by hand")
        assert running.ledger.read_now(ceilings.exhausted, [view.ceiling.scope]) is not None
        ran = await baton.live("budget", *command, "-m", "tidy up")
        assert (ran.code, f"{run.id} was ended in Temporal and no longer waits" in ran.err) == (0, True), ran.err
        assert running.ledger.read_now(ceilings.exhausted, [view.ceiling.scope]) is None
        assert (await baton.live("budget", "show")).code == 0


async def test_stopping_a_shared_ceiling_ends_all_that_wait(baton: Baton, client: Client, tmp_path: Path) -> None:
    """Both runs that wait end as could_not with who stopped them and why, keep nothing held, and exit with 8."""
    await well_before_midnight(timedelta(minutes=5))
    async with paid(client, baton, tmp_path, month_usd="0.0001") as running:
        origin = sample(tmp_path / "sample")
        runs = [await running.deliver(origin, check="true") for _ in range(2)]
        for run in runs:
            await running.gate(run, "ceiling")
        stopped = await baton.live("budget", "stop", "month", "-m", "no more this month", "--by", "maria", "--json")
        assert (stopped.code, set(stopped.json["runs"].values())) == (0, {"confirmed"})
        for run in runs:
            report: DeliveryReport = await run.result()
            assert report.state == "could_not"
            assert report.reason.startswith("stopped at ceiling-1 by maria: no more this month; month:")
            assert (await baton.live("result", run.id)).code == 8


async def test_a_family_has_one_gate(baton: Baton, client: Client, tmp_path: Path) -> None:
    """Two children that find no room wait at one gate of their run; one raise lets both go on, and the work is done."""
    async with paid(client, baton, tmp_path, *TWO) as running:
        run = await running.deliver(sample(tmp_path / "sample"), check="true", branch="two")
        plan_view = await running.gate(run, "plan")
        spent = running.ledger.read_now(_spent, plan_view.trace)
        await baton.live("budget", "raise", run.id, "--to", "21", "-m", "so that it can be cut")
        await running.ledger.tx(_cut, plan_view.trace, spent + 10)
        await running.decide(plan_view)
        view = await running.gate(run, "ceiling")
        assert (view.workflow_id, view.gate) == (run.id, "ceiling-1")
        raised = await baton.live("budget", "raise", run.id, "--to", "20", "-m", "go on", "--by", "maria", "--json")
        assert (raised.code, raised.json["outcome"]) == (0, "confirmed")
        await running.approve(run, "change")
        assert (await run.result()).state == "done"
        gates = [line.did for line in await running.feed(run) if line.did.startswith("opened gate ceiling")]
        assert len(gates) == 1
        parts = (await baton.live("budget", "show", run.id, "--json")).json["ceilings"]
    assert [one["ceiling"] for one in parts] == [f"run {run.id}", "write/1/a", "write/1/b"]
    assert all(one["held_micros"] == 0 and one["spent_micros"] == one["ceiling_micros"] for one in parts[1:])


async def test_a_stopped_family_ends_whole(baton: Baton, client: Client, tmp_path: Path) -> None:
    """Stopped while its children wait, a run ends with the reason; no child, workspace or held money is left."""
    async with paid(client, baton, tmp_path, *TWO) as running:
        run = await running.deliver(sample(tmp_path / "sample"), check="true", branch="two")
        plan_view = await running.gate(run, "plan")
        await running.ledger.tx(_cut, plan_view.trace, running.ledger.read_now(_spent, plan_view.trace) + 10)
        await running.decide(plan_view)
        await running.gate(run, "ceiling")
        stopped = await baton.live("budget", "stop", run.id, "-m", "not worth it", "--by", "maria", "--json")
        assert (stopped.code, stopped.json["outcome"]) == (0, "confirmed")
        report = await run.result()
        assert (report.state, report.branch) == ("could_not", "")
        assert report.reason.startswith("stopped at ceiling-1 by maria: not worth it; run:")
        for item_id in ("a", "b"):
            child = await client.get_workflow_handle(f"{run.id}.write.1.{item_id}").describe()
            assert child.status is not None
            assert child.status.name == "COMPLETED"
        parts = (await baton.live("budget", "show", run.id, "--json")).json["ceilings"]
        assert not list((running.settings.state / "workspaces").glob(f"*{plan_view.trace}*"))
    assert sum(one["held_micros"] for one in parts) == 0


def _spent(connection: Any, trace: str) -> int:
    return money_of(connection, trace).spent


def _cut(connection: Any, trace: str, to: int) -> None:
    ceilings.change(connection, ceilings.Change("cut", f"run:{trace}", to, "olga", "too much", "test"))


WRONG = [
    (("raise", "month", "--to", "0", "-m", "x"), 2, "is not an amount in US dollars"),
    (("raise", "month", "--to", "lots", "-m", "x"), 2, "is not an amount in US dollars"),
    (("raise", "month", "--to", "5", "-m", "x"), 5, "is lower than the ceiling of $1,000.00; add --lower if you mean that"),
    (("raise", "nothing", "--to", "5", "-m", "x"), 3, "A ceiling is named by a run id, month, agent:NAME"),
    (("raise", "project:shop:month", "--to", "5", "-m", "x"), 3, "set month_usd in [ceilings]"),
    (("raise", "agent:plannre", "--to", "500", "-m", "x"), 3, "there is no agent 'plannre'; there are: "),
    (("raise", "month:2026-13", "--to", "5000", "-m", "x"), 2, "is not a month; write one such as 2026-11"),
    (("raise", "agent:planner:2026-02-31", "--to", "5000", "-m", "x"), 2, "is not a day; write one such as 2026-11-21"),
    (("stop", "month:0000-01", "-m", "x"), 2, "0000-01 is not a month"),
    (("raise", "month"), 2, "--to"),
    (("stop", "month", "-m", "x"), 3, "so none was stopped"),
    (("stop", "delivery-trace-1", "-m", "x"), 3, "does not wait at a ceiling"),
    (("reconcile", "abcdef", "--cost", "-1", "-m", "x"), 2, "is not an amount in US dollars"),
    (("reconcile", "abcdef", "--cost", "1", "-m", "x"), 3, "is charged as lost"),
]


@pytest.mark.parametrize(("command", "code", "said"), WRONG, ids=[" ".join(row[0][:4]) for row in WRONG])
def test_what_is_wrong_is_said(
    baton: Baton, ledger: Ledger, begin: Begin, command: tuple[str, ...], code: int, said: str
) -> None:
    """A wrong amount, a ceiling that does not exist, a run that does not wait: the exit code and the way out are told."""
    begin()
    ran = baton("budget", *command)
    assert (ran.code, said in ran.err) == (code, True), ran.err
    assert ledger.read_now(ceilings_of_today, Ceilings(), datetime.now(UTC)) == []


def test_an_agents_day_can_be_raised_before_its_first_call(baton: Baton, begin: Begin) -> None:
    """An agent of the catalogue has a day's ceiling although nothing was spent yet."""
    begin()
    raised = baton("budget", "raise", "agent:planner", "--to", "5000", "-m", "a large one", "--json")
    assert (raised.code, raised.json["after_micros"]) == (0, 5_000_000_000)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("month", "month:2026-11"),
        ("month:2026-10", "month:2026-10"),
        ("agent:writer", "agent:writer:2026-11-21"),
        ("agent:writer:2026-11-20", "agent:writer:2026-11-20"),
        ("project:shop:month", "project:shop:month:2026-11"),
        ("project:shop:agent:writer", "project:shop:agent:writer:2026-11-21"),
        ("deliver-1", None),
        ("month-end", None),
        ("agent", None),
    ],
)
def test_names_of_shared_ceilings(typed: str, meant: str | None) -> None:
    """Without a period this day's or month's is meant; what is no such name is a run's."""
    assert shared_scope(typed, NOW) == meant


def test_a_lost_call_is_shown_and_corrected(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """A call that was charged in full because its worker died is listed with its key; the bill's amount takes its place."""
    begin()
    lose(ledger, "f00dfeed")
    shown = baton("budget", "show", "delivery-trace-1")
    assert "charged in full at $0.50: f00dfeed planner openai:test" in shown.err
    corrected = baton("budget", "reconcile", "f00dfe", "--cost", "0.125", "-m", "the bill of November", "--json")
    assert (corrected.json["before_micros"], corrected.json["after_micros"]) == (500_000, 125_000)
    assert baton("budget", "show", "--json").json["lost"] == []


@pytest.mark.parametrize("state", ["cancelled", "failed"])
def test_what_became_of_a_lost_call_is_told(baton: Baton, ledger: Ledger, begin: Begin, state: RunState) -> None:
    """Cut off as its run ended, lost with its worker (then another attempt came after it), or failed on the way."""
    begin()
    lose(ledger, "aaaa0001")
    lose(ledger, "aaaa0001")
    lose(ledger, "bbbb0002", error="timeout")
    lose(ledger, "cccc0003")
    before = {one["key"]: one["how"] for one in baton("budget", "show", "--json").json["lost"]}
    assert before["cccc0003"] == "lost with its worker"
    ledger.tx_now(runs.change, samples.ref(), RunChange(state=state))
    lost = baton("budget", "show", "--json").json["lost"]
    assert [(one["key"], one["how"]) for one in reversed(lost)] == [
        ("aaaa0001", "lost with its worker"),
        ("aaaa0001", "cut off as its run ended"),
        ("bbbb0002", "failed (timeout) and may have been charged by the provider"),
        ("cccc0003", "cut off as its run ended"),
    ]
    shown = baton("budget", "show", "delivery-trace-1").err
    assert "cut off as its run ended, charged in full at $0.50: cccc0003 planner openai:test" in shown


def lose(ledger: Ledger, key: str, amount: int = 500_000, error: str = "") -> None:
    """A call, or an attempt of one, that is lost with its worker, or failed."""
    about = About("trace-1", "plan/1", "default", "planner", "openai:test")
    scopes = [Scope("run:trace-1", 10_000_000)]
    identity = ledger.tx_now(spend.reserve, key, scopes, amount, price_version="test", worker="w", about=about)
    ledger.tx_now(spend.close, identity, "lost")
    if error:
        ledger.tx_now(spend.note_error, identity, error)


def test_a_call_that_was_lost_twice_is_corrected_oldest_first(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """Each attempt is on the bill: the same command corrects one after the other, and says how many are left."""
    begin()
    for amount in (500_000, 300_000):
        lose(ledger, "f00dfeed", amount)
    first, second = (baton("budget", "reconcile", "f00dfeed", "--cost", cost, "-m", "bill", "--json") for cost in ("0.1", "0"))
    assert (first.json["before_micros"], first.json["after_micros"], first.json["more"]) == (500_000, 100_000, 1)
    assert (second.json["before_micros"], second.json["after_micros"], second.json["more"]) == (300_000, 0, 0)
    assert baton("budget", "show", "--json").json["lost"] == []
    assert baton("budget", "reconcile", "f00dfeed", "--cost", "1", "-m", "bill").code == 3


def test_a_beginning_of_two_lost_calls_corrects_neither(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """Where two calls begin with what was typed, the command asks for more of the key."""
    begin()
    for key in ("f00dfeed", "f00dface"):
        lose(ledger, key)
    refused = baton("budget", "reconcile", "f00d", "--cost", "0", "-m", "bill")
    assert (refused.code, "2 lost calls begin with 'f00d': type more of the key" in refused.err) == (3, True)
    assert len(baton("budget", "show", "--json").json["lost"]) == 2


def test_who_may_not_raise_may_not_correct_a_charge(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """Correcting a charge frees money, so policy is asked as for a raise: exit 5, and the charge stays."""
    begin()
    lose(ledger, "f00dfeed")
    text = (Path(__file__).parents[2] / "policy.toml").read_text()
    (baton.folder / "policy.toml").write_text(text.replace('identity = "any"', 'identity = "known"'))
    baton.set(BATON_POLICY=baton.folder / "policy.toml")
    typed = ("budget", "reconcile", "f00dfeed", "--cost", "0", "-m", "bill")
    refused = baton(*typed, "--by", "mallory")
    assert (refused.code, "[gates.ceiling] in policy.toml says who may" in refused.err) == (5, True)
    assert len(baton("budget", "show", "--json").json["lost"]) == 1
    assert baton(*typed, "--by", "operator").code == 0


SHOWN = re.compile(r"`baton budget (?:raise|stop|reconcile) [^`]*`")


def test_commands_that_are_shown_say_why() -> None:
    """Every command about money that a text of ours shows has the reason that it must have, so it works as it is typed."""
    root = Path(__file__).parents[2]
    texts = [path for folder in ("activities", "commands", "contracts", "workflows") for path in (root / folder).rglob("*.py")]
    shown = [one for path in (*texts, root / "docs" / "operating.md") for one in SHOWN.findall(path.read_text())]
    assert len(shown) > 8
    assert [one for one in shown if " -m " not in one] == []
