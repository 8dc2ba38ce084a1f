"""Whether the policy file loads, and whether all that it says is in force."""

from typing import TYPE_CHECKING

from commands.context import sqlite_file
from commands.doctor.finding import Finding
from contracts.errors import LedgerUnavailable
from contracts.printed import command
from contracts.text import amount

if TYPE_CHECKING:
    from activities.gates.policy import Policy
    from config import Settings


def policy(found: "Settings") -> Finding:
    """The policy file loads."""
    from activities.gates.policy import load_policy

    loaded = load_policy(found.policy)
    if waiting := _unapproved(found, loaded):
        asking = command("policy propose", str(found.policy), options="-m why")
        mend = f"`{asking}`, or take it back; until then the stricter entries are in force"
        return Finding("policy", "warn", f"{found.policy} loosens what its owners have not approved: {waiting}", mend)
    owner = loaded.defaults.owner or "none: every run must name an owner"
    return Finding(
        "policy",
        "ok",
        f"{found.policy}; {amount(len(loaded.gates), 'kind')} of gates, default owner {owner}, identity {loaded.identity}",
    )


def _unapproved(found: "Settings", loaded: "Policy") -> str:
    """What the file loosens, compared with the policy in force; "" for nothing, or where there is no ledger yet."""
    from activities.gates.standing import effective
    from ledger.db import Ledger
    from ledger.migrate import standing

    file = sqlite_file(found.database)
    if file is not None and not file.exists():
        return ""
    kept = Ledger(found.database, found.artifacts)
    try:
        # A ledger that is older than this release has no policy yet, and its own line says so.
        return kept.read_now(effective, loaded).told if standing(kept).state == "current" else ""
    except LedgerUnavailable:
        return ""  # said by the ledger's own line
    finally:
        kept.close()
