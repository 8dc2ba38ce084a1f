"""A pause of an agent, a pipeline, a project or everything, and what a step learns of the one that holds it."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from contracts.base import Contract
from contracts.printed import command, quoted, shown
from contracts.runs import Request

PauseKind = Literal["agent", "pipeline", "project", "all"]

PAUSED = "Paused"
"""Type of the failure of a step that was not begun because of a pause. Its detail is a `Paused`."""

HELD_UP: Literal["a pause to be lifted"] = "a pause to be lifted"
"""What a run waits for, as its row has it, while a pause holds a step of it."""


def paused_thing(kind: PauseKind, name: str) -> str:
    """What is paused, in words: `agent writer`, `everything`."""
    return "everything" if kind == "all" else f"{kind} {shown(name)}"


def options_of(kind: PauseKind, name: str) -> str:
    """The options of `baton pause` and `baton resume` that name it."""
    return "--all" if kind == "all" else f"--{kind} {quoted(name)}"


class Paused(Contract, name="paused/1", brief=True):
    """A pause that holds a step. The step was not begun, and nothing of it has to be remembered."""

    id: str
    kind: PauseKind
    name: str = Field(default="", description="of the agent, pipeline (its workflow type) or project; empty: everything")
    by: str
    why: str
    since: datetime

    @property
    def thing(self) -> str:
        """What is paused, in words."""
        return paused_thing(self.kind, self.name)

    @property
    def told(self) -> str:
        """What is paused, by whom, and since when."""
        return f"{self.thing} is paused by {shown(self.by)} since {self.since:%Y-%m-%d %H:%M:%S} UTC"

    @property
    def held(self) -> str:
        """What a step that it holds says: by whom, why, and what lifts it."""
        return f"held: {self.told}: {self.why}; lifted with `{self.lift}`"

    @property
    def lift(self) -> str:
        """The command that lifts it."""
        return command("resume", options=f"{options_of(self.kind, self.name)} -m why")


class AwaitResume(Request, name="await_resume/1"):
    """Ask to be answered once this pause is lifted."""

    pause: str = Field(description="its id")


class Resumed(Contract, name="resumed/1", brief=True):
    """The pause is lifted: by whom, and why."""

    by: str
    why: str
