"""What an endpoint's table and what it answers make of an error or of an unclear output: advice, charge, and no key."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import config
from activities.providers.base import Provider
from activities.providers.progress import followed
from contracts.conversation import ModelReply, ToolCall, Usage
from contracts.errors import Misconfigured
from tests.wire.samples import OWN_KEY, REPLY, SOON, ask
from tests.wire.server import Play, WireServer
from tests.wire.told import refused
from tests.wire.vendors import completion, message, response, said

SPEAKS = ("chat", "responses", "messages")

Make = Callable[..., Provider]


@pytest.mark.parametrize(
    ("more", "leaks"),
    [
        ({"key_env": "OWN_KEY"}, OWN_KEY),
        ({"headers": {"Ocp-Apim-Subscription-Key": "0123456789abcdef"}}, "0123456789abcdef"),
        ({"headers": {"CF-Access-Client-Secret": "deadbeefdeadbeef"}}, "deadbeefdeadbeef"),
        ({"query": {"code": "not-a-secret", "subscription-key": "feedfacefeedface"}}, "feedfacefeedface"),
    ],
)
@pytest.mark.parametrize("status", [200, 302, 401, 500])
async def test_what_an_endpoint_repeats_of_its_keys_is_not_shown(
    server: WireServer, own: Make, more: dict[str, Any], leaks: str, status: int
) -> None:
    """A key of any kind: the endpoint's own, in a header of its table, or in its query; and settings do not print it."""
    play = Play({"error": {"message": f"no access for {leaks} here"}}, status=status)
    server.play(play if status != 302 else Play(status=302, headers={"location": f"http://h/login?back={leaks}"}))
    error = await refused(own(**more))
    assert leaks not in str(error)
    assert "[key]" in str(error)
    assert leaks not in repr(config.load(providers={"own": {"speaks": "chat", "base_url": "http://h/v1"} | more}))


@pytest.mark.parametrize("auth", ["bearer", "x-api-key"])
async def test_a_key_with_a_line_end_is_the_key(
    server: WireServer, own: Make, monkeypatch: pytest.MonkeyPatch, auth: str
) -> None:
    """As `$(cat file)` and secret stores leave it."""
    provider = own(key_env="OWN_KEY", auth=auth)
    monkeypatch.setenv("OWN_KEY", f" {OWN_KEY}\r\n")
    provider = own(key_env="OWN_KEY", auth=auth)
    server.play(REPLY)
    assert (await provider.complete(ask())).text == REPLY.text
    assert OWN_KEY in json.dumps(server.requests[0].headers)


@pytest.mark.parametrize("key", ["tok-“quoted”-0123", "tok-one-01234567\ntok-two-01234567", "tok\x00-0123456789"])
async def test_a_key_that_cannot_be_sent_is_said(server: WireServer, own: Make, tmp_path: Path, key: str) -> None:
    """Before a request, as what it is, and without the key."""
    (tmp_path / "key").write_text(key)
    error = await refused(own(key_file=str(tmp_path / "key")))
    assert (error.kind, error.maybe_charged, server.requests) == ("authentication", False, [])
    assert "characters that no header may have" in str(error)
    assert "tok" not in str(error)


async def test_too_many_calls_at_once_name_the_setting(server: WireServer, own: Make) -> None:
    """No limit of the endpoint was met, and no rate limit in routes.toml helps: the advice is the setting that did it."""
    provider = own(concurrency=1, queue_timeout="PT0.2S")
    server.play(Play(silent=True))
    first = asyncio.create_task(provider.complete(ask(key="first")))
    await server.request(0)
    with followed() as progress:
        progress.begin("own:model-1")
        error = await refused(provider)
    first.cancel()
    await asyncio.wait([first])
    assert (error.kind, error.asked, error.maybe_charged, len(server.requests)) == ("rate_limited", False, False, 1)
    assert "none of them ended within 0.2 s, the `queue_timeout`" in str(error)
    assert "raise `concurrency` or `queue_timeout` in [providers.own]" in str(error)
    assert "routes.toml" not in str(error)
    assert progress.details()[0]["waits_for"] == "its turn at own (concurrency = 1)"


async def test_the_wait_for_a_turn_is_no_part_of_the_call(server: WireServer, own: Make) -> None:
    """A call that waits longer than it may take itself is made all the same, in its own time; the wait is told apart."""
    provider = own(concurrency=1)
    server.play(Play(REPLY, delay=SOON.total_seconds() * 1.5), REPLY)
    first = asyncio.create_task(provider.complete(ask(key="first")))
    await server.request(0)
    with followed() as progress:
        assert (await provider.complete(ask(key="second", timeout=SOON))).text == REPLY.text
    assert (await first).text == REPLY.text
    assert progress.waited >= SOON.total_seconds()
    assert progress.waits_for == ""


def test_a_wait_beyond_what_an_activity_may_take_is_refused(own: Make) -> None:
    """The activity would be ended before the wait is."""
    with pytest.raises(Misconfigured, match="queue_timeout"):
        own(concurrency=1, queue_timeout="PT11M")


FINAL = ToolCall(call_id="call_9", name="final_output", arguments={"title": "höher"})
BROKEN = FINAL.model_copy(update={"arguments": '{"title": ', "problem": "the arguments are not JSON"})
OTHER = FINAL.model_copy(update={"call_id": "call_8", "arguments": {"title": "tiefer"}})
FINALS = {
    "twice the same": ((FINAL, FINAL.model_copy(update={"call_id": "call_8"})), '{"title": "höher"}'),
    "two different": ((FINAL, OTHER), '{"title": "höher"}\n{"title": "tiefer"}'),
    "no object": ((FINAL.model_copy(update={"arguments": ["höher"]}),), '["höher"]'),
}


@pytest.mark.parametrize("speaks", SPEAKS)
@pytest.mark.parametrize("name", FINALS)
async def test_an_unclear_final_output_is_judged_as_one(server: WireServer, own: Make, speaks: str, name: str) -> None:
    """As a call it would be one of a tool that no agent has, and the model would be told that there is none."""
    calls, text = FINALS[name]
    server.play(ModelReply(text="", calls=calls, stop="tools", model="m", usage=Usage(input=9, output=5)))
    reply = await own(speaks, capabilities={"schema_with_tools": "tool"}).complete(ask())
    assert (reply.text, reply.calls, reply.stop, reply.native) == (text, (), "end", None)


async def test_a_final_output_with_broken_arguments_is_judged_as_one(server: WireServer, own: Make) -> None:
    """Half of it is its text."""
    call = {"id": "c", "type": "function", "function": {"name": "final_output", "arguments": '{"title": '}}
    server.play(Play(completion({"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls")))
    reply = await own(capabilities={"schema_with_tools": "tool"}).complete(ask())
    assert (reply.text, reply.calls, reply.stop) == ('{"title": ', (), "end")


LEFT_OUT = [
    "Invalid JSON payload received. Unknown name \"additionalProperties\" at 'tools[0].function_declarations[0].parameters'",
    "tools.0.function.parameters: 'additionalProperties' is not supported",
]


@pytest.mark.parametrize("text", LEFT_OUT)
async def test_closed_schemas_of_tools_lead_to_no_setting_that_does_not_help(server: WireServer, own: Make, text: str) -> None:
    """`strict` marks schemas and changes nothing in them."""
    server.play(Play({"error": {"message": text}}, status=400))
    error = await refused(own())
    assert (error.kind, "strict = false" in str(error), "change the route" in str(error)) == ("unsupported", False, True)


async def test_closed_schemas_of_the_output_can_be_left_out(server: WireServer, own: Make) -> None:
    """Then the schema stands in the prompt."""
    text = "Invalid JSON payload received. Unknown name \"additionalProperties\" at 'generation_config.response_schema'"
    server.play(Play({"error": {"message": text}}, status=400))
    assert 'schema_form = "json_object"' in str(await refused(own()))


COSTS = {
    "chat": completion({"role": "user", "content": "x"}, usage={"prompt_tokens": 9, "completion_tokens": 2, "cost": 0.5}),
    "messages": message(3, usage={"input_tokens": 9, "output_tokens": 2, "cost": 0.5}),
    "responses": response(said(role="user"), usage={"input_tokens": 9, "output_tokens": 2, "cost": 0.5}),
}


@pytest.mark.parametrize("speaks", COSTS)
async def test_a_refused_reply_says_what_it_costs(server: WireServer, own: Make, speaks: str) -> None:
    """What is used and what is stated, each as it was said."""
    server.play(Play(COSTS[speaks]))
    error = await refused(own(speaks, bill_as_stated=True))
    assert error.stated is not None
    assert (error.kind, error.usage, error.stated.usd_micros, error.stated.bill) == (
        "drift",
        Usage(input=9, output=2),
        500_000,
        True,
    )


async def test_an_error_that_counts_a_prompt_alone_has_used_that(server: WireServer, own: Make) -> None:
    """An error has no output: its count is believed, and not the whole reservation charged."""
    server.play(Play({"error": {"message": "it broke"}, "usage": {"prompt_tokens": 12, "completion_tokens": 0}}))
    error = await refused(own())
    assert (error.maybe_charged, error.usage) == (True, Usage(input=12))
