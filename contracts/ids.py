"""Ids and keys. A key is made from what a thing *is*, so that a retry, a reset or another worker finds the same row."""

import re
from collections.abc import Sequence

from contracts.base import digest_of

AGAIN = "/again"
"""Ends the path of a step that another model does once more, after the path of the step that ended unsure."""


def turn_key(trace: str, path: str, head: str, agent_digest: str, task_digest: str, inputs: Sequence[str] = ()) -> str:
    """The id of one model turn. `head` is the turn before it, "" at the start of a conversation.

    `inputs` are the handoffs that enter the prompt, and the files that there are. Only the first turn's key covers them: later
    ones depend on it through `head`.
    """
    return digest_of("turn", trace, path, head, agent_digest, task_digest, *(() if head else inputs))


def handoff_id(trace: str, path: str, digest: str) -> str:
    """The id of one handoff: equal bodies in two runs, or in two steps of a run, have different ids."""
    return digest_of("handoff", trace, path, digest)


def business_key(action_type: str, *parts: str) -> str:
    """The key of one logical event in the outside world, equal in all runs that mean it."""
    return digest_of("action", action_type, *parts)


def w3c_trace_id(trace: str) -> str:
    """The W3C trace id (32 hex digits) of a run family."""
    return digest_of("w3c-trace", trace)[:32]


def w3c_span_id(*parts: str) -> str:
    """The W3C span id (16 hex digits) of one step."""
    return digest_of("w3c-span", *parts)[:16]


def slug(text: str, limit: int = 40) -> str:
    """Lower-case words joined by '-', safe in ids, branch names and file names. "" becomes "x"."""
    words = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return words[:limit].rstrip("-") or "x"


def repository_name(repository: str) -> str:
    """The short name of a repository: the last part of its path or URL, without '.git'."""
    last = re.split(r"[/:\\]", repository.rstrip("/\\"))[-1]
    return slug(last.removesuffix(".git"))
