"""What a table `[providers.NAME]` does to a call: address, key, headers, body, query, time limits, how many at once."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

import config
import model_choice
from activities.providers.base import Provider, ProviderError
from contracts.errors import Misconfigured
from tests.wire.samples import REPLY, ask
from tests.wire.server import Play, WireServer

SECRET = "tok-first-0123456789"

Make = Callable[..., Provider]

SPEAKS = {"chat": "/v1", "responses": "/v1", "messages": ""}


@pytest.fixture
async def make(server: WireServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    """The provider `own` of a table, read as a worker reads it; it is the wire server unless the table says otherwise."""
    monkeypatch.setenv("OWN_KEY", SECRET)
    made: list[Provider] = []

    def of(speaks: str = "chat", **table: Any) -> Provider:
        settings = config.load(providers={"own": {"speaks": speaks, "base_url": server.url + SPEAKS[speaks]} | table})
        made.append(model_choice.build_providers(settings)["own"])
        return made[-1]

    yield of
    for provider in made:
        await provider.close()


@pytest.mark.parametrize("speaks", SPEAKS)
@pytest.mark.parametrize(
    ("auth", "sent"),
    [
        ({"key_env": "OWN_KEY"}, {"authorization": f"Bearer {SECRET}"}),
        ({"key_env": "OWN_KEY", "auth": "x-api-key"}, {"x-api-key": SECRET}),
        ({"key_env": "OWN_KEY", "auth": "api-key"}, {"api-key": SECRET}),
        ({"key_env": "OWN_KEY", "auth": "none"}, {}),
        ({}, {}),
    ],
)
async def test_the_key_goes_out_in_the_header_that_the_endpoint_wants(
    server: WireServer, make: Make, speaks: str, auth: dict[str, Any], sent: dict[str, str]
) -> None:
    """In that header alone, in each format; without a key no header of a key goes out."""
    server.play(REPLY)
    await make(speaks, **auth).complete(ask())
    (seen,) = server.requests
    keys = {name: value for name, value in seen.headers.items() if name in ("authorization", "x-api-key", "api-key")}
    assert keys == sent


async def test_a_key_file_that_changes_is_read_again(server: WireServer, make: Make, tmp_path: Path) -> None:
    """A token that expires is written anew by another program: the next call has it. An empty one is not taken."""
    file = tmp_path / "token"
    file.write_text("tok-one-12345678\n")
    provider = make(key_file=str(file))
    server.play(REPLY, REPLY)
    await provider.complete(ask())
    newer = tmp_path / "newer"
    newer.write_text("tok-two-12345678\n")
    os.replace(newer, file)
    await provider.complete(ask())
    assert [seen.headers["authorization"] for seen in server.requests] == ["Bearer tok-one-12345678", "Bearer tok-two-12345678"]
    file.write_text("")
    server.play(REPLY)
    await provider.complete(ask())
    assert server.requests[2].headers["authorization"] == "Bearer tok-two-12345678"
    file.unlink()
    with pytest.raises(ProviderError, match=r"cannot be read") as caught:
        await provider.complete(ask())
    assert (caught.value.kind, len(server.requests)) == ("authentication", 3)


@pytest.mark.parametrize("speaks", SPEAKS)
async def test_headers_body_and_query_go_out_as_written(server: WireServer, make: Make, speaks: str) -> None:
    """Attribution, routing fields and `api-version`; tables inside the body join what is there."""
    server.play(REPLY)
    extra = {
        "headers": {"X-Title": "Baton", "anthropic-version": "2023-06-01"},
        "query": {"api-version": "2024-10-21", "a": "b c"},
    }
    await make(speaks, body={"provider": {"order": ["one"]}, "text": {"verbosity": "low"}}, **extra).complete(ask())
    (seen,) = server.requests
    assert (seen.headers["x-title"], seen.headers["anthropic-version"]) == ("Baton", "2023-06-01")
    assert seen.asked.partition("?")[2] == "api-version=2024-10-21&a=b+c"
    assert (seen.body["provider"], seen.body["text"]["verbosity"]) == ({"order": ["one"]}, "low")


@pytest.mark.parametrize("speaks", SPEAKS)
async def test_errors_name_the_address_that_was_asked(server: WireServer, make: Make, speaks: str) -> None:
    """A wrong address can be seen in the error; the query, which may hold a key, cannot."""
    server.play(Play(status=404, error="no such page"))
    provider = make(speaks, base_url=f"{server.url}/gateway{SPEAKS[speaks]}", query={"key": "hidden"})
    with pytest.raises(ProviderError) as caught:
        await provider.complete(ask())
    assert f"own:model-1 at {server.url}/gateway{server.requests[0].path.removeprefix('/gateway')}: HTTP 404" in str(
        caught.value
    )
    assert "hidden" not in str(caught.value)


async def test_a_model_can_be_part_of_the_address(server: WireServer, make: Make) -> None:
    """As in Azure's classic paths, where the deployment's name stands before the format's."""
    server.anywhere = True
    server.play(REPLY)
    await make(base_url=f"{server.url}/openai/deployments/{{model}}").complete(ask(model="gpt 5/eu"))
    assert server.requests[0].asked == "/openai/deployments/gpt%205%2Feu/chat/completions"


async def test_a_silent_endpoint_is_left_at_the_first_byte_limit(server: WireServer, make: Make) -> None:
    """Long before the call's own limit; and the total limit ends a reply that drips."""
    server.play(Play(REPLY, silent=True), Play(REPLY, pause=0.05))
    with pytest.raises(ProviderError) as silent:
        await make(first_byte_timeout="PT0.5S").complete(ask())
    with pytest.raises(ProviderError) as dripping:
        await make(total_timeout="PT1S").complete(ask())
    assert {silent.value.kind, dripping.value.kind} == {"timeout"}
    assert "within 1 s" in str(dripping.value)


@pytest.mark.parametrize("speaks", SPEAKS)
async def test_a_host_that_takes_no_connection_is_left_at_the_connect_limit(make: Make, speaks: str) -> None:
    """Its queue is full, so that it answers nothing at all: known to have cost nothing, and the limit is named."""
    with contextlib.ExitStack() as held:
        full, *others = (held.enter_context(socket.socket()) for _ in range(5))
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for one in others:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}{SPEAKS[speaks]}"
        with pytest.raises(ProviderError) as caught:
            await make(speaks, base_url=url, connect_timeout="PT0.5S").complete(ask())
    assert (caught.value.kind, caught.value.maybe_charged) == ("connection", False)
    assert "no connection within 0.5 s" in str(caught.value)


async def test_no_more_calls_at_once_than_allowed(server: WireServer, make: Make) -> None:
    """The second call goes out when the first has ended, also if that one failed."""
    server.play(Play(silent=True), REPLY)
    provider = make(concurrency=1)
    first = asyncio.create_task(provider.complete(ask(key="first")))
    await server.request(0)
    second = asyncio.create_task(provider.complete(ask(key="second")))
    await asyncio.sleep(0)
    assert [seen.key for seen in server.requests] == ["first"]
    first.cancel()
    assert (await second).text == REPLY.text
    assert [seen.key for seen in server.requests] == ["first", "second"]


async def test_a_ca_file_is_checked_when_the_worker_starts(make: Make, tmp_path: Path) -> None:
    """Missing or no certificate: said with its path, before a call."""
    broken = tmp_path / "ca.pem"
    broken.write_text("nothing")
    for file, why in ((broken, "no PEM certificate"), (tmp_path / "none.pem", "No such file")):
        with pytest.raises(Misconfigured, match=why):
            make(ca_file=str(file))


REFUSED = [
    ({"base_url": "https://h/v1/chat/completions"}, "ends with /chat/completions.*write https://h/v1"),
    ({"base_url": "https://h/v1/responses/"}, "ends with /responses.*write https://h/v1"),
    ({"base_url": "https://h/v1/messages", "speaks": "messages"}, "ends with /v1/messages.*write https://h"),
    ({"base_url": "https://h/anthropic/v1", "speaks": "messages"}, "ends with /v1, .*write https://h/anthropic"),
    ({"base_url": "https://h/v1?api-version=1"}, 'query = { "api-version"'),
    ({"base_url": "https://me:pw@h/v1"}, "contains credentials"),
    ({"base_url": "h/v1"}, "not an http or https URL"),
    ({"base_url": ""}, "own: say speaks .* and base_url"),
    ({"speaks": "soap"}, "chat"),
    ({"headers": {"Authorization": "x"}}, "Authorization is Baton's own"),
    ({"headers": {"X-A": "a\r\nb"}}, "cannot be sent"),
    ({"body": {"messages": []}}, "messages: Baton sets this field itself"),
    ({"key_env": "A", "key_file": "b"}, "name the key once"),
    ({"free": True, "vendor": "openai"}, "contradict"),
    ({"free": True, "bill_as_stated": True}, "contradict"),
    ({"colour": "red"}, "there is no such key"),
    ({"capabilities": {"max_tokens": "limit"}}, "max_tokens"),
]


@pytest.mark.parametrize(("table", "why"), REFUSED)
def test_a_table_that_cannot_work_is_refused_with_the_right_form(table: dict[str, Any], why: str) -> None:
    """At the start, naming the endpoint, not at the first call."""
    with pytest.raises(Misconfigured, match=f"(?s)providers.*{why}"):
        config.load(providers={"own": {"speaks": "chat", "base_url": "https://h/v1"} | table})


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ({"openai_base_url": "http://h/v1/chat/completions"}, "openai_base_url.*write http://h/v1"),
        ({"anthropic_base_url": "http://h/v1"}, "anthropic_base_url.*write http://h"),
        ({"anthropic_base_url": "http://h/v1/messages"}, "anthropic_base_url.*write http://h"),
        ({"providers": {"scripted": {"speaks": "chat", "base_url": "http://h/v1"}}}, "choose another"),
        ({"providers": {"anthropic": {"speaks": "chat"}}}, "a name of its own"),
    ],
)
def test_the_short_forms_are_checked_like_the_tables(setting: dict[str, Any], why: str) -> None:
    """The same text for the same mistake."""
    with pytest.raises(Misconfigured, match=why):
        config.load(**setting)


def test_a_table_and_a_short_form_that_differ_are_refused() -> None:
    """Nobody has to know which of them would win."""
    settings = config.load(openai_base_url="http://a/v1", providers={"openai": {"base_url": "http://b/v1"}})
    with pytest.raises(Misconfigured, match="only short for the first"):
        model_choice.build_providers(settings)


def test_a_key_that_is_not_there_leaves_its_endpoint_out() -> None:
    """As a shipped name without its key: the route's next choice is used, and `baton doctor` says which variable is missing."""
    table = {"speaks": "chat", "base_url": "https://h/v1", "key_env": "NOBODY_SETS_THIS"}
    assert model_choice.build_providers(config.load(providers={"own": table})) == {}
