"""What a run pins of its agents: the models that may answer, what stands in, and what its risk demands."""

import time
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

import config
import model_choice
from activities.agents.catalogue import load_catalogue
from activities.gates.policy import load_policy
from activities.money.headroom import Problem
from activities.runs import admission as admitting
from activities.runs.admission import Admission
from activities.tools.registry import TOOLS
from contracts.agents import Risk
from contracts.journal import BeginRun
from contracts.money import Ceilings
from contracts.pins import Began
from ledger import feed, runs
from ledger.db import Ledger
from ledger.money import spend
from ledger.money.spend import Scope
from tests.activities import agentfiles
from tests.dates import fifth, on_the_fifth
from tests.ledger import samples

CHEAP, GOOD = '{ model = "openai:cheap", quality = 1 }', '{ model = "openai:good", quality = 2 }'
ROUTES = f"[classes]\nworker = [{CHEAP}, {GOOD}]\nother = [{GOOD}]\n\n[minimum]\nworker = {{ high = 2 }}\n"


def admission(ledger: Ledger, folder: Path, routes: str = ROUTES, default: str = "operator", **ceilings: Any) -> Admission:
    """A worker that has these routes, with an agent and the one that stands in for it. `default` owns what nobody owns."""
    agentfiles.write(folder, tools=[], fallback="agent:spare")
    agentfiles.write(folder, name="spare", tools=[], **{"class": "other"})
    (folder / "routes.toml").write_text(routes)
    catalogue = load_catalogue(folder, TOOLS)
    policy = load_policy(Path("policy.toml"))
    policy = policy.model_copy(update={"defaults": policy.defaults.model_copy(update={"owner": default})})
    return Admission(
        ledger, catalogue, policy, Ceilings(**ceilings), lambda agent: catalogue.routes.classes[agent.file.model_class]
    )


def begin(risk: Risk = "low") -> BeginRun:
    """A start that names one agent."""
    request, _ = samples.begin("trace-1")
    return request.model_copy(update={"agents": ("helper",), "gates": (), "actions": (), "risk": risk})


def models(began: Began, name: str = "helper") -> list[str]:
    """Who may answer for an agent of this run."""
    return [choice.model_name for choice in began.agents[name].choices]


async def test_a_run_pins_its_choices_and_what_stands_in(sqlite_url: str, tmp_path: Path) -> None:
    """The agent, the one that stands in for it, and the models of both."""
    ledger = Ledger(sqlite_url, tmp_path / "artifacts")
    began = await admission(ledger, tmp_path / "agents").pins(begin())
    assert (models(began), models(began, "spare")) == (["cheap", "good"], ["good"])
    assert began.agents["helper"].fallback == "agent:spare"
    ledger.close()


async def test_changed_routes_do_not_change_a_run(sqlite_url: str, tmp_path: Path) -> None:
    """Another worker with other routes goes by what the run pinned; a run that begins there has the new ones."""
    ledger = Ledger(sqlite_url, tmp_path / "artifacts")
    first, request = admission(ledger, tmp_path / "agents"), begin()
    ledger.tx_now(runs.begin, request, await first.pins(request))
    later = admission(ledger, tmp_path / "later", ROUTES.replace("openai:cheap", "openai:new"))
    assert models(await later.of("trace-1")) == models(await later.pins(request)) == ["cheap", "good"]
    fresh = request.model_copy(update={"run": request.run.model_copy(update={"trace": "trace-2"})})
    assert models(await later.pins(fresh)) == ["new", "good"]
    ledger.close()


@pytest.mark.parametrize("owner", [None, ""])
async def test_a_run_without_an_owner_is_not_let_in(sqlite_url: str, tmp_path: Path, owner: str | None) -> None:
    """Nobody is named, and policy has nobody for that: the run is refused, with what to write where. Else that one owns it."""
    ledger = Ledger(sqlite_url, tmp_path / "artifacts")
    nobody = begin().model_copy(update={"owner": owner})
    with pytest.raises(ApplicationError, match=r"the run has no owner: name the accountable person as `owner`") as refused:
        await admission(ledger, tmp_path / "agents", default="").pins(nobody)
    assert (refused.value.type, refused.value.non_retryable) == ("NoOwner", True)
    assert (await admission(ledger, tmp_path / "agents", default="olga").pins(nobody)).owner == "olga"
    ledger.close()


async def test_an_action_that_policy_does_not_declare_is_not_let_in(sqlite_url: str, tmp_path: Path) -> None:
    """A run that may propose it is refused before it begins; what policy declares is pinned with its tier."""
    ledger = Ledger(sqlite_url, tmp_path / "artifacts")
    admitted = admission(ledger, tmp_path / "agents")
    assert (await admitted.pins(begin().model_copy(update={"actions": ("note",)}))).actions == {"note": "auto"}
    with pytest.raises(ApplicationError, match=r"policy.toml declares no action 'mail.send'") as refused:
        await admitted.pins(begin().model_copy(update={"actions": ("note", "mail.send")}))
    assert refused.value.non_retryable
    ledger.close()


async def test_a_free_endpoint_is_no_way_around_what_a_risk_demands(sqlite_url: str, tmp_path: Path) -> None:
    """What a table of the settings adds to a choice, such as that it is free, does not lift the minimum of its class."""
    ledger = Ledger(sqlite_url, tmp_path / "artifacts")
    agentfiles.write(tmp_path / "agents", tools=[])
    (tmp_path / "agents" / "routes.toml").write_text(
        '[classes]\nworker = [{ model = "own:cheap", quality = 1 }, { model = "own:good", quality = 2 }]\n'
        "[minimum]\nworker = { high = 2 }\n"
    )
    table = {"own": {"speaks": "chat", "base_url": "http://127.0.0.1:9/v1", "free": True}}
    settings, catalogue = config.load(providers=table), load_catalogue(tmp_path / "agents", TOOLS)
    providers = model_choice.build_providers(settings)
    made = Admission(
        *(ledger, catalogue, load_policy(Path("policy.toml")), Ceilings()),
        lambda agent: model_choice.choices(settings, catalogue, providers, agent),
    )
    began = await made.pins(begin(risk="high"))
    await providers["own"].close()
    ledger.close()
    assert models(began) == ["good"]
    assert began.agents["helper"].choices[0].free


async def test_a_risk_leaves_only_what_is_good_enough(sqlite_url: str, tmp_path: Path) -> None:
    """At high risk the cheap model may not answer; where none is left the run does not start, and is told why."""
    ledger = Ledger(sqlite_url, tmp_path / "artifacts")
    assert models(await admission(ledger, tmp_path / "agents").pins(begin(risk="high"))) == ["good"]
    assert models(await admission(ledger, tmp_path / "agents").pins(begin(risk="medium"))) == ["cheap", "good"]
    strict = admission(ledger, tmp_path / "strict", ROUTES.replace("high = 2", "high = 9"))
    with pytest.raises(ApplicationError, match="'worker' needs quality 9 at high risk"):
        await strict.pins(begin(risk="high"))
    ledger.close()


async def test_room_is_asked_for_once_a_second_and_a_refusal_each_time(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs of one project with the same agents that start together ask once; one of another project asks for itself.

    It is asked again a second later, and once a call was refused; as long as there is none every run hears so.
    """
    ledger = Ledger(sqlite_url, tmp_path / "artifacts")
    admitted = admission(ledger, tmp_path / "agents", month_usd=1)
    asked: list[str] = []

    def problem(_: Any, __: Ceilings, project: str, *___: Any) -> Problem | None:
        asked.append(project)
        return Problem("month", "the month is used up") if len(asked) > 3 else None

    now = time.monotonic()
    monkeypatch.setattr(admitting, "problem", problem)
    monkeypatch.setattr(time, "monotonic", lambda: now)
    shop = begin().model_copy(update={"run": begin().run.model_copy(update={"project": "shop"})})
    for request in (begin(), begin(), shop, begin()):
        await admitted.pins(request)
    assert asked == ["default", "shop"]
    admitted.refused()
    now += 0.1
    for _ in range(2):
        await admitted.pins(begin())
    assert asked == ["default", "shop", "default"]
    now += admitting.FRESH
    for _ in range(2):
        with pytest.raises(ApplicationError, match="the month is used up"):
            await admitted.pins(begin())
    assert asked == ["default", "shop", "default", "default", "default"]
    ledger.close()


async def test_what_was_asked_before_a_call_was_refused_is_not_kept(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call finds no room while the ledger is asked whether there is any: its answer may be the older one."""
    ledger = Ledger(sqlite_url, tmp_path / "artifacts")
    admitted = admission(ledger, tmp_path / "agents", month_usd=1)
    asked = 0

    def problem(*_: Any) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            admitted.refused()

    monkeypatch.setattr(admitting, "problem", problem)
    for _ in range(3):
        await admitted.pins(begin())
    assert asked == 2
    ledger.close()


async def test_a_duplicate_leads_to_its_run_although_there_is_no_money(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the month used up no new run is let in; one with the key of a run that there is begins none, and is led to it."""
    monkeypatch.setattr(admitting, "FRESH", 0.0)
    ledger = Ledger(sqlite_url, tmp_path / "artifacts")
    admitted = admission(ledger, tmp_path / "agents", month_usd=1)
    request = begin().model_copy(update={"request_key": "order-7"})
    ledger.tx_now(admitted.begin, request, await admitted.pins(request))
    ledger.tx_now(spend.begin, Scope(f"month:{fifth():%Y-%m}", 0))
    again = request.model_copy(update={"run": request.run.model_copy(update={"trace": "trace-2"})})
    with on_the_fifth(admitting):
        assert ledger.tx_now(admitted.begin, again, await admitted.pins(again)).duplicate_of == request.run.workflow_id
        assert ledger.read_now(feed.after) == []
        with pytest.raises(ApplicationError, match="no new run is admitted"):
            await admitted.pins(again.model_copy(update={"request_key": "order-8"}))
    ledger.close()
