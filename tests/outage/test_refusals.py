"""Whole deliveries whose models refuse a call: the next choice answers, else a person decides in the provider's own words."""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from contracts.conversation import ModelReply, ToolCall, Usage
from tests import scripts
from tests.depth import of_each_kind, soak
from tests.outage.conftest import ALONE, DONE, QUICK, SLOW, TWO, Drilled
from tests.outage.test_delivery import AGENTS, CONVERSATIONS
from tests.scripts import Turn, a_tester, answer, could_not, item, plan, read, says, unsure
from tests.stack import QUICK as QUICK_CHECK
from tests.stack import sample, stack
from tests.wire.refusals import MEANINGS, anthropic, error, openrouter
from tests.wire.server import Play, WireServer
from tests.wire.streams import SPEAKS


def agents(folder: Path, **routes: str) -> Path:
    """The shipped agents, all played by a script but for the classes that are given a route."""
    shutil.copytree(AGENTS, folder)
    classes = dict.fromkeys(("thinker", "worker", "reviewer", "router", "fast"), "scripted:test") | routes
    lines = [
        f"{name} = [{', '.join(f'{{ model = {model!r}, free = true }}' for model in models.split())}]"
        for name, models in classes.items()
    ]
    (folder / "routes.toml").write_text("\n".join(["[classes]", *lines]) + "\n")
    return folder


REFUSED = {
    "a 400": openrouter('{"error":{"message":"the tools of this call are odd"}}'),
    "a filter": MEANINGS["filtered"]["Azure"],
    "a 422": MEANINGS["unsupported"]["Mistral"],
    "too large": MEANINGS["too_large"]["xAI"],
}


WORDS = {
    "a 400": "the tools of this call are odd",
    "a filter": "content management policy",
    "too large": "maximum prompt length is 131072",
}


@pytest.mark.parametrize("said", WORDS)
async def test_a_step_that_all_refuse_asks_a_person(drill: Drilled, said: str) -> None:
    """A gate has the provider's words, and approve asks again."""
    async with drill(routes=ALONE) as made:
        made.one.play(REFUSED[said])
        run = await made.asking.start()
        view = await made.asking.stack.gate(run, "stuck-1")
        assert WORDS[said] in " ".join(view.facts)
        await made.asking.stack.decide(view)
        assert (await made.asking.ended(run)).handoff.outcome == "done"
        assert len(made.one.requests) == 2


@pytest.mark.parametrize("said", ["a filter", *soak("a 400", "too large")])
async def test_a_planner_that_all_refuse_asks_a_person(client: Client, tmp_path: Path, said: str) -> None:
    """No choice is left: a gate has the provider's words, approve asks again, and the delivery goes on to its end."""
    origin, script = sample(tmp_path / "sample"), scripts.save(tmp_path / "script.yaml", *CONVERSATIONS)
    async with WireServer(script) as server:
        server.play(REFUSED[said])
        made = agents(tmp_path / "agents", thinker="openai:one")
        known = {"agents": made, "openai_base_url": server.openai_url, "breakers": QUICK}
        async with stack(client, tmp_path / "state", model="", script=script, check=QUICK_CHECK, **known) as running:
            run = await running.deliver(origin)
            view = await running.gate(run, "stuck-1")
            assert "planner@v1" in view.title
            assert WORDS[said] in " ".join(view.facts)
            await running.decide(view)
            shown = await running.approve(run, "plan-1")
            await running.approve(run, "change-1")
            report = await run.result()
    assert (report.state, report.degraded, len(server.requests)) == ("done", (), 2)
    # This planner answers at once, without a look and without a claim.
    assert "the planner read no file and claims nothing: nothing shows that it knows the repository" in shown.facts


async def test_a_person_may_give_up_what_all_refuse(client: Client, tmp_path: Path) -> None:
    """Reject ends the run as could_not, with what the provider said."""
    script = scripts.save(tmp_path / "script.yaml", *CONVERSATIONS)
    async with WireServer(script) as server:
        server.play(anthropic("messages.0: all wrong"))
        known = {"agents": agents(tmp_path / "agents", thinker="openai:one"), "openai_base_url": server.openai_url}
        async with stack(client, tmp_path / "state", model="", script=script, check=QUICK_CHECK, **known) as running:
            run = await running.deliver(sample(tmp_path / "sample"))
            await running.decide(await running.gate(run, "stuck-1"), "reject", note="no")
            report = await run.result()
    assert report.state == "could_not"
    assert "messages.0: all wrong" in report.reason


IDLE: dict[str, tuple[Turn, str, str]] = {
    "gave up": (could_not("no tool for that"), "the tester could not", "no tool for that"),
    "is not sure": (unsure("both would do"), "the tester is unsure", "both would do"),
    "says nothing usable": ({"raw": "hm"}, "the tester could not", "no valid output"),
}


@pytest.mark.parametrize("how", ["is not sure", *soak("gave up", "says nothing usable")])
async def test_a_tester_that_did_not_work_is_seen(client: Client, tmp_path: Path, how: str) -> None:
    """A fact at the change gate, a line on the feed and a higher risk; the checks decide as always."""
    turn, did, why = IDLE[how]
    # Three times: an unusable reply is asked for twice more.
    script = scripts.save(tmp_path / "script.yaml", *CONVERSATIONS[:2], {**a_tester(), "turns": [turn] * 3})
    async with stack(client, tmp_path / "state", script, check=QUICK_CHECK) as running:
        run = await running.deliver(sample(tmp_path / "sample"))
        await running.approve(run, "plan-1")
        shown = await running.approve(run, "change-1")
        report = await run.result()
        said = await running.said(run)
    assert [one for one in shown.facts if one.startswith(f"{did}: {why}")], shown.facts
    assert shown.risk.startswith("high: ")
    assert "not done, or not sure: the tester" in shown.risk
    assert f": {did} | {why}" in said
    assert (report.state, report.tests.verdict) == ("done", "passed")  # type: ignore[union-attr]


LOOK = ModelReply(
    text="",
    calls=(ToolCall(call_id="call_1", name="list_files", arguments={}),),
    stop="tools",
    model="one",
    usage=Usage(input=100, output=10),
)

MIDDLE = {
    "Azure's filter": ("chat", MEANINGS["filtered"]["Azure"], "content management policy"),
    "Anthropic's context": ("messages", MEANINGS["too_large"]["Anthropic"], "prompt is too long: 212415 tokens"),
    "OpenAI's filter": ("responses", MEANINGS["filtered"]["OpenAI"], "your prompt was flagged"),
    "vLLM's context": ("chat", MEANINGS["too_large"]["vLLM"], "longer than the maximum model length"),
}


def at(server: WireServer, speaks: str) -> dict[str, Any]:
    """The setting for an endpoint `own` of that format."""
    return {"own": {"speaks": speaks, "base_url": server.url + SPEAKS[speaks], "free": True}}


@pytest.mark.parametrize("vendor", of_each_kind(MIDDLE, lambda vendor: MIDDLE[vendor][0]))
async def test_a_step_that_is_refused_in_the_middle_has_a_fallback(drill: Drilled, vendor: str) -> None:
    """In each format: what stands in for it is told in the provider's words."""
    speaks, refusal, words = MIDDLE[vendor]
    async with WireServer() as server:
        state = ToolCall(call_id="call_1", name="run_state", arguments={})
        server.play(LOOK.model_copy(update={"calls": (state,)}), refusal)
        routes = f'[classes]\nworker = [{{ model = "own:one", free = true }}]\nother = [{{ model = "{TWO}", free = true }}]\n'
        reached = {"providers": at(server, speaks) | {"anthropic": {"vendor": "anthropic"}}, "routes": routes}
        spare = {"also": {"name": "spare", "class": "other"}, "conversations": (says("spare", DONE),)}
        agent = {"fallback": "agent:spare"}
        async with drill(agent=agent, openai_base_url="", openai_api_key="", **reached, **spare) as made:
            ended = await made.asking.ended(await made.asking.start())
    assert (ended.handoff.outcome, ended.handoff.producer.agent, len(server.requests)) == ("done", "spare", 2)
    assert "spare@v1 stands in for helper@v1" in ended.handoff.degraded
    assert words in ended.handoff.degraded


@pytest.mark.parametrize(
    ("said", "vendor"), [("a 400", "Azure's filter"), *soak(*(("a 422", vendor) for vendor in (*MIDDLE,)[1:]))]
)
async def test_a_delivery_goes_on_when_planner_and_tester_are_refused(
    client: Client, tmp_path: Path, said: str, vendor: str
) -> None:
    """The planner's first choice refuses: its second one plans, nobody is asked, and nothing of it is degraded.

    The tester's second turn is refused: what stands in for it is told at the change gate, at high risk, in feed and report.
    """
    speaks, refusal, words = MIDDLE[vendor]
    script = scripts.save(tmp_path / "script.yaml", *CONVERSATIONS[:2])
    async with WireServer() as first, WireServer() as server:
        first.play(REFUSED[said])
        server.play(LOOK, refusal)
        made = agents(tmp_path / "agents", thinker="openai:one scripted:test", reviewer="own:one")
        providers = at(server, speaks) | {"openai": {"vendor": "openai"}}
        known = {"agents": made, "providers": providers, "openai_base_url": first.openai_url, "breakers": QUICK}
        async with stack(client, tmp_path / "state", model="", script=script, check=QUICK_CHECK, **known) as running:
            run = await running.deliver(sample(tmp_path / "sample"))
            await running.approve(run, "plan-1")
            shown = await running.approve(run, "change-1")
            report = await run.result()
            said_of_it = await running.said(run)
    assert [fact for fact in shown.facts if fact.startswith("degraded: test/1: ") and words in fact], shown.facts
    assert shown.risk.startswith("high: ")
    assert "a fallback did test/1" in shown.risk
    assert "checks_alone stands in for tester@v1" in said_of_it
    assert (report.state, len(report.degraded), len(first.requests), len(server.requests)) == ("done", 1, 1, 2)
    assert words in report.degraded[0]


@pytest.mark.parametrize("speaks", SPEAKS)
async def test_a_planner_that_saw_nothing_is_seen_whoever_it_is(client: Client, tmp_path: Path, speaks: str) -> None:
    """Its first reply is a plan, as of a server that a schema makes deaf to tools, and names a file that nobody has read."""
    blind = says("planner", answer(plan(item("fix", ["shop/prices.py"]))))
    script = scripts.save(tmp_path / "script.yaml", blind, *CONVERSATIONS[1:])
    async with WireServer(script) as server:
        made = agents(tmp_path / "agents", thinker="own:one")
        known = {"agents": made, "providers": at(server, speaks), "breakers": QUICK}
        async with stack(client, tmp_path / "state", model="", script=script, **known) as running:
            view = await running.gate(await running.deliver(sample(tmp_path / "sample")), "plan-1")
    assert "the planner read no file and claims nothing: nothing shows that it knows the repository" in view.facts
    assert "shop/prices.py" in " ".join(view.facts)
    assert server.requests[0].body["tools"], "it could have looked"
    assert "response_format" not in server.requests[0].body


async def test_a_plan_of_a_planner_that_looked_says_only_what_is_missing(client: Client, tmp_path: Path) -> None:
    """It has read a file and claims nothing: that is said, and not that it read none."""
    planner = says("planner", read("shop/pricing.py"), answer(plan(item("fix", ["shop/pricing.py"]))))
    script = scripts.save(tmp_path / "script.yaml", planner, *CONVERSATIONS[1:])
    async with stack(client, tmp_path / "state", script, check=QUICK_CHECK) as running:
        view = await running.gate(await running.deliver(sample(tmp_path / "sample")), "plan-1")
    assert "the planner claims nothing" in view.facts
    assert not [fact for fact in view.facts if "read no file" in fact]


async def test_a_long_wait_says_until_when(drill: Drilled) -> None:
    """A provider names a day: a person is asked at once, and reads until when the provider takes no call."""
    async with drill(routes=ALONE, breakers={"patience": timedelta(minutes=15)}) as made:
        made.one.play(Play({"error": {"message": "slow down"}}, status=429, headers={"retry-after": "86400"}))
        run = await made.asking.start()
        view = await made.asking.stack.gate(run, "stuck-1")
        facts = " ".join(view.facts)
        assert "UTC as the earliest time for another call" in facts
        assert "asked again at" in facts
        await made.asking.stack.decide(view, "reject", note="no")
        await made.asking.ended(run)


async def test_one_account_that_is_empty_under_another_number_is_one_alarm(drill: Drilled) -> None:
    """Kimi's 429: the next choice answers both steps, the account's breaker opens at once, and one alert tells of it."""
    async with drill(breakers=SLOW) as made:
        made.one.play(error("Your account org-1 is suspended, please recharge", 429, type="exceeded_current_quota_error"))
        for _ in range(2):
            ended = await made.asking.ended(await made.asking.start())
            assert ended.turns[0].model_asked == TWO
        assert (await made.attempts(), len(made.one.requests)) == (["credit"], 1)
        assert await made.alerts() == ["circuit breaker open for provider:openai"]
