"""Which notices are a channel's own, and when they are due there."""

import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row

from activities.gates.policy import Policy
from contracts.channels import Channel
from contracts.notices import importance_of, kind_of
from ledger.db import from_us, to_us

STALE = timedelta(days=7)
"""What is older is not told any more, such as to a channel that no worker had for months."""


def known_to(policy: Policy) -> frozenset[str]:
    """Every person and role that the policy names, and the default owner."""
    roles = {role for person in policy.people.values() for role in person.roles}
    return frozenset({*policy.people, *roles, *([policy.defaults.owner] if policy.defaults.owner else [])})


def when(channel: Channel, policy: Policy, row: Row[Any], now: datetime) -> int | None:
    """When a notice is due on a channel, in microseconds; None where it is none of its own."""
    if not is_own(channel, policy, row) or from_us(row.at) < now - STALE:
        return None
    deadline = from_us(row.deadline) if row.deadline else None
    return to_us(channel.due(now, urgent=kind_of(row.kind).urgent, deadline=deadline))


def is_own(channel: Channel, policy: Policy, row: Row[Any]) -> bool:
    """True if the channel is for this kind, importance, pipeline and project, and for whoever is asked."""
    of_run = kind_of(row.kind).of_run
    return (
        (not channel.kinds or row.kind in channel.kinds)
        and (channel.importance == "overview" or importance_of(row.kind, row.risk) == "alert")
        and (not channel.pipelines or not of_run or row.pipeline in channel.pipelines)
        and (not channel.projects or not of_run or row.project in channel.projects)
        and _is_for(channel, policy, frozenset(json.loads(row.who)))
    )


def _is_for(channel: Channel, policy: Policy, asked: frozenset[str]) -> bool:
    """True if one of the channel's people and roles is asked. Where everybody, or nobody in particular, is asked it is."""
    if not channel.who or not asked or "*" in asked:
        return True
    roles = {name: frozenset(person.roles) for name, person in policy.people.items()}
    theirs = {role for name in channel.who for role in roles.get(name, ())}
    members = {name for name, own in roles.items() if own & set(channel.who)}
    return bool(asked & {*channel.who, *theirs, *members})
