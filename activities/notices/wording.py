"""The texts of notices: from our own templates, with ids and names that Baton knows.

No artifact and no agent's words are among them: whoever reads a message cannot tell our words from theirs, and those could give
orders. What people chose freely, such as a run's id, is on one line and without invisible characters.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from sqlalchemy import Row

from contracts.gates import VERBS, needs_note
from contracts.notices import Kind, importance_of, kind_of
from contracts.printed import command, quoted
from contracts.runbooks import AlertKind, of_alert, of_gate, runbooks
from contracts.text import amount, one_line
from ledger.db import from_us

LISTED = (20, 8, 3, 1)
"""How many notices a message lists, the most that fit; of the others it has the number."""

NAME_LIMIT = 120
"""Most characters of a name in a title."""


@dataclass(frozen=True)
class Shown:
    """One notice as it is shown. `deadline` and `at` are ISO 8601, "" for none; `link` is "" where no console is known."""

    kind: str
    title: str
    run: str
    project: str
    pipeline: str
    about: str
    risk: str
    importance: str
    deadline: str
    at: str
    commands: tuple[str, ...]
    link: str


@dataclass(frozen=True)
class Links:
    """Where a run can be seen in Temporal's Web UI. `base` "" gives no links: no address was set that others can use."""

    base: str = ""
    namespace: str = "default"

    def of(self, workflow_id: str) -> str:
        """The address of a run; "" where there is none."""
        if not self.base or not workflow_id:
            return ""
        return f"{self.base.rstrip('/')}/namespaces/{quote(self.namespace)}/workflows/{quote(workflow_id, safe='')}"


def shown(row: Row[Any], links: Links) -> Shown:
    """One notice for people."""
    kind = kind_of(row.kind)
    who = ", ".join(json.loads(row.who)) or "nobody in particular"
    says = kind.says.format(about=_name(row.about), what=_name(row.what), who=_name(who))
    return Shown(
        kind=row.kind,
        title=f"{_name(row.run)}: {says}" if row.run else says,
        run=_name(row.run),
        project=_name(row.project),
        pipeline=row.pipeline,
        about=_name(row.about),
        risk=row.risk,
        importance=importance_of(row.kind, row.risk),
        deadline=from_us(row.deadline).isoformat() if row.deadline else "",
        at=from_us(row.at).isoformat(),
        commands=_commands(row, kind),
        link=links.of(row.run),
    )


def _name(text: str) -> str:
    return one_line(text, NAME_LIMIT)


def _commands(row: Row[Any], kind: Kind) -> tuple[str, ...]:
    """What shows it, what approves it where a gate takes that, and what says how to go about it."""
    found, name = _acting(row, kind), _runbook(row, kind)
    return (*found, command("runbook", name)) if name else found


def _runbook(row: Row[Any], kind: Kind) -> str:
    if kind.waits or row.kind == "expired":
        of = of_gate(row.about.rpartition("-")[0].rpartition(".")[2])
        return of if of in runbooks() else ""
    alerts: Mapping[str, AlertKind] = {
        "breaker_open": "breaker_open",
        "dead_letter": "action_unknown" if row.what.endswith(", unknown") else "action_dead",
        "policy_proposed": "policy_proposed",
        "condemned": "condemned",
        "condemnation_undone": "condemnation_undone",
    }
    return of_alert(alerts[row.kind]) if row.kind in alerts else ""


def _acting(row: Row[Any], kind: Kind) -> tuple[str, ...]:
    if kind.waits:
        looks = command("show", row.run, options=f"--gate {quoted(row.about)}")
        return (looks, command("approve", row.run, row.about)) if _takes_approve(row.about) else (looks,)
    if row.kind == "dead_letter":
        return (command("actions show", row.about),)
    if row.kind == "breaker_open":
        return (command("models"),)
    if row.kind == "policy_proposed":
        return command("policy show"), command("policy approve", row.about)
    if row.kind in ("condemned", "condemnation_undone"):
        return (command("condemned show", row.about),)
    return (command("show", row.run),)


def _takes_approve(gate: str) -> bool:
    """True if this gate, whose id begins with its kind, takes an approval without a note."""
    named = [(kind, verbs) for kind, verbs in VERBS.items() if gate.rpartition("-")[0] == kind]
    return any("approve" in verbs and not needs_note(kind, "approve") for kind, verbs in named)


def heading(all_of_them: Sequence[Shown]) -> str:
    """The title of a message: the notice's own, or how many of which kind there are."""
    if len(all_of_them) == 1:
        return all_of_them[0].title
    kinds = Counter(kind_of(one.kind) for one in all_of_them)
    counted = (f"{count} {kind.one if count == 1 else kind.many}" for kind, count in kinds.items())
    return f"{amount(len(all_of_them), 'notice')}: {', '.join(counted)}"


def lines(one: Shown, zone: ZoneInfo) -> list[str]:
    """What stands below a notice's title."""
    facts = [f"risk {one.risk}"] if one.risk else []
    facts += [f"until {local(one.deadline, zone)}"] if one.deadline else []
    facts += [f"project {one.project}"] if one.project not in ("", "default") else []
    return [*(["; ".join(facts)] if facts else []), *one.commands, *([one.link] if one.link else [])]


def local(instant: str, zone: ZoneInfo) -> str:
    """An instant as people of that zone read it, with the zone's name."""
    return f"{datetime.fromisoformat(instant).astimezone(zone):%Y-%m-%d %H:%M} {zone.key}"


def text(all_of_them: Sequence[Shown], zone: ZoneInfo, listed: int) -> str:
    """A message's text without its heading: plain, a paragraph for each notice, for at most so many."""
    if len(all_of_them) == 1:
        return "\n".join(lines(all_of_them[0], zone))
    parts = ["\n".join((one.title, *(f"  {line}" for line in lines(one, zone)))) for one in all_of_them[:listed]]
    more = len(all_of_them) - listed
    return "\n\n".join([*parts, *([f"and {more} more: `{command('gates')}`, `{command('feed')}`"] if more > 0 else [])])


def as_json(all_of_them: Sequence[Shown], listed: int) -> dict[str, Any]:
    """The notices for a program, at most so many."""
    return {
        "notices": [asdict(one) | {"commands": list(one.commands)} for one in all_of_them[:listed]],
        "count": len(all_of_them),
        "more": max(len(all_of_them) - listed, 0),
    }
