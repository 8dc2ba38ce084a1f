"""The targets that the worker's settings declare, with the keys that lead to them. A name that they lack leads nowhere."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from activities.providers.keys import Key
from contracts.effects.targets import Target
from contracts.errors import Misconfigured, Refused

T = TypeVar("T")

Variables = Callable[[str], str]
"""The value of one of the worker's environment variables; "" where it is not set."""


def _none(name: str) -> str:
    del name
    return ""


@dataclass(frozen=True)
class Targets:
    """The tables `[targets.NAME]`, by name, and where their keys come from."""

    tables: Mapping[str, Target] = field(default_factory=dict)
    variable: Variables = _none

    def get(self, name: str, kind: type[T]) -> T:
        """The table of this name. Raises `Refused` where none is declared, or it is another kind of target."""
        found = self.tables.get(name)
        if isinstance(found, kind):
            return found
        if found is not None:
            raise Refused(f"the target {name!r} is of kind {found.kind}, which this action cannot use; name another one")
        there = f"there are {', '.join(sorted(self.tables))}" if self.tables else "none is declared"
        raise Refused(
            f"no target is called {name!r} here; {there}. Declare it in the worker's baton.toml as [targets.{name}], or name "
            "another one"
        )

    def secret(self, name: str, variable: str, file: object) -> str:
        """A key of a target, read now; "" where the table names none. Raises `Misconfigured` where what it names is empty."""
        if not variable and file is None:
            return ""
        key = Key(self.variable(variable).strip()) if variable else Key(file=file)  # type: ignore[arg-type]  # a Path, as declared
        found = key.current()
        if not found:
            said = f"the variable {variable}" if variable else f"the file {file}"
            raise Misconfigured(f"[targets.{name}] names {said}, which holds nothing; set it for the worker")
        if not found.isascii() or not found.isprintable():
            raise Misconfigured(f"[targets.{name}]: its key cannot be sent: ASCII only, no line ends")
        return found
