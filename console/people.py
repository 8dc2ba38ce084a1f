"""Whether somebody may be signed in at all, asked before a link or a password is made for them."""

from typing import TYPE_CHECKING

from commands.output import safe
from contracts.errors import Misconfigured

if TYPE_CHECKING:
    from activities.gates.policy import Policy


def check_person(policy: "Policy", person: str) -> None:
    """Raise `Misconfigured` for somebody whom the policy does not know, where it says who there is."""
    if policy.identity != "any" and person not in policy.people:
        known = ", ".join(sorted(policy.people)) or "nobody"
        raise Misconfigured(
            f"{safe(person)!r} is not one of the people in policy.toml ({known}), and identity is {policy.identity!r}. "
            "Name one of them with --by, or add this one to the policy"
        )
