"""Inputs of workflows that people start (`PipelineInput`) and that a parent starts (`ChildInput`)."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from contracts.agents import Risk
from contracts.base import Contract, Input, Line
from contracts.carried import Carried
from contracts.errors import ContractViolation
from contracts.money import Part, too_small
from contracts.pins import Began
from contracts.runs import RunRef


def _is_none(value: object) -> bool:
    return value is None


Continued = SkipJsonSchema[Carried | None]
"""What a run passes itself on continue-as-new: in no schema, and refused from people."""


@dataclass(frozen=True)
class Typed:
    """How a field of an input is typed on the command line: a short flag, and a path that must exist.

    repository: a path to a git repository, or a URL. folder and file: a path. Paths become absolute before the run starts,
    because the worker's current folder is another one. content: a path to a text file, whose text is sent in place of the path.
    services: each as NAME=LOGS or @FILE. `option`: its name where the field's own does not read well; a tuple's is repeated.
    """

    flag: str = ""
    path: Literal["", "repository", "folder", "file", "content", "services"] = ""
    option: str = ""


class PipelineInput(Input):
    """Fields of every pipeline's input. Only the accountable owner is required, and policy may name a default.

    A pipeline's own input says what its runs are called (`label`) and what was asked (`asks`).
    """

    owner: Line | None = Field(default=None, max_length=200, description="the accountable person; None: the policy's owner")
    project: Annotated[str, Typed("-p")] = Field(
        default="default", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="project that the run belongs to"
    )
    request_key: Line | None = Field(
        default=None,
        max_length=200,
        description="starts once: the same key gives back the first run; None: every start is a new request",
    )
    ceiling_usd: Decimal | None = Field(
        default=None, gt=0, le=1_000_000, description="most this run may cost, in US dollars; None: the setting's default"
    )
    risk: Risk = Field(
        default="low", description="what is at stake: low, medium or high; routes.toml may demand better models for it"
    )
    by: Line | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        exclude_if=_is_none,
        description="who starts it, as they say themselves; None: nobody said",
    )
    retry_of: SkipJsonSchema[Line | None] = Field(
        default=None, max_length=200, exclude_if=_is_none, description="trace of the run that this one repeats"
    )
    carried: Continued = Field(default=None, exclude_if=_is_none)

    @classmethod
    def read_typed_by_people(cls, data: Any) -> Self:
        """As every contract, and what `problems` finds is refused."""
        asked = super().read_typed_by_people(data)
        if wrong := asked.problems():
            raise ContractViolation(cls.contract, wrong)
        return asked

    def problems(self) -> tuple[str, ...]:
        """What a start is refused for: an empty name, which would count as none, and a ceiling that would count as zero.

        Not part of the contract itself: a run that began before this was refused has to read its own input.
        """
        names = {"owner": self.owner, "by": self.by, "request_key": self.request_key}
        wrong = [
            f"{name}: it is empty; name one, or leave it out"
            for name, text in names.items()
            if text is not None and not text.strip()
        ]
        if self.ceiling_usd is not None and (why := too_small(self.ceiling_usd)):
            wrong.append(f"ceiling_usd: {why}")
        return tuple(wrong)

    def label(self) -> str:
        """A short word for the run's id, in small letters, digits and hyphens: `shop` in `deliver-shop-0001`."""
        return self.project.lower()

    def asks(self) -> str:
        """What was asked for, in plain words: the run's summary in Temporal, cut where it is long."""
        return ""

    def about(self) -> tuple[str, ...]:
        """What the run is about, a line each, such as the repository; shown below `asks`."""
        return ()


class RunContext(Contract, name="run_context/1"):
    """What a child workflow inherits from its run family."""

    run: RunRef
    began: Began
    parts: tuple[Part, ...] = Field(
        default=(), description="shares of the family's money, from the root's child down to this one"
    )


class ChildInput(Contract, brief=True):
    """Fields of every child workflow's input."""

    context: RunContext
    carried: Continued = Field(default=None, exclude_if=_is_none)
