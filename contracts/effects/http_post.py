"""`http.post`: one signed request to a declared address."""

import json
from typing import Literal, Self

from pydantic import Field, model_validator

from contracts.effects.base import TEXT_LIMIT, Effect, Event, JsonText, event_key, whole


class HttpPost(Effect, name="http_post/1"):
    """Post one body to a declared address. The receiver sees the business key as `webhook-id` and `Idempotency-Key`."""

    event: Event = Field(description="the logical event; posted once, whatever the body")
    body: JsonText = Field(max_length=TEXT_LIMIT, description="what is sent, byte for byte; an object is sent as JSON")
    content_type: Literal["application/json", "text/plain"] = "application/json"

    @model_validator(mode="after")
    def _is_json(self) -> Self:
        if self.content_type == "application/json":
            try:
                json.loads(self.body)
            except ValueError:
                raise ValueError('body is no JSON; correct it, or say content_type = "text/plain"') from None
        return self

    def key(self) -> str:
        """Business key: this event at this target."""
        return event_key("http.post", self.target, self.event)

    def identity(self) -> str:
        """Digest of everything that is sent."""
        return whole("http.post", self)

    def summary(self) -> str:
        """The event and the target."""
        return f"post {self.event} to {self.target}"
