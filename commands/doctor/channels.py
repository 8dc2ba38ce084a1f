"""Whether the channels that are declared here lead somewhere, whether a worker has them, and which could not be reached."""

from typing import TYPE_CHECKING

from commands.doctor.finding import Check, Finding
from contracts.errors import BatonError
from contracts.printed import command
from contracts.text import amount

if TYPE_CHECKING:
    from config import Settings
    from ledger.views.notices import Trouble

NAME = "channels"


def channels(found: "Settings") -> list[Finding]:
    """Each declared channel, and each that a worker has: nothing is sent."""
    declared = [finding for name in found.channels for finding in _declared(found, name)]
    standing = [finding for one in _troubles(found) for finding in _standing(found, one)]
    missing = _without_a_worker(found)
    findings = [*declared, *missing, *standing]
    if findings or not found.channels:
        return findings or [Finding(NAME, "ok", "none is declared: nobody is told of gates but by `baton gates` and the feed")]
    return [Finding(NAME, "ok", f"{amount(len(found.channels), 'channel')}: {', '.join(found.channels)}")]


def _declared(found: "Settings", name: str) -> list[Finding]:
    from activities.actions.declared import Targets
    from activities.gates.policy import load_policy
    from activities.notices.audience import known_to
    from activities.notices.letters import keys_missing, problem_with, strangers

    one = found.channels[name]
    targets = Targets(found.targets, lambda variable: found.environment([variable]).get(variable, ""))
    problem = problem_with(name, one, targets) or strangers(one, known_to(load_policy(found.policy)))
    if problem:
        return [Finding(NAME, "fail", f"[channels.{name}] {problem}", "correct baton.toml, then restart the workers")]
    if missing := keys_missing(one, targets):
        return [Finding(NAME, "warn", f"[channels.{name}]: not readable here: {missing}", "set it where the worker runs")]
    return []


def _troubles(found: "Settings") -> "list[Trouble]":
    from commands.context import open_ledger

    try:
        with open_ledger(found) as ledger:
            from ledger.views.notices import troubles

            return ledger.read_now(troubles)
    except BatonError:
        return []  # the check of the ledger says why


def _without_a_worker(found: "Settings") -> list[Finding]:
    there = {one.channel for one in _troubles(found)}
    missing = sorted(found.channels.keys() - there)
    if not missing:
        return []
    mend = "start a worker with role all or actions and this baton.toml: `baton up`"
    return [Finding(NAME, "warn", f"no worker has been started with {', '.join(missing)}", mend)]


def _standing(found: "Settings", one: "Trouble") -> list[Finding]:
    findings = []
    if one.failing_since is not None:
        mend = f"mend the target, then `{command('notify test', one.channel)}`"
        findings.append(Finding(NAME, "warn", f"{one.channel} cannot be reached: {one.problem}", mend))
    if one.dead:
        text = f"{amount(one.dead, 'message')} to {one.channel} {'was' if one.dead == 1 else 'were'} given up"
        findings.append(Finding(NAME, "warn", text, f"`{command('notify list', options='--state dead')}`, then retry or drop"))
    if one.channel not in found.channels and one.waiting + one.open:
        text = f"{one.waiting + one.open} notices or messages wait for {one.channel}, which is not declared here"
        findings.append(Finding(NAME, "warn", text, f"declare [channels.{one.channel}] for a worker, or drop the messages"))
    return findings


CHECKS: tuple[Check, ...] = (channels,)
