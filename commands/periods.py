"""Parse --since and --until: a duration back from now, or a UTC day or month."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from commands.errors import Usage

if TYPE_CHECKING:
    from ledger.figures.period import Period

Since = Annotated[str | None, typer.Option("--since", help="Start: 12h, 30d, 2026-11-20 or 2026-11. Days and months are UTC.")]
Until = Annotated[str | None, typer.Option("--until", help="End (exclusive), in the same form as --since; default: now.")]


def period(since: str | None, until: str | None, now: datetime, back: timedelta | None = None) -> "Period":
    """The period asked for. Without `since`: the last `back`, or this UTC month if that is None. Raises `Usage`."""
    from ledger.figures.period import Period, month_of

    start = month_of(now).since if back is None else now - back
    begins = start if since is None else _instant("--since", since, now)
    # A worker's clock may be ahead of ours; "until now" must include what it has just written.
    ends = max(now, begins) + timedelta(days=1) if until is None else _instant("--until", until, now)
    if ends <= begins:
        raise Usage(f"--until {until!r} is not after the beginning, {begins:%Y-%m-%d %H:%M} UTC; name a later time")
    return Period(begins, ends)


def _instant(option: str, text: str, now: datetime) -> datetime:
    number, unit = text[:-1], {"m": "minutes", "h": "hours", "d": "days"}.get(text[-1:])
    if unit and number.isascii() and number.isdigit() and len(number) <= 6:
        try:
            return now - timedelta(**{unit: int(number)})
        except OverflowError:
            pass
    for form in ("%Y-%m-%d", "%Y-%m"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise Usage(f"{option} {text!r} is not a time; write a duration such as 12h or 30d, a day such as 2026-11-20, or a month")


def told(found: "Period", until: str | None) -> str:
    """The period in words."""
    ends = "now" if until is None else f"{found.until:%Y-%m-%d %H:%M} UTC"
    return f"{found.since:%Y-%m-%d %H:%M} UTC to {ends}"
