"""Reading text from outside: an agent without tools turns it into typed fields, and no other agent sees the text."""

from collections.abc import Sequence

from temporalio.exceptions import ApplicationError

from contracts.outside import OutsideTask, SourceKind
from workflows.kit.ask import ask
from workflows.kit.kit import Kit
from workflows.kit.step import B, Step

READ_LIMIT = 60_000
"""Most characters of a text that a reader is given."""


async def ask_reader(
    kit: Kit, path: str, reader: str, text: str, returns: type[B], *, source: SourceKind, inputs: Sequence[str] = ()
) -> Step[B]:
    """Have a reader turn one text from outside into fields, and return how it ended, as `ask` does.

    `source` says where the text comes from. The fields are tainted by it, and whoever is given them in `inputs` sees which of
    them are free text. `inputs` are handoffs beside the text, as for `ask`. Raises a non-retryable `ApplicationError` for an
    agent that is no reader, and for a text above `READ_LIMIT` characters.
    """
    pin = kit.pins.agents[reader]
    if not pin.reader:
        raise ApplicationError(
            f"{pin.label} is no reader, so it is given no text from outside; add `reader: true` to a new version of it",
            type="Misconfigured",
            non_retryable=True,
        )
    if len(text) > READ_LIMIT:
        raise ApplicationError(
            f"the text from {source} has {len(text)} characters, and {pin.label} reads at most {READ_LIMIT}; give it in parts",
            type="InputRefused",
            non_retryable=True,
        )
    return await ask(kit, path, reader, OutsideTask(source=source, text=text), returns, inputs=inputs)
