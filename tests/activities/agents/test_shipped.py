"""What is shipped in agents/: with any key each class starts cheap and steps up; who reads much is kept short."""

from pathlib import Path

import pytest

import model_choice
from activities.agents.catalogue import load_catalogue
from activities.agents.routes import good_enough, steps_up_to
from activities.money.prices import tariff
from activities.tools.registry import TOOLS
from activities.turns.choices import ordered
from config import Settings
from contracts.agents import Choice, Risk, When
from contracts.conversation import Usage
from tests.docs.claims import tables

AGENTS = Path(__file__).parents[3] / "agents"
CATALOGUE = load_catalogue(AGENTS, TOOLS)
HAIKU, SONNET, OPUS = "anthropic:claude-haiku-5-5", "anthropic:claude-sonnet-5-5", "anthropic:claude-opus-5-5"
TERRA, SOL = "openai:gpt-6.1-terra", "openai:gpt-6.1-sol"

KEYS = {
    "anthropic": {"anthropic_api_key": "sk-one"},
    "openai": {"openai_api_key": "sk-two"},
    "both": {"anthropic_api_key": "sk-one", "openai_api_key": "sk-two"},
}


@pytest.fixture(autouse=True)
def _no_other_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever runs the tests may have keys and settings of their own."""
    monkeypatch.chdir(tmp_path)
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "BATON_MODEL"):
        monkeypatch.delenv(name, raising=False)


def reached(keys: str, name: str, risk: Risk = "low") -> tuple[Choice, ...]:
    """What a run pins of a class with these keys."""
    settings, routes = Settings.model_validate(KEYS[keys]), CATALOGUE.routes
    agent = next(agent for agent in CATALOGUE.agents if agent.file.model_class == name)
    usable = model_choice.choices(settings, CATALOGUE, model_choice.build_providers(settings), agent)
    return good_enough(usable, routes.minimum.get(name, {}), risk, name)


def cost(choice: Choice) -> int:
    """What a turn of ordinary size costs there."""
    return tariff(choice).cost(Usage(input=20_000, output=2_000))


WORKERS: list[tuple[str, Risk, str, str | None]] = [
    ("anthropic", "low", HAIKU, SONNET),
    ("openai", "low", TERRA, SOL),
    ("both", "low", HAIKU, SONNET),
    ("anthropic", "medium", SONNET, OPUS),
    ("openai", "medium", TERRA, SOL),
    ("both", "medium", TERRA, SONNET),
    ("anthropic", "high", SONNET, OPUS),
    ("openai", "high", SOL, None),
    ("both", "high", SONNET, OPUS),
]


@pytest.mark.parametrize("tried", ["invalid", "unsure"])
@pytest.mark.parametrize(("keys", "risk", "first", "then"), WORKERS, ids=str)
def test_a_worker_starts_cheap_and_steps_up(keys: str, risk: Risk, first: str, then: str | None, tried: When) -> None:
    """With one vendor's key, or both: the cheapest that is good enough first, and a better one for what it could not."""
    choices = reached(keys, "worker", risk)
    starts = ordered(choices, "first")[0].choice
    assert starts.model == first
    assert cost(starts) == min(cost(one) for one in choices)
    asked = ordered(choices, tried)[0]
    assert (asked.choice.model, asked.chosen) == ((then, tried) if then else (first, "first"))
    if then:
        assert asked.choice.quality > starts.quality
        assert cost(asked.choice) > cost(starts)


@pytest.mark.parametrize("risk", ["low", "medium", "high"])
@pytest.mark.parametrize("name", sorted(CATALOGUE.routes.classes))
@pytest.mark.parametrize("keys", sorted(KEYS))
def test_no_class_is_without_a_model(keys: str, name: str, risk: Risk) -> None:
    """Whichever key there is, no risk is refused for want of a choice, and no step up is to itself or downwards."""
    choices = reached(keys, name, risk)
    starts = ordered(choices, "first")[0].choice
    for tried in ("invalid", "unsure"):
        better = steps_up_to(choices, tried)
        assert starts not in better
        assert all(one.quality >= starts.quality for one in better)


ONE_MODEL = {"model": HAIKU, "anthropic_api_key": "sk-one"}


@pytest.mark.parametrize("risk", ["low", "medium", "high"])
@pytest.mark.parametrize("name", sorted(CATALOGUE.routes.classes))
def test_one_model_for_everything_is_for_every_risk(name: str, risk: Risk) -> None:
    """The setting `model` may name a cheap one that routes.toml has, too: what it demands of a risk is not about that."""
    agent = next(agent for agent in CATALOGUE.agents if agent.file.model_class == name)
    settings = Settings.model_validate(ONE_MODEL)
    usable = model_choice.choices(settings, CATALOGUE, model_choice.build_providers(settings), agent)
    assert [one.model for one in good_enough(usable, CATALOGUE.routes.minimum.get(name, {}), risk, name)] == [HAIKU]
    assert not steps_up_to(usable, "unsure")


APART = ("diagnostician", "incident_planner", "source_diagnostician", "weigher")
"""Those of a diagnosis: none reads the run's record, in which the other services are."""


def test_agents_that_read_much_give_old_results_up_for_references() -> None:
    """Whoever has many turns and can read a result again has a target, which its step's tokens and a call's limit are above."""
    reading = [agent.file for agent in CATALOGUE.agents if {"read_file", "read_artifact"} <= set(agent.file.tools)]
    small = {"mapper", "router", "ticket_sorter", "ticket_reader", *APART}
    small |= {f"{one}_specialist" for one in ("billing", "technical", "compliance")}
    assert {file.name for file in reading} == {agent.file.name for agent in CATALOGUE.agents} - small
    for file in reading:
        target = file.limits.context_target
        assert target is not None, file.name
        assert target < file.limits.context
        # Below it a step could use up its tokens before anything is given up.
        assert target * 5 < file.limits.tokens, file.name


def test_only_agents_that_may_say_the_same_twice_keep_replies() -> None:
    """Who sizes a task up or says what a change does; who writes, plans, tests or judges thinks again when asked again."""
    keeping = {agent.file.name for agent in CATALOGUE.agents if agent.file.cache is not None}
    assert keeping == {"router", "diff_analyst"}
    assert all("write" not in agent.file.resources.values() for agent in CATALOGUE.agents if agent.file.name in keeping)


def test_the_page_says_which_model_answers() -> None:
    """The table of docs/models.md: for each class and key the model that is asked first, and the one that is stepped up to."""
    page = (AGENTS.parent / "docs" / "models.md").read_text()
    said = {row[0]: row[1:] for table in tables(page) if table[0][0] == "class" for row in table[1:]}
    assert said == {name: [told(keys, name) for keys in KEYS] for name in CATALOGUE.routes.classes}


def told(keys: str, name: str) -> str:
    """A cell of that table."""
    choices = reached(keys, name)
    found = [ordered(choices, "first")[0].choice, *steps_up_to(choices, "unsure")[:1]]
    return " → ".join(one.model_name for one in found)
