"""Which runbook each alert and each kind of gate has: the one list. Its names are the anchors of docs/runbooks.md."""

import re
from collections.abc import Mapping
from typing import Literal

AlertKind = Literal[
    "nobody_works",
    "stuck_run",
    "run_ended",
    "duplicate",
    "decision_refused",
    "agent_version",
    "breaker_open",
    "no_room",
    "lost_call",
    "cost_differs",
    "unusual_step",
    "stood_in",
    "claims_doubted",
    "tester_doubts",
    "fix_escalated",
    "disk_full",
    "action_unknown",
    "action_dead",
    "action_held",
    "action_refused",
    "action_waits",
    "action_settled",
    "condemned",
    "condemnation_undone",
    "policy_waits",
    "policy_proposed",
    "key_revoked",
    "channel_fails",
    "other_alert",
]


ALERTS: Mapping[AlertKind, str] = {
    "nobody_works": "",
    "stuck_run": "",
    "run_ended": r"[^/]+/gone/[^/]*",
    "duplicate": r"duplicate/.+",
    "decision_refused": r"refusal/.+|.+/gate/.+/False",
    "agent_version": "",
    "breaker_open": r"breaker/.+",
    "no_room": r"alert/.+",
    "lost_call": r"orphan/.+",
    "cost_differs": r"stated/.+",
    "unusual_step": r"growth:.+",
    "stood_in": "",
    "claims_doubted": "",
    "tester_doubts": "",
    "fix_escalated": "",
    "disk_full": "",
    "action_unknown": r"action/[^/]+/given-up/.+/unknown",
    "action_dead": r"action/[^/]+/given-up/.+",
    "action_held": r"action/[^/]+/held/.+",
    "action_refused": r"action/[^/]+/refused/.+",
    "action_waits": r"action/[^/]+/waits/.+",
    "action_settled": r"action/[^/]+/operator/.+",
    "condemned": r"condemned/[^/]+",
    "condemnation_undone": r"condemned/[^/]+/undone",
    "policy_waits": r"policy/\d+",
    "policy_proposed": r"policy/proposal/[^/]+",
    "key_revoked": r"policy/key/.+/revoked",
    "channel_fails": r"message/.+/given-up/.+",
    "other_alert": "",
}
"""Every kind of alert, with how the keys of its feed lines look: a regular expression for the whole key.

"" where workflow code names the kind itself (`kit.note(…, alert=KIND)`), and where it is not on the feed because `baton status`
alone says it. Where two fit a key the first counts.
"""

_MARK = "/alert/"


def runbooks() -> dict[str, str]:
    """The name of every runbook with its heading in docs/runbooks.md, whose anchor is that name."""
    from contracts.gates import VERBS  # late: every command loads this module, and few need the contracts of gates

    gates = {of_gate(kind): f"Gate: {kind}" for kind in VERBS}
    return gates | {of_alert(kind): f"Alert: {kind.replace('_', ' ')}" for kind in ALERTS}


def of_gate(kind: str) -> str:
    """The name of the runbook for a kind of gate."""
    return f"gate-{kind}"


def of_alert(kind: AlertKind) -> str:
    """The name of the runbook for a kind of alert."""
    return f"alert-{kind.replace('_', '-')}"


def marked(key: str, kind: AlertKind | None) -> str:
    """The key of a line that says itself which kind of alert it is; the same key where it is none."""
    return f"{key}{_MARK}{kind}" if kind else key


def alert_of(key: str) -> AlertKind:
    """Which kind of alert the feed line with this key is. One that this release does not know is `other_alert`."""
    _, mark, named = key.rpartition(_MARK)
    for kind, keys in ALERTS.items():
        if (mark and kind == named) or (keys and re.fullmatch(keys, key)):
            return kind
    return "other_alert"


def of_line(key: str, importance: str) -> str:
    """The name of the runbook of a feed line; "" for one that is no alert."""
    return of_alert(alert_of(key)) if importance == "alert" else ""
