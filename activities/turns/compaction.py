"""Long conversations: above an agent's `context_target` older tool results give way to references. Pure, but for `keep`.

What is replaced follows from the stored turns alone, so a retry, another worker and a replayed run build the same prompt.
What was replaced stays replaced, and it is done in batches: between two of them a prompt only grows at its end, which is what
providers' prompt caches need.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row

from contracts.base import sha256
from contracts.runs import RunRef
from ledger import artifacts, turns

Results = Mapping[str, Sequence[Row[Any]]]

WHOLE = 2
"""Turns whose results always stay whole: the newest, which the agent has not seen yet, and the one before it."""

WORTH = 4
"""A batch waits until it takes at least one part in so many of the target away: smaller ones would come with every turn."""

LEAST = 600
"""Characters below which a result stays: a reference would be about as long."""

CHARACTERS_PER_TOKEN = 4
EVIDENCE = 6
"""Artifacts of a result that its reference goes on naming, for quotes."""


@dataclass(frozen=True)
class Shortened:
    """Which tool results a prompt shows as references, and which of them for the first time."""

    hidden: frozenset[tuple[str, int]] = frozenset()
    fresh: tuple[Row[Any], ...] = ()


def shortened(chain: Sequence[Row[Any]], results: Results, target: int | None) -> Shortened:
    """Walk the conversation as it grew: whenever a call's context was above the target, what was old then is replaced."""
    if target is None:
        return Shortened()
    start, fresh = 0, 0
    for at, row in enumerate(chain):
        upto = at + 1 - WHOLE
        # By what the provider counted for the call itself; a reply without usage is estimated, the same way every time.
        if upto <= start or (row.tokens_in or _estimate(chain[:at], results, start)) < target:
            continue
        if sum(len(one.body) for one in _long(chain[start:upto], results)) * WORTH < target * CHARACTERS_PER_TOKEN:
            continue
        start, fresh = upto, start if at == len(chain) - 1 else upto
    # `fresh` is where the newest call has moved the start: only that is new to the artifact store and to the feed.
    hidden = frozenset((row.turn, row.position) for row in _long(chain[:start], results))
    return Shortened(hidden, tuple(_long(chain[fresh:start], results)))


def _long(rows: Sequence[Row[Any]], results: Results) -> list[Row[Any]]:
    return [one for row in rows for one in results.get(row.id, ()) if len(one.body) >= LEAST]


def _estimate(rows: Sequence[Row[Any]], results: Results, start: int) -> int:
    """Tokens of a conversation whose provider counted none, without its task."""
    bodies = [one.body for row in rows[start:] for one in results.get(row.id, ())]
    return sum(len(text) for text in (*bodies, *(turns.reply_of(row).text for row in rows))) // CHARACTERS_PER_TOKEN


def reference(row: Row[Any]) -> str:
    """What a prompt says in place of a result."""
    evidence = json.loads(row.artifacts)[:EVIDENCE]
    said = {
        "replaced": f"{len(row.body)} characters of {row.name}, to keep the conversation short; read_artifact shows them again",
        "artifact": sha256(row.body.encode()),
    }
    return json.dumps(said | ({"evidence": evidence} if evidence else {}))


def keep(connection: Connection, files: Path, run: RunRef, made: Shortened) -> None:
    """Make what is replaced from now on readable under its reference. Doing it again changes nothing."""
    for row in made.fresh:
        kept = artifacts.put(connection, files, row.body.encode(), "application/json")
        # What the result had read came from outside; the result itself says it in other words.
        untrusted = bool(json.loads(row.artifacts))
        artifacts.note_seen(connection, run.trace, run.path, kept.digest, f"result of {row.name}", untrusted=untrusted)
