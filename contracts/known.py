"""How it is known who decided in the console: the way in by which they had come. Pure."""

from typing import Literal

Way = Literal["link", "password", "proxy"]
"""How somebody came in."""

Known = Literal["", "link", "password", "proxy"]
"""The same of a decision; "" for one that was not made in the console: its name is a claim, unless it is signed."""

SIGNED_IN: frozenset[Known] = frozenset({"password", "proxy"})
"""The ways that show who somebody is. A link shows only that somebody with an account where the ledger is has made it."""

_TOLD: dict[Known, str] = {
    "": "not authenticated",
    "link": "by a one-time link, which proves only the account that printed it",
    "password": "signed in by password",
    "proxy": "signed in through the proxy",
}


def told(known: Known) -> str:
    """How somebody is known, for people."""
    return _TOLD[known]
