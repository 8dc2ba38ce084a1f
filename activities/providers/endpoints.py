"""From settings to the endpoints that are there: the tables, the two shipped names, and the short forms that fill them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from activities.providers import platforms
from activities.providers.base import ENDPOINTS
from contracts.base_urls import Speaks
from contracts.endpoints import EndpointSetting
from contracts.errors import Misconfigured


@dataclass(frozen=True)
class ShortForm:
    """What the settings without a table say of a shipped name."""

    base_url: str = ""
    speaks: Literal["auto", "responses", "chat", "messages"] = "auto"
    has_key: bool = False


def resolved(tables: Mapping[str, EndpointSetting], short: Mapping[str, ShortForm]) -> dict[str, EndpointSetting]:
    """Every endpoint that the settings name, complete but for the key. Raises `Misconfigured` if two say different things.

    A shipped name is there if it has a key, an address, or a table.
    """
    found: dict[str, EndpointSetting] = {}
    for name, one in short.items():
        table = tables.get(name)
        if table is not None or one.has_key or one.base_url:
            found[name] = _shipped(name, table or EndpointSetting(), one)
    own = {name: platforms.completed(one) for name, one in tables.items() if name not in short}
    return found | own


def _shipped(name: str, table: EndpointSetting, short: ShortForm) -> EndpointSetting:
    if table.base_url and short.base_url and table.base_url != short.base_url:
        raise Misconfigured(
            f"[providers.{name}] base_url and {name}_base_url differ: leave one out, the second is only short for the first"
        )
    own = table.base_url or short.base_url
    changes: dict[str, Any] = {"base_url": own or ENDPOINTS[name], "speaks": table.speaks or _format(name, own, short)}
    # A vendor's name for a model says nothing about what somebody else charges for it.
    if not own and not table.vendor and not table.free:
        changes["vendor"] = name
    return table.model_copy(update=changes)


def _format(name: str, own: str, short: ShortForm) -> Speaks:
    if name == "anthropic":
        return "messages"
    if short.speaks in ("responses", "chat"):
        return "responses" if short.speaks == "responses" else "chat"
    return "chat" if own else "responses"


def caches(name: str, setting: EndpointSetting) -> bool:
    """Whether an endpoint is asked to cache prompts unless its table says otherwise: where the format surely has the field."""
    if setting.prompt_cache is not None:
        return setting.prompt_cache
    # By format and vendor: a gateway refuses OpenAI's field in Chat Completions and Responses over Claude.
    if setting.speaks == "messages":
        return setting.platform is not None or setting.vendor == "anthropic" or name == "anthropic"
    return setting.vendor in ("openai", "azure")


def key_source(setting: EndpointSetting) -> str:
    """Where an endpoint's own key comes from, for people; "" if its table names none, as with a platform's credentials."""
    file: Path | None = setting.key_file
    return f"the variable {setting.key_env}" if setting.key_env else f"the file {file}" if file else ""
