"""A demo that runs: where, and what it tells."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import config
from commands.server import Ports


@dataclass(frozen=True)
class Demo:
    """The state of one demo."""

    settings: config.Settings
    state: Path
    ports: Ports
    scripted: bool
    approve_as: str | None
    say: Callable[[str], None]

    @property
    def stamp(self) -> str:
        """The mark on each relevant line that says whether a real model answers."""
        return " [scripted model]" if self.scripted else ""

    def link(self, run: str, run_id: str) -> str:
        """The run's URL in Temporal's Web UI."""
        return f"{self.ports.ui_url}/namespaces/default/workflows/{run}/{run_id}/timeline"
