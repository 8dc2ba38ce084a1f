"""The one list of what the console answers. Whatever is not in it does not exist, and whatever is needs somebody signed in."""

from dataclasses import dataclass

from console import pages
from console.pages import Read


@dataclass(frozen=True)
class Page:
    """A page for whoever is signed in: its path, its template, and what it reads. `entry` is its name in the navigation."""

    path: str
    template: str
    read: Read
    entry: str = ""


GATE = Page("/runs/{run}/gates/{gate}", "gate.html", pages.gate)
"""The page whose forms decide."""

PAGES = (
    Page("/", "needs_you.html", pages.needs_you, "Needs you"),
    Page("/feed", "feed.html", pages.lines, "Feed"),
    Page("/runs", "runs.html", pages.runs, "Runs"),
    Page("/runs/{run}", "run.html", pages.run),
    GATE,
    Page("/read", "read.html", pages.read, "Read"),
    Page("/help", "runbooks.html", pages.runbooks, "Help"),
    Page("/help/{name}", "runbook.html", pages.runbook),
)
"""In the order of the navigation."""

OPEN = ("/healthz", "/readyz", "/sign-in", "/sign-out", "/static/{path:path}")
"""What is answered without a session: whether the console works, its own files, and the way in and out."""
