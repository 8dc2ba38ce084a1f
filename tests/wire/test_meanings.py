"""What an error means follows from what a provider says, whoever it is and under whatever status: through the real clients."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from activities.providers.base import ErrorKind, Provider
from activities.providers.error_bodies import read_error
from activities.providers.errors import error_in_success, status_error
from activities.providers.waits import named_wait
from contracts.endpoints import Capabilities, EndpointSetting
from tests.wire.refusals import MEANINGS, anthropic, error, gemini, litellm, openrouter
from tests.wire.server import Play, WireServer
from tests.wire.test_errors import failure

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
EPOCH = int(NOW.timestamp())


@pytest.mark.parametrize("kind", MEANINGS)
async def test_what_vendors_say_has_one_meaning(server: WireServer, provider: Provider, kind: ErrorKind) -> None:
    """Every vendor's wording of one thing is the same kind of error after one request, in every format."""
    found = {}
    for vendor, play in MEANINGS[kind].items():
        server.play(play)
        found[vendor] = (await failure(provider)).kind
    assert found == dict.fromkeys(MEANINGS[kind], kind)
    assert len(server.requests) == len(found)


def test_every_kind_has_several_vendors() -> None:
    """No kind rests on one vendor's words."""
    assert {kind: len(said) for kind, said in MEANINGS.items() if len(said) < 3} == {}


WAITS: list[tuple[dict[str, str], Any, float | None]] = [
    ({"retry-after": "60s"}, {}, 60),
    ({"retry-after": "1m30s"}, {}, 90),
    ({"retry-after": "500ms"}, {}, 0.5),
    ({"retry-after": "2 minutes"}, {}, 120),
    ({"retry-after": "2026-11-20T12:00:40Z"}, {}, 40),
    ({"retry-after": "2026-11-20T13:00:40+01:00"}, {}, 40),
    ({"retry-after": str(EPOCH + 25)}, {}, 25),
    ({"retry-after": str((EPOCH + 25) * 1000)}, {}, 25),
    ({"retry-after-ms": "2500", "retry-after": "9"}, {}, 2.5),
    ({"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-reset-tokens": "20ms"}, {}, 0.02),
    (
        {
            "x-ratelimit-reset-requests": "2m59.56s",
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-tokens": "7.66s",
            "x-ratelimit-remaining-tokens": "900",
        },
        {},
        179.56,
    ),
    (
        {
            "anthropic-ratelimit-requests-reset": "2026-11-20T12:30:00Z",
            "anthropic-ratelimit-requests-remaining": "49",
            "anthropic-ratelimit-input-tokens-reset": "2026-11-20T12:00:17Z",
            "anthropic-ratelimit-input-tokens-remaining": "0",
        },
        {},
        17,
    ),
    ({"x-ratelimit-reset": str((EPOCH + 12) * 1000)}, {}, 12),
    ({"ratelimit-reset": "33"}, {}, 33),
    # A proxy on the way has added it once more; a date has a comma, too.
    ({"retry-after": "60, 60"}, {}, 60),
    ({"retry-after": "Fri, 20 Nov 2026 12:00:30 GMT"}, {}, 30),
    ({"retry-after": "Friday, 20-Nov-26 12:00:30 GMT"}, {}, 30),
    ({"retry-after": "Fri, 20 Nov 2026 11:00:00 GMT"}, {}, 0),
    # Hugging Face, by the drafts of the IETF; the older of them.
    ({"ratelimit": '"api";r=9;t=300, "burst";r=0;t=7'}, {}, 7),
    ({"ratelimit": "limit=100, remaining=0, reset=30"}, {}, 30),
    ({"ratelimitbysize-reset": "47", "ratelimitbysize-remaining": "0"}, {}, 47),
    ({"anthropic-ratelimit-unified-reset": str(EPOCH + 90), "anthropic-ratelimit-unified-5h-reset": str(EPOCH + 9)}, {}, 90),
    (
        {
            "x-ratelimit-reset-tokens": "2s",
            "x-ratelimit-remaining-tokens": "9",
            "x-ratelimit-reset-project-tokens": "6s",
            "x-ratelimit-remaining-project-tokens": "0",
        },
        {},
        6,
    ),
    ({"x-ratelimit-timeremaining": "38"}, {}, 38),
    ({"x-ratelimit-reset-ms": "1500"}, {}, 1.5),
    ({"x-ratelimit-limit": "100", "ratelimit-policy": "100;w=60"}, {}, None),
    ({}, {"error": {"type": "usage_limit_reached", "message": "no more", "resets_at": EPOCH + 120}}, 120),
    ({}, {"error": {"message": "slow", "resets_in_seconds": 77}}, 77),
    ({}, [{"error": {"code": 429, "details": [{"retryDelay": {"seconds": 34, "nanos": 0}}]}}], 34),
    # LiteLLM's names for the headers of its upstream.
    ({"llm_provider-retry-after": "7"}, {}, 7),
    ({"LLM_Provider-Retry-After-Ms": "2500", "llm_provider-retry-after": "9"}, {}, 2.5),
    ({"llm_provider-anthropic-ratelimit-requests-reset": "2026-11-20T12:00:17Z"}, {}, 17),
    ({"retry-after": "3", "llm_provider-retry-after": "50"}, {}, 3),
    ({}, {"error": {"message": "Please try again in 2.5s. Visit the page of limits", "code": "rate_limit_exceeded"}}, 2.5),
    ({}, {"error": {"message": "Rate limit reached. Please try again in 10m3s."}}, 603),
    ({}, {"error": {"message": "max RPM: 3, please try again after 1 seconds"}}, 1),
    ({}, {"error": {"message": "Requests have exceeded the call rate limit. Please retry after 26 seconds."}}, 26),
    ({}, {"error": {"message": "Rate limit of 1 per 60s exceeded. Please wait 38 seconds before retrying."}}, 38),
    ({}, [{"error": {"code": 429, "details": [{"@type": "x/google.rpc.RetryInfo", "retryDelay": "34s"}]}}], 34),
    ({}, {"error": {"message": "busy", "details": [{"retryDelay": "34.074824224s"}]}}, 34.074824),
    ({}, {"error": {"message": "slow", "metadata": {"headers": {"X-RateLimit-Reset": str((EPOCH + 8) * 1000)}}}}, 8),
    ({}, {"error": {"message": "slow", "metadata": {"retry_after_seconds": 11}}}, 11),
    ({}, {"error": "slow", "retry_after": 4}, 4),
    ({"retry-after": "3"}, {"error": {"message": "Please try again in 50s"}}, 3),
    ({}, {"error": {"message": "Rate limit reached for requests"}}, None),
    ({"retry-after": "soon"}, {"error": {"message": "wait"}}, None),
]


@pytest.mark.parametrize(("headers", "body", "seconds"), WAITS)
async def test_a_wait_is_found_wherever_it_is_named(
    server: WireServer,
    provider: Provider,
    monkeypatch: pytest.MonkeyPatch,
    headers: dict[str, str],
    body: Any,
    seconds: float | None,
) -> None:
    """A 429's wait reaches the caller from each header, field and wording in use, and nonsense is no wait."""

    class Then(datetime):
        """The present of this test: dates and epochs above count from it."""

        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            """That instant."""
            return NOW.astimezone(tz)

    monkeypatch.setattr("activities.providers.errors.datetime", Then)
    server.play(Play(body, status=429, headers=headers))
    found = await failure(provider)
    waits = None if found.retry_after is None else found.retry_after.total_seconds()
    assert (found.kind, waits) == ("rate_limited", seconds if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("headers", "body", "until"),
    [
        ({"retry-after": "86400"}, {}, "2026-11-21 12:00"),
        ({"retry-after": "Sun, 22 Nov 2026 09:30:00 GMT"}, {}, "2026-11-22 09:30"),
        ({"x-ratelimit-reset-requests": "23h30m0s"}, {}, "2026-11-21 11:30"),
        (
            {},
            {"error": {"message": "Usage limit reached for 5 hour. Your limit will reset at 2026-11-20 15:00:00"}},
            "2026-11-20 15:00",
        ),
    ],
)
def test_a_wait_beyond_the_limit_says_until_when(headers: dict[str, str], body: Any, until: str) -> None:
    """The call is retried within the hour, and its error has the time that the provider named."""
    found = status_error("e:m", 429, headers, json.dumps(body).encode(), now=NOW)
    assert found.retry_after == timedelta(hours=1)
    assert f"{until} UTC as the earliest time for another call" in str(found)


async def test_an_ordinary_failure_takes_no_wait_from_its_limits(server: WireServer, provider: Provider) -> None:
    """Every reply states when its limits reset: only one that was refused because of them has to wait so long."""
    server.play(Play(status=500, error="no", headers={"x-ratelimit-reset-requests": "6m0s"}))
    assert (await failure(provider)).retry_after is None


INNERMOST: dict[str, tuple[Play, str]] = {
    "OpenRouter": (openrouter('{"error":{"message":"tools: 12 is too many","type":"x"}}'), "tools: 12 is too many"),
    "OpenRouter, text": (openrouter("upstream says no to this"), "upstream says no to this"),
    "LiteLLM, JSON": (
        litellm('litellm.BadRequestError: AnthropicException - b\'{"type":"error","error":{"message":"the name is taken"}}\''),
        "the name is taken",
    ),
    "LiteLLM, Python": (
        litellm("litellm.APIError: Error code: 400 - {'error': {'message': \"the field 'x' is odd\", 'code': None}}"),
        "the field 'x' is odd",
    ),
    "LiteLLM, plain": (litellm("litellm.BadRequestError: OpenAIException - no such thing"), "no such thing"),
    "LiteLLM 1.108, JSON": (
        error(
            'litellm.APIError: APIError: OpenAIException - {"error": {"type": "x", "message": "the lamp is on", "code": null}}'
            "\n\nLiteLLM: model group 'small' failed with the error above. No fallback was attempted.",
        ),
        "the lamp is on",
    ),
    "LiteLLM 1.108, plain": (
        error("litellm.NotFoundError: no lamp\n\nLiteLLM: model group 'small' failed with the error above. No fallback."),
        "no lamp",
    ),
    "JSON within a sentence": (
        error('Error code: 400 - [ {"error": {"message": "the door is open", "param": null}}]'),
        "the door is open",
    ),
    "Gemini": (gemini("the schema has a loop", 400, "INVALID_ARGUMENT"), "the schema has a loop"),
    "vLLM": (Play({"object": "error", "message": "a tool has no name", "code": 400}, status=400), "a tool has no name"),
    "FastAPI": (
        Play({"detail": [{"loc": ["body", "seed"], "msg": "value is not an integer", "input": "secret content"}]}, status=422),
        "body.seed: value is not an integer",
    ),
    "FastAPI, text": (Play({"detail": "the lamp is off"}, status=400), "the lamp is off"),
    "Mistral": (Play({"object": "error", "message": {"detail": [{"loc": ["body"], "msg": "odd"}]}}, status=422), "body: odd"),
    "SiliconFlow": (Play({"code": 20015, "message": "the value is off", "data": None}, status=400), "the value is off"),
    "xAI": (Play({"code": "invalid-argument", "error": "the value is off"}, status=400), "the value is off"),
    "Spring": (Play({"status": 400, "error": "Bad Request", "message": "no body", "path": "/v1"}, status=400), "no body"),
    "a page": (Play(b"<!DOCTYPE html><html><title>Sign in &amp; go</title><b>x</b>", status=403), "a web page, 'Sign in & go'"),
    "a page without a title": (Play(b"<html><body><h1>Blocked</h1><p>by us</p></body>", status=400), "a web page, 'Blocked'"),
    "AWS": (Play(b"<Error><Code>X</Code><Message>the clock is off</Message></Error>", status=400), "the clock is off"),
    "a stream": (Play(b'event: error\ndata: {"error":{"message":"the stream is off"}}\n\n', status=400), "the stream is off"),
    "a schema in the words": (error("Invalid schema: {'type': 'object', 'title': 'T'} is odd"), "'title': 'T'} is odd"),
    "Anthropic": (anthropic("messages.0: all wrong"), "messages.0: all wrong"),
}


@pytest.mark.parametrize("play", INNERMOST)
async def test_the_innermost_message_is_shown(server: WireServer, provider: Provider, play: str) -> None:
    """Whoever wraps an error, its text has the words of whoever refused, and neither brackets nor tags around them."""
    played, words = INNERMOST[play]
    server.play(played)
    text = str(await failure(provider))
    assert f": {words}. " in text or words in text
    assert not [
        odd
        for odd in ("litellm.", "Exception -", "<html", "<title", '{"', "model group", "secret content", "Provider returned")
        if odd in text
    ]


WITHIN_200: dict[str, Any] = {
    "Hugging Face": {"error": "model is loading"},
    "vLLM": {"object": "error", "message": "out of blocks", "code": 500},
    "SiliconFlow": {"code": 50505, "message": "Model service overloaded", "data": None},
    "OpenRouter": {"id": "gen-1", "choices": [{"error": {"code": 502, "message": "it broke"}, "finish_reason": "error"}]},
    "Gemini": [{"error": {"code": 503, "message": "The model is overloaded", "status": "UNAVAILABLE"}}],
    "FastAPI": {"detail": "not today"},
    "a gateway's zeros": {"error": {"message": "upstream"}, "usage": {"prompt_tokens": 0, "completion_tokens": 0}},
    "a gateway's time-out": {"error": {"code": 504, "message": "no answer"}},
}


@pytest.mark.parametrize("said", WITHIN_200)
async def test_an_error_under_200_costs_nothing(server: WireServer, provider: Provider, said: str) -> None:
    """It is an error with the provider's words, none of its kinds is charged, and only counted tokens are."""
    server.play(Play(WITHIN_200[said]))
    found = await failure(provider)
    assert (found.maybe_charged, found.kind in ("drift", "not_json")) == (False, False), str(found)
    counted = error_in_success("e:m", {"error": {"message": "late"}, "usage": {"prompt_tokens": 9}})
    assert counted is not None
    assert counted.maybe_charged


@pytest.mark.parametrize(
    "reply", [{}, {"choices": [], "error": None}, {"content": [], "message": "hi"}, {"output": [], "error": {}}, []]
)
def test_what_is_no_error_is_none(reply: Any) -> None:
    """A reply with an empty field for errors, or with words beside its content, is judged as a reply."""
    assert error_in_success("e:m", reply) is None


KEYS = (
    "AIzaSyA1234567890abcdefghijk",
    "gsk_abcdEFGH1234567890",
    "xai-abcdefgh1234567890",
    "hf_abcdefgh12345678",
    "sk-ant-api03-abcdef",
    "AKIAIOSFODNN7EXAMPLE",
    "eyJhbGciOi.eyJzdWIi.c2ln",
    "abc***yz",
)


@pytest.mark.parametrize("key", KEYS)
async def test_no_vendors_key_is_shown(server: WireServer, provider: Provider, key: str) -> None:
    """A key that a provider repeats, whole or in part, is in no error, however deep it was said."""
    server.play(openrouter(f'{{"error":{{"message":"Incorrect API key provided: {key}. See the page"}}}}', 401))
    text = str(await failure(provider))
    assert key not in text
    assert "[key]" in text


def test_a_code_that_speaks_of_keys_is_no_key() -> None:
    """What names a kind of error stays readable."""
    body = b'{"error":{"message":"no","details":[{"reason":"API_KEY_INVALID"}]}}'
    assert "API_KEY_INVALID" in str(status_error("e:m", 400, {}, body, now=NOW))


ADVICE = {
    "OpenAI's streams": "stream = false",
    "a gateway in Python": "stream_usage = false",
    "vLLM's streams": "stream = false",
    "OpenAI": 'max_tokens = "max_completion_tokens"',
    "Mistral": 'max_tokens = "max_tokens"',
    "DeepSeek": 'schema_form = "json_object"',
    "Gemini": 'schema_with_tools = "apart"',
    "llama-cpp-python": 'call_content = "empty"',
    "LM Studio": 'call_content = "empty"',
    "Mistral's order": 'after_tools = "merged"',
    "Mistral's ids": 'call_ids = "nine"',
    "Gemini's schemas": "strict = false",
    "Groq's reasoning": "reasoning_back = false",
    "Groq's other models": "reasoning_back = false",
    "Ollama": "a model that calls tools",
    "TGI": "prompt_cache = false",
    "LiteLLM's vendors": "prompt_cache = false",
    "LiteLLM's other fields": "a field of this request",
    "Anthropic": "limits.output_tokens",
    "vLLM": "--enable-auto-tool-choice",
}


@pytest.mark.parametrize("vendor", ADVICE)
async def test_what_an_endpoint_lacks_names_what_to_set(server: WireServer, openai: Provider, vendor: str) -> None:
    """A field or feature that is not supported leads to the setting that helps."""
    server.play(MEANINGS["unsupported"][vendor])
    assert ADVICE[vendor] in str(await failure(openai))


async def test_every_setting_that_is_advised_exists(server: WireServer, openai: Provider) -> None:
    """What an error tells people to set is a setting of an endpoint, or a capability, with a value that it may have."""
    named = set()
    for play in MEANINGS["unsupported"].values():
        server.play(play)
        named |= set(re.findall(r'`(\w+) = "?(\w+)"?`', str(await failure(openai))))
    for name, value in named:
        holder = EndpointSetting if name in EndpointSetting.model_fields else Capabilities
        assert getattr(holder.model_validate({name: json.loads(value) if value == "false" else value}), name) is not None
    assert len(named) >= 6


ANY = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=40),
    lambda inner: (
        some.lists(inner, max_size=3)
        | some.dictionaries(
            some.sampled_from(
                ["error", "message", "detail", "code", "type", "metadata", "raw", "choices", "details", "usage", "retryDelay"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(ANY, some.sampled_from([200, 400, 422, 429, 500, 503]), some.text(max_size=30))
def test_any_body_is_an_error_with_a_kind(body: Any, status: int, wait: str) -> None:
    """Whatever is nested in whatever: there is a text of one line, a kind, and a wait between zero and an hour."""
    found = status_error("e:m", status, {"retry-after": wait, "x-ratelimit-reset": wait}, json.dumps(body).encode(), now=NOW)
    assert found.retry_after is None or timedelta(0) <= found.retry_after <= timedelta(hours=1)
    assert str(found).isprintable()
    wrapped = error_in_success("e:m", body, now=NOW)
    assert wrapped is None or not wrapped.maybe_charged or wrapped.billed


@given(some.text(max_size=60))
def test_any_words_name_a_wait_or_none(words: str) -> None:
    """No text makes looking for a wait fail."""
    wait = named_wait(
        {"retry-after": words, "anthropic-ratelimit-tokens-reset": words}, NOW, [("retryDelay", words)], words, limited=True
    )
    assert wait is None or wait >= timedelta(0)
    assert isinstance(read_error(words.encode("utf-8", "replace")).message, str)
