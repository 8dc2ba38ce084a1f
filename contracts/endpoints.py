"""A table `[providers.NAME]` of baton.toml: an endpoint of models, what it can do, and what a call of it may ask for."""

import json
import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, SecretStr, ValidationInfo, model_validator

from contracts.base import Input, Span, is_empty, is_none
from contracts.base_urls import Speaks, base_url_problem

Auth = Literal["bearer", "x-api-key", "api-key", "none"]
"""The header that carries the key: `Authorization: Bearer`, `x-api-key`, Azure's `api-key`, or none."""

QUEUE_MOST = timedelta(minutes=10)
"""The longest that `queue_timeout` may be: so much longer than its own limits a call's activity may take."""

Platform = Literal["bedrock", "vertex"]
"""A cloud that serves Claude: AWS Bedrock and Google Vertex AI, through the clients that Anthropic has for them."""

PATHS: dict[Speaks, str] = {"chat": "/chat/completions", "responses": "/responses", "messages": "/v1/messages"}
"""What is added to a base URL, by format."""

_OWN_HEADERS = frozenset(
    {"authorization", "x-api-key", "api-key", "host", "connection", "accept-encoding", "content-type", "content-length"}
    | {"transfer-encoding", "x-request-key", "x-client-request-id", "x-baton-agent", "x-baton-occurrence"}
)

_OWN_FIELDS = frozenset(
    {"model", "messages", "input", "instructions", "system", "tools", "response_format", "stream", "n", "store"}
    | {"max_tokens", "max_completion_tokens", "max_output_tokens"}
)


def _headers(found: dict[str, SecretStr]) -> dict[str, SecretStr]:
    for name, value in found.items():
        if name.lower() in _OWN_HEADERS:
            raise ValueError(f"the header {name} is Baton's own; a key goes out as `auth` says, from key_env or key_file")
        text = value.get_secret_value()
        if not name.replace("-", "").replace("_", "").isalnum() or not (
            name.isascii() and text.isascii() and text.isprintable()
        ):
            raise ValueError(f"the header {name!r} or its value cannot be sent: ASCII only, no line ends")
    return found


def _word(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str) and not re.fullmatch(r"[a-z_]{1,20}", value):
        such = "low, medium or high" if info.field_name == "effort" else "auto, flex or priority"
        raise ValueError(f"a word in small letters as the provider names it, such as {such}; left out, the provider decides")
    return value


def _body(found: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if own := sorted(_OWN_FIELDS & found.keys()):
        raise ValueError(f"{', '.join(own)}: Baton sets this field itself; only further fields can be added")
    try:
        json.dumps(found, allow_nan=False)
    except ValueError:
        raise ValueError("nan and inf cannot be sent, because JSON has no such numbers; write an ordinary one") from None
    return found


Headers = Annotated[dict[str, SecretStr], AfterValidator(_headers)]
Body = Annotated[dict[str, JsonValue], AfterValidator(_body)]
_Effort = Annotated[str, Field(pattern=r"^[a-z]{1,20}$"), BeforeValidator(_word)]
_Tier = Annotated[str, Field(pattern=r"^[a-z_]{1,20}$"), BeforeValidator(_word)]


class Capabilities(Input):
    """What an endpoint or one of its models can do. None: as the shipped table says for its vendor, see docs/models.md."""

    schema_with_tools: Literal["together", "apart", "tool"] | None = Field(
        default=None,
        description="together: tools and schema in one request; apart: while there are tools the schema stands in the prompt; "
        "tool: the final output is a tool call",
    )
    schema_form: Literal["json_schema", "json_object", "none"] | None = Field(
        default=None, description="how the final output's schema is sent; json_object and none: it stands in the prompt"
    )
    strict: bool | None = Field(default=None, description="whether tools and schemas are marked strict")
    max_tokens: Literal["max_completion_tokens", "max_tokens"] | None = Field(
        default=None, description="name of the output limit in Chat Completions"
    )
    call_content: Literal["omitted", "empty", "null"] | None = Field(
        default=None, description="content of an assistant message that has tool calls and no text"
    )
    reasoning_back: bool | None = Field(
        default=None, description="whether what a model thought goes back to it, in Chat Completions; yes by default"
    )
    after_tools: Literal["user", "assistant", "merged"] | None = Field(
        default=None,
        description="a note after tool results: a user message, one with a short assistant message before it, "
        "or part of the last tool result",
    )
    call_ids: Literal["any", "nine"] | None = Field(
        default=None, description="ids of tool calls: any, or nine letters and digits as Mistral wants them"
    )
    parallel_tool_calls: bool | None = Field(
        default=None, description="whether one reply may call several tools; None: not said to the endpoint"
    )
    stream: bool | None = Field(default=None, description="whether replies come in pieces while they are written")
    stream_usage: bool | None = Field(
        default=None, description="whether a stream is asked for its usage, by `stream_options` of Chat Completions"
    )


_FIELDS = {
    "temperature": ("temperature",),
    "effort": ("reasoning_effort", "reasoning.effort", "output_config.effort"),
    "thinking_budget": ("thinking.budget_tokens",),
    "seed": ("seed",),
    "service_tier": ("service_tier",),
}
"""The fields of a request's body that the formats have for each wish."""


class CallOptions(Input):
    """What one choice of a route asks for beyond its model. None: the endpoint's default."""

    temperature: Decimal | None = Field(default=None, ge=0, le=2, exclude_if=is_none)
    effort: _Effort | None = Field(
        default=None, exclude_if=is_none, description="how much the model thinks, such as low or high"
    )
    thinking_budget: int | None = Field(
        default=None, ge=1, exclude_if=is_none, description="tokens that the model may think, in Messages"
    )
    seed: int | None = Field(default=None, exclude_if=is_none, description="in Chat Completions")
    service_tier: _Tier | None = Field(default=None, exclude_if=is_none)
    body: Body = Field(default={}, exclude_if=is_empty, description="further fields of the request's body")

    def __hash__(self) -> int:
        # Choices are compared in sets; a table has no hash of its own, and equal objects still have the same one.
        return hash(tuple(value for _, value in self if not isinstance(value, dict)))

    def said_twice(self) -> str:
        """Which wish is also in `body`, where one would silently replace the other; "" if none is."""
        inside = {f"{name}.{key}" for name, value in self.body.items() if isinstance(value, dict) for key in value}
        said = self.body.keys() | inside
        both = [
            f"{name} and body.{field}"
            for name, fields in _FIELDS.items()
            if getattr(self, name) is not None
            for field in fields
            if field in said
        ]
        return f"{' and '.join(both)} say the same: write one of them" if both else ""

    def unsupported(self, speaks: Speaks) -> str:
        """What this format has no field for, with what to do; "" if it has all."""
        missing = {"chat": ("thinking_budget",), "responses": ("thinking_budget", "seed"), "messages": ("seed",)}[speaks]
        named = [name for name in missing if getattr(self, name) is not None]
        if not named:
            return ""
        return f"{' and '.join(named)}: {speaks} has no such field; leave it out, or write the endpoint's own field in `body`"


class EndpointSetting(Input):
    """A table `[providers.NAME]`. Routes name its models `NAME:model`. `anthropic` and `openai` are there without a table."""

    speaks: Speaks | None = Field(
        default=None, description="chat (Chat Completions), responses or messages; required but for anthropic and openai"
    )
    base_url: str = Field(
        default="",
        description="address before /chat/completions, /responses or /v1/messages; {model} in it becomes the model's name",
    )
    platform: Platform | None = Field(
        default=None,
        description="bedrock (AWS) or vertex (Google): Claude there, with the credentials that the cloud's own tools use",
    )
    region: str = Field(
        default="",
        pattern=r"^[a-z0-9-]*$",
        description="the platform's region, such as us-east-1; in vertex also global, us, eu",
    )
    project: str = Field(default="", pattern=r"^[a-z0-9:.-]*$", description="the Google Cloud project, in vertex")
    profile: str = Field(default="", description="the AWS profile, in bedrock; default: as AWS's own tools choose it")
    key_env: str = Field(default="", pattern=r"^[A-Za-z0-9_]*$", description="environment variable that holds the key")
    key_file: Path | None = Field(default=None, description="file that holds the key; read again whenever it changes")
    auth: Auth | None = Field(
        default=None, description="header of the key: bearer, x-api-key, api-key or none; default: bearer where there is a key"
    )
    headers: Headers = Field(default={}, description="further headers")
    body: Body = Field(default={}, description="further fields of every request's body")
    query: dict[str, SecretStr] = Field(default={}, description='query parameters, such as { "api-version" = "2024-10-21" }')
    proxy: SecretStr = Field(default=SecretStr(""), description="as the setting `proxy`, for this endpoint")
    ca_file: Path | None = Field(default=None, description="PEM file of further certificate authorities for this endpoint")
    vendor: str = Field(
        default="", pattern=r"^[a-z0-9_-]*$", description="whose prices and capabilities count: a vendor of genai-prices"
    )
    free: bool = Field(default=False, description="its models cost nothing and need no price")
    bill_as_stated: bool = Field(
        default=False, description="what it says that a call costs is what is charged; otherwise it is compared with the price"
    )
    connect_timeout: Span | None = Field(default=None, description="time to connect; 10 s by default")
    first_byte_timeout: Span | None = Field(
        default=None, description="time until the first byte of the answer; default: the whole call's time limit"
    )
    idle_timeout: Span | None = Field(
        default=None, description="time without a further byte of a reply that is streamed; 2 min by default"
    )
    total_timeout: Span | None = Field(default=None, description="time for a whole call, if the agent's limit is longer")
    concurrency: int | None = Field(default=None, ge=1, description="most calls at once from one worker")
    queue_timeout: Span | None = Field(
        default=None, le=QUEUE_MOST, description="time that a call may wait for its turn by `concurrency`; 5 min by default"
    )
    prompt_cache: bool | None = Field(
        default=None, description="whether prompt caches are asked for; default: where the vendor is known to have one"
    )
    capabilities: Capabilities = Field(default=Capabilities(), description="where it differs from the shipped table")
    models: dict[str, Capabilities] = Field(
        default={}, description="the same per model: tables by name, or by a glob such as gemini-2*"
    )

    @model_validator(mode="after")
    def _sane(self) -> Self:
        # What stands before a platform's path may end with a version of its own.
        speaks = None if self.platform else self.speaks
        if self.base_url and (problem := base_url_problem(self.base_url, speaks)):
            raise ValueError(f"base_url {problem}")
        if problem := _platform_problem(self):
            raise ValueError(problem)
        if self.key_env and self.key_file:
            raise ValueError("name the key once: key_env or key_file")
        if self.free and self.vendor:
            raise ValueError("free and vendor contradict each other: leave one out")
        if self.free and self.bill_as_stated:
            raise ValueError("free and bill_as_stated contradict each other: leave one out")
        return self


_ON_PLATFORMS: dict[str, tuple[str, ...]] = {"bedrock": ("profile",), "vertex": ("project",)}
"""What only one platform has."""


def _platform_problem(table: EndpointSetting) -> str:
    """What is wrong with what a table says of its platform; "" if nothing is."""
    own = _ON_PLATFORMS[table.platform] if table.platform else ()
    said = [name for name in ("region", "project", "profile") if getattr(table, name)]
    if table.platform is None:
        return f'{said[0]} is for a platform: say platform = "bedrock" or "vertex", or leave it out' if said else ""
    named = f'platform = "{table.platform}"'
    if table.speaks not in (None, "messages"):
        return f'{named} speaks messages: write speaks = "messages"'
    if not table.region:
        such = "us-east-1" if table.platform == "bedrock" else "global or us-east5"
        return f"{named} needs a region, such as {such}"
    if table.platform == "vertex" and not table.project:
        return f"{named} needs a project: the id of the Google Cloud project that is billed"
    foreign = [name for name in said if name not in ("region", *own)]
    if foreign:
        return f"{named} has no {foreign[0]}: leave it out"
    if table.profile and (table.key_env or table.key_file):
        return "profile and a key contradict each other: with a key of Bedrock nothing is signed; leave one out"
    if table.auth or table.query:
        return f"{named}: its own client says who asks, and where; leave {'auth' if table.auth else 'query'} out"
    return ""


def declared(found: dict[str, EndpointSetting]) -> dict[str, EndpointSetting]:
    """The same tables. Raises `ValueError` for one that lacks what only the shipped names have by themselves."""
    for name, one in found.items():
        if name == "scripted":
            raise ValueError("scripted is the name of Baton's own player of scripts; choose another")
        if name == "human":
            raise ValueError("human is how a route says that a person does the step; choose another")
        if name == "command":
            raise ValueError("command stands for outside programs in routes; choose another")
        shipped = name in ("anthropic", "openai")
        if shipped and one.platform:
            raise ValueError(f"{name} is reached directly; give an endpoint on a platform a name of its own, such as bedrock")
        if not (shipped or one.platform or (one.speaks and one.base_url)):
            raise ValueError(f"{name}: say speaks (chat, responses or messages) and base_url")
    if found.get("anthropic", EndpointSetting()).speaks in ("chat", "responses"):
        raise ValueError("anthropic speaks messages; give an endpoint that speaks another format a name of its own")
    if found.get("openai", EndpointSetting()).speaks == "messages":
        raise ValueError("openai speaks responses or chat; give an endpoint that speaks messages a name of its own")
    return found
