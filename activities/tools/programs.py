"""The outside programs that the worker's settings declare, with the variables that they get."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from contracts.errors import Misconfigured
from contracts.programs import ProgramSetting


@dataclass(frozen=True)
class Programs:
    """The tables `[programs.NAME]`, by name, and the worker's variables that they name."""

    tables: Mapping[str, ProgramSetting] = field(default_factory=dict)
    variable: Callable[[str], str] = lambda _: ""

    def get(self, name: str) -> ProgramSetting:
        """The table of this name. Raises `Misconfigured` where none is declared."""
        if name not in self.tables:
            there = f"there are {', '.join(sorted(self.tables))}" if self.tables else "none is declared"
            raise Misconfigured(
                f"no program is called {name!r} here; {there}. Declare it in the worker's baton.toml as [programs.{name}]"
            )
        return self.tables[name]

    def variables(self, name: str) -> dict[str, str]:
        """The variables that a program gets. Raises `Misconfigured` for one of the worker's that is not set."""
        found = {inside: self.variable(outside) for inside, outside in self.get(name).variables.items()}
        empty = [self.tables[name].variables[inside] for inside, value in found.items() if not value]
        if empty:
            raise Misconfigured(
                f"[programs.{name}] variables names {', '.join(empty)}, which the worker does not have; set it for the worker, "
                "or take it out of the table"
            )
        return found
