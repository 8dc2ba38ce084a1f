"""Every way a model call fails is one typed error with one wire request, for every provider alike."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.providers.base import RECOVERIES, ErrorKind, Provider, ProviderError
from activities.providers.errors import provider_error, retry_after, said, status_error
from activities.providers.transport import REPLY_LIMIT
from contracts.conversation import ModelRequest
from tests.children import PATIENCE
from tests.wire.samples import KEY, MADE, REPLY, SOON, ask, connect
from tests.wire.server import Play, WireServer

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


async def failure(provider: Provider, request: ModelRequest | None = None) -> ProviderError:
    """The error that the call ends in."""
    with pytest.raises(ProviderError) as caught:
        await provider.complete(request or ask())
    return caught.value


STATUSES: list[tuple[int, ErrorKind]] = [
    (301, "not_found"),
    (400, "bad_request"),
    (401, "authentication"),
    (402, "credit"),
    (403, "permission"),
    (404, "not_found"),
    (408, "timeout"),
    (409, "server"),
    (413, "too_large"),
    (418, "bad_request"),
    (422, "bad_request"),
    (429, "rate_limited"),
    (500, "server"),
    (502, "server"),
    (503, "overloaded"),
    (504, "timeout"),
    (529, "overloaded"),
]


@pytest.mark.parametrize(("status", "kind"), STATUSES)
async def test_each_status_has_one_kind(server: WireServer, provider: Provider, status: int, kind: ErrorKind) -> None:
    """A status maps to its kind, is asked exactly once, and its text says who, what the provider said and what to do."""
    server.play(Play(status=status, error=f"because of {KEY}\x1b[31m and {'so ' * 500}"))
    error = await failure(provider)
    assert (error.kind, error.status, len(server.requests)) == (kind, status, 1)
    assert str(error).startswith(f"{provider.name}:model-1 at {server.url}{server.requests[0].path}: HTTP {status}")
    assert KEY not in str(error)
    assert "\x1b" not in str(error)
    assert len(str(error)) < 1000
    assert error.__cause__ is None


CODES: list[tuple[int, str, ErrorKind]] = [
    (429, "insufficient_quota", "credit"),
    (429, "enforced_spend_limit_reached", "credit"),
    (400, "billing_error", "credit"),
    (400, "context_length_exceeded", "too_large"),
    (500, "overloaded_error", "overloaded"),
]


@pytest.mark.parametrize(("status", "code", "kind"), CODES)
async def test_a_code_says_more_than_its_status(
    server: WireServer, provider: Provider, status: int, code: str, kind: ErrorKind
) -> None:
    """An exhausted account is not taken for a busy one, nor a too long prompt for a wrong one."""
    server.play(Play(status=status, error="no", error_type=code))
    assert (await failure(provider)).kind == kind


EMPTY = (
    "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."
)
UNDER: list[tuple[Play, ErrorKind]] = [
    (Play(status=400, error=EMPTY), "credit"),
    (Play(status=403, error=EMPTY), "credit"),
    (Play({"error": {"type": "invalid_request_error", "message": EMPTY}}), "credit"),
    (Play({"error": {"code": 400, "message": EMPTY}}), "credit"),
    (Play(status=429, error=EMPTY), "credit"),
    (Play(status=500, error=EMPTY), "credit"),
    (Play(status=400, error="balance: a number was expected"), "bad_request"),
]


@pytest.mark.parametrize(("play", "kind"), UNDER)
async def test_an_empty_account_is_known_by_what_is_said(
    server: WireServer, provider: Provider, play: Play, kind: ErrorKind
) -> None:
    """A message that says that the credit is used up is no wrong request, and no busy endpoint, whatever its status."""
    server.play(play)
    assert (await failure(provider)).kind == kind


RETRY_AFTER: list[tuple[dict[str, str], timedelta | None]] = [
    ({"retry-after-ms": "1500", "retry-after": "7"}, timedelta(seconds=1.5)),
    ({"retry-after": "7"}, timedelta(seconds=7)),
    ({"retry-after": "0.5"}, timedelta(seconds=0.5)),
    ({"retry-after": "-3"}, timedelta(0)),
    ({"retry-after": "1e400"}, timedelta(hours=1)),
    ({"retry-after": "nan"}, None),
    ({"retry-after": "soon"}, None),
    ({"retry-after": "Fri, 20 Nov 2026 12:00:30 GMT"}, timedelta(seconds=30)),
    ({"retry-after": "Fri, 20 Nov 2026 11:00:00 GMT"}, timedelta(0)),
    ({"retry-after": "Fri, 20 Nov 2099 11:00:00 GMT"}, timedelta(hours=1)),
    ({}, None),
]


@pytest.mark.parametrize(("headers", "wait"), RETRY_AFTER)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], wait: timedelta | None) -> None:
    """Milliseconds, seconds and dates are understood, clamped to an hour, and nonsense counts as nothing said."""
    assert retry_after(headers, NOW) == wait


@pytest.mark.parametrize("header", ["12", "Fri, 20 Nov 2099 11:00:00 GMT"])
async def test_retry_after_arrives_over_the_wire(server: WireServer, provider: Provider, header: str) -> None:
    """A 429's wait reaches the caller, who schedules it: the call itself never sleeps."""
    server.play(Play(status=429, error="slow down", headers={"retry-after": header}))
    error = await failure(provider)
    assert error.retry_after == (timedelta(seconds=12) if header == "12" else timedelta(hours=1))
    assert (error.recovery, len(server.requests)) == ("retry", 1)


async def test_a_provider_that_asks_not_to_be_retried_is_not(server: WireServer, provider: Provider) -> None:
    """`x-should-retry: false` turns a retry into the next choice, and `true` never repeats what was refused."""
    server.play(Play(status=500, error="no", headers={"x-should-retry": "false"}))
    assert (await failure(provider)).recovery == "next_choice"
    server.play(Play(status=400, error="no", headers={"x-should-retry": "true"}))
    assert (await failure(provider)).recovery == "next_choice"


BROKEN: list[tuple[str, Play, ErrorKind]] = [
    ("html", Play(b"<html>Sign in</html>", headers={"content-type": "text/html"}), "not_json"),
    ("nothing", Play(b""), "not_json"),
    ("charset", Play(b'{"model": "\xff"}'), "not_json"),
    ("compressed by something unknown", Play(b"\x8b\x00\x80{}\x03", headers={"content-encoding": "br"}), "drift"),
    ("broken JSON", Play(b'{"model": oops}'), "not_json"),
    ("JSON ends early", Play(b'{"model": "model-1", "content": [{"te'), "cut"),
    ("body cut", Play(REPLY, cut=True), "cut"),
    ("no answer, closed", Play(abort=True), "cut"),
    ("list", Play(b"[]"), "drift"),
    ("empty object", Play(), "drift"),
    ("repeated key", Play(b'{"model": "a", "model": "b"}'), "drift"),
    ("NaN", Play(b'{"model": NaN}'), "drift"),
    ("deep", Play(b'{"a":' * 3000 + b"1" + b"}" * 3000), "drift"),
    ("half character", Play(b'{"model": "\\ud800"}'), "drift"),
    ("another's answer", Play(REPLY, headers={"x-request-key": "other"}), "drift"),
    ("wrapped 429", Play({"error": {"code": 429, "message": "busy"}}), "rate_limited"),
    ("wrapped overload", Play({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}), "overloaded"),
    ("wrapped failure", Play({"object": "response", "status": "failed", "error": {"code": "server_error"}}), "server"),
    ("wrapped unknown", Play({"error": {"message": "hm"}}), "server"),
]


@pytest.mark.parametrize(("play", "kind"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
async def test_a_reply_that_is_none_is_a_typed_error(
    server: WireServer, provider: Provider, play: Play, kind: ErrorKind
) -> None:
    """Whatever comes back under HTTP 200, what is not surely a reply is an error of its kind after one request."""
    server.play(play)
    error = await failure(provider)
    assert (error.kind, len(server.requests)) == (kind, 1), str(error)


async def test_silence_ends_at_the_time_limit(server: WireServer, provider: Provider) -> None:
    """A provider that never answers costs the request's time, may have charged, and sees the connection close."""
    server.play(Play(silent=True))
    error = await failure(provider, ask(timeout=SOON))
    await asyncio.wait_for((await server.request(0)).gone.wait(), PATIENCE)
    assert (error.kind, error.maybe_charged, len(server.requests)) == ("timeout", True, 1)


async def test_a_dripping_answer_ends_at_the_time_limit(server: WireServer, provider: Provider) -> None:
    """The limit is on the whole call: bytes that keep coming do not extend it."""
    server.play(Play(REPLY, pause=0.05))
    error = await failure(provider, ask(timeout=SOON))
    assert (error.kind, len(server.requests)) == ("timeout", 1)


async def test_a_slow_answer_within_the_limit_is_an_answer(server: WireServer, provider: Provider) -> None:
    """Slowness alone is no error."""
    server.play(Play(REPLY, delay=0.2))
    assert (await provider.complete(ask())).text == REPLY.text


async def test_an_endless_answer_is_cut_at_the_size_limit(server: WireServer, provider: Provider) -> None:
    """No more than the limit is read, as a reply or as an error page, and the connection is closed."""
    for number, status in enumerate((200, 500)):
        server.play(Play(endless=True, status=status))
        error = await failure(provider)
        seen = await server.request(number)
        await asyncio.wait_for(seen.gone.wait(), PATIENCE)
        assert (error.kind, "larger than" in str(error)) == ("drift", True)
        # What lies in socket buffers was sent and not read.
        assert seen.sent < REPLY_LIMIT + 16 * 1024 * 1024


async def test_cancelling_aborts_the_request(server: WireServer, provider: Provider) -> None:
    """Cancelling the coroutine closes the connection, so that the provider can stop working, and stays a cancellation."""
    server.play(Play(silent=True))
    call = asyncio.create_task(provider.complete(ask()))
    seen = await server.request(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.wait_for(seen.gone.wait(), PATIENCE)


@pytest.mark.parametrize("make", MADE.values())
async def test_no_connection_was_never_charged(make: Callable[[str, str], Provider]) -> None:
    """A refused connection is known to have cost nothing, and closing twice is safe."""
    async with WireServer() as server:
        url = server.url
    provider = make(KEY, url)
    error = await failure(provider)
    await provider.close()
    await provider.close()
    assert (error.kind, error.maybe_charged, error.recovery) == ("connection", False, "retry")


@pytest.mark.parametrize("make", MADE.values())
async def test_an_address_that_is_none_is_not_retried(make: Callable[[str, str], Provider]) -> None:
    """A base_url without a usable scheme says so at the first call."""
    provider = make(KEY, "ftp://127.0.0.1")
    error = await failure(provider)
    await provider.close()
    assert (error.kind, error.recovery) == ("not_found", "next_choice")


async def test_the_environment_changes_nothing(server: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """No SDK or proxy variable redirects a call, replaces the key or adds a header."""
    elsewhere = "http://127.0.0.1:9"
    for sdk in ("ANTHROPIC", "OPENAI"):
        monkeypatch.setenv(f"{sdk}_BASE_URL", elsewhere)
        monkeypatch.setenv(f"{sdk}_API_KEY", "sk-from-environment")
        monkeypatch.setenv(f"{sdk}_CUSTOM_HEADERS", "X-Leak: yes\nauthorization: Bearer leak\nx-api-key: leak\nhost: leak")
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.setenv(name, "leak")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, elsewhere)
    for provider in (connect(server, name) for name in MADE):
        server.play(REPLY)
        await provider.complete(ask())
        await provider.close()
    for seen in server.requests:
        assert seen.headers["authorization"] == f"Bearer {KEY}"
        assert "leak" not in str(seen.headers).lower()
        assert {name for name in seen.headers if name.startswith(("openai-", "x-api", "x-leak"))} == set()


async def test_an_endpoint_without_a_key_gets_none(server: WireServer) -> None:
    """Local servers need no key, and none is made up on the wire."""
    for provider in (connect(server, name, key="") for name in MADE):
        server.play(REPLY)
        await provider.complete(ask())
        await provider.close()
    assert all("authorization" not in seen.headers for seen in server.requests)


@pytest.mark.parametrize("module", ["base", "schema", "errors", "reply_body", "script", "scripted"])
def test_no_sdk_is_loaded_for_what_needs_none(module: str) -> None:
    """Importing the plain parts of the providers loads no SDK and no HTTP client."""
    check = (
        f"import sys, activities.providers.{module}; "
        "print([name for name in ('anthropic', 'openai', 'httpx2', 'httpcore2') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("kind", RECOVERIES)
def test_every_kind_says_what_happens_next(kind: ErrorKind) -> None:
    """Each kind of error has a text with the endpoint, the fact and the advice."""
    text = str(provider_error(kind, "openai:m", "it broke"))
    assert text.startswith("openai:m: it broke. ")
    assert len(text) > len("openai:m: it broke. ..")


@given(st.integers(300, 599), st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms"]), st.text()), st.binary())
def test_any_error_reply_becomes_a_provider_error(status: int, headers: dict[str, str], body: bytes) -> None:
    """No status, header or body makes the translation itself fail, and a wait is never negative or over an hour."""
    error = status_error("e:m", status, headers, body, secret=KEY, now=NOW)
    assert error.retry_after is None or timedelta(0) <= error.retry_after <= timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no access for gateway/Token+1 here", "no access for [key] here"),
        ("Incorrect API key provided: sk-proj-abc123def456. See the docs", "Incorrect API key provided: [key] See the docs"),
        ("pk-****…1234 is revoked", "[key] is revoked"),
        ("'Authorization: bearer eyJhbGciOi.x.y' was refused", "'Authorization: [key] was refused"),
    ],
    ids=["ours, of any form", "another one", "shown in part", "a bearer's"],
)
def test_a_key_in_what_a_provider_said_is_taken_out(text: str, shown: str) -> None:
    """Our own key whatever it looks like, and whatever looks like a key, whosever it is."""
    assert said(text, "gateway/Token+1") == shown


@given(st.text(), st.text())
def test_what_a_provider_said_is_one_safe_line(before: str, after: str) -> None:
    """No key and no control character reaches an error text, and it stays short."""
    line = said(f"{before} {KEY} {after}", KEY)
    assert KEY not in line
    assert all(char.isprintable() for char in line)
    assert len(line) <= 301


def test_shapes_of_error_bodies_that_nobody_promised() -> None:
    """A list, a string or a nested oddity in an error body is shown, not stumbled over."""
    bodies: list[Any] = [
        b"[1]",
        b'"x"',
        b'{"error": "x"}',
        b'{"error": {"message": 3}}',
        b'{"error": {"code": [1]}}',
        b"[" * 9999,
    ]
    assert [status_error("e:m", 500, {}, body).kind for body in bodies] == ["server"] * len(bodies)
