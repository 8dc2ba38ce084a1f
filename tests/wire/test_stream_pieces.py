"""How far a stream has got, in every format: the tokens that the provider counts, else a guess, and whose call is written."""

from typing import Any

import pytest

from activities.providers import progress, reply_body
from activities.providers.progress import Progress
from activities.providers.reply_body import DEPTH_LIMIT, Unclear, loose_json
from activities.providers.stream_pieces import addition
from tests.wire.streams import started, streamed
from tests.wire.vendors import call, calling, chunk, events, item, message, response, use

CALLS = [("chat", calling(call())), ("messages", message([use()], "tool_use")), ("responses", response(item()))]


def _followed(*bodies: bytes) -> Progress:
    made = Progress()
    for body in bodies:
        made.took(body)
    return made


@pytest.mark.parametrize("speaks", ["chat", "messages", "responses"])
def test_a_beginning_is_a_guess(speaks: str) -> None:
    """Also where the provider has sent a number with it: that is none of what was written."""
    found = _followed(started(speaks, "x" * 41))
    assert (found.characters, found.tokens, found.estimated, found.tool) == (41, 11, True, "")


@pytest.mark.parametrize(("speaks", "whole"), CALLS, ids=[speaks for speaks, _ in CALLS])
def test_the_tool_is_named_and_the_end_is_counted(speaks: str, whole: dict[str, Any]) -> None:
    """As soon as its call begins; what the provider has counted replaces the guess."""
    found = _followed(streamed(speaks, whole))
    assert found.tool == "read_file"
    assert (found.tokens, found.estimated) == (90, False)


SAID = "Ein höherer Titel, 更高 \U0001f600"
BLOCK = {"type": "content_block_delta", "index": 0}
PLAIN = [
    *(chunk({"role": "assistant", "content": SAID}), chunk({"content": SAID, "refusal": None}), chunk({"content": ""})),
    chunk({"content": SAID, "reasoning_content": None}) | {"usage": None, "provider": "p", "created": 1},
    *(BLOCK | {"delta": {"type": "text_delta", "text": SAID}}, BLOCK | {"delta": {"type": "thinking_delta", "thinking": SAID}}),
    BLOCK | {"delta": {"type": "input_json_delta", "partial_json": "{"}},
]
ODD = [
    *(chunk({"content": SAID}, "stop"), chunk({"content": SAID, "reasoning": SAID}), chunk({"content": [SAID]}), chunk({})),
    *(chunk({"content": SAID}) | {"usage": {"completion_tokens": 5}}, chunk({"content": SAID}) | {"error": "lost"}),
    *(chunk({"content": SAID}) | {"object": "error"}, chunk({"content": SAID}) | {"type": "message_stop"}),
    *({"choices": [{"index": 1, "delta": {"content": SAID}}]}, {"choices": [{"index": 0, "delta": {"content": SAID}}] * 2}),
    chunk({"content": SAID, "tool_calls": [{"index": 0, "function": {"name": "look", "arguments": "{"}}]}),
    chunk({"content": SAID}) | {"x_groq": {"usage": {"completion_tokens": 5}}},
    *(BLOCK | {"delta": SAID}, BLOCK | {"delta": {"type": "text_delta", "text": 7}}, BLOCK | {"delta": {"text": SAID}}),
    *(BLOCK | {"delta": {"type": "x", "stop_reason": "end"}}, BLOCK | {"delta": {"type": "x", "text": SAID, "thinking": SAID}}),
    *(BLOCK | {"delta": {"type": "x", "text": SAID}, "usage": {"output_tokens": 7}}, BLOCK | {"error": {}}, BLOCK),
    BLOCK | {"delta": {"type": "text_delta", "text": SAID}, "error": "lost"},
]


@pytest.mark.parametrize("event", [*PLAIN, *ODD])
def test_a_first_look_sees_what_a_closer_one_does(event: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an event that adds a text and no more, and of those that only look like it: after a tool has begun, and a count."""
    before = events(chunk({"tool_calls": [{"index": 0, "function": {"name": "tool", "arguments": ""}}]}), end="")

    def seen() -> tuple[object, ...]:
        one = _followed(before, events(event, end=""))
        whole = (one.stream_usage.usage, one.ended, one.finished)
        return one.text, one.characters, one.tokens, one.estimated, one.tool, *whole

    first = seen()
    monkeypatch.setattr(progress, "addition", lambda _: None)
    assert first == seen()


def test_nearly_all_pieces_need_no_closer_look() -> None:
    """Of what the large providers send; a rule that fits none of them would be noticed by the processor alone."""
    assert [addition(one) is None for one in PLAIN] == [False, False, True, False, False, False, False]


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ('{"a": ["höher", 1.5, null], "b": {"c": "\\u00e9"}}', True),
        ('{"a": "\\ud83d\\ude00"}', True),
        ('{"a": ["\\ud83d"]}', False),
        ('{"a": "\\uDE00"}', False),
        ('{"\\ud83d": 1}', False),
        ('{"a": "\ud83d"}', False),
        ('{"a": [1e999]}', False),
        ('{"a": -1e999, "b": [2]}', False),
        ('{"a": NaN}', False),
        ('{"a": {"b": 1, "b": 2}}', False),
        ('{"a": {"b": 1, "b": 1}}', True),
        ("[" * DEPTH_LIMIT + "]" * DEPTH_LIMIT, True),
        ("[" * (DEPTH_LIMIT + 1) + "]" * (DEPTH_LIMIT + 1), False),
        ('{"a": [' * (DEPTH_LIMIT // 2 + 1) + "]}" * (DEPTH_LIMIT // 2 + 1), False),
        ('{"a": "' + "[" * 1000 + '"}', True),
    ],
)
def test_a_text_shows_whether_its_values_have_to_be_looked_at(text: str, clean: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What can be read in no way or in two is found whether or not each value is looked at."""
    value = loose_json(text)
    assert (reply_body.first_unclear(value) is None) is clean
    monkeypatch.setattr(reply_body, "_is_plain", lambda _: False)
    assert _shown(loose_json(text)) == _shown(value)


def _shown(value: Any) -> str:
    return f"unclear: {value.why}" if isinstance(value, Unclear) else repr(value)


def test_what_comes_after_a_count_is_guessed_on_top_of_it() -> None:
    """A server that counts in every chunk is believed, and what follows makes it a guess again."""
    counted = chunk({"content": "x" * 8}) | {"usage": {"prompt_tokens": 9, "completion_tokens": 5}}
    found = _followed(events(counted, end=""))
    assert (found.tokens, found.estimated) == (5, False)
    found.took(events(chunk({"content": "y" * 8}), end=""))
    assert (found.tokens, found.estimated) == (7, True)


@pytest.mark.parametrize(
    "event",
    [
        {"usage": []},
        {"usage": {"output_tokens": "7"}},
        {"usage": {"output_tokens": True}},
        {"usage": {"output_tokens": -3}},
        {"response": 1, "type": "response.completed"},
        {"type": "content_block_start", "content_block": [1]},
        {"type": "content_block_start", "content_block": {"type": "tool_use", "name": 7}},
        {"choices": [{"delta": {"tool_calls": [{"function": {"name": None}}, 3]}}]},
        {"choices": [{"delta": {"tool_calls": {"function": "x"}}}]},
    ],
    ids=str,
)
def test_nonsense_says_nothing(event: dict[str, Any]) -> None:
    """Whatever a server sends, looking on breaks no call."""
    found = _followed(events(event, end=""))
    assert (found.tokens, found.estimated, found.tool) == (0, True, "")
