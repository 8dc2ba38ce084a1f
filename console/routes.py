"""The one list of what the console answers. Whatever is not in it does not exist, and whatever is needs somebody signed in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from console.pages import actions, condemned, cost, feed, gate, needs_you, provenance, read, run, runs
from console.pages.asked import Asked, Read, Wake
from ledger.db import Connection


@dataclass(frozen=True)
class Page:
    """A page for whoever is signed in: its path, its template, and what it reads. `entry` is its name in the navigation."""

    path: str
    template: str
    read: Read
    entry: str = ""


GATE = Page("/runs/{run}/gates/{gate}", "gate.html", gate.gate)
"""The page whose forms decide."""

ACTION = Page("/actions/{key}", "action.html", actions.action)
"""The page whose forms say what becomes of an action."""

PREVIEW = Page("/provenance/condemn", "condemn.html", condemned.preview)
"""The page that shows what condemning something would come to, and whose form does it."""

CONDEMNED = Page("/provenance/condemned/{id}", "condemned.html", condemned.one)
"""The page whose forms say what becomes of what came from something condemned."""

COST = Page("/cost", "cost.html", cost.cost, "Cost")
"""The page whose forms set ceilings."""

PAGES = (
    Page("/", "needs_you.html", needs_you.needs_you, "Needs you"),
    Page("/feed", "feed.html", feed.lines, "Feed"),
    Page("/runs", "runs.html", runs.runs, "Runs"),
    Page("/runs/{run}", "run.html", run.run),
    GATE,
    COST,
    Page("/actions", "actions.html", actions.actions, "Actions"),
    ACTION,
    Page("/provenance", "provenance.html", provenance.provenance, "Provenance"),
    PREVIEW,
    Page("/provenance/condemned", "condemnations.html", condemned.every),
    CONDEMNED,
    Page("/read", "read.html", read.read, "Read"),
)
"""In the order of the navigation."""

Do = Callable[[Connection, Asked, str, Mapping[str, str]], Wake | None]
"""What a form does, in one transaction: with what is in its path, who has sent it, and its fields. Raises `Refused`, `Usage` or
`NotFound` with the reason, and has done nothing then. Safe to send twice. Returns which runs should look at once it is done."""


@dataclass(frozen=True)
class Operation:
    """What a form does besides deciding at a gate: the path it is sent to, and the page it is on, which is shown afterwards."""

    path: str
    page: Page
    do: Do


OPERATIONS: tuple[Operation, ...] = (
    Operation("/cost/raise", COST, cost.raise_ceiling),
    Operation("/actions/{key}/retry", ACTION, actions.retry),
    Operation("/actions/{key}/abandon", ACTION, actions.abandon),
    Operation("/actions/{key}/settle", ACTION, actions.settle),
    Operation("/actions/{key}/decline", ACTION, actions.decline),
    Operation("/provenance/condemn", PREVIEW, condemned.condemn),
    Operation("/provenance/condemned/{id}/settle", CONDEMNED, condemned.settle),
    Operation("/provenance/condemned/{id}/undo", CONDEMNED, condemned.undo),
    Operation("/provenance/condemned/{id}/propose", CONDEMNED, condemned.propose),
)
"""Every one of them. Its path begins with that of its page, so that the page is found with the same names."""

OPEN = ("/healthz", "/readyz", "/sign-in", "/sign-out", "/static/{path:path}")
"""What is answered without a session: whether the console works, its own files, and the way in and out."""
