"""What a request asks a page for, and what several pages tell in the same words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from console.here import Here
from contracts.errors import NotFound, Refused
from contracts.known import Way
from ledger.db import Connection
from ledger.views.gates import Decision

RUNS = 100
"""Runs on a page."""


@dataclass(frozen=True)
class Asked:
    """What a request asks for: names in its path, and its query; where it is asked, and by whom, who has come in which way.

    `typed` are the fields of a form that was refused, to be shown again; empty for a page that was only asked for.
    """

    path: Mapping[str, str]
    query: Mapping[str, str]
    here: Here
    person: str = ""
    way: Way = "link"
    typed: Mapping[str, str] = field(default_factory=dict)

    @property
    def files(self) -> Path:
        """The ledger's folder of large artifacts."""
        return self.here.ledger.files


@dataclass(frozen=True)
class Wake:
    """Runs, by workflow id, that should look again now: at money (`nudge`) or at what is condemned. What the ledger says counts
    for them whether or not they hear of it."""

    signal: Literal["nudge", "condemned"]
    runs: Mapping[str, str]
    """Each with its trace."""


Read = Callable[[Connection, Asked], dict[str, Any]]
"""What a page shows, by name: contracts, dataclasses and plain values, the same for its template and for its JSON."""


def number(query: Mapping[str, str], name: str) -> int | None:
    """The number of a feed line in this field of the query; None without one. Raises `NotFound` for what is none."""
    text = query.get(name)
    if not text:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise NotFound(f"{name}={text!r} is no number of a line; the feed's own links have one")
    return int(text)


def said(fields: Mapping[str, str]) -> str:
    """The reason in a form that has to give one. Raises `Refused` without it."""
    why = fields.get("why", "").strip()
    if not why:
        raise Refused("say why; nothing was done")
    return why


def told(one: Decision) -> str:
    """A decision in one line."""
    note = f": {one.note}" if one.note else ""
    return f"{one.gate}: {one.verb} by {one.by} ({one.channel or one.via}{one.identity}){note}"
