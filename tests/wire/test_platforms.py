"""Claude on AWS Bedrock and Google Vertex AI: the SDK's own clients, with their credentials, against a loopback server."""

import importlib.metadata
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import config
import model_choice
from activities.money.prices import tariff
from activities.providers import aws_credentials
from activities.providers.base import ProviderError
from commands.doctor.host import reachable_providers
from contracts.agents import Choice
from contracts.errors import Misconfigured
from tests.docs.pages import ROOT
from tests.wire.clouds import ACCESS, SECRET, TokenServer, frame, frames, signed_with
from tests.wire.samples import REPLY, ask
from tests.wire.server import Play, WireServer
from tests.wire.streams import endpoint, streamed
from tests.wire.vendors import TEXT, message, use

BEDROCK = {"platform": "bedrock", "region": "eu-central-1"}
VERTEX = {"platform": "vertex", "region": "us-east5", "project": "shop"}
FRAMED = {"content-type": "application/vnd.amazon.eventstream", "x-amzn-requestid": "r-1"}
MODEL = "us.anthropic.claude-sonnet-5-5-v1:0"
PROFILE = "arn:aws:bedrock:eu-central-1:111122223333:application-inference-profile/a1b2"
STATEMENT = message([{"type": "text", "text": TEXT}, use("a"), use("b", {})], "tool_use")


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine on which no cloud's credentials are found."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)


@pytest.fixture
def cloud(server: WireServer) -> WireServer:
    """The server, at the paths of both clouds."""
    server.anywhere = True
    return server


def keyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of AWS, as variables."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


async def failure(server: WireServer, table: dict[str, Any], model: str = MODEL) -> ProviderError:
    """How a call fails there."""
    async with endpoint(server, "messages", **table) as provider:
        with pytest.raises(ProviderError) as caught:
            await provider.complete(ask(model=model))
    return caught.value


@pytest.mark.parametrize("model", [MODEL, "anthropic.claude-haiku-5-5", PROFILE])
async def test_bedrock_gets_a_signed_request(cloud: WireServer, monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    """What was signed is what arrives, with our headers and the endpoint's own; the model stands in the path alone."""
    keyed(monkeypatch)
    cloud.play(Play(REPLY, headers={"x-amzn-requestid": "r-1"}), Play(status=500, error="no"))
    table = BEDROCK | {"headers": {"X-Team": "checkout"}, "body": {"anthropic_beta": ["one"]}, "capabilities": {}}
    async with endpoint(cloud, "messages", **table) as provider:
        reply = await provider.complete(ask(model=model))
        with pytest.raises(ProviderError) as caught:
            await provider.complete(ask(model=model))
    seen = cloud.requests[0]
    assert (reply.text, reply.usage, reply.request_id) == (REPLY.text, REPLY.usage, "r-1")
    assert signed_with(seen, SECRET, "eu-central-1")
    assert not signed_with(seen, SECRET + "x", "eu-central-1")
    assert seen.headers["x-request-key"] == "9f/key"
    assert seen.headers["x-team"] == "checkout"
    assert "x-api-key" not in seen.headers
    assert {"model", "stream"} & set(seen.body) == set()
    assert (seen.body["anthropic_version"], seen.body["anthropic_beta"]) == ("2026-10-21", ["one"])
    assert seen.asked.endswith("/invoke-with-response-stream")
    assert f"at {cloud.url}{seen.asked}: " in str(caught.value)


async def test_credentials_of_a_profile_are_read_again(
    cloud: WireServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A profile in the table counts before keys in the environment; a token that another program renews is used."""
    keyed(monkeypatch)
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "not-this-one")
    monkeypatch.setattr(aws_credentials, "FIXED_FOR", 0)
    cloud.play(REPLY, REPLY)
    async with endpoint(cloud, "messages", **BEDROCK, profile="team") as provider:
        for secret in ("first-secret", "second-secret"):
            text = f"[team]\naws_access_key_id = {ACCESS}\naws_secret_access_key = {secret}\naws_session_token = {secret}-t\n"
            (tmp_path / "credentials").write_text(text)
            await provider.complete(ask(model=MODEL))
    for seen, secret in zip(cloud.requests, ("first-secret", "second-secret"), strict=True):
        assert signed_with(seen, secret, "eu-central-1")
        assert seen.headers["x-amz-security-token"] == f"{secret}-t"


@pytest.mark.parametrize("size", [5, 10_000])
async def test_frames_of_bedrock_are_the_same_turn(cloud: WireServer, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """However they are cut; frames that AWS adds for itself are passed over."""
    keyed(monkeypatch)
    whole = frame({":message-type": "event", ":event-type": "ping"}, {}) + frames(streamed("messages", STATEMENT))
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    cloud.play(Play(STATEMENT, headers=FRAMED | {"content-type": "application/json"}), Play(pieces=pieces, headers=FRAMED))
    async with endpoint(cloud, "messages", **BEDROCK) as provider:
        first, second = [(await provider.complete(ask(model=MODEL))).model_dump_json() for _ in range(2)]
    assert first == second
    assert len(json.loads(first)["calls"]) == 2


def thrown(kind: str, said: str) -> bytes:
    return frame(
        {":message-type": "exception", ":exception-type": kind, ":content-type": "application/json"}, {"message": said}
    )


BEGUN = frames(streamed("messages", STATEMENT))
STREAMS = [
    (thrown("throttlingException", "Too many requests, please wait before trying again."), "rate_limited"),
    (thrown("validationException", "Input is too long for requested model."), "too_large"),
    (thrown("modelStreamErrorException", "The model failed."), "server"),
    (thrown("serviceUnavailableException", "Try your request again."), "overloaded"),
    (frame({":message-type": "error", ":error-code": "InternalFailure", ":error-message": "It broke"}, {}), "server"),
    (BEGUN[:300], "cut"),
    (BEGUN[:300] + b"\0" * 400, "cut"),
    (BEGUN[:40] + bytes([BEGUN[40] ^ 1]) + BEGUN[41:], "cut"),
]


@pytest.mark.parametrize(("body", "kind"), STREAMS, ids=[f"{number}-{kind}" for number, (_, kind) in enumerate(STREAMS)])
async def test_what_fails_in_the_frames_is_that_error(
    cloud: WireServer, monkeypatch: pytest.MonkeyPatch, body: bytes, kind: str
) -> None:
    """An exception by its meaning, half a stream and damage as lost, wherever it comes."""
    keyed(monkeypatch)
    cloud.play(Play(pieces=[body], headers=FRAMED))
    assert (await failure(cloud, BEDROCK)).kind == kind


REFUSED = [
    ("UnrecognizedClientException", 403, "The security token included in the request is invalid.", "authentication"),
    ("ExpiredTokenException:http://internal/", 403, "The security token included in the request is expired", "authentication"),
    ("InvalidSignatureException", 403, "Signature expired: 20261130T0000Z is now earlier than x", "authentication"),
    ("AccessDeniedException", 403, "You don't have access to the model with the specified model ID.", "permission"),
    ("ThrottlingException", 429, "Too many tokens, please wait before trying again.", "rate_limited"),
    ("ServiceQuotaExceededException", 400, "Your request exceeds the service quota for your account.", "rate_limited"),
    ("ModelNotReadyException", 429, "The model is not ready.", "overloaded"),
    ("ModelErrorException", 424, "The request failed due to an error while processing the model.", "server"),
    ("ValidationException", 400, "The provided model identifier is invalid.", "not_found"),
    ("ValidationException", 400, "Invocation of model ID x with on-demand throughput isn’t supported. Retry", "not_found"),
    ("ValidationException", 400, "Input is too long for requested model.", "too_large"),
    ("ValidationException", 400, "messages.0: all messages must have non-empty content", "bad_request"),
]


@pytest.mark.parametrize(("code", "status", "said", "kind"), REFUSED, ids=[one[2][:40] for one in REFUSED])
async def test_refusals_of_bedrock_are_told_by_their_meaning(
    cloud: WireServer, monkeypatch: pytest.MonkeyPatch, code: str, status: int, said: str, kind: str
) -> None:
    """AWS names the error in a header; the request's id and its own words are shown, its address of documentation is not."""
    keyed(monkeypatch)
    headers = {"x-amzn-errortype": code, "x-amzn-requestid": "r-7", "request-id": "", "x-request-id": ""}
    cloud.play(Play({"message": said}, status=status, headers=headers))
    error = await failure(cloud, BEDROCK)
    assert error.kind == kind
    assert f"HTTP {status}, {code.partition(':')[0]}, request r-7: {said.rstrip('.')}" in str(error)


VERTEX_REFUSED = [
    (401, "UNAUTHENTICATED", "Request had invalid authentication credentials. Expected OAuth 2 access token", "authentication"),
    (403, "PERMISSION_DENIED", "Permission 'aiplatform.endpoints.predict' denied on resource '//x'", "permission"),
    (403, "PERMISSION_DENIED", "Vertex AI API has not been used in project shop before or it is disabled.", "permission"),
    (404, "NOT_FOUND", "Publisher Model `projects/shop/m` was not found or your project has no access", "not_found"),
    (400, "FAILED_PRECONDITION", "Publisher Model m is not servable in region us-east5.", "not_found"),
    (429, "RESOURCE_EXHAUSTED", "Quota exceeded for aiplatform.googleapis.com/online_prediction_requests", "rate_limited"),
    (400, "INVALID_ARGUMENT", "Prompt is too long: 233153 tokens > 200000 maximum", "too_large"),
]


@pytest.mark.parametrize(("status", "code", "said", "kind"), VERTEX_REFUSED, ids=[one[2][:40] for one in VERTEX_REFUSED])
async def test_refusals_of_vertex_are_told_by_their_meaning(
    cloud: WireServer, tmp_path: Path, status: int, code: str, said: str, kind: str
) -> None:
    """A token that another program renews is sent as it is: Google's packages are not asked for one."""
    (tmp_path / "token").write_text("ya29.of-a-file\n")
    cloud.play(Play([{"error": {"code": status, "message": said, "status": code}}], status=status))
    error = await failure(cloud, VERTEX | {"key_file": tmp_path / "token"})
    assert error.kind == kind
    assert said.rstrip(".")[:60] in str(error)
    assert cloud.requests[0].headers["authorization"] == "Bearer ya29.of-a-file"


@pytest.mark.parametrize("stream", [True, False])
async def test_vertex_gets_a_token_of_the_service_account(
    cloud: WireServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stream: bool
) -> None:
    """Signed for at the token server, once for both calls; the model stands in the path alone, which errors name."""
    cloud.play(Play(pieces=[streamed("messages", STATEMENT)]) if stream else Play(STATEMENT), Play(status=500, error="no"))
    async with TokenServer() as tokens:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tokens.account(tmp_path / "key.json")))
        async with endpoint(cloud, "messages", **VERTEX, capabilities={"stream": stream}) as provider:
            reply = await provider.complete(ask(model="claude-sonnet-5-5@20261001"))
            with pytest.raises(ProviderError) as caught:
                await provider.complete(ask(model="claude-sonnet-5-5@20261001"))
    first, second = cloud.requests
    method = "streamRawPredict" if stream else "rawPredict"
    path = f"/projects/shop/locations/us-east5/publishers/anthropic/models/claude-sonnet-5-5@20261001:{method}"
    assert (len(reply.calls), first.asked, tokens.given) == (2, path, ["ya29.made-0"])
    assert {seen.headers["authorization"] for seen in (first, second)} == {"Bearer ya29.made-0"}
    assert ("model" in first.body, first.body["anthropic_version"]) == (False, "2026-10-21")
    assert f"at {cloud.url}{path}: " in str(caught.value)


async def test_without_credentials_no_call_is_made(cloud: WireServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another choice may have some: what is missing is said, with what to do. A token server that is away is waited for."""
    missing = await failure(cloud, BEDROCK)
    unknown = await failure(cloud, BEDROCK | {"profile": "nobody"})
    nothing = await failure(cloud, VERTEX)
    async with TokenServer() as tokens:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tokens.account(tmp_path / "key.json")))
        tokens.refuses = True
        revoked = await failure(cloud, VERTEX)
    assert {one.kind for one in (missing, unknown, nothing, revoked)} == {"authentication"}
    assert not any(one.maybe_charged for one in (missing, unknown, nothing, revoked))
    assert "hold AWS credentials" in str(missing)
    assert "AWS_PROFILE" in str(missing)
    assert "nobody" in str(unknown)
    assert "GOOGLE_APPLICATION_CREDENTIALS" in str(nothing)
    assert "invalid_grant" in str(revoked)
    assert cloud.requests == []


async def test_a_token_server_that_is_away_is_waited_for(
    cloud: WireServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It says nothing of the credentials: the call is tried again."""
    async with TokenServer() as tokens:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tokens.account(tmp_path / "key.json")))
    away = await failure(cloud, VERTEX)
    assert (away.kind, away.recovery, away.maybe_charged) == ("connection", "retry", False)


async def test_a_key_of_bedrock_is_sent_and_nothing_is_signed(cloud: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named in the table, or in AWS's own variable."""
    monkeypatch.setenv("OUR_KEY", "ABSKmadeforthetest")
    cloud.play(REPLY, REPLY)
    async with endpoint(cloud, "messages", **BEDROCK, key_env="OUR_KEY") as provider:
        await provider.complete(ask(model=MODEL))
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "ABSKofthevariable")
    async with endpoint(cloud, "messages", **BEDROCK) as provider:
        await provider.complete(ask(model=MODEL))
    keys = [seen.headers["authorization"] for seen in cloud.requests]
    assert keys == ["Bearer ABSKmadeforthetest", "Bearer ABSKofthevariable"]
    assert all("x-amz-date" not in seen.headers for seen in cloud.requests)


@pytest.mark.parametrize(
    ("table", "package"), [(BEDROCK, "boto3"), (BEDROCK, "botocore.exceptions"), (VERTEX, "google.auth.exceptions")]
)
def test_without_its_packages_a_worker_does_not_start(
    monkeypatch: pytest.MonkeyPatch, table: dict[str, Any], package: str
) -> None:
    """The refusal names the command; `doctor` says before that credentials are looked for."""
    monkeypatch.setitem(sys.modules, package, None)
    settings = config.load(providers={"cloud": table})
    with pytest.raises(Misconfigured, match=rf"\[providers\.cloud\].*{re.escape(package)}.*`make {table['platform']}`"):
        model_choice.build_providers(settings)
    assert "credentials, looked for with each call, endpoint https://" in reachable_providers(settings)["cloud"]


@pytest.mark.parametrize("name", ["bedrock", "vertex"])
def test_the_lock_holds_what_the_extra_adds(name: str) -> None:
    """Everything that the SDK wants for a platform is pinned, in the same version that is tested; the base install has none."""
    base, own, dev = (
        dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / f"requirements{suffix}.lock").read_text(), re.MULTILINE))
        for suffix in ("", f"-{name}", "-dev")
    )
    wanted = [re.match(r"[a-z0-9-]+", one) for one in importlib.metadata.requires("anthropic") or [] if f"'{name}'" in one]
    named = {one[0] for one in wanted if one is not None}
    assert named
    assert named <= own.keys()
    assert own.items() <= dev.items()
    assert not own.keys() & base.keys()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"platform": "bedrock"}, "needs a region, such as us-east-1"),
        ({"platform": "vertex", "region": "global"}, "needs a project"),
        (BEDROCK | {"project": "shop"}, "has no project"),
        (VERTEX | {"profile": "team"}, "has no profile"),
        (BEDROCK | {"speaks": "chat"}, 'write speaks = "messages"'),
        (BEDROCK | {"auth": "bearer"}, "leave auth out"),
        (BEDROCK | {"query": {"a": "b"}}, "leave query out"),
        (BEDROCK | {"profile": "team", "key_env": "OUR_KEY"}, "profile and a key contradict"),
        ({"speaks": "messages", "base_url": "https://x.example", "region": "us-east-1"}, "region is for a platform"),
        ({"platform": "azure", "region": "x"}, "platform"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(table: dict[str, Any], said: str) -> None:
    """With what is missing or too much."""
    with pytest.raises(Misconfigured, match=re.escape(said)):
        config.load(providers={"cloud": table})


@pytest.mark.parametrize("name", ["anthropic", "openai"])
def test_a_shipped_name_is_on_no_platform(name: str) -> None:
    """Both are reached directly."""
    with pytest.raises(Misconfigured, match="a name of its own"):
        config.load(providers={name: BEDROCK})


@pytest.mark.parametrize(
    ("table", "address", "vendor", "model"),
    [
        (BEDROCK, "https://bedrock-runtime.eu-central-1.amazonaws.com", "aws", "eu.anthropic.claude-sonnet-5-5"),
        (BEDROCK | {"region": "cn-north-1"}, "https://bedrock-runtime.cn-north-1.amazonaws.com.cn", "aws", MODEL),
        (VERTEX, "https://us-east5-aiplatform.googleapis.com/v1", "google", "claude-sonnet-5-5@20261001"),
        (VERTEX | {"region": "global"}, "https://aiplatform.googleapis.com/v1", "google", "claude-haiku-5-5"),
        (VERTEX | {"region": "eu"}, "https://aiplatform.eu.rep.googleapis.com/v1", "google", "claude-opus-5-5"),
    ],
)
def test_where_a_platform_is_and_whose_prices_count(table: dict[str, Any], address: str, vendor: str, model: str) -> None:
    """Both follow from the table, and the cloud's own name of a model has a price."""
    settings = config.load(providers={"cloud": table})
    whole = model_choice.endpoints(settings)["cloud"]
    assert (whole.base_url, whole.vendor, whole.speaks) == (address, vendor, "messages")
    assert tariff(Choice(model=f"cloud:{model}"), vendors=model_choice.vendors(settings)).output.base > 0
