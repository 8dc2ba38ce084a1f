"""What a probe found, as lines for `baton.toml`."""

import glob
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from activities.providers.capabilities import Known
from contracts.agents import Choice
from contracts.endpoints import Capabilities, EndpointSetting


@dataclass(frozen=True)
class Table:
    """A table of capabilities. `replaces`: baton.toml has one of this name, which it takes the place of."""

    header: str
    values: dict[str, Any]
    replaces: bool
    changes: tuple[str, ...]
    """The keys whose values differ from what is in force."""

    @property
    def text(self) -> str:
        """The lines as they are pasted; "" if nothing was found out."""
        if not self.values:
            return ""
        return "\n".join([f"[{self.header}]", *(f"{name} = {json.dumps(value)}" for name, value in self.values.items())])


def table(choice: Choice, setting: EndpointSetting, before: Known, found: Known, settled: set[str], *, alone: bool) -> Table:
    """The table for a probed model. `alone`: the endpoint has no other model, so that it is said of the endpoint itself.

    What the table that it replaces says beyond what was found out is kept.
    """
    pattern = glob.escape(choice.model_name)
    own = setting.capabilities if alone else setting.models.get(pattern, Capabilities())
    kept = {name for name, value in own if value is not None}
    values = {name: getattr(found, name) for name in Capabilities.model_fields if name in settled | kept}
    values = {name: value for name, value in values.items() if value is not None}
    header = f"providers.{_key(choice.provider)}." + ("capabilities" if alone else f"models.{_key(pattern)}")
    changes = tuple(name for name, value in values.items() if value != getattr(before, name))
    return Table(header, values, bool(kept), changes)


def pricing(choice: Choice) -> list[str]:
    """The ways to say what a model costs, as they stand in the files; the dots are for a person to fill in."""
    return [
        f"# in [providers.{_key(choice.provider)}] of baton.toml, where a vendor of the price list sells it:",
        'vendor = "…"',
        "# or there, where it costs nothing:",
        "free = true",
        "# or in agents/routes.toml, in micro-dollars per million tokens:",
        f"[prices.{json.dumps(choice.model, ensure_ascii=False)}]",
        f"date = {datetime.now(UTC):%Y-%m-%d}",
        "input = …",
        "output = …",
    ]


def _key(text: str) -> str:
    """A key of TOML: bare where it may be, else as a string, whose escapes are those of JSON but for one."""
    bare = text.isascii() and bool(text) and text.replace("-", "").replace("_", "").isalnum()
    return text if bare else json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
