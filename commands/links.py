"""Links that sign people in to the console."""

from ipaddress import ip_address
from typing import TYPE_CHECKING

from commands.context import policy_now
from commands.output import safe
from contracts.errors import Misconfigured

if TYPE_CHECKING:
    from activities.gates.policy import Policy
    from config import Settings
    from ledger.db import Ledger

PORT, HOST = 8234, "127.0.0.1"
"""Where the console usually listens."""


def address(found: "Settings", port: int, host: str = HOST) -> str:
    """The address of a console that listens here: the one that is set, for people who come through a proxy or by a name."""
    if found.console.address:
        return found.console.address
    at = ip_address(host)
    return f"{'https' if found.console.certificate else 'http'}://{f'[{at}]' if at.version == 6 else at}:{port}"


def running_port(found: "Settings") -> int:
    """The port of the console that `baton up` has started for these settings, or the usual one."""
    from commands import processes

    running = processes.find(found.state.absolute(), "console")
    return PORT if running is None else running.port


def link_for(found: "Settings", ledger: "Ledger", person: str, port: int, host: str = HOST) -> str:
    """A link that signs this person in, once. Raises `Misconfigured` where the policy does not know them."""
    from ledger import signed_in

    check_person(policy_now(found, ledger), person)
    ledger.tx_now(signed_in.sweep)
    return f"{address(found, port, host)}/sign-in?link={ledger.tx_now(signed_in.make_link, person)}"


def check_person(policy: "Policy", person: str) -> None:
    """Raise `Misconfigured` for somebody whom the policy does not know, where it says who there is."""
    if policy.identity != "any" and person not in policy.people:
        known = ", ".join(sorted(policy.people)) or "nobody"
        raise Misconfigured(
            f"{safe(person)!r} is not one of the people in policy.toml ({known}), and identity is {policy.identity!r}. "
            "Name one of them with --by, or add this one to the policy"
        )
