"""Pages from templates. What an agent, a repository or a log may have written is escaped twice: for HTML, and for the eye."""

import functools
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from contracts.known import told as known
from contracts.money import usd
from contracts.text import amount, for_terminal

HERE = Path(__file__).parent

LONGEST = 200_000
"""Most characters of one text in a page."""


def render(template: str, **values: Any) -> str:
    """The page as HTML. Raises where a template asks for what it was not given."""
    return _environment().get_template(template).render(values)


@functools.cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,  # all templates, whatever their names end with
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"usd": usd, "words": words, "ago": ago, "in_time": in_time, "utc": utc, "kind_of_line": kind_of_line}
    made.filters |= {"span": span, "spans": spans, "amount": amount, "known": known}
    return made


def words(text: object, limit: int = 2000) -> str:
    """Text that somebody else may have written, for people: what controls, hides or turns around is an escape.

    Longer texts are cut where they say so.
    """
    return for_terminal(str(text), limit)


def ago(instant: datetime) -> str:
    """How long ago an instant is, such as "12 min ago"."""
    return f"{_length(datetime.now(UTC) - instant)} ago"


def in_time(instant: datetime) -> str:
    """How long it is until an instant, such as "in 3 h 12 min"; "over" once it has passed."""
    rest = instant - datetime.now(UTC)
    return f"in {_length(rest)}" if rest > timedelta() else "over"


def span(seconds: float) -> str:
    """A length of time, such as "3 min"."""
    return _length(timedelta(seconds=seconds))


def utc(instant: datetime) -> str:
    """An instant in full, in UTC."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def kind_of_line(line: str) -> str:
    """The class of a line of a diff: added, removed, place, or "" for all others."""
    kinds = {"+": "added", "-": "removed", "@": "place"}
    return kinds.get(line[:1], "")


def spans(text: str) -> list[tuple[str, str]]:
    """A paragraph of our own pages in pieces: `code`, `strong` and `text`. Of a link the words are kept."""
    kinds = {"`": "code", "*": "strong"}
    pieces = re.split(r"(`[^`]+`|\*\*[^*]+\*\*)", re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text))
    return [(kinds.get(one[0], "text"), one.strip("`*") if one[0] in kinds else one) for one in pieces if one]


def _length(span: timedelta) -> str:
    seconds = max(int(span.total_seconds()), 0)
    days, hours, minutes = seconds // 86_400, seconds % 86_400 // 3600, seconds % 3600 // 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{seconds} s"
