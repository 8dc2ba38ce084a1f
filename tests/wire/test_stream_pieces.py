"""How far a stream has got, in every format: the tokens that the provider counts, else a guess, and whose call is written."""

from typing import Any

import pytest

from activities.providers.progress import Progress
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
