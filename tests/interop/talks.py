"""Two turns with a provider, as a run has them: calls, and the final output after their results."""

from typing import Any

import config
import model_choice
from activities.providers.base import Provider, ProviderError
from contracts.conversation import AssistantMessage, ModelReply, ToolAnswer, ToolMessage, UserMessage
from tests.wire.samples import ask

NAME = "own"


def provider(table: dict[str, Any]) -> Provider:
    """The provider of a table."""
    return model_choice.build_providers(config.load(providers={NAME: table}))[NAME]


async def two_turns(made: Provider, model: str, **more: Any) -> tuple[ModelReply, ModelReply]:
    """The reply to a request with tools, and the one to their results without them. The provider is closed."""
    try:
        first = await made.complete(ask(model=model, max_output_tokens=1000, **more))
        echo = AssistantMessage(text=first.text, calls=first.calls, provider=NAME, model=model, native=first.native)
        answers = tuple(ToolAnswer(call_id=call.call_id, name=call.name, text="hello") for call in first.calls)
        results = (ToolMessage(answers=answers),) if answers else ()
        talk = (UserMessage(text="Write a title."), echo, *results, UserMessage(text="This step ends now."))
        return first, await made.complete(ask(model=model, max_output_tokens=1000, messages=talk, **more | {"tools": ()}))
    finally:
        await made.close()


async def failure(made: Provider, model: str, **more: Any) -> ProviderError:
    """How a call fails."""
    try:
        reply = await made.complete(ask(model=model, max_output_tokens=1000, **more))
    except ProviderError as error:
        return error
    raise AssertionError(f"it answered: {reply}")
