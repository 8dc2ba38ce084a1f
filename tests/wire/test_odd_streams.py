"""Streams as Ollama, Gemini's endpoint and gateways really send them: split, numbered and counted in their own way."""

import json
from typing import Any

import pytest

from activities.providers.streamed_messages import counted_in
from contracts.conversation import UserMessage
from tests.wire.samples import REPLY, ask, connect
from tests.wire.server import Play, WireServer
from tests.wire.streams import SPEAKS, endpoint
from tests.wire.told import COUNTED, answers, asked, calls_sent, earlier, refused
from tests.wire.vendors import TEXT, USAGE, chunk, events, item, message, response, said, use

A, B = '{"title": "a"}', '{"title": "b"}'


def piece(number: Any, call_id: Any, name: str | None, arguments: Any, **more: Any) -> dict[str, Any]:
    """A piece of a call; `...` leaves its number or its id out, None its name."""
    function = ({} if name is None else {"name": name}) | {"arguments": arguments}
    made = {"index": number, "id": call_id, "function": function} | more
    return {key: value for key, value in made.items() if value is not ...}


def calling(*deltas: Any) -> bytes:
    """A stream of these lists of pieces."""
    return events(*(chunk({"tool_calls": one}) for one in deltas), chunk({}, "tool_calls", usage=USAGE))


def blocks(*parts: dict[str, Any], stop: Any = "end_turn", begun: Any = None, counted: Any = None, start: bool = True) -> bytes:
    """A stream of Anthropic's events around these; `begun` and `counted` are the usage of its beginning and its end."""
    usage = {"input_tokens": 1200, "output_tokens": 1} if begun is None else begun
    head = [{"type": "message_start", "message": message([], None) | {"usage": usage}}] if start else []
    delta = {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": counted or {"output_tokens": 90}}
    return events(*head, *parts, delta, {"type": "message_stop"}, named=True, end="")


def begin(number: int, block: dict[str, Any]) -> dict[str, Any]:
    """The event that begins a block."""
    return {"type": "content_block_start", "index": number, "content_block": block}


def grow(number: int, kind: str, key: str, text: str) -> dict[str, Any]:
    """A piece of a block."""
    return {"type": "content_block_delta", "index": number, "delta": {"type": kind, key: text}}


SAID = [grow(0, "text_delta", "text", TEXT[:4]), grow(0, "text_delta", "text", TEXT[4:])]
WRITTEN = [begin(0, {"type": "text", "text": ""}), *SAID]

TWO: list[tuple[str, str, bytes]] = [
    ("Ollama: all calls are number 0", "chat", calling([piece(0, "a", "read_file", A)], [piece(0, "b", "read_file", B)])),
    ("Dynamo: number 0, in one event", "chat", calling([piece(0, "a", "read_file", A), piece(0, "b", "read_file", B)])),
    (
        "a gateway before Responses: number 0, arguments in pieces",
        "chat",
        calling(
            [piece(0, "a", "read_file", "")],
            [piece(0, "a", None, A)],
            [piece(0, "b", "read_file", "")],
            [piece(0, "b", None, B[:5])],
            [piece(0, "b", None, B[5:])],
        ),
    ),
    ("Gemini: number 0 and no ids", "chat", calling([piece(0, "", "read_file", A)], [piece(0, "", "read_file", B)])),
    (
        "older Ollama: neither numbers nor ids",
        "chat",
        calling([piece(..., ..., "read_file", A)], [piece(..., ..., "read_file", B)]),
    ),
    ("neither, in one event", "chat", calling([piece(..., ..., "read_file", A), piece(..., ..., "read_file", B)])),
    (
        "ids without numbers, in turn",
        "chat",
        calling(
            [piece(..., "a", "read_file", "")],
            [piece(..., "b", "read_file", "")],
            [piece(..., "a", None, A)],
            [piece(..., "b", None, B)],
        ),
    ),
    (
        "vLLM: another id with each piece",
        "chat",
        calling(
            [piece(0, "x", "read_file", "")], [piece(0, "y", None, A)], [piece(1, "z", "read_file", ""), piece(1, "q", None, B)]
        ),
    ),
    (
        "numbers as texts",
        "chat",
        calling(
            [piece("0", "a", "read_file", ""), piece("1", "b", "read_file", "")],
            [piece("0", ..., None, A), piece("1", ..., None, B)],
        ),
    ),
    (
        "the name with each piece",
        "chat",
        calling(
            [piece(0, "a", "read_file", A[:5])],
            [piece(0, "a", "read_file", A[5:])],
            [piece(1, "b", "read_file", B), piece(1, "", "read_file", "")],
        ),
    ),
    (
        "the whole call once more",
        "chat",
        calling([piece(0, "a", "read_file", A)], [piece(1, "b", "read_file", B)], [piece(0, "a", "read_file", A)]),
    ),
    (
        "arguments as objects",
        "chat",
        calling([piece(0, "a", "read_file", json.loads(A))], [piece(0, "", "read_file", json.loads(B))]),
    ),
    (
        "no inner object",
        "chat",
        calling(
            [{"index": 0, "id": "a", "name": "read_file", "arguments": A[:5]}],
            [{"index": 0, "arguments": A[5:]}, {"index": 1, "id": "b", "name": "read_file", "arguments": B}],
        ),
    ),
    (
        "a bridge: all blocks are number 0",
        "anthropic",
        blocks(
            begin(0, use("a", {})),
            grow(0, "input_json_delta", "partial_json", A),
            begin(0, use("b", {})),
            grow(0, "input_json_delta", "partial_json", B),
            stop="tool_use",
        ),
    ),
    (
        "blocks in turn",
        "anthropic",
        blocks(
            begin(0, use("a", {})),
            begin(1, use("b", None)),
            grow(1, "input_json_delta", "partial_json", B),
            grow(0, "input_json_delta", "partial_json", A),
            stop="tool_use",
        ),
    ),
    (
        "a bridge: arguments in pieces alone",
        "responses",
        events(
            {"type": "response.output_item.added", "output_index": 0, "item": item("a", "", status="in_progress")},
            {"type": "response.output_item.added", "output_index": 1, "item": item("b", "", status="in_progress")},
            {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": B},
            {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": A[:3]},
            {"type": "response.function_call_arguments.done", "output_index": 0, "arguments": A},
            {"type": "response.completed", "response": response()},
            named=True,
            end="",
        ),
    ),
]


@pytest.mark.parametrize(("name", "body"), [case[1:] for case in TWO], ids=[case[0] for case in TWO])
async def test_two_calls_stay_two(server: WireServer, name: str, body: bytes) -> None:
    """However their pieces are numbered: each has its arguments, and the next request holds both, under ids of their own."""
    provider = connect(server, name)
    server.play(Play(body), REPLY)
    reply = await provider.complete(ask())
    assert sorted(
        (one.name, one.arguments["title"], one.problem) for one in reply.calls if isinstance(one.arguments, dict)
    ) == [
        ("read_file", "a", None),
        ("read_file", "b", None),
    ]
    assert (reply.stop, reply.usage) == ("tools", COUNTED)
    await provider.complete(ask(messages=(UserMessage(text="go"), earlier(reply, provider), answers(reply))))
    sent = calls_sent(server.requests[-1].body)
    assert (len({call_id for call_id, _, _ in sent}), sorted(given["title"] for _, _, given in sent)) == (2, ["a", "b"])
    await provider.close()


async def test_a_call_of_which_no_arguments_came_is_not_run(server: WireServer) -> None:
    """It began, and the whole is said to be complete: the model is told that its call is not."""
    begun = {"type": "response.output_item.added", "output_index": 0, "item": item("a", "", status="in_progress")}
    (one,) = (await asked("responses", events(begun, {"type": "response.completed", "response": response()}), server)).calls
    assert (one.name, one.problem) == ("read_file", "the call is not complete")


async def test_one_call_in_the_older_form_is_put_together(server: WireServer) -> None:
    """As `function_call`, and as one call in place of the list."""
    older = [{"name": "read_file", "arguments": ""}, {"arguments": A[:5]}, {"arguments": A[5:]}]
    for body in (
        events(*(chunk({"function_call": one}) for one in older), chunk({}, "function_call", usage=USAGE)),
        calling(piece(0, "a", "read_file", A)),
    ):
        (one,) = (await asked("chat", body, server)).calls
        assert (one.name, one.arguments, one.problem) == ("read_file", json.loads(A), None)


def plain_events(*parts: Any) -> list[bytes]:
    """The data of some events, a line each."""
    return [json.dumps(one).encode() for one in parts]


HALVES = (chunk({"content": TEXT[:4]}), chunk({"content": TEXT[4:]}, "stop", usage=USAGE))
PART = {"type": "text", "text": TEXT[4:]}
THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}

ONE_TEXT: list[tuple[str, str, bytes]] = [
    ("a line each", "chat", b"\n".join(plain_events(*HALVES)) + b"\n"),
    ("no blank lines", "chat", b"".join(b"data: " + one + b"\n" for one in plain_events(*HALVES)) + b"data: [DONE]\n"),
    (
        "`data` twice",
        "chat",
        b"".join(b"data: data: " + one + b"\n\n" for one in plain_events(*HALVES)) + b"data: data: [DONE]\n\n",
    ),
    (
        "choices from one",
        "chat",
        events(*(one | {"choices": [one["choices"][0] | {"index": 1}]} for one in HALVES)),
    ),
    (
        "a second choice in between",
        "chat",
        events(HALVES[0], chunk({"content": "x"}) | {"choices": [{"index": 1, "delta": {"content": "x"}}]}, HALVES[1]),
    ),
    ("an empty usage at the end", "chat", events(*HALVES, chunk({}) | {"choices": [], "usage": {}})),
    ("text, then parts", "chat", events(HALVES[0], chunk({"content": [PART]}, "stop", usage=USAGE))),
    ("Magistral: thoughts as parts", "chat", events(chunk({"content": [THOUGHT]}), chunk({"content": [THOUGHT]}), *HALVES)),
    (
        "parts, then text, then parts",
        "chat",
        events(chunk({"content": [THOUGHT]}), HALVES[0], chunk({"content": [PART]}, "stop", usage=USAGE)),
    ),
    ("a block that did not begin", "anthropic", blocks(*SAID)),
    ("no beginning", "anthropic", blocks(*WRITTEN, start=False, counted={"input_tokens": 1200, "output_tokens": 90})),
    ("SGLang: no input at the end", "anthropic", blocks(*WRITTEN, counted={"input_tokens": 0, "output_tokens": 90})),
    (
        "LiteLLM: no input at the beginning",
        "anthropic",
        blocks(*WRITTEN, begun={"input_tokens": 0, "output_tokens": 0}, counted={"input_tokens": 1200, "output_tokens": 90}),
    ),
    (
        "another format's end",
        "anthropic",
        events({"type": "message_start", "message": message([], None)}, *WRITTEN),
    ),
    (
        "pieces alone",
        "responses",
        events(
            {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": TEXT[:4]},
            {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": TEXT[4:]},
            {"type": "response.completed", "response": response()},
            named=True,
            end="",
        ),
    ),
    (
        "another format's end, items whole",
        "responses",
        events(
            {"type": "response.created", "response": response(status="in_progress")},
            {"type": "response.output_item.done", "item": said()},
        ),
    ),
    (
        "nothing but pieces",
        "responses",
        events(
            {"type": "response.created", "response": response(status="queued")},
            {"type": "response.output_text.delta", "output_index": 0, "delta": "x"},
            {"type": "response.output_text.done", "output_index": 0, "text": TEXT},
        ),
    ),
]


@pytest.mark.parametrize(("name", "body"), [case[1:] for case in ONE_TEXT], ids=[f"{case[1]}: {case[0]}" for case in ONE_TEXT])
async def test_a_text_in_odd_pieces_is_whole(server: WireServer, name: str, body: bytes) -> None:
    """With the usage that the stream has counted; an endpoint that is asked to stream is read the same way."""
    reply = await asked(name, body, server)
    assert (reply.stop, reply.text, reply.usage) == ("end", TEXT, COUNTED)
    server.play(Play(pieces=[body[:50], body[50:]]))
    async with endpoint(server, {"anthropic": "messages"}.get(name, name)) as provider:
        streamed = await provider.complete(ask())
    assert (streamed.stop, streamed.text, streamed.usage) == ("end", TEXT, COUNTED)


def test_what_an_event_counts_does_not_hide_what_was_counted_before() -> None:
    """Zeros for all of the input are none; a part of it that is zero beside others is one."""
    assert counted_in({"input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 9}) == {"output_tokens": 9}
    assert counted_in({"input_tokens": 0, "cache_read_input_tokens": 7}) == {"input_tokens": 0, "cache_read_input_tokens": 7}
    assert counted_in(None) == counted_in([1]) == {}


BROKEN: list[tuple[str, str, bytes, str]] = [
    ("half a stream of lines", "chat", b"\n".join(plain_events(*HALVES))[:-40], "cut"),
    ("lines that never finish", "chat", b"\n".join(plain_events(HALVES[0], HALVES[0])), "cut"),
    ("lines of something else", "chat", b'{"a": 1}\n{"b": 2}', "drift"),
    ("lines of which one is no object", "chat", plain_events(HALVES[0])[0] + b"\n3\n", "not_json"),
    (
        "pieces without an end",
        "responses",
        events({"type": "response.output_text.delta", "output_index": 0, "delta": TEXT}, end=""),
        "cut",
    ),
    (
        "an end without an item",
        "responses",
        events({"type": "response.created", "response": response(status="in_progress")}),
        "cut",
    ),
    ("blocks without an end", "anthropic", events(*WRITTEN, end=""), "cut"),
]


@pytest.mark.parametrize(("name", "body", "kind"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
async def test_half_of_an_odd_stream_is_no_reply(server: WireServer, name: str, body: bytes, kind: str) -> None:
    """What ends in the middle was cut; what makes up nothing is none of a model."""
    server.play(Play(body))
    provider = connect(server, name)
    assert (await refused(provider)).kind == kind
    await provider.close()


REASONS = [
    ("content_filter: PROHIBITED_CONTENT", "refusal"),
    ("FINISH_REASON_SAFETY", "refusal"),
    ("Max Tokens", "length"),
    ("MAX-TOKENS", "length"),
    ("stop: eos", "end"),
    ("function_call_filter: MALFORMED_FUNCTION_CALL", "end"),
]


@pytest.mark.parametrize(("said_", "stop"), REASONS)
@pytest.mark.parametrize("speaks", sorted(SPEAKS.keys() - {"responses"}))
async def test_a_reason_is_known_in_any_spelling(server: WireServer, speaks: str, said_: str, stop: str) -> None:
    """With what Gemini's endpoint adds behind a colon, in capitals, with blanks."""
    body = events(chunk({"content": TEXT}, said_, usage=USAGE)) if speaks == "chat" else blocks(*WRITTEN, stop=said_)
    assert (await asked("anthropic" if speaks == "messages" else speaks, body, server)).stop == stop
