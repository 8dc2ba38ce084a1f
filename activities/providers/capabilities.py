"""What endpoints can do, by vendor and model: the shipped table under the settings. Nothing here is found out during a run."""

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from contracts.base_urls import Speaks
from contracts.endpoints import Capabilities, EndpointSetting


@dataclass(frozen=True)
class Known:
    """Capabilities with nothing left open; the fields are those of `contracts.endpoints.Capabilities`."""

    schema_with_tools: Literal["together", "apart", "tool"] = "together"
    schema_form: Literal["json_schema", "json_object", "none"] = "json_schema"
    strict: bool = True
    max_tokens: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    call_content: Literal["omitted", "empty", "null"] | None = None
    reasoning_back: bool = True
    after_tools: Literal["user", "assistant", "merged"] = "user"
    call_ids: Literal["any", "nine"] = "any"
    parallel_tool_calls: bool | None = None
    stream: bool = False
    stream_usage: bool = True

    def schema_is_sent(self, *, tools: bool) -> bool:
        """Whether a field of the request carries the schema, or for json_object at least asks for an object."""
        return self.schema_form != "none" and (self.schema_with_tools == "together" or not tools)

    def schema_in_prompt(self, *, tools: bool) -> bool:
        """Whether the prompt has to carry the schema, because nothing else in the request does."""
        if tools and self.schema_with_tools == "tool":
            return False
        return self.schema_form != "json_schema" or not self.schema_is_sent(tools=tools)


FULL = Known()
"""OpenAI, Azure and Anthropic themselves. OpenAI streams some models only to organisations that have proved who they are."""

STREAMED = replace(FULL, stream=True)
"""Anthropic: its streams always count their tokens, name their errors, and are what it asks for in long calls."""

CAREFUL = Known(schema_with_tools="apart", strict=False, max_tokens="max_tokens", call_content="empty")
"""Everybody else who speaks one of OpenAI's formats. Servers that constrain by grammar call no tool while a schema is set."""

CAREFUL_MESSAGES = replace(CAREFUL, schema_form="none")
"""Others who speak Messages: hardly any of them knows Anthropic's field for a schema."""

PLATFORM = replace(CAREFUL_MESSAGES, stream=True)
"""Claude on Bedrock and Vertex: it streams as at Anthropic, and new fields come there later."""

_MISTRAL = {"call_ids": "nine", "after_tools": "merged"}

TABLE: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("deepseek", "*", {"schema_form": "json_object"}),
    ("moonshotai", "*", {"schema_form": "json_object"}),
    ("zai", "*", {"schema_form": "json_object"}),
    ("zhipuai", "*", {"schema_form": "json_object"}),
    ("mistral", "*", _MISTRAL),
    ("groq", "*", {"schema_form": "json_object"}),
    ("groq", "openai/gpt-oss*", {"schema_form": "json_schema"}),
    ("x-ai", "*", {"max_tokens": "max_completion_tokens"}),
    ("google", "gemini-3*", {"schema_with_tools": "together"}),
    ("openrouter", "openai/*", {"schema_with_tools": "together", "strict": True}),
    ("openrouter", "anthropic/*", {"schema_with_tools": "together"}),
    ("openrouter", "mistralai/*", _MISTRAL),
)
"""Vendor, glob of models, and what differs there from `CAREFUL`; a later row counts before an earlier one."""


def capabilities(setting: EndpointSetting, speaks: Speaks, model: str) -> Known:
    """What this model can do at this endpoint: the table's rows, then the endpoint's settings, then those of the model."""
    found = PLATFORM if setting.platform else _base(setting.vendor, speaks)
    for vendor, glob, differs in TABLE:
        if vendor == setting.vendor and speaks != "messages" and fnmatchcase(model, glob):
            found = replace(found, **differs)
    found = _with(found, setting.capabilities)
    for glob, one in setting.models.items():
        if fnmatchcase(model, glob):
            found = _with(found, one)
    return found


def _base(vendor: str, speaks: Speaks) -> Known:
    if speaks == "messages":
        return STREAMED if vendor == "anthropic" else CAREFUL_MESSAGES
    return FULL if vendor in ("openai", "azure") else CAREFUL


def _with(known: Known, said: Capabilities) -> Known:
    return replace(known, **{name: value for name, value in said if value is not None})
