"""Which format the worker speaks to whom."""

from typing import Any

import pytest

import config
import model_choice

OWN = {"openai_api_key": "sk-of-ones-own"}
OTHER = {"openai_base_url": "http://127.0.0.1:9/v1"}

FORMATS = [
    (OWN, "OpenAIResponses", True),
    (OWN | {"openai_api": "chat"}, "OpenAI", True),
    (OWN | OTHER, "OpenAI", False),
    (OTHER, "OpenAI", False),
    (OTHER | {"openai_api": "responses"}, "OpenAIResponses", False),
    (OTHER | {"openai_api": "responses", "providers": {"openai": {"vendor": "openai"}}}, "OpenAIResponses", True),
    (OTHER | {"openai_api": "responses", "providers": {"openai": {"prompt_cache": True}}}, "OpenAIResponses", True),
]

SOLD = [
    # What is spoken with a gateway, whose model is behind it, and whether that vendor's cache field goes there.
    ("chat", "openai", True),
    ("responses", "azure", True),
    ("chat", "anthropic", False),
    ("responses", "anthropic", False),
    ("messages", "anthropic", True),
    ("messages", "openai", False),
    ("responses", "", False),
]


@pytest.mark.parametrize(("speaks", "vendor", "cached"), SOLD)
def test_a_gateway_gets_the_cache_field_of_its_format_for_the_vendor_that_has_it(
    speaks: str, vendor: str, cached: bool
) -> None:
    """LiteLLM refuses OpenAI's field in either of OpenAI's formats where the model is Claude."""
    table = {"speaks": speaks, "base_url": "http://127.0.0.1:9/v1" if speaks != "messages" else "http://127.0.0.1:9"}
    provider = model_choice.build_providers(config.load(providers={"own": table | {"vendor": vendor}}))["own"]
    assert vars(provider)["_prompt_cache"] is cached


@pytest.mark.parametrize(("values", "made", "cached"), FORMATS)
def test_openai_itself_speaks_responses_and_others_chat_completions(values: dict[str, Any], made: str, cached: bool) -> None:
    """Unless a setting says otherwise; and only who surely knows the field is told which cache to use."""
    provider = model_choice.build_providers(config.load(**values))["openai"]
    assert (type(provider).__name__, vars(provider)["_prompt_cache"]) == (made, cached)
