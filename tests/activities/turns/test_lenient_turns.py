"""Replies that deviate in form through the whole activity: a stored turn, judged, charged by its own count."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from contracts.ids import turn_key
from ledger import tables, turns
from tests.activities.turns.test_models import DONE
from tests.activities.turns.test_settlement import Paying, paying_by
from tests.wire.samples import MADE
from tests.wire.server import Play
from tests.wire.vendors import USAGE, call, calling, chunk, completion, events, item, message, response, said, use


@pytest.fixture(params=MADE)
async def paying(request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path) -> AsyncIterator[Paying]:
    """Each format in turn."""
    async with paying_by(request.param, sqlite_url, tmp_path) as made:
        yield made


def in_form(paying: Paying, text: str) -> dict[str, Any]:
    """A reply with this text in the format that is spoken, with 1200 tokens in and 90 out: 1380 micro-dollars."""
    forms = {
        "chat": completion({"content": text}),
        "anthropic": message([{"type": "text", "text": text}]),
        "responses": response(said(text)),
    }
    return forms[paying.format]


THOUGHTS = [
    "<think>hm</think>\n",
    "it was begun in the prompt\n</think>\n\n",
    "[THINK]hm[/THINK]",
    "◁think▷hm◁/think▷",
    "\ufeff",
]


@pytest.mark.parametrize("thoughts", THOUGHTS)
async def test_thoughts_before_the_output_cost_no_other_turn(paying: Paying, thoughts: str) -> None:
    """Qwen, DeepSeek's distillations, Magistral and Kimi on a local server: the first reply is the answer."""
    paying.server.play(Play(in_form(paying, thoughts + DONE)))
    made = await paying.call()
    assert (made.problem, made.answered is not None, made.usd_micros) == (None, True, 1380)


CALLED: dict[str, list[Any]] = {
    "chat": [
        calling(call("", {"path": "a"})),
        calling(call(..., '"{\\"path\\": \\"a\\"}"'), finish=None),
        events(chunk({"tool_calls": [call("")]}, "stop", usage=USAGE)),
    ],
    "anthropic": [
        message([use("", {"path": "a"})], None),
        message([use(..., '{"path": "a"}')], ""),
        message([use(None)], "stop"),
    ],
    "responses": [
        response(item("", {"path": "a"})),
        response(item(...), status=...),
        response(item(None, '"{}"'), status="done"),
    ],
}


@pytest.mark.parametrize("which", [0, 1, 2])
async def test_calls_in_an_odd_form_are_a_turn(paying: Paying, which: int) -> None:
    """Their ids are stored with the turn: whoever calls again gets the stored ones and pays nothing."""
    paying.server.play(Play(CALLED[paying.format][which]))
    made, again = await paying.call(), await paying.call()
    assert ([one.name for one in made.calls], made.problem) == (["read_file"], None)
    assert (again, len(paying.server.requests)) == (made, 1)
    row = paying.row(tables.turn)
    (stored,) = turns.reply_of(row).calls
    assert stored.call_id
    assert row.id == turn_key("trace-1", "ask", "", row.agent_digest, row.task)
    assert (row.flagged, paying.row(tables.reservation).state) == (False, "settled")
