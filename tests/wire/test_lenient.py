"""What deviates in form and can be read without doubt is read, as servers of many vendors send it, and charged as stated."""

import json
from typing import Any

import pytest

from activities.providers.base import Provider, ProviderError
from contracts.conversation import ModelReply, UserMessage
from tests.wire.samples import REPLY, ask, connect
from tests.wire.server import Play, WireServer
from tests.wire.told import COUNTED, answer_id, answers, asked, call_sent, calls_sent, earlier
from tests.wire.vendors import ARGUMENTS, TEXT, call, calling, completion, item, message, response, said, use

TEXTS: list[tuple[str, str, Any]] = [
    ("llama.cpp: no finish reason", "chat", completion({"role": "assistant", "content": TEXT}, None)),
    ("a proxy: finish reason left out", "chat", completion({"role": "assistant", "content": TEXT}, ...)),
    ("Gemini: finish reason in capitals", "chat", completion({"role": "assistant", "content": TEXT}, "STOP")),
    ("TGI: eos_token", "chat", completion({"role": "assistant", "content": TEXT}, "eos_token")),
    ("OpenRouter: error after a whole answer", "chat", completion({"role": "assistant", "content": TEXT}, "error")),
    ("LiteLLM: empty finish reason", "chat", completion({"role": "assistant", "content": TEXT}, "")),
    (
        "vLLM: tool_calls with none made",
        "chat",
        completion({"role": "assistant", "content": TEXT, "tool_calls": []}, "tool_calls"),
    ),
    ("an older server: tool_calls null", "chat", completion({"content": TEXT, "tool_calls": None}, "stop")),
    (
        "Magistral: thinking and text as parts",
        "chat",
        completion(
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": TEXT}]}
        ),
    ),
    ("Nextcloud: one part", "chat", completion({"role": "assistant", "content": {"type": "text", "text": TEXT}})),
    ("a gateway: parts that are texts", "chat", completion({"role": "assistant", "content": [TEXT[:5], TEXT[5:]]})),
    ("a gateway: the answer as an object", "chat", completion({"role": "assistant", "content": json.loads(TEXT)})),
    ("LM Studio: no model", "chat", completion({"role": "assistant", "content": TEXT}, model="")),
    ("llama-cpp-python: model left out", "chat", completion({"role": "assistant", "content": TEXT}, model=...)),
    ("a gateway: two choices", "chat", completion({"content": TEXT}, choices=completion({"content": TEXT})["choices"] * 2)),
    ("a bridge: NaN in logprobs", "chat", json.dumps(completion({"content": TEXT}, logprobs=[float("nan")])).encode()),
    (
        "a bridge: a key twice that nobody reads",
        "chat",
        json.dumps(completion({"content": TEXT})).replace("{", '{"x": 1, "x": 2, ', 1).encode(),
    ),
    ("Anthropic: a new block", "anthropic", message([{"type": "hologram", "data": 3}, {"type": "text", "text": TEXT}])),
    ("Kimi's Anthropic side: no stop reason", "anthropic", message([{"type": "text", "text": TEXT}], None)),
    ("a bridge: stop", "anthropic", message([{"type": "text", "text": TEXT}], "stop")),
    ("a bridge: tool_use without one", "anthropic", message([{"type": "text", "text": TEXT}], "tool_use")),
    ("a bridge: a text for the blocks", "anthropic", message(TEXT)),
    ("a bridge: neither type nor role", "anthropic", message([{"type": "text", "text": TEXT}], type=..., role=...)),
    ("xAI: another item", "responses", response({"type": "web_search_call", "id": "w"}, said())),
    ("LiteLLM: no status", "responses", response(said(), status=...)),
    ("vLLM: neither object nor model", "responses", response(said(), object=..., model=None)),
    ("LM Studio: a text for the parts", "responses", response(said() | {"content": TEXT})),
    (
        "Ollama: an unknown part",
        "responses",
        response(said() | {"content": [{"type": "x"}, {"type": "output_text", "text": TEXT}]}),
    ),
]


@pytest.mark.parametrize(("name", "body"), [case[1:] for case in TEXTS], ids=[case[0] for case in TEXTS])
async def test_a_whole_text_is_an_answer(server: WireServer, name: str, body: Any) -> None:
    """Whatever the finish, the wrapping and the fields around it are called, the text and its usage arrive."""
    reply = await asked(name, body, server)
    assert (reply.stop, json.loads(reply.text), reply.usage, reply.model) == ("end", {"title": "höher"}, COUNTED, "model-1")


CALLED: list[tuple[str, str, Any]] = [
    ("Gemini: an empty id", "chat", calling(call(""))),
    ("a bridge: id null", "chat", calling(call(None))),
    ("TGI: id is a number", "chat", calling(call(0))),
    ("Ollama: no id", "chat", calling(call(...))),
    (
        "OpenAI's older form",
        "chat",
        completion({"content": None, "function_call": {"name": "read_file", "arguments": '{"title": "a"}'}}, "function_call"),
    ),
    ("Ollama: arguments as an object", "chat", calling(call(arguments=ARGUMENTS))),
    ("GLM: arguments encoded twice", "chat", calling(call(arguments=json.dumps(json.dumps(ARGUMENTS))))),
    ("a bridge: type empty", "chat", calling(call(type=""))),
    ("a bridge: type null", "chat", calling(call(type=None))),
    ("vLLM: stop with calls", "chat", calling(call(), finish="stop")),
    ("Anthropic behind a gateway: tool_use", "chat", calling(call(), finish="tool_use")),
    ("Gemini: unknown reason", "chat", calling(call(), finish="FINISH_REASON_UNSPECIFIED")),
    ("a gateway: one call for the list", "chat", calling(call()) | completion({"tool_calls": call()}, "tool_calls")),
    ("a gateway: no inner object", "chat", calling({"id": "c", "name": "read_file", "arguments": '{"title": "a"}'})),
    ("Anthropic's side of Kimi: input as text", "anthropic", message([use(given='{"title": "a"}')], "tool_use")),
    ("a bridge: input encoded twice", "anthropic", message([use(given=json.dumps(json.dumps(ARGUMENTS)))], "tool_use")),
    ("a bridge: no id", "anthropic", message([use(...)], "tool_use")),
    ("a bridge: empty id and reason", "anthropic", message([use("")], "")),
    ("LiteLLM: no call_id", "responses", response(item(...))),
    ("vLLM: empty call_id", "responses", response(item(""))),
    ("Ollama: an object", "responses", response(item(arguments=ARGUMENTS))),
    ("GLM: twice encoded", "responses", response(item(arguments=json.dumps(json.dumps(ARGUMENTS))), status=None)),
]


@pytest.mark.parametrize(("name", "body"), [case[1:] for case in CALLED], ids=[case[0] for case in CALLED])
async def test_a_call_that_can_be_read_is_read_answered_and_sent_back(server: WireServer, name: str, body: Any) -> None:
    """It has an id, the same at a second asking, an object for arguments, and the next request holds both in the right form."""
    provider = connect(server, name)
    server.play(Play(body), Play(body), REPLY)
    reply, again = await provider.complete(ask()), await provider.complete(ask())
    (one,) = reply.calls
    assert (reply.stop, one.name, one.arguments, one.problem, reply.usage) == ("tools", "read_file", ARGUMENTS, None, COUNTED)
    assert one.call_id
    assert one.call_id == again.calls[0].call_id
    await provider.complete(ask(messages=(UserMessage(text="go"), earlier(reply, provider), answers(reply))))
    assert [call_sent(server.requests[-1].body)] == [(answer_id(server.requests[-1].body), "read_file", ARGUMENTS)]
    await provider.close()


NOTHING = [
    ("chat", calling(call(arguments=None))),
    ("chat", calling(call(arguments=...))),
    ("chat", calling(call(arguments=""))),
    ("chat", calling(call(arguments="null"))),
    ("chat", calling(call(arguments='""'))),
    ("anthropic", message([use(given=None)], "tool_use")),
    ("anthropic", message([use(given=...)], "tool_use")),
    ("anthropic", message([use(given="")], "tool_use")),
    ("responses", response(item(arguments=None))),
    ("responses", response(item(arguments=...))),
    ("responses", response(item(arguments="null"))),
]


@pytest.mark.parametrize(("name", "body"), NOTHING, ids=str)
async def test_nothing_is_no_arguments(server: WireServer, name: str, body: Any) -> None:
    """Null, blank and missing arguments are none: what a tool without parameters gets."""
    assert [(one.arguments, one.problem) for one in (await asked(name, body, server)).calls] == [({}, None)]


REPEATED = [
    ("chat", calling(call("a"), call("a"), call("b"))),
    ("chat", calling(call(""), call(""), call("b"))),
    ("chat", calling(call(None), call("x"), call("x"))),
    ("anthropic", message([use("a"), use("a"), use("b")], "tool_use")),
    ("anthropic", message([use(...), use(""), use("b")], "tool_use")),
    ("responses", response(item("a"), item("a"), item("b"))),
    ("responses", response(item(""), item(None), item("b"))),
]


@pytest.mark.parametrize(("name", "body"), REPEATED, ids=str)
async def test_every_call_has_an_id_of_its_own(server: WireServer, name: str, body: Any) -> None:
    """Ids that are missing or stand twice are made: from the request's key, so that another request's are others."""
    first, other = await asked(name, body, server), await asked(name, body, server, key="other")
    ids = [one.call_id for one in first.calls]
    assert len(set(ids)) == len(ids) == 3
    assert ids != [one.call_id for one in other.calls]
    assert ids == [one.call_id for one in (await asked(name, body, server)).calls]


POISON = [
    ("chat", calling(call(arguments='{"path": "'), call("b"))),
    ("chat", calling(call(arguments="[1]"), call("b"))),
    ("chat", calling(call(arguments='{"a": 1, "a": 2}'), call("b"))),
    ("anthropic", message([use(given='{"path": "'), use("b")], "tool_use")),
    ("anthropic", message([use(given=[1]), use("b")], "tool_use")),
    ("anthropic", message([use(given=3), use("b")], "tool_use")),
    ("responses", response(item(arguments='{"path": "'), item("b"))),
    ("responses", response(item(arguments="[1]"), item("b"))),
    ("responses", response(item(arguments="3"), item("b"))),
]


@pytest.mark.parametrize(("name", "body"), POISON, ids=str)
async def test_what_could_not_be_read_goes_back_as_an_object(server: WireServer, name: str, body: Any) -> None:
    """It is a problem of that call; servers that parse the conversation get an object, and the other call as it was."""
    provider = connect(server, name)
    server.play(Play(body), REPLY)
    reply = await provider.complete(ask())
    assert [one.problem is None for one in reply.calls] == [False, True]
    await provider.complete(ask(messages=(UserMessage(text="go"), earlier(reply, provider), answers(reply))))
    first, second = calls_sent(server.requests[-1].body)
    assert (list(first[2]), second[2]) == (["unreadable"], ARGUMENTS)
    await provider.close()


async def test_a_name_that_no_tool_has_goes_back_in_letters_that_are_allowed(server: WireServer, provider: Provider) -> None:
    """A call by a strange name is answered as one, and the conversation with it is not refused."""
    odd = ModelReply.model_validate(
        {
            "text": "",
            "calls": [{"call_id": "c", "name": "functions.read file", "arguments": {}}],
            "stop": "tools",
            "model": "m",
            "usage": None,
        }
    )
    server.play(odd, REPLY)
    reply = await provider.complete(ask())
    assert reply.calls[0].name == "functions.read file"
    await provider.complete(ask(messages=(UserMessage(text="go"), earlier(reply, provider), answers(reply))))
    assert call_sent(server.requests[-1].body)[1] == "functions_read_file"


REFUSED = [
    ("chat", completion({"role": "user", "content": TEXT})),
    ("chat", completion("text")),  # type: ignore[arg-type]
    ("chat", calling(call()) | {"choices": []}),
    ("chat", completion({"content": ""}, "error")),
    ("anthropic", message(3)),
    ("anthropic", message([], type="ping")),
    ("anthropic", message([{"type": "text", "text": 3}])),
    ("responses", response(output="x")),
    ("responses", response(said(role="user"))),
    ("responses", response(status="cancelled")),
]


@pytest.mark.parametrize(("name", "body"), REFUSED, ids=str)
async def test_a_reply_that_is_refused_says_what_it_has_used(server: WireServer, name: str, body: Any) -> None:
    """It is charged by that, and not by all that was held; without a believable usage nothing is known."""
    with pytest.raises(ProviderError) as caught:
        await asked(name, body, server)
    assert (caught.value.kind in ("drift", "cut"), caught.value.usage) == (True, COUNTED)
    with pytest.raises(ProviderError) as caught:
        await asked(
            name, body | {"usage": {"prompt_tokens": 0, "input_tokens": 0, "completion_tokens": 5, "output_tokens": 5}}, server
        )
    assert caught.value.usage is None
