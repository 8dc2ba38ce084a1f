"""From a proposed change of a configuration file to the arguments of the action that writes it."""

from pydantic import Field

from contracts.base import Contract, is_empty
from contracts.diagnosis_input import Service
from contracts.diagnosis_parts import ProposedChange
from contracts.runs import Request

EDIT = "diagnosis.edit"
"""The type of the action that writes a configuration file, as policy declares it."""


class PrepareEdit(Request, name="prepare_edit/1"):
    """Ask how a service's configuration file would look with a proposed change."""

    service: Service
    targets: tuple[str, ...] = Field(description="beneath one of which the file has to lie")
    proposed: ProposedChange


class PreparedEdit(Contract, name="prepared_edit/1", brief=True):
    """The arguments of a `file.write`, with what it changes line by line; or why nothing can be written."""

    arguments: str = Field(default="", exclude_if=is_empty, description="as JSON; empty: nothing is to be written")
    diff: tuple[str, ...] = Field(default=(), exclude_if=is_empty, description="all of it, as people are shown it")
    why: str = Field(default="", exclude_if=is_empty, description="why a person has to make it")
    done: bool = Field(default=False, exclude_if=is_empty, description="the file holds it already")
