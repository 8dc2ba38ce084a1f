"""`sql.load`: the rows of one file, in a declared table, by a mapping: all bound by digests."""

from pydantic import Field

from contracts.base import Digest, Line
from contracts.effects.base import Effect, event_key, whole
from contracts.step_resources import Name


class SqlLoad(Effect, name="sql_load/1"):
    """Load a file's rows into a declared table. Performing it opens the load; its batches follow, each once."""

    table: Name = Field(description="which [targets.NAME.tables.TABLE]")
    file: Line = Field(max_length=1000, description="the file, for people; what is loaded is bound by `digest`")
    digest: Digest = Field(description="SHA-256 of the file")
    plan: Digest = Field(description="the artifact with file, mapping, rules and table: its bytes are what is approved")
    rows: int = Field(ge=0)

    @property
    def event(self) -> str:
        """What it stands for: this plan, in this table."""
        return f"the load {self.table}/{self.plan[:12]}"

    def key(self) -> str:
        """Business key: this file by this mapping in this table. Loaded once, in however many runs."""
        return event_key("sql.load", self.target, f"{self.table}/{self.plan}")

    def identity(self) -> str:
        """Digest of everything."""
        return whole("sql.load", self)

    def summary(self) -> str:
        """File, rows and table."""
        return f"load {self.rows} rows of {self.file} into {self.table} at {self.target}"
