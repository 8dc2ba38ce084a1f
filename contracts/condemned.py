"""What a run is told where it would use, or act on, something that a person has condemned."""

from pydantic import Field

from contracts.base import Contract
from contracts.runs import Request


class Held(Contract, name="held/1", brief=True):
    """The condemnations that keep a step from going on; none where nothing does."""

    condemnations: tuple[str, ...] = Field(default=(), description="their ids")
    whys: tuple[str, ...] = Field(default=(), description="each in a line: what, who, why")

    @property
    def told(self) -> str:
        """All of them in one line."""
        return "; ".join(self.whys)


class LookForCondemned(Request, name="look_for_condemned/1"):
    """Ask what keeps a run from going on: condemnations of something that anything in it came from."""


HELD = "Held"
"""Type of the failure of a step that would have used, or acted on, something condemned. Its detail is a `Held`."""
