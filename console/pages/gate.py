"""One gate: what it is about, from the very bytes, what has changed, what an approval lets happen, and what can be said."""

from collections.abc import Mapping
from typing import Any

from commands.subject import shown_lines
from commands.text import COMMAND_OF, how_to_answer
from console.consequences import consequences
from console.forms import LABELS, forms
from console.pages import cost
from console.pages.asked import Asked, Wake, told
from console.revisions import since_seen, since_the_last
from contracts.errors import Refused
from contracts.gates import GateView
from contracts.printed import command, quoted
from contracts.runbooks import of_gate
from ledger import decision_outbox, policies, runs
from ledger.db import Connection
from ledger.money.ceilings import ceiling_of
from ledger.views.gates import subject_of, winner
from ledger.views.revisions import revision_after

PLACES = 2000
"""Most places that a page lists; every other one can be typed."""


def gate(connection: Connection, asked: Asked) -> dict[str, Any]:
    """One gate with the bytes that it is about, as text: the plan's items, the diff, or what it is."""
    found = subject_of(connection, asked.files, asked.path["run"], asked.path["gate"])
    view, state = found.gate.view, found.gate.state
    won, after, is_open = winner(connection, view.trace, view.gate), revision_after(connection, view), state == "open"
    lines = shown_lines(found)
    places = list(dict.fromkeys(one.place for one in lines if one.place))
    identity = policies.identity(connection)
    signed = identity == "signed"
    seen = asked.typed.get("subject", "")
    newest = found if after is None else subject_of(connection, asked.files, view.trace, after.view.gate)
    return {
        "run": found.run,
        "view": view,
        "runbook": of_gate(view.kind),
        "state": state,
        "lines": lines,
        "places": places[:PLACES],
        "is_diff": found.patch is not None,
        "changed": since_the_last(connection, asked.files, found),
        "stale": since_seen(connection, asked.files, newest, seen),
        "after": None if after is None else after.view.gate,
        "consequences": consequences(connection, found) if is_open else None,
        "commands_of": (_signing(view, found.run, asked.person) if signed else how_to_answer(view, found.run))
        if is_open
        else [],
        "signed": signed,
        "needs_sign_in": identity == "signed-in",
        "decided": None if won is None else told(won),
        "decided_at": None if won is None else won.at,
        "forms": forms(found, runs.find_pins(connection, view.trace), len(places)) if is_open and not signed else [],
        "shared": _shared(connection, view) if is_open and not signed else None,
        "labels": dict(LABELS),
        "typed": dict(asked.typed),
        "sent": decision_outbox.of_gate(connection, view.trace, view.gate),
    }


def _shared(connection: Connection, view: GateView) -> dict[str, Any] | None:
    """The ceiling that the run waits at with others: its scope, and what it is now, in micro-dollars. None at other gates."""
    if view.ceiling is None or not view.ceiling.shared:
        return None
    now = ceiling_of(connection, view.ceiling.scope)
    return {"scope": view.ceiling.scope, "now": view.ceiling.ceiling if now is None else now}


def raise_shared(connection: Connection, asked: Asked, by: str, fields: Mapping[str, str]) -> Wake | None:
    """Raise the ceiling that this gate's run waits at with others, as the page Cost does; all who wait are woken."""
    found = subject_of(connection, asked.files, asked.path["run"], asked.path["gate"]).gate
    if found.view.ceiling is None or not found.view.ceiling.shared:
        raise Refused(f"{found.view.gate} asks for no ceiling that runs share; nothing was done")
    if found.state != "open":
        raise Refused(f"{found.view.gate} is not open any more; the page Cost sets ceilings. Nothing was done")
    return cost.raise_ceiling(connection, asked, by, dict(fields) | {"scope": found.view.ceiling.scope, "lower": ""})


def _signing(view: GateView, run: str, by: str) -> list[str]:
    """The commands that decide with a signature, on the machine that has the key: each for exactly what is shown here."""
    who = f"--by {quoted(by)} --sign"
    if view.ceiling is not None:
        what = view.ceiling.scope if view.ceiling.shared else run
        raising = command("budget raise", what, options=f'--to USD -m "why" {who}')
        return [raising, command("budget stop", run, options=f'-m "why" {who}')]
    options = f'-m "why" --subject {view.subject} {who}'
    return [
        command(COMMAND_OF[verb], run, view.gate, options=options + _more(view, verb))
        for verb in view.verbs
        if verb in COMMAND_OF
    ]


def _more(view: GateView, verb: str) -> str:
    if view.work is not None:
        return " --file FILE"
    return "".join(f" --answer {quoted(one.id + '=…')}" for one in view.questions if verb in ("approve", "answer"))
