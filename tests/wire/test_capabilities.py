"""What an endpoint can do decides what it is sent: schema and tools, limits, contents, notes, ids; and a choice's wishes."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

import config
import model_choice
from activities.agents.catalogue import load_catalogue
from activities.agents.routes import load_routes
from activities.providers.base import Provider, ProviderError
from activities.tools.registry import TOOLS
from contracts.agents import Choice
from contracts.conversation import AssistantMessage, ModelReply, ToolAnswer, ToolCall, ToolMessage, Usage, UserMessage
from contracts.endpoints import CallOptions
from contracts.errors import Misconfigured
from tests.activities import agentfiles
from tests.wire.samples import REPLY, SCHEMA, ask
from tests.wire.server import WireServer

Send = Callable[..., Any]

BASES = {"chat": "/v1", "responses": "/v1", "messages": ""}

CALLED = AssistantMessage(text="", calls=(ToolCall(call_id="toolu_01ABC", name="read_file", arguments={"title": "a"}),))
ANSWERED = ToolMessage(answers=(ToolAnswer(call_id="toolu_01ABC", name="read_file", text="hello"),))
TALK = (UserMessage(text="Write."), CALLED, ANSWERED, UserMessage(text="This step ends now."))

FINAL = ModelReply(
    text="",
    calls=(ToolCall(call_id="call_9", name="final_output", arguments={"title": "höher"}),),
    stop="tools",
    model="model-1",
    usage=Usage(input=10, output=2),
)


@pytest.fixture
async def send(server: WireServer) -> AsyncIterator[Send]:
    """Send one request to an endpoint of this table; the body that the server saw, and the reply."""
    made: list[Provider] = []

    async def of(table: dict[str, Any], speaks: str = "chat", reply: ModelReply = REPLY, **changes: Any) -> Any:
        server.play(reply)
        whole = {"speaks": speaks, "base_url": server.url + BASES[speaks]} | table
        made.append(model_choice.build_providers(config.load(providers={"own": whole}))["own"])
        found = await made[-1].complete(ask(**changes))
        return server.requests[-1].body, found

    yield of
    for provider in made:
        await provider.close()


def has_schema(body: dict[str, Any]) -> bool:
    """Whether a field of the request carries the final output's schema."""
    return any(name in body for name in ("response_format", "output_config", "text"))


@pytest.mark.parametrize("speaks", ["chat", "responses"])
async def test_a_server_of_ones_own_gets_the_tools_first_and_the_schema_for_the_last_turn(send: Send, speaks: str) -> None:
    """A server that constrains by grammar calls no tool while a schema is set: then it stands in the prompt."""
    first, _ = await send({}, speaks)
    last, _ = await send({}, speaks, tools=())
    assert "tools" in first
    assert not has_schema(first)
    assert json.dumps(SCHEMA, sort_keys=True) in json.dumps(first).replace('\\"', '"')
    assert "tools" not in last
    assert has_schema(last)


@pytest.mark.parametrize("speaks", BASES)
async def test_together_is_said_by_vendor_or_setting(send: Send, speaks: str) -> None:
    """Where it is known that a schema does not silence tools, both go out in each turn, and nothing is added to the prompt."""
    vendor = "anthropic" if speaks == "messages" else "openai"
    for table in ({"vendor": vendor}, {"capabilities": {"schema_with_tools": "together", "schema_form": "json_schema"}}):
        body, _ = await send(table, speaks)
        assert has_schema(body)
        assert "tools" in body
        assert "JSON Schema" not in json.dumps(body)


@pytest.mark.parametrize("speaks", BASES)
async def test_the_final_output_as_a_tool_is_read_as_the_answer(send: Send, speaks: str) -> None:
    """Its arguments are the reply's text; called beside another tool it waits until that one is answered."""
    table = {"capabilities": {"schema_with_tools": "tool"}}
    body, reply = await send(table, speaks, reply=FINAL)
    assert "final_output" in json.dumps(body["tools"])
    assert (json.loads(reply.text), reply.calls, reply.stop) == ({"title": "höher"}, (), "end")
    other = ToolCall(call_id="call_1", name="read_file", arguments={"title": "a"})
    _, reply = await send(table, speaks, reply=FINAL.model_copy(update={"calls": (*FINAL.calls, other)}))
    assert ([call.name for call in reply.calls], reply.stop) == (["read_file"], "tools")


@pytest.mark.parametrize(("form", "field"), [("json_schema", "json_schema"), ("json_object", "json_object"), ("none", None)])
async def test_the_form_of_the_schema(send: Send, form: str, field: str | None) -> None:
    """What the endpoint's own field cannot carry stands in the prompt, and the reply is judged as always."""
    body, _ = await send({"capabilities": {"schema_form": form}}, tools=())
    assert body.get("response_format", {}).get("type") == field
    assert ("JSON Schema" in body["messages"][0]["content"]) == (form != "json_schema")


@pytest.mark.parametrize(
    ("table", "field"),
    [({}, "max_tokens"), ({"vendor": "openai"}, "max_completion_tokens"), ({"vendor": "x-ai"}, "max_completion_tokens")],
)
async def test_the_name_of_the_output_limit(send: Send, table: dict[str, Any], field: str) -> None:
    """The newer name goes only to those who know it."""
    body, _ = await send(table)
    assert {"max_tokens", "max_completion_tokens"} & body.keys() == {field}


@pytest.mark.parametrize(("strict", "marked"), [(True, True), (False, None)])
@pytest.mark.parametrize("speaks", BASES)
async def test_strict_is_said_where_it_is_known(send: Send, speaks: str, strict: bool, marked: bool | None) -> None:
    """Others refuse the field, so that it is left out there."""
    body, _ = await send(
        {"capabilities": {"strict": strict, "schema_with_tools": "together", "schema_form": "json_schema"}}, speaks
    )
    tool = body["tools"][0]
    assert tool.get("function", tool).get("strict") is marked


@pytest.mark.parametrize(("said", "sent"), [("empty", ""), ("null", None), ("omitted", ...)])
async def test_content_beside_calls(send: Send, said: str, sent: Any) -> None:
    """Some servers want the key, some a string, and OpenAI neither."""
    body, _ = await send({"capabilities": {"call_content": said}}, messages=TALK)
    (message,) = [one for one in body["messages"] if one["role"] == "assistant"]
    assert message.get("content", ...) == sent


@pytest.mark.parametrize(
    ("said", "roles"),
    [
        ("user", ["system", "user", "assistant", "tool", "user"]),
        ("assistant", ["system", "user", "assistant", "tool", "assistant", "user"]),
        ("merged", ["system", "user", "assistant", "tool"]),
    ],
)
async def test_a_note_after_tool_results(send: Send, said: str, roles: list[str]) -> None:
    """Mistral and its templates refuse a user message after a tool's: the note is moved, and never lost."""
    body, _ = await send({"capabilities": {"after_tools": said}}, messages=TALK)
    assert [one["role"] for one in body["messages"]] == roles
    assert body["messages"][-1]["content"].endswith("This step ends now.")


async def test_mistral_gets_ids_of_nine_characters(send: Send) -> None:
    """Call and answer have the same one, in each turn; one that fits stays as it is."""
    body, _ = await send({"vendor": "mistral", "models": {"*": {"after_tools": "user"}}}, messages=TALK)
    made, answered = body["messages"][2]["tool_calls"][0]["id"], body["messages"][3]["tool_call_id"]
    assert made == answered
    assert len(made) == 9
    assert made.isalnum()


@pytest.mark.parametrize("speaks", BASES)
async def test_parallel_calls_can_be_switched_off(send: Send, speaks: str) -> None:
    """Only where there are tools; nothing is said unless the settings say something."""
    body, _ = await send({"capabilities": {"parallel_tool_calls": False}}, speaks)
    silent, _ = await send({}, speaks)
    said = {"type": "auto", "disable_parallel_tool_use": True} if speaks == "messages" else False
    name = "tool_choice" if speaks == "messages" else "parallel_tool_calls"
    assert (body[name], name in silent) == (said, False)


async def test_a_model_differs_from_its_endpoint(send: Send) -> None:
    """By name or glob; the later table counts, and one of the settings before the shipped one."""
    table = {"vendor": "google", "models": {"gemini-2*": {"max_tokens": "max_completion_tokens"}, "*": {"strict": True}}}
    older, _ = await send(table, model="gemini-2.5-flash")
    newer, _ = await send(table, model="gemini-3-pro")
    assert (has_schema(older), has_schema(newer)) == (False, True)
    assert ("max_completion_tokens" in older, "max_completion_tokens" in newer) == (True, False)
    assert older["tools"][0]["function"]["strict"] is True


ALL = {"temperature": "0.2", "effort": "high", "service_tier": "flex", "body": {"top_p": 1}}


@pytest.mark.parametrize(
    ("speaks", "more", "fields"),
    [
        ("chat", {"seed": 7}, {"temperature": 0.2, "reasoning_effort": "high", "service_tier": "flex", "top_p": 1, "seed": 7}),
        ("responses", {}, {"temperature": 0.2, "reasoning": {"effort": "high"}, "service_tier": "flex", "top_p": 1}),
        (
            "messages",
            {"thinking_budget": 2000},
            {
                "temperature": 0.2,
                "output_config": {"effort": "high"},
                "thinking": {"type": "enabled", "budget_tokens": 2000},
                "service_tier": "flex",
                "top_p": 1,
            },
        ),
    ],
)
async def test_a_choice_asks_for_more_than_a_model(
    send: Send, speaks: str, more: dict[str, Any], fields: dict[str, Any]
) -> None:
    """Each format has its own fields for the same wish."""
    choice = Choice.read_typed_by_people({"model": "own:model-1"} | ALL | more)
    body, _ = await send({}, speaks, options=choice.options)
    assert {name: body[name] for name in fields} == fields


WRONG = [
    ('effort = "High"', r"effort: .*a word in small letters as the provider names it, such as low, medium or high"),
    ('effort = ""', r"effort: .*a word in small letters .*left out, the provider decides"),
    ('service_tier = "Flex 1"', r"service_tier: .*a word in small letters .*such as auto, flex or priority"),
    ("temperature = 3", r"temperature: .*less than or equal to 2 \(got 3\)"),
    ('thinking_budget = "1k"', r"thinking_budget: .*valid integer"),
    ("seed = 1.5", r"seed: .*valid integer"),
    ("body = { top_p = nan }", r"body: nan and inf cannot be sent, because JSON has no such numbers"),
    ("body = { deep = { list = [inf] } }", r"body: nan and inf cannot be sent"),
    ('body = { model = "x" }', r"body: model: Baton sets this field itself"),
    (
        'effort = "low", body = { reasoning_effort = "high" }',
        r"'worker', own:m: effort and body\.reasoning_effort say the same",
    ),
    (
        "thinking_budget = 2000, body = { thinking = { budget_tokens = 1 } }",
        r"thinking_budget and body\.thinking\.budget_tokens say",
    ),
    ('effort = "low", body = { reasoning = { effort = "high" } }', r"effort and body\.reasoning\.effort say the same"),
    ("seed = 1, temperature = 1, body = { seed = 2, temperature = 1 }", r"body\.temperature and seed and body\.seed say"),
    ("when = []", r"'worker', own:m: `when` is empty, so it would never be asked"),
]


@pytest.mark.parametrize(("said", "problem"), WRONG, ids=[said for said, _ in WRONG])
def test_a_wrong_wish_is_named_with_what_to_write(tmp_path: Path, said: str, problem: str) -> None:
    """By file, key and, where one key is not enough to find it, class and model; no run is started with it."""
    path = tmp_path / "routes.toml"
    path.write_text(f'[classes]\nworker = [{{ model = "own:m", {said} }}, {{ model = "own:n" }}]\n')
    with pytest.raises(Misconfigured, match=rf"routes\.toml: .*{problem}"):
        load_routes(path)


@pytest.mark.parametrize("budget", [1, 1023])
def test_a_budget_that_anthropic_refuses_is_refused_first(budget: int) -> None:
    """By the settings and not by every call; an endpoint of somebody else may take less."""
    named = model_choice.endpoints(
        config.load(anthropic_api_key="sk-one", providers={"own": {"speaks": "messages", "base_url": "http://h"}})
    )
    with pytest.raises(Misconfigured, match=rf"anthropic:m: thinking_budget is {budget}, and Anthropic takes 1024 or more"):
        model_choice.at_endpoint(Choice(model="anthropic:m", thinking_budget=budget), named)
    assert model_choice.at_endpoint(Choice(model="own:m", thinking_budget=budget), named).thinking_budget == budget


@pytest.mark.parametrize(("budget", "fits"), [(1999, True), (2000, False), (64_000, False)])
def test_a_budget_leaves_room_for_the_answer(tmp_path: Path, budget: int, fits: bool) -> None:
    """One that fills the agent's whole reply would have every call refused: the worker says so before it takes a run."""
    agentfiles.write(tmp_path, tools=["run_state"], limits={"output_tokens": 2000})
    (tmp_path / "routes.toml").write_text(f'[classes]\nworker = [{{ model = "own:m", thinking_budget = {budget} }}]\n')
    catalogue = load_catalogue(tmp_path, TOOLS)
    settings = config.load(providers={"own": {"speaks": "messages", "base_url": "http://h"}})
    with contextlib.nullcontext() if fits else pytest.raises(Misconfigured, match=TOO_MUCH):
        assert model_choice.routed(settings, catalogue, catalogue.newest("helper"))[0].thinking_budget == budget


TOO_MUCH = r"own:m: thinking_budget is \d+, and one reply of helper has at most 2000 tokens, thoughts included; set it below"


def test_body_may_add_to_what_a_wish_says(tmp_path: Path) -> None:
    """A table of `body` beside a wish is merged with it, and that is no contradiction."""
    path = tmp_path / "routes.toml"
    said = 'effort = "low", body = { reasoning = { summary = "auto" }, thinking = { display = "omitted" } }'
    path.write_text(f'[classes]\nworker = [{{ model = "own:m", {said} }}]\n')
    assert load_routes(path).classes["worker"][0].said_twice() == ""


async def test_what_a_format_cannot_say_is_refused(send: Send) -> None:
    """At the worker's start by the route, and at the call for a run that pinned it before; nothing is left out silently."""
    settings = config.load(providers={"own": {"speaks": "messages", "base_url": "http://h"}})
    with pytest.raises(Misconfigured, match="own:m: seed: messages has no such field"):
        model_choice.at_endpoint(Choice(model="own:m", seed=1), model_choice.endpoints(settings))
    with pytest.raises(ProviderError, match="thinking_budget: chat has no such field"):
        await send({}, options=CallOptions(thinking_budget=5))


def test_a_choice_without_wishes_keeps_its_bytes() -> None:
    """Runs that pinned a choice before there were any find the same one."""
    assert Choice(model="own:m").options is None
    assert "temperature" not in Choice(model="own:m").model_dump_json()


def test_choices_with_fields_of_their_own_can_be_compared_in_sets() -> None:
    """Equal ones are one, whatever the order of the fields in them is."""
    one, same = (Choice(model="own:m", body=body) for body in ({"a": 1, "b": [2]}, {"b": [2], "a": 1}))
    assert len({one, same, Choice(model="own:m", body={"a": 2})}) == 2
