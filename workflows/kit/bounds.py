"""Size limits for what workflows write: cut by bytes, with a mark where something is missing. Pure functions."""

import json
from collections.abc import Sequence
from typing import Any

from contracts.base import BODY_LIMIT

FACTS_BYTES = 16 * 1024
"""Largest total size of a gate's facts, in bytes. The subject has everything."""


def cut(text: str, limit: int) -> str:
    """Cut to `limit` bytes of UTF-8, with `…` at the end if something is missing."""
    raw = text.encode()
    return text if len(raw) <= limit else raw[: limit - 3].decode(errors="ignore") + "…"


def facts_within(facts: Sequence[str]) -> tuple[str, ...]:
    """The facts that fit, and a last one that counts the rest."""
    shown = first_within(facts, FACTS_BYTES)
    left = len(facts) - len(shown)
    return (*shown, f"and {left} more; the subject has everything") if left else shown


def first_within(texts: Sequence[str], limit: int) -> tuple[str, ...]:
    """The first texts that together fit into `limit` bytes of JSON."""
    used, shown = 0, []
    for text in texts:
        used += len(json.dumps(text, ensure_ascii=False).encode()) + 1
        if used > limit:
            break
        shown.append(text)
    return tuple(shown)


def newest_within(rows: Sequence[dict[str, Any]], limit: int = BODY_LIMIT) -> list[dict[str, Any]]:
    """The last rows, in order, that together fit into `limit` bytes of JSON."""
    used, shown = 0, []
    for row in reversed(rows):
        used += len(json.dumps(row, ensure_ascii=False).encode()) + 1
        if used > limit:
            break
        shown.append(row)
    return shown[::-1]
