"""Usage as ten and more vendors write it, added up by hand; and what they say that a call costs."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.money import prices
from activities.providers.token_counts import anthropic_usage, openai_usage, stated_cost
from contracts.agents import Choice, Price
from contracts.conversation import StatedCost, Usage

PRICE = Price(input=1_000_000, output=5_000_000, cache_read=100_000, cache_write=1_250_000)
"""Micro-dollars per million tokens: 1 for a fresh one, 0.1 read, 1.25 written, 5 out."""

FORMS: dict[str, tuple[Any, dict[str, Any], Usage, int]] = {
    # 1000 fresh + 200 read + 90 out: 1000 + 20 + 450.
    "OpenAI": (
        openai_usage,
        {
            "prompt_tokens": 1200,
            "completion_tokens": 90,
            "total_tokens": 1290,
            "prompt_tokens_details": {"cached_tokens": 200, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 60, "accepted_prediction_tokens": 0},
        },
        Usage(input=1200, output=90, cache_read=200, reasoning=60),
        1470,
    ),
    # 100 fresh + 1000 read + 100 written + 90 out: 100 + 100 + 125 + 450.
    "Anthropic": (
        anthropic_usage,
        {"input_tokens": 100, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 100, "output_tokens": 90},
        Usage(input=1200, output=90, cache_read=1000, cache_write=100),
        775,
    ),
    # 200 fresh + 1000 read + 90 out: 200 + 100 + 450.
    "DeepSeek": (
        openai_usage,
        {
            "prompt_tokens": 1200,
            "completion_tokens": 90,
            "total_tokens": 1290,
            "prompt_cache_hit_tokens": 1000,
            "prompt_cache_miss_tokens": 200,
            "completion_tokens_details": {"reasoning_tokens": 40},
        },
        Usage(input=1200, output=90, cache_read=1000, reasoning=40),
        750,
    ),
    # 700 fresh + 500 read + 90 out: 700 + 50 + 450.
    "Kimi": (
        openai_usage,
        {"prompt_tokens": 1200, "completion_tokens": 90, "total_tokens": 1290, "cached_tokens": 500},
        Usage(input=1200, output=90, cache_read=500),
        1200,
    ),
    # The thoughts are in the total alone: 2899 out. 1200 + 14495.
    "Gemini": (
        openai_usage,
        {"prompt_tokens": 1200, "completion_tokens": 90, "total_tokens": 4099},
        Usage(input=1200, output=2899),
        15695,
    ),
    # All of the output was thought: 1200 + 14495.
    "Gemini without an answer": (
        openai_usage,
        {"prompt_tokens": 1200, "total_tokens": 4099},
        Usage(input=1200, output=2899),
        15695,
    ),
    # Reasoning stands beside the completion: 150 out. 1100 + 10 + 750.
    "xAI": (
        openai_usage,
        {
            "prompt_tokens": 1200,
            "completion_tokens": 90,
            "total_tokens": 1350,
            "prompt_tokens_details": {"text_tokens": 1200, "cached_tokens": 100},
            "completion_tokens_details": {"reasoning_tokens": 60},
            "num_sources_used": 0,
        },
        Usage(input=1200, output=150, cache_read=100, reasoning=60),
        1860,
    ),
    # 90 + 400 out, although nothing adds it up: 1200 + 2450.
    "reasoning beside, without a total": (
        openai_usage,
        {"prompt_tokens": 1200, "completion_tokens": 90, "completion_tokens_details": {"reasoning_tokens": 400}},
        Usage(input=1200, output=490, reasoning=400),
        3650,
    ),
    # 900 fresh + 100 read + 200 written + 90 out: 900 + 10 + 250 + 450.
    "OpenRouter": (
        openai_usage,
        {
            "prompt_tokens": 1200,
            "completion_tokens": 90,
            "total_tokens": 1290,
            "cost": 0.00161,
            "is_byok": False,
            "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 200},
            "cost_details": {"upstream_inference_cost": None},
        },
        Usage(input=1200, output=90, cache_read=100, cache_write=200),
        1610,
    ),
    # Inside the prompt, as LiteLLM counts: 100 fresh + 1000 read + 100 written + 90 out: 100 + 100 + 125 + 450.
    "LiteLLM in front of Claude": (
        openai_usage,
        {
            "prompt_tokens": 1200,
            "completion_tokens": 90,
            "total_tokens": 1290,
            "prompt_tokens_details": {"cached_tokens": 1000, "cache_creation_tokens": 100},
            "cache_read_input_tokens": 1000,
            "cache_creation_input_tokens": 100,
        },
        Usage(input=1200, output=90, cache_read=1000, cache_write=100),
        775,
    ),
    # Beside the prompt, as other gateways count: the same sum.
    "a gateway in front of Claude": (
        openai_usage,
        {
            "prompt_tokens": 100,
            "completion_tokens": 90,
            "total_tokens": 190,
            "cache_read_input_tokens": 1000,
            "cache_creation_input_tokens": 100,
        },
        Usage(input=1200, output=90, cache_read=1000, cache_write=100),
        775,
    ),
    # 200 fresh + 1000 read + 90 out: 200 + 100 + 450.
    "Mistral": (
        openai_usage,
        {"prompt_tokens": 1200, "completion_tokens": 90, "total_tokens": 1290, "num_cached_tokens": 1000},
        Usage(input=1200, output=90, cache_read=1000),
        750,
    ),
    # 1200 + 450.
    "Groq": (
        openai_usage,
        {
            "queue_time": 0.05,
            "prompt_tokens": 1200,
            "prompt_time": 0.01,
            "completion_tokens": 90,
            "completion_time": 0.2,
            "total_tokens": 1290,
            "total_time": 0.21,
        },
        Usage(input=1200, output=90),
        1650,
    ),
    # 200 fresh + 1000 read + 90 out.
    "GLM": (
        openai_usage,
        {
            "prompt_tokens": 1200,
            "completion_tokens": 90,
            "total_tokens": 1290,
            "prompt_tokens_details": {"cached_tokens": 1000},
        },
        Usage(input=1200, output=90, cache_read=1000),
        750,
    ),
    # Names of both formats at once, one pair of them zero: 1200 + 450.
    "a resold key": (
        openai_usage,
        {
            "prompt_tokens": 1200,
            "completion_tokens": 90,
            "total_tokens": 1290,
            "input_tokens": 0,
            "output_tokens": 0,
            "prompt_tokens_details": None,
            "completion_tokens_details": [],
        },
        Usage(input=1200, output=90),
        1650,
    ),
    # A total that was forgotten is no smaller truth: 1200 + 450.
    "vLLM": (
        openai_usage,
        {"prompt_tokens": 1200, "completion_tokens": 90, "total_tokens": 0},
        Usage(input=1200, output=90),
        1650,
    ),
    # 700 fresh + 500 read + 90 out, 30 more in the total: 700 + 50 + 600.
    "OpenAI Responses": (
        openai_usage,
        {
            "input_tokens": 1200,
            "output_tokens": 90,
            "total_tokens": 1320,
            "input_tokens_details": {"cached_tokens": 500},
            "output_tokens_details": {"reasoning_tokens": 20},
        },
        Usage(input=1200, output=120, cache_read=500, reasoning=20),
        1350,
    ),
    # Kimi's Anthropic side says a total, too: 100 fresh + 1100 read + 300 out: 100 + 110 + 1500.
    "Kimi by Anthropic's format": (
        anthropic_usage,
        {"input_tokens": 100, "cache_read_input_tokens": 1100, "output_tokens": 90, "total_tokens": 1500},
        Usage(input=1200, output=300, cache_read=1100),
        1710,
    ),
}


@pytest.mark.parametrize(("read", "usage", "expected", "micros"), FORMS.values(), ids=FORMS)
def test_each_vendors_form_is_added_up_right(read: Any, usage: dict[str, Any], expected: Usage, micros: int) -> None:
    """Cached, written and thought tokens are found under every name, and cost what they cost."""
    found = read({"usage": usage})
    assert found == expected
    assert prices.tariff(Choice(model="corner:test", price=PRICE)).cost(found) == micros


IMPOSSIBLE: list[tuple[Any, Any]] = [
    (openai_usage, {"prompt_tokens": 1200, "completion_tokens": 90, "total_tokens": "1290"}),
    (openai_usage, {"prompt_tokens": 1200, "completion_tokens": 90, "total_tokens": -1}),
    (openai_usage, {"prompt_tokens": 1200, "completion_tokens": 90, "cached_tokens": 1201}),
    (openai_usage, {"prompt_tokens": 1200, "completion_tokens": 90, "prompt_cache_hit_tokens": True}),
    (openai_usage, {"prompt_tokens": 0, "completion_tokens": 90, "total_tokens": 4099}),
    (openai_usage, {"total_tokens": 4099}),
    (openai_usage, [1, 2]),
    (anthropic_usage, {"input_tokens": 1200, "output_tokens": 90, "total_tokens": 1.5}),
    (anthropic_usage, {"input_tokens": 1200, "total_tokens": 4099}),
    (anthropic_usage, "1200/90"),
]


@pytest.mark.parametrize(("read", "usage"), IMPOSSIBLE)
def test_a_count_that_cannot_be_is_none(read: Any, usage: Any) -> None:
    """A total is believed no more than any other number; without a usage all that was held is charged."""
    assert read({"usage": usage}) is None


counts = st.integers(0, 5000) | st.none()


COUNTERS = (
    *("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "total_tokens", "cached_tokens"),
    *("prompt_cache_hit_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "reasoning_tokens"),
)
DETAILS = {
    "prompt_tokens_details": st.fixed_dictionaries({}, optional={"cached_tokens": counts}),
    "completion_tokens_details": st.fixed_dictionaries({}, optional={"reasoning_tokens": counts}),
}


@given(st.fixed_dictionaries({}, optional={**dict.fromkeys(COUNTERS, counts), **DETAILS}))
def test_no_form_is_counted_below_its_own_total(usage: dict[str, Any]) -> None:
    """Whatever stands together: what is believed is no less than the total, nor than input and output, and can be charged."""
    for read in (openai_usage, anthropic_usage):
        found = read({"usage": usage})
        if found is None:
            continue
        whole = found.input + found.output
        assert whole >= (usage.get("total_tokens") or 0)
        assert found.input >= (usage.get("input_tokens") or 0)
        assert found.output >= (usage.get("output_tokens") or 0)
        assert found.cache_read + found.cache_write <= found.input
        assert found.reasoning <= found.output
        if read is openai_usage:
            assert whole >= (usage.get("prompt_tokens") or 0) + (usage.get("completion_tokens") or 0)


STATED: list[tuple[dict[str, Any], dict[str, str], int | None]] = [
    ({"cost": 0.9}, {}, 900_000),
    ({"cost": 0.0000012}, {}, 2),
    ({"cost": 0}, {}, 0),
    ({"cost": 0.01, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.2}}, {}, 210_000),
    ({"cost": 0.01, "is_byok": True, "cost_details": {}}, {}, None),
    ({"cost": {"input_tokens_cost": 0.1, "total_cost": 0.25}}, {}, 250_000),
    ({"estimated_cost": 0.00165}, {}, 1650),
    ({"cost_in_usd_ticks": 16_500_000}, {}, 1650),
    ({}, {"x-litellm-response-cost": "1.65e-03"}, 1650),
    ({}, {"x-litellm-response-cost": "None"}, None),
    ({}, {}, None),
    ({"cost": -1}, {}, None),
    ({"cost": "free"}, {}, None),
    ({"cost": True}, {}, None),
    ({"cost": float("inf")}, {}, None),
    ({"cost": 10**30}, {}, None),
    ({"cost": [1]}, {}, None),
]


@pytest.mark.parametrize(("usage", "headers", "micros"), STATED)
def test_what_a_provider_says_it_costs_is_kept(usage: dict[str, Any], headers: dict[str, str], micros: int | None) -> None:
    """OpenRouter, Perplexity, DeepInfra, xAI and LiteLLM say it in forms of their own; nonsense is not believed."""
    for bill in (False, True):
        expected = None if micros is None else StatedCost(usd_micros=micros, bill=bill)
        assert stated_cost({"usage": usage}, headers, bill=bill) == expected
    assert stated_cost({"usage": None}, {}, bill=True) is None


@given(st.decimals(0, 1000, places=9))
def test_a_stated_cost_is_never_rounded_down(usd: Decimal) -> None:
    """A part of a micro-dollar is one."""
    found = stated_cost({"usage": {"cost": str(usd)}}, {}, bill=True)
    assert found is not None
    assert 0 <= found.usd_micros - usd * 1_000_000 < 1
