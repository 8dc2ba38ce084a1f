"""Options that select handoffs over all runs, for the commands that find them and those that condemn them."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from commands.periods import period

if TYPE_CHECKING:
    from ledger.views.selection import Selection

Claim = Annotated[str, typer.Option("--claim", metavar="WORDS", help="A claim has all these words, in any case.")]
SOURCE = (
    "It came from what was read under this name, or has this id, or from this kind of source: repo, ticket, log, web, check, "
    "file, tool:NAME."
)
Source = Annotated[str, typer.Option("--source", metavar="NAME|ID|KIND", help=SOURCE)]
Agent = Annotated[str, typer.Option("--agent", metavar="NAME[@VERSION]", help="This agent made it.")]
Model = Annotated[str, typer.Option("--model", metavar="[PROVIDER:]MODEL", help="This model answered.")]

_EVER = timedelta(days=36_500)


def selection(
    claim: str, source: str, agent: str, model: str, since: str | None, until: str | None, project: str | None
) -> "Selection | None":
    """What these options select; None where none of them was given. `project` alone selects nothing. Raises `Usage`."""
    from ledger.views.selection import Selection

    if not (claim.strip() or source or agent or model or since or until):
        return None
    span = None if since is None and until is None else period(since, until, datetime.now(UTC), back=_EVER)
    return Selection(
        claim=claim,
        source=source,
        agent=agent,
        model=model,
        project=project,
        since=span.since if span else None,
        until=span.until if span else None,
    )


def told(wanted: "Selection") -> str:
    """A selection in words."""
    if wanted.source and not (wanted.claim or wanted.agent or wanted.model or wanted.since or wanted.until or wanted.project):
        return f"what was read as {wanted.source}"
    parts = (
        f"of {wanted.agent}" if wanted.agent else "",
        f"by {wanted.model}" if wanted.model else "",
        f"with a claim {wanted.claim.strip()!r}" if wanted.claim.strip() else "",
        f"that came from {wanted.source}" if wanted.source else "",
        f"in project {wanted.project}" if wanted.project is not None else "",
        f"since {wanted.since:%Y-%m-%d %H:%M} UTC" if wanted.since and wanted.since.year > 1950 else "",
        f"until {wanted.until:%Y-%m-%d %H:%M} UTC" if wanted.until else "",
    )
    return " ".join(("handoffs", *(part for part in parts if part)))
