"""What a run wants done in the outside world, before anybody has allowed it."""

import json
from collections.abc import Sequence
from typing import Protocol, Self

from pydantic import Field

from contracts.actions import target_of
from contracts.base import Contract, Digest, is_empty, sha256
from contracts.rules import Facts
from contracts.runs import Request


class Arguments(Protocol):
    """Arguments of an action: a contract that knows which event in the world it stands for."""

    def key(self) -> str:
        """The business key: equal in all runs that mean the same event."""
        ...

    def identity(self) -> str:
        """Digest of the fields that identify the action."""
        ...

    def stored(self) -> bytes:
        """The bytes that are kept and executed."""
        ...


class Intent(Contract):
    """An action that takes effect when the gate it rides on is approved."""

    key: Digest
    type: str
    arguments: Digest = Field(description="artifact with the canonical arguments")
    arguments_digest: Digest
    summary: str
    order: int = 0
    target: str = Field(default="", exclude_if=is_empty, description="what it acts on, for counting")
    taint: tuple[str, ...] = Field(default=(), exclude_if=is_empty, description="sources from outside that flowed in")
    fixed: tuple[str, ...] = Field(
        default=(), exclude_if=is_empty, description="arguments that the pipeline's code sets, whatever agents and texts say"
    )

    @classmethod
    def of(cls, action: str, arguments: Arguments, summary: str, *, fixed: Sequence[str] = ()) -> Self:
        """The intent to perform an action of a declared type. It does not store the arguments: the caller does.

        `fixed` names arguments that the pipeline's own code sets: where their values come from is not asked.
        """
        stored, target = arguments.stored(), target_of(json.loads(arguments.stored()))
        digests = {"arguments": sha256(stored), "arguments_digest": arguments.identity()}
        return cls(key=arguments.key(), type=action, summary=summary, target=target, fixed=tuple(fixed), **digests)


class Perform(Request, name="perform/1"):
    """Ask for an action that policy allows without a person. `arguments` are its bytes; "" if they are stored already."""

    intent: Intent
    arguments: str = ""
    facts: Facts = Facts()
    hand_over: bool = Field(default=False, exclude_if=is_empty, description="leave it to the relay and do not wait for it")
