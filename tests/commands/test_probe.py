"""`baton models probe`: what endpoints of many kinds can do, and the lines that make Baton work with them."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

import config
import model_choice
from commands.probe import questions
from contracts.agents import Choice
from contracts.conversation import ModelReply, UserMessage
from contracts.endpoints import EndpointSetting
from tests.activities import agentfiles
from tests.commands import probed
from tests.commands.conftest import Baton, Ran
from tests.commands.probed import Behaviour, Endpoint
from tests.wire.plays import Play

MODEL = "own:local"


def table(endpoint: Endpoint, *, speaks: str = "chat", money: str = "free = true") -> str:
    """The endpoint's table of baton.toml."""
    url = endpoint.url if speaks == "messages" else endpoint.openai_url
    return f'[providers.own]\nspeaks = "{speaks}"\nbase_url = "{url}"\n{money}\n'


def configure(baton: Baton, text: str, model: str = MODEL) -> None:
    """Write baton.toml."""
    head = f'model = "{model}"\n' if model else ""
    (baton.folder / "baton.toml").write_text(f"{head}{text}")


def checks(ran: Ran, at: int = 0) -> dict[str, tuple[bool | None, str]]:
    """What was found, by step."""
    return {one["what"]: (one["works"], one["text"]) for one in ran.json["probes"][at]["checks"]}


def printed(ran: Ran) -> str:
    """The lines that are to be pasted, from what a person sees."""
    lines = ran.out.splitlines()
    first = next(at for at, line in enumerate(lines) if line.startswith("[providers."))
    return "\n".join(lines[first:]) + "\n"


async def turn(model: str = MODEL) -> None:
    """A played turn by the settings in force: a tool is called, its result goes back, a note ends the step."""
    choice = Choice(model=model)
    provider = model_choice.build_providers(config.load())[choice.provider]
    try:
        first = await provider.complete(questions.request(choice, questions.ONE, tools=True))
        assert [one.arguments for one in first.calls] == [{"name": "alpha"}]
        talk = questions.after_tools(questions.ONE, first, choice.provider, choice.model_name)
        assert not questions.silent(await provider.complete(questions.request(choice, messages=talk, tools=True)))
        noted = (*talk, UserMessage(text=questions.NOTE))
        assert not questions.misfit(await provider.complete(questions.request(choice, messages=noted)))
    finally:
        await provider.close()


KINDS: list[tuple[Behaviour, str, dict[str, Any], str]] = [
    # What the server does, what is in force before, what has to be found, and a piece of what is said.
    (lambda body: None, "", {"schema_with_tools": "together", "schema_form": "json_schema"}, "together"),
    (probed.deaf, 'schema_with_tools = "together"', {"schema_with_tools": "apart"}, "it called no tool and said: {"),
    (probed.no_json_schema, "", {"schema_form": "json_object"}, "This response_format type is unavailable now"),
    (probed.no_format, "", {"schema_form": "none", "schema_with_tools": "apart"}, "extra inputs are not permitted"),
    (
        probed.only_max_tokens,
        'max_tokens = "max_completion_tokens"',
        {"max_tokens": "max_tokens"},
        "Unrecognized request argument",
    ),
    (probed.only_max_completion_tokens, "", {"max_tokens": "max_completion_tokens"}, "Use 'max_completion_tokens' instead"),
    (
        probed.ignores_the_newer_limit,
        'max_tokens = "max_completion_tokens"',
        {"max_tokens": "max_tokens"},
        "limits nothing: 400 tokens came where 16 were allowed",
    ),
    (probed.content_required, 'call_content = "omitted"', {"call_content": "empty"}, "content: field required"),
    (probed.content_required, 'call_content = "null"', {"call_content": "empty"}, "content: field required"),
    (probed.no_user_after_tool, "", {"after_tools": "merged"}, "Unexpected role 'user' after role 'tool'"),
    (probed.template_fails, "", {"after_tools": "merged"}, "Conversation roles must alternate"),
    (probed.no_strict, "strict = true", {"strict": False}, 'Unknown name "strict"'),
]


@pytest.mark.parametrize(("behaviour", "before", "found", "words"), KINDS)
async def test_what_is_printed_makes_the_endpoint_work(
    baton: Baton, behaviour: Behaviour, before: str, found: dict[str, Any], words: str
) -> None:
    """Its own words stand beside what it refuses; the lines are pasted, loaded, and no request of a turn is refused."""
    async with Endpoint(behaviour) as endpoint:
        old = f"[providers.own.capabilities]\n{before}\n" if before else ""
        configure(baton, table(endpoint) + old)
        ran = await baton.live("models", "probe")
        assert ran.code == 0, ran.out + ran.err
        # Wrapped at a terminal's width only; here each row is one line.
        assert words in ran.out
        assert ("take the place of" in ran.err) == bool(before)
        lines = printed(ran)
        values = tomllib.loads(lines)["providers"]["own"]["capabilities"]
        assert {name: values[name] for name in found} == found
        configure(baton, table(endpoint) + lines)
        endpoint.refused = 0
        await turn()
        assert endpoint.refused == 0
        again = await baton.live("models", "probe", "--json")
        assert (again.json["probes"][0]["capabilities"], again.json["probes"][0]["changes"]) == (values, [])


@pytest.mark.parametrize("speaks", ["messages", "responses"])
async def test_the_other_formats_are_probed_the_same_way(baton: Baton, speaks: str) -> None:
    """Without what they have no field for: the lines hold nothing that changes nothing."""
    async with Endpoint() as endpoint:
        configure(baton, table(endpoint, speaks=speaks))
        ran = await baton.live("models", "probe", MODEL, "--json")
        assert ran.code == 0, ran.out + ran.err
        lacking = {name: text for name, (works, text) in checks(ran).items() if not works}
        assert lacking == {"streaming": "it answers in one piece all the same"}
        (one,) = ran.json["probes"]
        assert one["capabilities"] == {"schema_with_tools": "together", "schema_form": "json_schema", "strict": False}
        configure(baton, table(endpoint, speaks=speaks) + one["toml"])
        await turn()


async def test_a_model_that_agents_cannot_use_says_why(baton: Baton) -> None:
    """Without tools there is no agent: the exit code, and the server's words."""
    async with Endpoint(probed.no_tools) as endpoint:
        configure(baton, table(endpoint))
        ran = await baton.live("models", "probe", "--json")
        assert (ran.code, ran.json["probes"][0]["usable"]) == (1, False)
        works, text = checks(ran)["tool"]
        assert (works, text.endswith(": registry.example/tiny does not support tools")) == (False, True), text
        assert "two calls at once" not in checks(ran)
        assert "agents cannot work with this model" in (await baton.live("models", "probe")).err


async def test_what_no_setting_mends_is_told(baton: Baton) -> None:
    """One call a turn, no usage, and an input that is cut off silently."""
    cases: list[tuple[Behaviour, str, str]] = [
        (probed.one_call, "two calls at once", "it made one call, not two"),
        (probed.counts_nothing, "usage", "in 0 of "),
        (probed.forgets, "long input", "as if the server had cut it off silently"),
    ]
    for behaviour, step, words in cases:
        async with Endpoint(behaviour) as endpoint:
            configure(baton, table(endpoint))
            ran = await baton.live("models", "probe", "--json")
            works, text = checks(ran)[step]
            assert (works, words in text, ran.code) == (False, True, 0), (step, text)


async def test_an_endpoint_that_does_not_answer_gets_one_call(baton: Baton) -> None:
    """A refused key, and nobody there: the reason, no lines, and no further call."""
    async with Endpoint(lambda body: probed.no(401, "Incorrect API key provided")) as endpoint:
        configure(baton, table(endpoint))
        ran = await baton.live("models", "probe", "--json")
        assert (ran.code, list(checks(ran)), len(endpoint.requests)) == (1, ["text"], 1)
        assert "HTTP 401" in checks(ran)["text"][1]
        assert "Incorrect API key provided" in checks(ran)["text"][1]
        assert ran.json["probes"][0]["toml"] == ""
        await endpoint.refuse()
        ran = await baton.live("models", "probe", "--json")
        assert (ran.code, checks(ran)["text"][0]) == (1, False)
        assert "ConnectError" in checks(ran)["text"][1]


async def test_a_rate_limit_is_waited_for_and_proves_nothing(baton: Baton) -> None:
    """One 429 is tried again; an endpoint that stays limited leaves the step open, and its setting as it is."""
    limited = Play(status=429, error="Rate limit reached", headers={"retry-after-ms": "1"})
    left = [1]

    def once(body: dict[str, Any]) -> Play | None:
        if "response_format" not in body or not left[0]:
            return None
        left[0] -= 1
        return limited

    async with Endpoint(once) as endpoint:
        configure(baton, table(endpoint))
        assert checks(await baton.live("models", "probe", "--json"))["schema"] == (True, "json_schema")
        left[0] = 10**6
        ran = await baton.live("models", "probe", "--json")
        works, text = checks(ran)["schema"]
        assert (works, "Rate limit reached" in text) == (None, True)
        assert "schema_form" not in ran.json["probes"][0]["capabilities"]


PRICED = 'vendor = "openai"'


async def test_what_it_costs_is_counted_and_limited(baton: Baton) -> None:
    """The limit is said before the first call; what could exceed it is not asked; what answered is named."""
    async with Endpoint() as endpoint:
        configure(baton, table(endpoint, money=PRICED), "own:gpt-4o")
        ran = await baton.live("models", "probe", "--json")
        (one,) = ran.json["probes"]
        assert (one["answered"], one["calls"]) == (["answers-1"], len(endpoint.requests))
        # 2.50 dollars per million of input, 10 of output.
        assert one["usd_micros"] == ran.json["usd_micros"] == sum(250 + 10 * _output(reply) for reply in endpoint.answered)
        assert "at most $0.10 in all (--most)" in ran.err
        before = len(endpoint.requests)
        ran = await baton.live("models", "probe", "--most", "0.001", "--json")
        assert len(endpoint.requests) == before
        works, text = checks(ran)["text"]
        assert (works, text.startswith("not asked: it could cost $0.0"), ran.code) == (None, True, 1)


def _output(reply: ModelReply) -> int:
    assert reply.usage is not None
    return reply.usage.output


async def test_a_model_without_a_price_is_not_asked(baton: Baton) -> None:
    """By name it is refused with what to say; without a name it is left out, and the others are asked."""
    async with Endpoint() as endpoint:
        configure(baton, table(endpoint, money=""))
        ran = await baton.live("models", "probe", MODEL)
        assert (ran.code, len(endpoint.requests)) == (2, 0)
        assert 'Say vendor = "…" in [providers.own]' in ran.err
        ran = await baton.live("models", "probe", "--json")
        assert (ran.code, ran.json["probes"], len(endpoint.requests)) == (1, [], 0)
        assert ran.json["not_asked"][0]["endpoint"] == "own"


async def test_every_endpoint_is_asked_by_its_first_routed_model(baton: Baton, tmp_path: Path) -> None:
    """Where several models are routed the lines are for that one alone, whatever signs its name holds."""
    odd = 'Qwen/Qwen3[awq]*2 "x"'
    async with Endpoint(probed.no_json_schema) as endpoint:
        agentfiles.write(tmp_path / "agents", tools=[])
        rows = ", ".join(f"{{ model = {name!r} }}" for name in (f"own:{odd}", "own:second"))
        (tmp_path / "agents" / "routes.toml").write_text(f"[classes]\nworker = [{rows}]\n")
        baton.set(BATON_AGENTS=tmp_path / "agents", LEFT_OUT="")
        keyless = '[providers.other]\nspeaks = "chat"\nbase_url = "http://127.0.0.1:9/v1"\nkey_env = "LEFT_OUT"\n'
        configure(baton, table(endpoint) + keyless, "")
        ran = await baton.live("models", "probe", "--json")
        assert [one["model"] for one in ran.json["probes"]] == [f"own:{odd}"]
        assert ran.json["not_asked"] == [{"endpoint": "other", "why": "it has no key: set the variable LEFT_OUT"}]
        assert ran.code == 1
        configure(baton, table(endpoint) + ran.json["probes"][0]["toml"], "")
        endpoint.refused = 0
        await turn(f"own:{odd}")
        assert endpoint.refused == 0
        setting: EndpointSetting = config.load().providers["own"]
        assert list(setting.models) == ['Qwen/Qwen3[[]awq][*]2 "x"']


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        ("onw:local", 3, "there is no endpoint 'onw'. There are: own (own:local)"),
        ("own", 2, "'own' names no model: write NAME:MODEL. Endpoints there are: own (own:local)"),
        ("own:", 2, "'own:' names no model"),
        ("scripted:any", 3, "there is no endpoint 'scripted'"),
        ("OWN:local", 3, "there is no endpoint 'OWN'"),
    ],
)
async def test_a_wrong_name_is_refused_with_what_there_is(baton: Baton, typed: str, code: int, said: str) -> None:
    """Before anything is asked."""
    async with Endpoint() as endpoint:
        configure(baton, table(endpoint))
        ran = await baton.live("models", "probe", typed)
        assert (ran.code, said in ran.err, endpoint.requests) == (code, True, []), ran.err


def test_without_an_endpoint_it_says_how_to_get_one(baton: Baton) -> None:
    """No key, no table."""
    ran = baton("models", "probe")
    assert (ran.code, "write a table [providers.NAME]" in ran.err) == (3, True)


async def test_a_too_long_input_is_tried_where_the_context_is_small(baton: Baton, tmp_path: Path) -> None:
    """Refused as too long it is what Baton shortens; taken, the route's context is wrong."""

    def small(body: dict[str, Any]) -> Play | None:
        too_long = len(str(body)) > 4 * 8192
        return probed.no(400, "This model's maximum context length is 8192 tokens, you requested 10240") if too_long else None

    async with Endpoint(small) as endpoint:
        agentfiles.write(tmp_path / "agents", tools=[])
        (tmp_path / "agents" / "routes.toml").write_text('[classes]\nworker = [{ model = "own:local", context = 8192 }]\n')
        baton.set(BATON_AGENTS=tmp_path / "agents")
        configure(baton, table(endpoint), "")
        works, text = checks(await baton.live("models", "probe", "--json"))["too long input"]
        assert (works, "maximum context length is 8192" in text) == (True, True)
        endpoint.behaviour = lambda body: None
        assert checks(await baton.live("models", "probe", "--json"))["too long input"][0] is False
