"""The one list of what the console answers. Whatever is not in it does not exist, and whatever is needs somebody signed in."""

import functools
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from starlette.routing import compile_path

from console.pages import (
    actions,
    again,
    agents,
    condemned,
    cost,
    feed,
    gate,
    help,
    machinery,
    needs_you,
    provenance,
    read,
    run,
    runs,
    system,
)
from console.pages.asked import Asked, Read, Wake
from contracts.console import Right
from ledger.db import Connection


@dataclass(frozen=True)
class Page:
    """A page for whoever is signed in: its path, its template, and what it reads. `entry` is its name in the navigation.

    `needs` is the right that it takes; a page that does not say it takes the most.
    """

    path: str
    template: str
    read: Read
    entry: str = ""
    needs: Right = "operate"


@dataclass(frozen=True)
class Form:
    """A path that forms are sent to, and the right that it takes: the most, if it is not said."""

    path: str
    needs: Right = "operate"


GATE = Page("/runs/{run}/gates/{gate}", "gate.html", gate.gate, needs="read")
"""The page whose forms decide."""

ACTION = Page("/actions/{key}", "action.html", actions.action, needs="read")
"""The page whose forms say what becomes of an action."""

PREVIEW = Page("/provenance/condemn", "condemn.html", condemned.preview, needs="read")
"""The page that shows what condemning something would come to, and whose form does it."""

CONDEMNED = Page("/provenance/condemned/{id}", "condemned.html", condemned.one, needs="read")
"""The page whose forms say what becomes of what came from something condemned."""

COST = Page("/cost", "cost.html", cost.cost, "Cost", needs="read")
"""The page whose forms set ceilings."""

SYSTEM = Page("/system", "system.html", system.system, "System", needs="read")
"""The page whose forms pause and resume what is wider than a run, close breakers, and start this machine's worker."""

AGENTS = Page("/agents", "agents.html", agents.agents, "Agents", needs="read")
"""The page whose forms withdraw a version."""

RUN = Page("/runs/{run}", "run.html", run.run, needs="read")
"""The page whose forms have a run done again, and start what was ended as its duplicate."""

PAGES = (
    Page("/", "needs_you.html", needs_you.needs_you, "Needs you", needs="read"),
    Page("/feed", "feed.html", feed.lines, "Feed", needs="read"),
    Page("/runs", "runs.html", runs.runs, "Runs", needs="read"),
    RUN,
    GATE,
    COST,
    Page("/actions", "actions.html", actions.actions, "Actions", needs="read"),
    ACTION,
    Page("/provenance", "provenance.html", provenance.provenance, "Provenance", needs="read"),
    PREVIEW,
    Page("/provenance/condemned", "condemnations.html", condemned.every, needs="read"),
    CONDEMNED,
    AGENTS,
    SYSTEM,
    Page("/read", "read.html", read.read, "Read", needs="read"),
    Page("/help", "runbooks.html", help.runbooks, "Help", needs="read"),
    Page("/help/{name}", "runbook.html", help.runbook, needs="read"),
)
"""In the order of the navigation."""

Do = Callable[[Connection, Asked, str, Mapping[str, str]], Wake | None]
"""What a form does, in one transaction: with what is in its path, who has sent it, and its fields. Raises `Refused`, `Usage` or
`NotFound` with the reason, and has done nothing then. Safe to send twice. Returns which runs should look at once it is done."""


@dataclass(frozen=True)
class Operation:
    """What a form does besides deciding at a gate: the path it is sent to, the page it is on, and the right that it takes.

    Its path begins with that of its page, which is shown afterwards and is found with the same names.
    """

    path: str
    page: Page
    do: Do
    needs: Right = "operate"


Run = Callable[[Asked, str, Mapping[str, str]], Awaitable[Wake | None]]
"""As `Do`, for what is no transaction of the ledger alone: it asks Temporal, or changes this machine. As safe to send twice."""


@dataclass(frozen=True)
class Errand:
    """As `Operation`, for what takes more than the ledger."""

    path: str
    page: Page
    run: Run
    needs: Right = "operate"


OPERATIONS: tuple[Operation | Errand, ...] = (
    Operation("/cost/raise", COST, cost.raise_ceiling),
    Operation("/actions/{key}/retry", ACTION, actions.retry),
    Operation("/actions/{key}/abandon", ACTION, actions.abandon),
    Operation("/actions/{key}/settle", ACTION, actions.settle),
    Operation("/actions/{key}/decline", ACTION, actions.decline),
    Operation("/provenance/condemn", PREVIEW, condemned.condemn),
    Operation("/provenance/condemned/{id}/settle", CONDEMNED, condemned.settle),
    Operation("/provenance/condemned/{id}/undo", CONDEMNED, condemned.undo),
    Operation("/provenance/condemned/{id}/propose", CONDEMNED, condemned.propose),
    Operation("/system/pause", SYSTEM, system.pause),
    Operation("/system/resume", SYSTEM, system.resume),
    Errand("/system/close", SYSTEM, machinery.close),
    Errand("/system/worker", SYSTEM, machinery.worker),
    Errand("/agents/withdraw", AGENTS, agents.withdraw),
    Errand("/runs/{run}/retry", RUN, again.retry),
    Errand("/runs/{run}/duplicates", RUN, again.start_duplicate),
    Operation("/runs/{run}/gates/{gate}/raise", GATE, gate.raise_shared),
)
"""Every one of them."""

FORMS: tuple[Form | Operation | Errand, ...] = (
    Form(GATE.path, needs="decide"),
    Form(f"{GATE.path}/withdraw", needs="decide"),
    *OPERATIONS,
)
"""Whatever is changed by somebody who is signed in."""

EVENTS = "/events"
"""The stream of the feed's lines."""

OPEN = ("/healthz", "/readyz", "/sign-in", "/sign-out", "/static/{path:path}")
"""What is answered without a session: whether the console works, its own files, and the way in and out."""

Found = Right | Literal["nothing", "no such page", "another method"]


def ways() -> Iterator[tuple[str, str, Right]]:
    """Every method and path that takes somebody who is signed in, with the right that it takes."""
    yield from (("GET", page.path, page.needs) for page in PAGES)
    yield from (("POST", form.path, form.needs) for form in FORMS)
    yield "GET", EVENTS, "read"


def needed(method: str, path: str) -> Found:
    """The right that a request takes; "nothing" for what is open to everybody. What is in no list is no page."""
    if any(_fits(one, path) for one in OPEN):
        return "nothing"
    there = [(asked, right) for asked, one, right in ways() if _fits(one, path)]
    if not there:
        return "no such page"
    same = "GET" if method == "HEAD" else method
    return next((right for asked, right in there if asked == same), "another method")


def _fits(pattern: str, path: str) -> bool:
    return _compiled(pattern).match(path) is not None


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return compile_path(pattern)[0]
