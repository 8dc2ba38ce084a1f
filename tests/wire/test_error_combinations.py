"""Errors as vendors and what stands before them really send them, several oddities at once: kind, wait, charge, words, keys."""

import gzip
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from activities.providers.base import Provider
from tests.wire.samples import OWN_KEY
from tests.wire.server import Play, WireServer
from tests.wire.told import refused
from tests.wire.vendors import completion, events

PAGE = b"<html><head><title>Sign in</title></head></html>"

Make = Callable[..., Provider]


def zipped(body: Any, status: int = 200) -> Play:
    """A compressed answer."""
    return Play(gzip.compress(json.dumps(body).encode()), status=status, headers={"content-encoding": "gzip"})


def gemini(text: str, code: int, status: str, *details: dict[str, Any]) -> list[Any]:
    """Gemini's error: a list."""
    return [{"error": {"code": code, "message": text, "status": status, "details": list(details)}}]


def wrapped(kind: str, text: str, code: str) -> dict[str, Any]:
    """LiteLLM's error."""
    return {"error": {"message": f"litellm.{kind}: {text}", "type": None, "param": None, "code": code}}


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}
BUSY = gemini("You exceeded your current quota. Please retry in 34.07s.", 429, "RESOURCE_EXHAUSTED", RETRY)
NGINX = b"<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n<center>nginx</center></body></html>"
LATE = events(
    {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "x"}}]},
    {"error": {"code": 429, "message": "Rate limit exceeded. Please try again in 7s"}, "choices": []},
)
OVERLOADED = events(
    {"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}},
    {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
    named=True,
    end="",
)
TPM = {
    "error": {
        "message": "Request too large for model `openai/gpt-oss-120b` on tokens per minute (TPM): Limit 8000, Requested 19000",
        "type": "tokens",
        "code": "rate_limit_exceeded",
    }
}
MIXED: dict[str, tuple[Play, str, float | None, bool]] = {
    "Gemini's list, compressed": (zipped(BUSY, 429), "rate_limited", 34, False),
    "Gemini's list under 200": (Play(BUSY), "rate_limited", 34, False),
    "Gemini's list behind a BOM under 200": (Play(b"\xef\xbb\xbf\n" + json.dumps(BUSY).encode()), "rate_limited", 34, False),
    "Gemini's list under 200, compressed": (zipped(BUSY), "rate_limited", 34, False),
    "Gemini's key in a list": (
        Play(gemini("API key not valid. Please pass a valid API key.", 400, "INVALID_ARGUMENT"), status=400),
        "authentication",
        None,
        False,
    ),
    "a login page": (Play(PAGE), "not_json", None, False),
    "a login page behind a BOM and a comment": (Play(b"\xef\xbb\xbf<!-- proxy -->\n" + PAGE), "not_json", None, False),
    "a login page in XHTML": (Play(b'<?xml version="1.0"?>\n<!DOCTYPE html>' + PAGE), "not_json", None, False),
    "a login page, compressed without a word": (Play(gzip.compress(PAGE)), "not_json", None, False),
    "words that are no page": (Play(b"<unknown/>"), "not_json", None, True),
    "nginx's limit": (Play(NGINX, status=413), "too_large", None, False),
    "nginx's limit, compressed": (
        Play(gzip.compress(NGINX), status=413, headers={"content-encoding": "gzip"}),
        "too_large",
        None,
        False,
    ),
    "Cloudflare's 524": (Play(PAGE, status=524), "timeout", None, True),
    "Cloudflare's 502": (Play(PAGE, status=502), "server", None, False),
    "a limit in the middle of a stream": (Play(LATE), "rate_limited", 7, False),
    "overload in the middle of a stream": (Play(OVERLOADED), "overloaded", None, False),
    "Groq's limit per request": (Play(TPM, status=413), "too_large", None, False),
    "LiteLLM over an empty account": (
        Play(
            wrapped("RateLimitError", "OpenAIException - You exceeded your current quota, please check your plan", "429"),
            status=429,
        ),
        "credit",
        None,
        False,
    ),
    "LiteLLM over Bedrock": (
        Play(
            wrapped(
                "RateLimitError", 'BedrockException - {"message":"Too many tokens, please wait before trying again."}', "429"
            ),
            status=429,
        ),
        "rate_limited",
        None,
        False,
    ),
    "LiteLLM over a long prompt, under 500": (
        Play(wrapped("APIConnectionError", "OllamaException - input length exceeds maximum context length", "500"), status=500),
        "too_large",
        None,
        False,
    ),
    "OpenRouter's limit inside a choice": (
        Play(
            completion(
                {},
                "error",
                usage=None,
                choices=[{"error": {"code": 429, "message": "limited", "metadata": {"headers": {"Retry-After": "9"}}}}],
            )
        ),
        "rate_limited",
        9,
        False,
    ),
    "OpenRouter without credit, under 200": (
        Play({"error": {"code": 402, "message": "This request requires more credits, or fewer max_tokens."}}),
        "credit",
        None,
        False,
    ),
    "Azure's filter, with its inner error": (
        Play(
            {
                "error": {
                    "code": "content_filter",
                    "message": "The response was filtered due to the prompt triggering a content management policy.",
                    "innererror": {"code": "ResponsibleAIPolicyViolation"},
                }
            },
            status=400,
        ),
        "filtered",
        None,
        False,
    ),
    "Azure's wait in words": (
        Play(
            {"error": {"code": "429", "message": "Requests have exceeded rate limit. Please retry after 26 seconds."}},
            status=429,
        ),
        "rate_limited",
        26,
        False,
    ),
    "Cerebras's reset": (
        Play(
            {"message": "Tokens per minute limit exceeded", "type": "too_many_requests_error", "code": "token_quota_exceeded"},
            status=429,
            headers={"x-ratelimit-reset-tokens-minute": "35.2", "x-ratelimit-remaining-tokens-minute": "0"},
        ),
        "rate_limited",
        35.2,
        False,
    ),
    "GitHub's wait": (
        Play(
            {
                "error": {
                    "code": "RateLimitReached",
                    "message": "Rate limit of 10 per 60s exceeded. Please wait 38 seconds before retrying.",
                }
            },
            status=429,
        ),
        "rate_limited",
        38,
        False,
    ),
    "DashScope's debt": (
        Play(
            {"error": {"code": "Arrearage", "message": "Access denied, please make sure your account is in good standing."}},
            status=400,
        ),
        "credit",
        None,
        False,
    ),
    "SiliconFlow's balance": (
        Play({"code": 30001, "message": "Sorry, your account balance is insufficient", "data": None}, status=403),
        "credit",
        None,
        False,
    ),
    "DeepSeek's reasoning": (
        Play(
            {
                "error": {
                    "message": "The `reasoning_content` in the thinking mode must be passed back to the API.",
                    "type": "invalid_request_error",
                }
            },
            status=400,
        ),
        "bad_request",
        None,
        False,
    ),
    "llama.cpp's history": (
        Play(
            {
                "error": {
                    "code": 500,
                    "message": "Failed to parse tool call arguments as JSON: [json.exception.parse_error.101]",
                }
            },
            status=500,
        ),
        "bad_request",
        None,
        False,
    ),
    "Together's length": (
        Play(
            {
                "error": {
                    "message": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193.",
                    "type": "invalid_request_error",
                }
            },
            status=422,
        ),
        "too_large",
        None,
        False,
    ),
    "Brotli over a limit": (
        Play(b"\x8b\x02\x80ab\x03", status=429, headers={"content-encoding": "br", "retry-after": "5s"}),
        "rate_limited",
        5,
        False,
    ),
}


@pytest.mark.parametrize("name", MIXED)
async def test_an_error_in_an_odd_form(server: WireServer, own: Make, name: str) -> None:
    """Its kind, its wait, whether it may be charged; and no tag, bracket or key is in its text."""
    play, kind, wait, charged = MIXED[name]
    server.play(play)
    error = await refused(own(key_env="OWN_KEY"))
    assert (error.kind, error.maybe_charged) == (kind, charged), str(error)
    assert error.retry_after == (None if wait is None else timedelta(seconds=wait))
    assert not [odd for odd in ("litellm.", "<html", '{"', OWN_KEY) if odd in str(error)]
