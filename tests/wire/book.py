"""The loopback provider's own book: every answer it gave and what it cost, on the disk before anybody gets it.

One JSON object a line, in the order of answering:

    {"number": 7, "key": "…", "agent": "writer", "path": "/v1/messages", "model": "m", "status": 200, "fault": "",
     "whole": true, "usage": {"input": 100, "output": 20, "cache_read": 60, "cache_write": 10, "reasoning": 5},
     "usd_micros": 1234, "at": 1795250000.5}

`key` is the request's `X-Request-Key` (the turn's id in the ledger), `model` the name without its provider. `status` 0: the
connection was closed without an answer. `whole` false: only half of the answer was sent. `usage` is null where none was
made or sent (errors, `fault` "usage"); `usd_micros` is null without usage, or where the book has no price for the model.
A provider bills every line with a usage, also one that its client never read (a slow answer, a killed worker): `count` adds
them all up; `by_key` says what the whole answers to each call cost. A settled reservation of the ledger must be one of these.
"""

import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from contracts.conversation import ModelReply, Usage
from tests.wire.plays import Play, Seen


@dataclass(frozen=True)
class BookPrice:
    """Micro-dollars per million tokens; the cache prices are the input price unless said."""

    input: int
    output: int
    cache_read: int | None = None
    cache_write: int | None = None

    def micros(self, usage: Usage) -> int:
        """What this usage costs, rounded up. Counted here anew, so that it can be compared with what others counted."""
        read = self.input if self.cache_read is None else self.cache_read
        write = self.input if self.cache_write is None else self.cache_write
        fresh = usage.input - usage.cache_read - usage.cache_write
        parts = fresh * self.input + usage.cache_read * read + usage.cache_write * write + usage.output * self.output
        return ceil(Fraction(parts, 1_000_000))


@dataclass
class Book:
    """An append-only file of answers. `prices` by model, without its provider; "*" is for all others."""

    file: Path
    prices: Mapping[str, BookPrice] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(self, seen: Seen, play: Play, fault: str) -> None:
        """Add one answer; it is on the disk when this returns."""
        usage = play.body.usage if isinstance(play.body, ModelReply) and play.error is None else None
        usage = None if "usage" in play.change else usage
        price = self.prices.get(seen.model, self.prices.get("*"))
        line = {
            "number": seen.number,
            "key": seen.key,
            "agent": unquote(seen.headers.get("x-baton-agent", "")),
            "path": seen.path,
            "model": seen.model,
            "status": 0 if play.abort else play.status,
            "fault": fault,
            "whole": not (play.cut or play.abort),
            "usage": None if usage is None else usage.model_dump(),
            "usd_micros": None if usage is None or price is None else price.micros(usage),
            "at": time.time(),
        }
        os.write(self._descriptor, json.dumps(line).encode() + b"\n")
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Give the file back."""
        os.close(self._descriptor)


def read_book(file: Path) -> list[dict[str, Any]]:
    """Every whole line of a book, also of one whose server was killed while it wrote."""
    lines = file.read_text().splitlines(keepends=True) if file.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def by_key(lines: Iterable[Mapping[str, Any]]) -> dict[str, list[int]]:
    """What each whole answer with a usage cost, by key: more than one where the answer of an attempt was lost.

    Raises `ValueError` for a usage without a price.
    """
    costs: dict[str, list[int]] = {}
    for line in lines:
        if line["usage"] is not None and line["whole"]:
            costs.setdefault(line["key"], []).append(_priced(line))
    return costs


def count(lines: Iterable[Mapping[str, Any]]) -> int:
    """Micro-dollars of all that was billed, also of answers that nobody read. Raises `ValueError` as `by_key` does."""
    return sum(_priced(line) for line in lines if line["usage"] is not None)


def _priced(line: Mapping[str, Any]) -> int:
    if line["usd_micros"] is None:
        raise ValueError(f"the book has no price for {line['model']}; give `Book` one, or one for '*'")
    return int(line["usd_micros"])
