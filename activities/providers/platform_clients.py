"""The SDK's clients for Claude on AWS Bedrock and Google Vertex AI: they sign with what the cloud's own tools would find.

For Bedrock that is a key for it in `AWS_BEARER_TOKEN_BEDROCK`, then boto3's chain (variables, the profile, a role); for Vertex
Google's application default credentials. Both libraries ask token servers by themselves, with their own variables for proxies.
"""

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from typing import Any

import anthropic
import httpx2

from activities.providers.access import Access
from activities.providers.aws_credentials import Chain
from activities.providers.errors import provider_error, said
from activities.providers.identity import addressed
from contracts.endpoints import Platform
from contracts.errors import Misconfigured

Client = anthropic.AsyncAnthropic | anthropic.AsyncAnthropicBedrock | anthropic.AsyncAnthropicVertex

_PACKAGES: dict[Platform, tuple[str, ...]] = {
    "bedrock": ("boto3", "botocore.exceptions"),
    "vertex": ("google.auth.transport.requests", "google.auth.exceptions"),
}

_UNREACHED = ("TransportError", "HTTPClientError", "MetadataRetrievalError")
"""Errors of both libraries, by their classes' names, that say nothing about the credentials: nobody could be asked for them."""


def client_for(access: Access) -> Client:
    """The client that speaks to this endpoint, without retries of its own.

    Raises `Misconfigured` where the packages of a platform are not installed.
    """
    # Temporal retries: a second loop here would multiply the attempts, and hide what they cost.
    common: dict[str, Any] = {"max_retries": 0, "open_telemetry": False, "http_client": access.client()}
    platform = access.setting.platform
    if platform is None:
        # The SDK wants a key; the transport sends the real one. Each call names its whole address.
        return anthropic.AsyncAnthropic(api_key="none", base_url="http://unused.invalid", **common)
    # A stream of Bedrock's is read with its package, also where nothing has to be signed.
    if platform == "bedrock" or not access.has_key:
        _require(access.name, platform)
    return (_Bedrock if platform == "bedrock" else _Vertex)(access, common)


def _require(name: str, platform: Platform) -> None:
    try:
        for one in _PACKAGES[platform]:
            importlib.import_module(one)
    except ImportError as error:
        raise Misconfigured(
            f'[providers.{name}]: platform = "{platform}" needs packages that are not installed ({error.name}): run '
            f"`make {platform}` in Baton's folder, or `pip install --require-hashes -r requirements-{platform}.lock` where it "
            "is installed in another way"
        ) from None


class _Bedrock(anthropic.AsyncAnthropicBedrock):
    def __init__(self, access: Access, common: dict[str, Any]) -> None:
        setting = access.setting
        super().__init__(aws_region=setting.region, base_url=setting.base_url, **common)
        self._access = access
        self._chain = Chain(setting.profile, setting.region)
        if setting.profile:
            self.api_key = None  # what the table says is more specific than a key in the environment

    async def _prepare_request(self, request: httpx2.Request) -> None:
        await _signed(self._access, request, self._sign)

    async def _sign(self, request: httpx2.Request) -> None:
        if self.api_key is None:
            found = await asyncio.to_thread(self._chain.current)
            self.aws_access_key, self.aws_secret_key, self.aws_session_token = found
        await super()._prepare_request(request)


class _Vertex(anthropic.AsyncAnthropicVertex):
    def __init__(self, access: Access, common: dict[str, Any]) -> None:
        setting = access.setting
        super().__init__(region=setting.region, project_id=setting.project, base_url=setting.base_url, **common)
        self._access = access

    async def _prepare_request(self, request: httpx2.Request) -> None:
        await _signed(self._access, request, super()._prepare_request)


async def _signed(access: Access, request: httpx2.Request, sign: Callable[[httpx2.Request], Awaitable[None]]) -> None:
    """Sign the request as it will go out; a key of the table is sent in place of a signature.

    Raises `ProviderError` for whatever keeps the credentials away, because another choice may have some.
    """
    identity = access.identity
    addressed(request, identity)
    if not identity.signed:
        return
    try:
        await sign(request)
    except Exception as error:  # noqa: BLE001 - each way to get credentials has errors of its own, and no call was made
        raise _without_credentials(access, request, error) from None


def _without_credentials(access: Access, request: httpx2.Request, error: Exception) -> Exception:
    platform = access.setting.platform
    where = f"{access.name} at {request.url.copy_with(query=None)}"
    what = f"no credentials: {type(error).__name__}: {said(str(error))}"
    names = {one.__name__ for one in type(error).__mro__}
    if names & set(_UNREACHED) or getattr(error, "retryable", False):
        return provider_error("connection", where, what)
    how = (
        "Set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for the worker, give its machine a role, or name a "
        "`profile` in the endpoint's table; `aws sts get-caller-identity` shows what is found"
        if platform == "bedrock"
        else "Set GOOGLE_APPLICATION_CREDENTIALS for the worker, give its machine a service account, or run `gcloud auth "
        "application-default login`"
    )
    return provider_error("authentication", where, what, advice=how)
