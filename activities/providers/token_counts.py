"""What a call has used, and what the provider says that it costs: read from every vendor's names, never below its own total."""

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any

from contracts.conversation import StatedCost, Usage

# Above it readers of JSON that use doubles no longer see the same number.
_TOKENS_LIMIT = 2**53

_READ = ("cached_tokens", "cache_read_tokens")
_READ_BESIDE = ("cached_tokens", "prompt_cache_hit_tokens", "num_cached_tokens")
"""Moonshot's, DeepSeek's and Mistral's names for what OpenAI has among the details of the input."""

_WRITE = ("cache_write_tokens", "cache_creation_tokens")
_REASONING = ("reasoning_tokens", "thinking_tokens")
_USD_LIMIT = 1_000_000


def openai_usage(reply: Mapping[str, Any]) -> Usage | None:
    """Usage of a reply in one of OpenAI's formats, which many vendors speak; None if it is missing or impossible.

    Cached tokens are part of the input, reasoning is part of the output, unless the numbers show that they stand beside it, as
    xAI's reasoning does. Tokens that only the total has, such as Gemini's thoughts, are output.
    """
    usage = reply.get("usage")
    try:
        given, made = _most(usage, "prompt_tokens", "input_tokens"), _most(usage, "completion_tokens", "output_tokens")
        total = _most(usage, "total_tokens")
        read, write, apart = _cached(usage)
        if given is None or (made is None and total is None):
            return None
        made = max((total or 0) - given, 0) if made is None else made
        # Anthropic's own names come through gateways that count what is cached beside the input, and through some that do not.
        if apart and (read + write > given or total == given + made + read + write):
            given += read + write
        details = [_details(usage, "completion_tokens_details"), _details(usage, "output_tokens_details")]
        reasoning = max([0, *(_most(one, *_REASONING) or 0 for one in (usage, *details))])
        if reasoning > made:
            made += reasoning
        hour = _most(_details(_details(usage, "prompt_tokens_details"), "cache_creation_token_details"), _HOUR) or 0
        return _possible(given, max(made, (total or 0) - given), read, max(write, hour), reasoning, hour)
    except ValueError:
        return None


def anthropic_usage(reply: Mapping[str, Any]) -> Usage | None:
    """Usage of a reply in Anthropic's format, whose input excludes what is cached: it is added. None if it is impossible."""
    usage = reply.get("usage")
    try:
        kept = _details(usage, "cache_creation")
        # What is kept for an hour costs more than what is kept for five minutes.
        hour, short = _most(kept, _HOUR) or 0, _most(kept, "ephemeral_5m_input_tokens") or 0
        read, write = _most(usage, "cache_read_input_tokens") or 0, _most(usage, "cache_creation_input_tokens") or 0
        write = max(write, hour + short)  # an endpoint may report the sum, its parts, or both
        fresh, made = _most(usage, "input_tokens"), _most(usage, "output_tokens")
        if fresh is None or made is None:
            return None
        given = fresh + read + write
        reasoning = _most(_details(usage, "output_tokens_details"), *_REASONING) or 0
        if reasoning > made:
            made += reasoning
        total = _most(usage, "total_tokens") or 0
        return _possible(given, max(made, total - given), read, write, reasoning, hour)
    except ValueError:
        return None


def believed(usage: Usage | None, *, said: bool) -> Usage | None:
    """The usage, or None where it counts no output although the reply has text or calls (`said`)."""
    return None if usage is None or (said and usage.output == 0) else usage


def stated_cost(reply: Mapping[str, Any], headers: Mapping[str, str], *, bill: bool) -> StatedCost | None:
    """What the provider says that the call costs, in US dollars; None if it says nothing that can be a price.

    OpenRouter, Perplexity, DeepInfra and xAI say it in the usage, LiteLLM in a header.
    """
    usage = reply.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    cost = usage.get("cost")
    if isinstance(cost, Mapping):
        cost = cost.get("total_cost")
    if usage.get("is_byok") is True:  # the fee alone: the rest is billed to the key that was brought along
        beside = _usd(_details(usage, "cost_details").get("upstream_inference_cost"))
        own = _usd(cost)
        found = [None if own is None or beside is None else own + beside]
    else:
        ticks = _usd(usage.get("cost_in_usd_ticks"), limit=_USD_LIMIT * 10**10)
        found = [_usd(cost), _usd(usage.get("estimated_cost")), None if ticks is None else ticks / 10**10]
    found.append(_usd(headers.get("x-litellm-response-cost")))
    usd = next((one for one in found if one is not None), None)
    if usd is None:
        return None
    micros = (usd * 1_000_000).to_integral_value(rounding=ROUND_CEILING)
    return StatedCost(usd_micros=int(micros), bill=bill)


_HOUR = "ephemeral_1h_input_tokens"


def _cached(usage: Any) -> tuple[int, int, bool]:
    """What was read from a cache and written to one, and whether it is said by Anthropic's names."""
    inside = [_details(usage, "prompt_tokens_details"), _details(usage, "input_tokens_details")]
    read = [_most(usage, *_READ_BESIDE), *(_most(one, *_READ) for one in inside)]
    write = [_most(one, *_WRITE) for one in inside]
    read_apart, write_apart = _most(usage, "cache_read_input_tokens"), _most(usage, "cache_creation_input_tokens")
    apart = bool(read_apart or write_apart)
    return max([0, *(one or 0 for one in [*read, read_apart])]), max([0, *(one or 0 for one in [*write, write_apart])]), apart


def _possible(given: int, made: int, read: int, write: int, reasoning: int, hour: int) -> Usage:
    """The usage. Raises `ValueError` if a part is larger than its whole, or nothing was asked: every prompt has tokens."""
    if given == 0 or read + write > given or reasoning > made:
        raise ValueError("the usage is impossible")
    return Usage(input=given, output=made, cache_read=read, cache_write=write, reasoning=reasoning, cache_write_1h=hour)


def _most(usage: Any, *names: str) -> int | None:
    """The largest of some counters, which are names for the same; None if none is there. Raises `ValueError` for no count."""
    found = None
    for name in names:
        value = usage.get(name) if isinstance(usage, Mapping) else None
        if value is None:
            continue
        # In Python `True` is an int, and would count as one token.
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _TOKENS_LIMIT:
            raise ValueError(f"{name} is no count of tokens")
        found = value if found is None else max(found, value)
    return found


def _details(usage: Any, name: str) -> Mapping[str, Any]:
    found = usage.get(name) if isinstance(usage, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _usd(value: Any, limit: int = _USD_LIMIT) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() and 0 <= found <= limit else None
