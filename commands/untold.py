"""Channels through which people could not be told: every list of what waits for people says so."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from commands.output import clock, safe
from contracts.printed import command
from contracts.text import amount

if TYPE_CHECKING:
    from ledger.db import Ledger
    from ledger.views.notices import Trouble


def untold(ledger: "Ledger") -> "list[Trouble]":
    """Channels that fail, or to which a message was given up."""
    from ledger.views.notices import troubles

    return [one for one in ledger.read_now(troubles) if not one.is_well]


def lines(one: "Trouble") -> Iterator[str]:
    """What is wrong with a channel, for people; nothing where it is well."""
    if one.failing_since is not None:
        testing = command("notify test", one.channel)
        yield f"channel {one.channel} fails since {clock(one.failing_since)}: {safe(one.problem, 600)} (`{testing}`)"
    if one.dead:
        said = f"{amount(one.dead, 'message')} to channel {one.channel} {'was' if one.dead == 1 else 'were'} given up"
        yield f"{said}; `{command('notify list', options='--state dead')}`, then retry or drop"
