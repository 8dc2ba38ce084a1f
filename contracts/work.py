"""A step that a person does in an agent's place: what they are asked, and what they hand in."""

from typing import Any

from pydantic import Field, JsonValue

from contracts.agents import When
from contracts.base import Contract, Digest, canonical, is_empty, is_none, sha256
from contracts.conversation import Message
from contracts.repositories import Workspace


class WorkSheet(Contract, name="work_sheet/1"):
    """Everything that the agent would have been sent."""

    agent: str = Field(description="name@version")
    instructions: str
    messages: tuple[Message, ...] = Field(description="the task, and what was said about it so far")
    form: dict[str, JsonValue] = Field(description="JSON Schema of the answer")


class Work(Contract, name="work/1"):
    """One step that waits for a person: the subject of a gate `work`."""

    agent: str = Field(description="name@version")
    path: str
    returns: str = Field(description="name of the contract that the answer's body is")
    turn: Digest = Field(description="the model call that the person takes the place of")
    sheet: Digest = Field(description="artifact: the `work_sheet/1` with all that the agent would have been sent")
    who: str = Field(default="*", description="the person or role that the route names; *: whoever policy allows")
    chosen: When = "first"
    why: str = Field(default="", exclude_if=is_empty, description="why no model is asked, where one comes first")
    workspace: Workspace | None = Field(
        default=None, exclude_if=is_none, description="the files that a patch may change; None: no patch is taken"
    )


def digest_of_made(made: dict[str, Any] | None, patch: str) -> str:
    """The digest of what somebody handed in; "" for nothing."""
    return "" if not made and not patch else sha256(canonical({"made": made, "patch": patch}))
