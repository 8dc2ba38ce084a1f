"""What a stream has counted when it breaks off: the tokens of its input, and those of its output if it had got that far."""

from collections.abc import Mapping
from typing import Any

from activities.providers.streamed_messages import counted_in
from activities.providers.token_counts import anthropic_usage, openai_usage
from contracts.conversation import Usage


class StreamUsage:
    """The usage in the events of one reply so far."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        """None until an event has counted something that can be believed."""
        self.whole = False
        """Whether the output is counted, too; before, only the input is."""
        self._raw: dict[str, Any] = {}

    def took(self, event: Mapping[str, Any]) -> None:
        """Read one event of any format; most say nothing."""
        kind = event.get("type")
        if kind == "message_start" and isinstance(message := event.get("message"), dict):
            self._of_anthropic(message.get("usage"), whole=False)
        elif kind == "message_delta":
            delta = event.get("delta")
            # Only the one that says why the model stopped counts everything.
            self._of_anthropic(event.get("usage"), whole=isinstance(delta, dict) and bool(delta.get("stop_reason")))
        elif kind in ("response.completed", "response.incomplete") and isinstance(answer := event.get("response"), dict):
            self._keep(openai_usage(answer), whole=True)
        elif isinstance(event.get("usage"), dict) and isinstance(event.get("choices"), list) and not event["choices"]:
            self._keep(openai_usage(event), whole=True)  # Chat Completions count in their last chunk, which has no choice

    def _of_anthropic(self, counted: Any, *, whole: bool) -> None:
        if isinstance(counted, dict):
            self._raw |= counted_in(counted)
            self._keep(anthropic_usage({"usage": self._raw}), whole=whole)

    def _keep(self, usage: Usage | None, *, whole: bool) -> None:
        if usage is not None and usage.input > 0:
            self.usage, self.whole = usage, whole and usage.output > 0
