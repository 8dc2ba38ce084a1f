"""`command.run`: one declared command in the sandbox."""

from typing import Annotated

from pydantic import Field, StrictStr

from contracts.base import Line
from contracts.effects.base import Effect, Event, event_key, whole
from contracts.step_resources import Name


class CommandRun(Effect, name="command_run/1"):
    """Run one declared command, such as a deploy, a health check or a roll back, once per event."""

    event: Event = Field(description="the logical event; run once, whatever the values")
    command: Name = Field(description="which [targets.NAME.commands.COMMAND]")
    values: dict[Name, Annotated[StrictStr, Field(max_length=1000)] | Line] = Field(
        default={}, max_length=20, description="a value for each declared parameter"
    )

    def key(self) -> str:
        """Business key: this event at this target."""
        return event_key("command.run", self.target, self.event)

    def identity(self) -> str:
        """Digest of command and values."""
        return whole("command.run", self)

    def summary(self) -> str:
        """Command, event and target."""
        return f"run {self.command} for {self.event} at {self.target}"
