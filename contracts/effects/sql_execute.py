"""`sql.execute`: one declared statement with typed values, in one transaction with its key."""

from typing import Annotated

from pydantic import Field, StrictBool, StrictInt, StrictStr

from contracts.effects.base import Effect, Event, event_key, whole
from contracts.step_resources import Name

Value = StrictBool | StrictInt | Annotated[StrictStr, Field(max_length=20_000)] | None
"""A value of a statement. Numbers with a fraction are written as text: two machines must make the same bytes."""


class SqlExecute(Effect, name="sql_execute/1"):
    """Run one declared statement of a declared database, once per event."""

    event: Event = Field(description="the logical event; executed once, whatever the values")
    statement: Name = Field(description="which [targets.NAME.statements.STATEMENT]")
    values: dict[Name, Value] = Field(default={}, max_length=50, description="a value for each declared parameter")

    def key(self) -> str:
        """Business key: this event at this target."""
        return event_key("sql.execute", self.target, self.event)

    def identity(self) -> str:
        """Digest of statement and values."""
        return whole("sql.execute", self)

    def summary(self) -> str:
        """Statement, event and target."""
        return f"execute {self.statement} for {self.event} at {self.target}"
