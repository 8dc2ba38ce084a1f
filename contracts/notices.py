"""What people should hear of wherever they are: every kind of notice, in one place, and what an event says of itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import Field

from contracts.base import Contract, is_empty, is_none

NoticeKind = Literal[
    "gate_opened",
    "reminder",
    "escalation",
    "expired",
    "parked",
    "breaker_open",
    "dead_letter",
    "policy_proposed",
    "condemned",
    "condemnation_undone",
]

Importance = Literal["overview", "alert"]
"""As on the feed, of which no `detail` becomes a notice."""


@dataclass(frozen=True)
class Kind:
    """One kind of notice. `says` is its title, in which {about}, {what} and {who} stand for ids and names that Baton knows;
    `one` and `many` are what it is called where several are counted.

    `alert`: it is important whatever it is about. `urgent`: it waits neither for the end of quiet hours nor for a digest.
    `waits`: it asks for something at a gate, and is not sent any more once that gate has closed. `of_run`: it is about one
    run, so a channel's pipelines and projects apply.
    """

    says: str
    one: str
    many: str
    alert: bool = False
    urgent: bool = False
    waits: bool = False
    of_run: bool = True


KINDS: Mapping[NoticeKind, Kind] = {
    "gate_opened": Kind("gate {about} is open", "open gate", "open gates", waits=True),
    "reminder": Kind("gate {about} still waits", "reminder", "reminders", waits=True),
    "escalation": Kind("gate {about} is escalated to {who}", "escalation", "escalations", alert=True, urgent=True, waits=True),
    "expired": Kind(
        "gate {about} closed because nobody decided in time", "gate without a decision", "gates without a decision", alert=True
    ),
    "parked": Kind("parked: gate {about} waits for a higher ceiling", "parked run", "parked runs", waits=True),
    "breaker_open": Kind(
        "circuit breaker open: {about}", "open circuit breaker", "open circuit breakers", alert=True, of_run=False
    ),
    "dead_letter": Kind("action {about} ({what}) was given up", "dead letter", "dead letters", alert=True, urgent=True),
    "policy_proposed": Kind(
        "a looser policy is proposed: {about}", "proposed policy", "proposed policies", alert=True, of_run=False
    ),
    "condemned": Kind(
        "something was condemned ({about}): {what}", "condemnation", "condemnations", alert=True, urgent=True, of_run=False
    ),
    # As urgent as what it takes back: whoever was called by that acts on it, and what it held goes on at once.
    "condemnation_undone": Kind(
        "condemnation {about} was undone: {what}",
        "undone condemnation",
        "undone condemnations",
        alert=True,
        urgent=True,
        of_run=False,
    ),
}
"""Every kind. A further one takes an entry here and in `NoticeKind`, and a feed line that carries its `Occasion`."""


class Occasion(Contract):
    """What a feed line says of itself where people should hear of it. Ids and names only: no agent's words, no artifact.

    Beside the line the ledger knows the run, its pipeline and project.
    """

    # No closed list: a worker of an earlier release has to read what a later one tells.
    kind: str = Field(description="one of `NoticeKind`")
    about: str = Field(description="the id of the gate, action, breaker, proposal or condemnation")
    what: str = Field(
        default="", exclude_if=is_empty, description="the action's type, the state it was left in, or what is held"
    )
    who: tuple[str, ...] = Field(
        default=(), exclude_if=is_empty, description="people and roles who are asked; none: nobody in particular"
    )
    risk: str = Field(default="", exclude_if=is_empty, description="low, medium or high; empty: none was assessed")
    deadline: datetime | None = Field(default=None, exclude_if=is_none)


_OF_A_LATER_RELEASE = Kind("{about} (a later release of Baton says more)", "further notice", "further notices", alert=True)


def kind_of(name: str) -> Kind:
    """The kind of this name; for one that only a later release knows what can be said of it all the same."""
    return next((kind for known, kind in KINDS.items() if known == name), _OF_A_LATER_RELEASE)


def importance_of(kind: str, risk: str) -> Importance:
    """How important a notice is: an alert by its kind, or because what waits is of high risk."""
    return "alert" if kind_of(kind).alert or risk == "high" else "overview"
