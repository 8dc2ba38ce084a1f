"""What goes back to a model is what that same model needs, in letters that every server takes."""

import json
from typing import Any

import pytest

from activities.providers.openai import OpenAI
from contracts.conversation import AssistantMessage, ModelReply, UserMessage
from tests.wire.samples import KEY, REPLY, ask, connect
from tests.wire.server import Play, WireServer
from tests.wire.told import answer_id, answers, call_sent, calls_sent, earlier
from tests.wire.vendors import call, completion, item, message, response, said, use

REASONING = {
    "DeepSeek": {"reasoning_content": "hm"},
    "Groq": {"reasoning": "hm"},
    "OpenRouter": {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.encrypted", "data": "x", "index": 0}]},
    "LiteLLM": {"reasoning_content": "hm", "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}]},
    "Gemini": {"extra_content": {"google": {"thought_signature": "s"}}},
}


@pytest.mark.parametrize("fields", REASONING.values(), ids=REASONING)
async def test_reasoning_goes_back_to_the_model_that_wrote_it_alone(
    server: WireServer, openai: OpenAI, fields: dict[str, Any]
) -> None:
    """The same model gets all of it with its calls; another one of the same provider, and another provider, none."""
    signed = call(extra_content={"google": {"thought_signature": "t"}})
    server.play(
        Play(completion({"role": "assistant", "content": "", "tool_calls": [signed]} | fields, "tool_calls")),
        REPLY,
        REPLY,
        REPLY,
    )
    reply = await openai.complete(ask())
    told = (UserMessage(text="go"), earlier(reply, openai), answers(reply))
    await openai.complete(ask(messages=told))
    await openai.complete(ask(messages=told, model="model-2"))
    other = OpenAI(KEY, server.openai_url, name="other")
    await other.complete(ask(messages=told))
    await other.close()
    same, *strangers = (seen.body["messages"][2] for seen in server.requests[1:])
    assert same == {"role": "assistant", "tool_calls": [signed]} | fields
    for one in strangers:
        assert set(one) == {"role", "content", "tool_calls"}
        assert "signature" not in json.dumps(one)
    for seen in server.requests[1:]:
        assert call_sent(seen.body)[0] == answer_id(seen.body)


SIGNED: list[tuple[str, Any, str]] = [
    ("anthropic", message([{"type": "thinking", "thinking": "hm", "signature": "SECRET"}, use()], "tool_use"), "tools"),
    ("anthropic", message([{"type": "redacted_thinking", "data": "SECRET"}, {"type": "text", "text": "x"}]), "end"),
    ("responses", response({"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "SECRET"}, item()), "tools"),
    ("responses", response({"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "SECRET"}, said("x")), "end"),
]


@pytest.mark.parametrize(("name", "body", "stop"), SIGNED, ids=str)
async def test_signed_thoughts_of_one_model_are_not_shown_to_another(
    server: WireServer, name: str, body: Any, stop: str
) -> None:
    """Another model of the same provider refuses them; text and calls go on without."""
    provider = connect(server, name)
    server.play(Play(body), REPLY, REPLY)
    reply = await provider.complete(ask())
    assert reply.stop == stop
    told = (
        UserMessage(text="go"),
        earlier(reply, provider),
        *([answers(reply)] if reply.calls else []),
        UserMessage(text="on"),
    )
    await provider.complete(ask(messages=told))
    await provider.complete(ask(messages=told, model="model-2"))
    await provider.close()
    same, other = (json.dumps(seen.body) for seen in server.requests[1:])
    assert ("SECRET" in same, "SECRET" in other) == (True, False)
    assert calls_sent(server.requests[1].body) == calls_sent(server.requests[2].body)


async def test_ids_of_one_vendor_do_not_reach_another(server: WireServer, openai: OpenAI) -> None:
    """Mistral takes nine letters and digits, OpenAI 64: a rebuilt conversation has ids that both take, and answers that fit."""
    for call_id in ("toolu_01A09q90qw90lq917835lq9", "functions.read_file:0", "call_" + "x" * 300):
        reply = ModelReply.model_validate(
            {
                "text": "",
                "calls": [{"call_id": call_id, "name": "read_file", "arguments": {}}],
                "stop": "tools",
                "model": "m",
                "usage": None,
            }
        )
        server.play(REPLY)
        foreign = AssistantMessage(text="", calls=reply.calls, provider="anthropic", model="m", native=[])
        await openai.complete(ask(messages=(UserMessage(text="go"), foreign, answers(reply))))
        sent = server.requests[-1].body
        assert call_sent(sent)[0] == answer_id(sent)
        assert len(answer_id(sent)) == 9
        assert answer_id(sent).isalnum()


ALIKE = ("a.b", "a:b", "a_b", "x" * 300)


@pytest.mark.parametrize(
    ("name", "body"),
    [("anthropic", message([use(one) for one in ALIKE], "tool_use")), ("responses", response(*(item(one) for one in ALIKE)))],
)
async def test_ids_that_are_alike_stay_apart(server: WireServer, name: str, body: Any) -> None:
    """They differ by signs that are not sent back: each call still has an id of its own, and its answer has the same."""
    provider = connect(server, name)
    server.play(Play(body), REPLY)
    reply = await provider.complete(ask())
    await provider.complete(ask(messages=(UserMessage(text="go"), earlier(reply, provider), answers(reply))))
    sent = server.requests[-1].body
    ids = [call_id for call_id, _, _ in calls_sent(sent)]
    assert (len(set(ids)), "a_b" in ids, max(len(one) for one in ids) <= 64) == (4, True, True)
    assert answer_id(sent) == ids[0 if name == "anthropic" else -1]
    await provider.close()
