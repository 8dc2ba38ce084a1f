"""The ways of sending a request that a probe tries, the one in force first. Pure."""

from dataclasses import dataclass, replace
from typing import Literal

from activities.providers.capabilities import Known
from contracts.base_urls import Speaks

Key = Literal["max_completion_tokens", "max_tokens"]
Content = Literal["omitted", "empty", "null"]
Note = Literal["user", "assistant", "merged"]

_CONTENTS: tuple[Content, ...] = ("empty", "omitted", "null")
_NOTES: tuple[Note, ...] = ("user", "merged", "assistant")


@dataclass(frozen=True)
class Tried:
    """One way of sending a request: what it is called, and the capabilities that send it so."""

    label: str
    known: Known


def keys(known: Known, speaks: Speaks) -> list[Tried]:
    """Both names of the output limit; the other formats have one."""
    if speaks != "chat":
        return [Tried("", known)]
    other: Key = "max_tokens" if known.max_tokens == "max_completion_tokens" else "max_completion_tokens"
    return [Tried(known.max_tokens, known), Tried(other, replace(known, max_tokens=other))]


def schemas(known: Known, speaks: Speaks) -> list[Tried]:
    """From the most that a field of the request can say of the final output to the least. Strict only where it is in force:
    a small schema does not show that a server can do it with every schema.
    """
    named = replace(known, schema_form="json_schema")
    ways = [Tried("json_schema, strict", named)] if named.strict else []
    ways.append(Tried("json_schema", replace(named, strict=False)))
    if speaks != "messages":
        ways.append(Tried("json_object", replace(named, strict=False, schema_form="json_object")))
    return ways


def contents(known: Known, speaks: Speaks) -> list[Tried]:
    """Contents of a message of the assistant that only calls tools, and ids as Mistral wants them."""
    if speaks != "chat":
        return [Tried("", known)]
    own = known.call_content
    ways = [Tried(f"content {own}" if own else "", known)]
    ways += [Tried(f"content {one}", replace(known, call_content=one)) for one in _CONTENTS if one != own]
    if known.call_ids == "any":
        ways.append(Tried("ids of nine characters", replace(known, call_ids="nine")))
    return ways


def notes(known: Known, speaks: Speaks) -> list[Tried]:
    """Where a text of Baton stands that follows the results of tools."""
    if speaks != "chat":
        return [Tried("", known)]
    others = [Tried(one, replace(known, after_tools=one)) for one in _NOTES if one != known.after_tools]
    return [Tried(known.after_tools, known), *others]


def streams(known: Known, speaks: Speaks) -> list[Tried]:
    """A reply in pieces; Chat Completions also without the field that asks for its usage."""
    asked = Tried("", replace(known, stream=True))
    if speaks != "chat" or not known.stream_usage:
        return [asked]
    return [asked, Tried("stream_usage = false", replace(known, stream=True, stream_usage=False))]
