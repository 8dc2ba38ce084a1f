"""Why a model stopped, from what providers call it and from what is there."""

import re
from typing import Any

from contracts.conversation import StopReason

_CUT_OFF = frozenset(
    {
        *("length", "max_tokens", "max_output_tokens", "max_completion_tokens", "max_new_tokens", "max_length", "model_length"),
        *("model_context_window_exceeded", "context_length", "context_length_exceeded", "token_limit", "incomplete"),
        "pause_turn",  # unfinished: never to be taken for an answer
    }
)
_DECLINED = frozenset(
    {
        *("content_filter", "content_filtered", "refusal", "safety", "image_safety", "recitation", "blocklist", "spii"),
        *("prohibited_content", "guardrail_intervened", "guardrails", "sensitive", "language", "moderation", "error_toxic"),
    }
)
_BROKEN_OFF = frozenset(
    {
        *("error", "abort", "aborted", "cancelled", "canceled", "failed", "timeout", "network_error"),
        *("insufficient_system_resource", "interrupted"),
    }
)
"""The server gave up. What there is may be whole all the same, and is judged by itself."""


def stop_of(said: Any, *, calls: bool) -> StopReason:
    """The reason in our words. One that is missing or unknown is judged by what is there: half an answer is none anyway."""
    word = _word(said)
    if word in _CUT_OFF:
        return "length"
    if word in _DECLINED:
        return "refusal"
    return "tools" if calls else "end"


def broke_off(said: Any) -> bool:
    """Whether the provider says that it failed on the way."""
    return _word(said) in _BROKEN_OFF


def _word(said: Any) -> str:
    if not isinstance(said, str):
        return ""
    # Gemini's endpoint adds its own word, as in "content_filter: PROHIBITED_CONTENT".
    first = said.partition(":")[0].strip().lower()
    return re.sub(r"[-\s]+", "_", first).removeprefix("finish_reason_")
