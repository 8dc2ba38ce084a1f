"""Fields of a request's body that the settings add: an endpoint's own, and those of one choice of a route."""

from collections.abc import Mapping
from typing import Any

from activities.providers.errors import provider_error
from contracts.base_urls import Speaks
from contracts.conversation import ModelRequest
from contracts.endpoints import CallOptions, EndpointSetting


def with_options(
    body: Mapping[str, Any], request: ModelRequest, speaks: Speaks, setting: EndpointSetting, endpoint: str
) -> dict[str, Any]:
    """The body with what the endpoint's table and the choice add to it. Raises `ProviderError` for what the format has not."""
    options = request.options or CallOptions()
    if problem := options.unsupported(speaks):
        raise provider_error("bad_request", endpoint, f"routes.toml asks for {problem}")
    said = {name: value for name, value in _fields(options, speaks).items() if value is not None}
    return _merged(_merged(_merged(body, setting.body), said), options.body)


def _fields(options: CallOptions, speaks: Speaks) -> dict[str, Any]:
    temperature = None if options.temperature is None else float(options.temperature)
    common = {"temperature": temperature, "service_tier": options.service_tier}
    effort = None if options.effort is None else {"effort": options.effort}
    if speaks == "chat":
        return common | {"reasoning_effort": options.effort, "seed": options.seed}
    if speaks == "responses":
        return common | {"reasoning": effort}
    budget = options.thinking_budget
    thinking = None if budget is None else {"type": "enabled", "budget_tokens": budget}
    return common | {"output_config": effort, "thinking": thinking}


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both, tables inside them, too: `text.verbosity` must not remove the schema beside it."""
    found = dict(under)
    for name, value in over.items():
        there = found.get(name)
        found[name] = _merged(there, value) if isinstance(there, dict) and isinstance(value, dict) else value
    return found
