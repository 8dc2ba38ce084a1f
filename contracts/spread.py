"""A layer between a run and very many children: some of them as data, for a workflow that starts and watches them."""

from datetime import timedelta
from typing import Any

from pydantic import Field

from contracts.base import Contract
from contracts.inputs import ChildInput


class Member(Contract):
    """One child of the layer: its name, and its input without what it inherits."""

    name: str
    asked: dict[str, Any]


class SpreadInput(ChildInput, name="spread_input/1"):
    """The children of one group, all of one workflow type."""

    workflow: str = Field(description="their workflow type")
    members: tuple[Member, ...]
    limit: int = Field(description="most of them at a time")
    deadline: timedelta = Field(description="of each of them")
    summary: str = ""


class Left(Contract, name="left/1"):
    """From a layer to its root: a child of it has ended without saying so; nothing below it waits any more."""

    path: str
