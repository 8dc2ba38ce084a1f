"""`baton models probe`: the row about streaming, and that of a model without a price."""

from typing import Any

import pytest

from tests.commands import probed
from tests.commands.conftest import Baton
from tests.commands.probed import Behaviour, Endpoint
from tests.commands.test_probe import MODEL, checks, configure, table
from tests.wire.formats import COMPLETIONS, write_reply
from tests.wire.plays import Play
from tests.wire.streams import streamed


def streaming(body: dict[str, Any]) -> Play | None:
    """A server that streams where it is asked to."""
    if not body.get("stream"):
        return None
    return Play(pieces=[streamed("chat", write_reply(COMPLETIONS, probed.model(body)))])


def uncounted(body: dict[str, Any]) -> Play | None:
    """One that refuses to count there."""
    if "stream_options" in body:
        return probed.no(400, "stream_options: extra inputs are not permitted")
    return streaming(body)


def deaf_in_streams(body: dict[str, Any]) -> Play | None:
    """One that calls no tool there."""
    return streaming(body | {"tools": []}) if body.get("stream") else None


STREAMS: list[tuple[Behaviour, bool, str]] = [
    (streaming, True, "stream = true switches it on"),
    (uncounted, True, "extra inputs are not permitted; stream = true switches it on"),
    (deaf_in_streams, False, "it called no tool"),
    (lambda body: None, False, "it answers in one piece all the same"),
]


@pytest.mark.parametrize(("behaviour", "works", "said"), STREAMS, ids=[said[:24] for _, _, said in STREAMS])
async def test_a_row_says_what_streaming_does(baton: Baton, behaviour: Behaviour, works: bool, said: str) -> None:
    """As one call shows it; the lines for baton.toml leave it as it is."""
    async with Endpoint(behaviour) as endpoint:
        configure(baton, table(endpoint))
        ran = await baton.live("models", "probe", MODEL, "--json")
    found, text = checks(ran)["streaming"]
    assert (found, said in text) == (works, True), text
    assert "stream" not in ran.json["probes"][0]["capabilities"]


async def test_a_model_without_a_price_has_a_row_with_the_lines_that_say_it(baton: Baton) -> None:
    """Nothing is asked, and what is printed can be filled in and pasted."""
    async with Endpoint() as endpoint:
        configure(baton, table(endpoint, money=""))
        ran = await baton.live("models", "probe")
        assert (ran.code, endpoint.requests) == (1, [])
    assert "unknown: what a call would cost, too" in ran.out
    assert f'[prices."{MODEL}"]' in ran.out
    assert "free = true" in ran.out
