"""How much of a pipeline a task needs: the router's task and its answer."""

from typing import Literal

from pydantic import Field

from contracts.base import Contract

Need = Literal["impossible", "trivial", "simple", "full"]
"""impossible: cannot be done here. trivial: needs no thought. simple: needs no plan. full: everything else."""


class RoutingTask(Contract, name="routing_task/1"):
    """What the router is given."""

    instruction: str
    repository: str
    base: str
    check: str | None = Field(default=None, description="the check that was declared or detected")


class Routing(Contract, name="routing/1"):
    """How much of the pipeline a task needs."""

    verdict: Need = Field(description="impossible, trivial, simple or full")
    why: str = Field(min_length=1, max_length=1000, description="what you looked at, and what decided it")
