"""`baton figures`: outcomes, errors, retries, latency, tokens and cost of agents and pipelines; how actions were decided."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from commands.context import LOOK, Json, Project, open_ledger, settings
from commands.output import Out, safe
from commands.periods import Since, Until, period, told

if TYPE_CHECKING:
    from ledger.figures.performance import Quality
    from ledger.figures.period import Period

Of = Literal["agents", "pipelines", "actions", "value", "support"]


def add_to(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command(rich_help_panel=LOOK)(figures)


def figures(
    of: Annotated[
        Of,
        typer.Argument(
            help="Group by agent version, by pipeline, by type of action; value: what cases cost and saved; support: tickets."
        ),
    ] = "agents",
    since: Since = None,
    until: Until = None,
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Show success, errors, retries, latency, tokens and cost per run of agent versions or pipelines.

    The period is this UTC month unless --since says otherwise. ESCALATED is the share of an agent's steps that ended unsure or
    could_not; for a pipeline, the share of runs that needed a person at a stuck, clarify or ceiling gate. STEPPED UP is the
    share of steps in which a better model took over after an unusable reply or an unsure end. For types of action: how many
    there were, how people decided on them, and how many another action took back (UNDONE). For value: of runs that ended, what
    a finished case cost, how long gates were open before a decision, and what was saved where [minutes_before] is declared. For
    support: of tickets whose case ended, by desk and category, the time to the first reply and to the end, the share that was
    finished without a person, and the cost.
    """
    out, asked = Out(as_json=as_json), period(since, until, datetime.now(UTC))
    if of == "actions":
        _actions(out, asked, project, told(asked, until))
        return
    if of == "value":
        _value(out, asked, project, told(asked, until))
        return
    if of == "support":
        _support(out, asked, project, told(asked, until))
        return
    with open_ledger(settings()) as ledger:
        from ledger.figures import quality

        read = quality.agents if of == "agents" else quality.pipelines
        found = ledger.read_now(read, asked, project)
    fields = [{"name": name or "unknown", **_fields(one)} for name, one in found.items()]
    out.document(of=of, since=asked.since, until=asked.until, project=project, figures=fields)
    if not found:
        out.note(f"no turns from {told(asked, until)}")
        return
    out.table(_COLUMNS, [_row(name, one) for name, one in found.items()], words=("OUTCOMES",))
    for name, one in found.items():
        if one.errors:
            kinds = ", ".join(
                f"{kind} {count}" for kind, count in sorted(one.errors.items(), key=lambda one: (-one[1], one[0]))
            )
            out.line(f"errors of {safe(name or 'unknown', 80)}: {safe(kinds, 500)}")
    unmetered = "; +?: and what outside programs cost, which is unknown" if any(one.unmetered for one in found.values()) else ""
    out.line(f"{told(asked, until)}; latency in seconds, cost per ended run{unmetered}")


def _value(out: Out, asked: "Period", project: str | None, when: str) -> None:
    """What finished cases cost, how long people were waited for, and what was saved."""
    from commands.look.value import columns, fields, row

    found_settings = settings()
    with open_ledger(found_settings) as ledger:
        from ledger.figures.value import value

        found = ledger.read_now(value, asked, found_settings.minutes_before, project)
    figures = [fields(*key, one) for key, one in found.items()]
    out.document(of="value", since=asked.since, until=asked.until, project=project, figures=figures)
    if not found:
        out.note(f"no run ended from {when}")
        return
    out.table(columns, [row(*key, one) for key, one in found.items()], words=("DECIDED IN, P50/P95",))
    out.line(
        f"{when}; WAITED: minutes that gates were open, the most that people can have taken; nobody records when they looked"
    )
    out.line("SAVED: at least and at most, by [minutes_before]; -: nobody has declared what a case took before")


def _support(out: Out, asked: "Period", project: str | None, when: str) -> None:
    """How the tickets of support desks were dealt with."""
    from commands.look.support import columns, fields, row

    with open_ledger(settings()) as ledger:
        from ledger.figures.support import support

        found = ledger.read_now(support, asked, project)
    figures = [fields(*key, one) for key, one in found.items()]
    out.document(of="support", since=asked.since, until=asked.until, project=project, figures=figures)
    if not found:
        out.note(f"no ticket's case ended from {when}")
        return
    out.table(columns, [row(*key, one) for key, one in found.items()], words=("ENDINGS",))
    out.line(f"{when}; times from the case's opening; NO PERSON: finished, and nobody had to decide or to act")


def _actions(out: Out, asked: "Period", project: str | None, when: str) -> None:
    """How actions of each type were decided."""
    with open_ledger(settings()) as ledger:
        from ledger.figures.approvals import decided

        found = ledger.read_now(decided, asked, project=project)
    fields = [
        {"name": name, **{key: getattr(one, key) for key in _COUNTS}, "median_s": one.median, "quick_per_mille": one.quick}
        for name, one in found.items()
    ]
    out.document(of="actions", since=asked.since, until=asked.until, project=project, figures=fields)
    if not found:
        out.note(f"no actions from {when}")
        return
    rows = [
        [
            *(name, *(str(getattr(one, key)) for key in _COUNTS)),
            "-" if one.median is None else f"{one.median:.0f}",
            "-" if one.quick is None else f"{one.quick / 10:.0f}%",
        ]
        for name, one in found.items()
    ]
    out.table(("TYPE", "ACTIONS", "UNCHANGED", "CHANGED", "SENT BACK", "REJECTED", "UNDONE", "MEDIAN S", "UNDER 5 S"), rows)
    out.line(f"{when}; UNCHANGED and CHANGED were approved as first shown, or after they had been sent back")


_COUNTS = ("count", "unchanged", "changed", "sent_back", "rejected", "undone")

_COLUMNS = (
    *("NAME", "DONE", "OUTCOMES", "TURNS", "RETRIES", "P50", "P95", "P99", "TOKENS IN", "OUT", "COST P50", "P90"),
    *("CACHED", "BY PERSON", "DEGRADED", "STEPPED UP", "ESCALATED"),
)


def _row(name: str, one: "Quality") -> list[str]:
    from contracts.money import usd

    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in one.outcomes.most_common())
    latency = [_seconds(one.latency.percentile(percent)) for percent in (50, 95, 99)]
    more = "+?" if one.unmetered else ""
    cost = ["-" if (found := one.cost.percentile(percent)) is None else f"{usd(found)}{more}" for percent in (50, 90)]
    unknown = "+?" if one.tokens_unknown else ""
    tokens = [f"{one.tokens[kind]:,}{unknown}" for kind in ("tokens_in", "tokens_out")]
    shares = [
        _share(one.cached, one.turns),
        _share(one.by_person, one.turns),
        _share(one.degraded, sum(one.outcomes.values())),
        _share(one.stepped_up, one.steps),
        _share(one.escalated, sum(one.outcomes.values())),
    ]
    done = "-" if one.success is None else f"{one.success / 10:.1f}%"
    return [name or "unknown", done, outcomes or "-", str(one.turns), str(one.retries), *latency, *tokens, *cost, *shares]


def _seconds(milliseconds: int | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds / 1000:.1f}"


def _share(some: int, whole: int) -> str:
    return "-" if not whole else f"{some * 100 / whole:.1f}%"


def _fields(one: "Quality") -> dict[str, Any]:
    counts = (
        "turns",
        "unmetered",
        "retries",
        "tools",
        "runs",
        "runs_with_person",
        "cached",
        "by_person",
        "degraded",
        "steps",
        "stepped_up",
        "escalated",
    )
    return {
        "success_per_mille": one.success,
        "outcomes": dict(one.outcomes),
        "errors": dict(one.errors),
        "chosen": dict(one.chosen),
        **{name: getattr(one, name) for name in (*counts, "tokens_unknown")},
        "stepped_up_per_mille": one.stepped_up * 1000 // one.steps if one.steps else None,
        "escalated_per_mille": one.escalated * 1000 // steps if (steps := sum(one.outcomes.values())) else None,
        **one.tokens,
        "latency_ms": {f"p{percent}": one.latency.percentile(percent) for percent in (50, 95, 99)},
        "cost_per_run_micros": {f"p{percent}": one.cost.percentile(percent) for percent in (50, 90)},
        "spent_micros": one.money.spent,
        "unknown_micros": one.money.unknown,
    }
