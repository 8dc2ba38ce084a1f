"""The ledger's tables. Money and token sums are 64-bit micro-dollars and counts; instants are UTC microseconds."""

from ledger.tables.actions import action
from ledger.tables.cases import support_case, support_issue
from ledger.tables.columns import metadata
from ledger.tables.condemned import condemnation, condemned, remedy
from ledger.tables.console import console_password, console_session, decision_outbox, sign_in_link, sign_in_try
from ledger.tables.figures import figures_changed, kept_figures, kept_spending
from ledger.tables.gates import decision, gate, revoked_key
from ledger.tables.handoffs import artifact, claim, edge, handoff, seen
from ledger.tables.lines import feed, feed_head
from ledger.tables.models import breaker, cached_reply, rate
from ledger.tables.money import ceiling_change, reservation, scope, trip
from ledger.tables.notices import addressed, channel, message, notice
from ledger.tables.pauses import pause
from ledger.tables.policies import policy_approval, policy_proposal, policy_version
from ledger.tables.releases import agent_version, compatibility, identity, worker
from ledger.tables.runs import counter, run
from ledger.tables.turns import call_progress, tool_result, turn
from ledger.tables.upkeep import upkeep

__all__ = [
    "action",
    "addressed",
    "agent_version",
    "artifact",
    "breaker",
    "cached_reply",
    "call_progress",
    "ceiling_change",
    "channel",
    "claim",
    "compatibility",
    "condemnation",
    "condemned",
    "console_password",
    "console_session",
    "counter",
    "decision",
    "decision_outbox",
    "edge",
    "feed",
    "feed_head",
    "figures_changed",
    "gate",
    "handoff",
    "identity",
    "kept_figures",
    "kept_spending",
    "message",
    "metadata",
    "notice",
    "pause",
    "policy_approval",
    "policy_proposal",
    "policy_version",
    "rate",
    "remedy",
    "reservation",
    "revoked_key",
    "run",
    "scope",
    "seen",
    "sign_in_link",
    "sign_in_try",
    "support_case",
    "support_issue",
    "tool_result",
    "trip",
    "turn",
    "upkeep",
    "worker",
]
