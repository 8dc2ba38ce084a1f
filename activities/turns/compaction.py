"""Long conversations: above an agent's `context_target` older tool results are replaced by references. Pure, except `keep`.

What is replaced depends on the stored turns alone, so a retry, another worker and a replayed run build the same prompt. What
was replaced stays replaced, and is replaced in batches: between two batches a prompt only grows at its end, as providers'
prompt caches need it.
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
"""Newest turns whose results are never replaced: the last, which the agent has not seen yet, and the one before it."""

WORTH = 4
"""A batch must remove at least 1/WORTH of the target: smaller batches would come with every turn."""

LEAST = 600
"""Shorter results, in characters, are not replaced: a reference would be about as long."""

CHARACTERS_PER_TOKEN = 4
EVIDENCE = 6
"""Most artifacts of a result that its reference still names, for quotes."""


@dataclass(frozen=True)
class Shortened:
    """Which tool results a prompt shows as references, and which of them for the first time.

    `refused`: because the model finds more too large. Then some of the fresh ones may be `known` from the call before.
    """

    hidden: frozenset[tuple[str, int]] = frozenset()
    fresh: tuple[Row[Any], ...] = ()
    refused: bool = False
    known: frozenset[tuple[str, int]] = frozenset()

    @property
    def told(self) -> int:
        """How many results are news for the feed."""
        return sum((row.turn, row.position) not in self.known for row in self.fresh)


def shortened(chain: Sequence[Row[Any]], results: Results, target: int | None) -> Shortened:
    """Walk the conversation as it grew: whenever a call's context was above the target, replace what was old at that point."""
    if target is None:
        return Shortened()
    start, fresh = 0, 0
    for at, row in enumerate(chain):
        upto = at + 1 - WHOLE
        # By the provider's own count for the call; a reply without usage is estimated, always in the same way.
        if upto <= start or (row.tokens_in or _estimate(chain[:at], results, start)) < target:
            continue
        if sum(len(one.body) for one in _long(chain[start:upto], results)) * WORTH < target * CHARACTERS_PER_TOKEN:
            continue
        start, fresh = upto, start if at == len(chain) - 1 else upto
    # `fresh` is where the newest call moved the start: only those results are new to the artifact store and the feed.
    hidden = frozenset((row.turn, row.position) for row in _long(chain[:start], results))
    return Shortened(hidden, tuple(_long(chain[fresh:start], results)))


def shortest(chain: Sequence[Row[Any]], results: Results, made: Shortened) -> Shortened:
    """The same with every older result replaced, for a model that found the prompt too large. Equal to `made`: none is left."""
    older = _long(chain[: max(len(chain) - WHOLE, 0)], results)
    fresh = tuple(row for row in older if (row.turn, row.position) not in made.hidden)
    return Shortened(made.hidden | {(row.turn, row.position) for row in fresh}, (*made.fresh, *fresh)) if fresh else made


def _long(rows: Sequence[Row[Any]], results: Results) -> list[Row[Any]]:
    return [one for row in rows for one in results.get(row.id, ()) if len(one.body) >= LEAST]


def _estimate(rows: Sequence[Row[Any]], results: Results, start: int) -> int:
    """Estimated tokens of a conversation whose provider counted none, without its task."""
    bodies = [one.body for row in rows[start:] for one in results.get(row.id, ())]
    return sum(len(text) for text in (*bodies, *(turns.reply_of(row).text for row in rows))) // CHARACTERS_PER_TOKEN


def reference(row: Row[Any]) -> str:
    """What a prompt shows in place of a result."""
    evidence = json.loads(row.artifacts)[:EVIDENCE]
    said = {
        "replaced": f"{len(row.body)} characters of {row.name}, to keep the conversation short; read_artifact shows them again",
        "artifact": sha256(row.body.encode()),
    }
    return json.dumps(said | ({"evidence": evidence} if evidence else {}))


def keep(connection: Connection, files: Path, run: RunRef, made: Shortened) -> None:
    """Store the results that are replaced from now on, to be read by their references. Safe to call twice."""
    for row in made.fresh:
        kept = artifacts.put(connection, files, row.body.encode(), "application/json")
        # If the result read something from outside, its own text passes that on.
        untrusted = bool(json.loads(row.artifacts))
        artifacts.note_seen(connection, run.trace, run.path, kept.digest, f"result of {row.name}", untrusted=untrusted)
