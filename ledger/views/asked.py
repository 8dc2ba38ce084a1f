"""What a run was asked to do, as its pipeline's input says it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from contracts.pipelines import BY_WORKFLOW


@dataclass(frozen=True)
class Asked:
    """What was asked, in plain words, and what it is about, a line each."""

    what: str
    about: tuple[str, ...] = ()


def asked_of(pipeline: str, stored: Mapping[str, Any]) -> Asked:
    """Read a run's stored input. An input that this release cannot read shows its `instruction`, if it has one."""
    spec = BY_WORKFLOW.get(pipeline)
    if spec is not None:
        try:
            read = spec.input.model_validate(stored)
        except ValidationError:
            pass  # a newer worker's, or one that was refused: the record of it is shown all the same
        else:
            return Asked(read.asks(), read.about())
    return Asked(str(stored.get("instruction", "")))
