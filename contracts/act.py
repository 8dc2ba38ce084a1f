"""Act's contracts: from an action's type and arguments to its receipt."""

import json
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from contracts.actions import Receipt
from contracts.base import Contract, Line, is_empty, is_none
from contracts.effects.base import JsonText
from contracts.ids import slug
from contracts.inputs import PipelineInput, Typed
from contracts.intents import Intent
from contracts.reports import Reading, Report
from contracts.runs import Request
from contracts.step_resources import NAME


class ActInput(PipelineInput, name="act_input/1"):
    """One action of a type that policy declares: with its arguments, or to take another one back."""

    type: Annotated[Line, Typed("-t")] = Field(
        min_length=1, max_length=100, description='type of action, as [actions."TYPE"] of policy.toml declares it'
    )
    target: Line | None = Field(
        default=None, pattern=NAME, description="which [targets.NAME] of the worker's baton.toml; None: the arguments say it"
    )
    arguments: Annotated[JsonText | None, Typed("-a", "content")] = Field(
        default=None, min_length=2, max_length=60_000, description="the action's arguments, as one JSON object"
    )
    undo: Line | None = Field(
        default=None, min_length=8, max_length=64, description="key of a delivered action that this one takes back"
    )
    proposed: Line | None = Field(
        default=None,
        min_length=8,
        max_length=64,
        exclude_if=is_none,
        description="key of a proposed action, which this run carries out as policy says",
    )

    hand_over: bool = Field(
        default=False, exclude_if=is_empty, description="true: leave it to the relay once it may happen, and do not wait for it"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(one is not None for one in (self.arguments, self.undo, self.proposed)) != 1:
            raise ValueError("give one of arguments (a JSON object), undo and proposed (the key of an action)")
        if self.arguments is not None:
            self.fields()
        elif self.target is not None:
            raise ValueError("leave out target: with undo and proposed the action says it")
        return self

    def fields(self) -> dict[str, Any]:
        """The arguments with their target. Raises `ValueError` for what is no JSON object, or names two targets."""
        try:
            found = json.loads(self.arguments or "{}")
        except (ValueError, RecursionError):
            raise ValueError('arguments is no JSON; write one object, such as {"event": "refund/7"}') from None
        if not isinstance(found, dict):
            raise ValueError("arguments is no JSON object; write {…} with the action's fields")
        if self.target is not None and found.get("target", self.target) != self.target:
            raise ValueError("arguments name another target than the input; leave one of them out")
        return found | ({} if self.target is None else {"target": self.target})

    def label(self) -> str:
        """The type."""
        return slug(self.type)

    def asks(self) -> str:
        """Which action."""
        if self.proposed:
            return f"perform the proposed action {self.proposed} of the type {self.type}"
        return f"take back action {self.undo} by {self.type}" if self.undo else f"perform {self.type}"


class PrepareAction(Request, name="prepare_action/1"):
    """Ask for an action as it would be performed: `arguments` as JSON text, the key of one to `undo`, or of one `proposed`."""

    type: str
    arguments: str = ""
    undo: str = ""
    proposed: str = Field(default="", exclude_if=is_empty)


class Prepared(Contract, name="prepared_action/1", brief=True):
    """An action that may be performed: its intent, its bytes as text, and what a person should know of it."""

    intent: Intent
    arguments: str
    facts: tuple[str, ...] = ()


class ActReport(Report, name="act_report/1"):
    """How an action ended."""

    type: str = ""
    summary: str = ""
    receipt: Receipt | None = None

    def reading(self) -> Reading:
        """The action and its receipt."""
        known = self.receipt
        lines = (("action", self.summary and f"{self.type}: {self.summary}"),)
        if known is None:
            return Reading(lines)
        said = (
            ("outcome", known.state),
            ("problem", known.problem),
            ("note", known.note),
            ("receipt", known.reference),
            ("key", known.key),
        )
        return Reading((*lines, *said))


INPUT, REPORT = ActInput, ActReport
EXAMPLE = {"type": "file.write", "target": "notices", "arguments": '{"path": "today.txt", "text": "closed at noon\\n"}'}
CONTRACTS: tuple[type[Contract], ...] = (ActInput, ActReport, PrepareAction, Prepared)
