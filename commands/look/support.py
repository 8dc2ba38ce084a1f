"""How the figures of support desks read, in a table and as JSON."""

from typing import Any

from contracts.money import usd
from ledger.figures.samples import Sample
from ledger.figures.support import Support

columns = ("DESK", "CATEGORY", "TICKETS", "ENDINGS", "FIRST REPLY P50/P95", "END P50/P95", "NO PERSON", "COST", "PER TICKET")

PERCENTS = (50, 95)


def row(desk: str, category: str, one: Support) -> list[str]:
    """The cells of one category at one desk."""
    endings = ", ".join(f"{count} {ending}" for ending, count in sorted(one.endings.items(), key=lambda two: (-two[1], two[0])))
    times = (_minutes(one.first_reply), _minutes(one.end))
    share = f"{one.alone_per_mille / 10:.1f}%"
    return [desk, category, str(one.tickets), endings, *times, share, usd(one.spent), usd(one.per_ticket)]


def fields(desk: str, category: str, one: Support) -> dict[str, Any]:
    """The fields for `--json`; times in seconds, from the case's opening."""
    return {
        "desk": desk,
        "category": category,
        "tickets": one.tickets,
        "replied": one.first_reply.size,
        "endings": dict(sorted(one.endings.items())),
        "first_reply": _seconds(one.first_reply),
        "end": _seconds(one.end),
        "alone": one.alone,
        "alone_per_mille": one.alone_per_mille,
        "spent_micros": one.spent,
        "cost_per_ticket_micros": one.per_ticket,
    }


def _seconds(times: Sample) -> dict[str, int | None]:
    found = {f"p{percent}_s": times.percentile(percent) for percent in PERCENTS}
    return {name: None if took is None else took // 1_000_000 for name, took in found.items()}


def _minutes(times: Sample) -> str:
    if not times.size:
        return "-"
    return "/".join(f"{(times.percentile(percent) or 0) / 60_000_000:.1f}" for percent in PERCENTS) + " min"
