"""Which format the worker speaks to whom."""

import pytest

import config
import worker

OWN = {"openai_api_key": "sk-of-ones-own"}
OTHER = {"openai_base_url": "http://127.0.0.1:9/v1"}

FORMATS = [
    (OWN, "OpenAIResponses"),
    (OWN | {"openai_api": "chat"}, "OpenAI"),
    (OWN | OTHER, "OpenAI"),
    (OTHER, "OpenAI"),
    (OTHER | {"openai_api": "responses"}, "OpenAIResponses"),
]


@pytest.mark.parametrize(("values", "made"), FORMATS)
def test_openai_itself_speaks_responses_and_others_chat_completions(values: dict[str, str], made: str) -> None:
    """Unless a setting says otherwise."""
    assert type(worker.build_providers(config.load(**values))["openai"]).__name__ == made
