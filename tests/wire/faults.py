"""Faults of a loopback provider that are switched while it runs: for one model, for a time or a number of requests."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from contracts.conversation import ModelReply
from tests.wire.plays import Play

Kind = Literal[
    "rate_limited",
    "overloaded",
    "server",
    "authentication",
    "credit",
    "permission",
    "not_found",
    "closed",
    "not_json",
    "half",
    "slow",
    "silent",
    "usage",
]
"""What goes wrong. The first seven are the statuses 429, 529, 500, 401, 402, 403 and 404.

`closed`: the connection is closed without an answer. `not_json`: HTML under HTTP 200. `half`: the right answer, cut in the
middle. `slow`: the right answer after `delay_s`. `silent`: no answer ever. `usage`: the right answer without its usage.
A refused connection is no fault of a model but of the whole server: `WireServer.refuse`.
"""

_STATUSES = {
    "rate_limited": 429,
    "overloaded": 529,
    "server": 500,
    "authentication": 401,
    "credit": 402,
    "permission": 403,
    "not_found": 404,
}

_WORDS: dict[Kind, str] = {"server": "Internal server error, a scripted one"}
"""What an outage says. Other words, said by a server again and again, count as its refusal of that one call."""

_SPOILS = ("half", "slow", "usage")
"""These need the right answer first; the others need none."""


@dataclass
class Fault:
    """One fault in force. `times` is how often it still happens, `until` when it ends (monotonic seconds); None: no limit."""

    kind: Kind
    until: float | None = None
    times: int | None = None
    retry_after_s: float | None = None
    delay_s: float = 0.0

    @property
    def spoils(self) -> bool:
        """True if the right answer has to be made first."""
        return self.kind in _SPOILS

    @property
    def left_s(self) -> float | None:
        """Seconds that it still lasts."""
        return None if self.until is None else max(self.until - time.monotonic(), 0.0)

    def play(self) -> Play:
        """What a request gets that needs no right answer."""
        if self.kind == "closed":
            return Play(abort=True)
        if self.kind == "silent":
            return Play(silent=True)
        if self.kind == "not_json":
            return Play(b"<html>Sign in</html>", headers={"content-type": "text/html"})
        wait = self.retry_after_s if self.retry_after_s is not None else self.left_s
        headers = {} if self.kind != "rate_limited" or wait is None else {"retry-after-ms": f"{wait * 1000:.0f}"}
        return Play(status=_STATUSES[self.kind], error=_WORDS.get(self.kind, f"a scripted {self.kind}"), headers=headers)

    def spoil(self, right: Play) -> Play:
        """The right answer with what is wrong about it; an error stays the error that it is."""
        if not isinstance(right.body, ModelReply) or right.error is not None:
            return right
        if self.kind == "half":
            return replace(right, cut=True)
        if self.kind == "slow":
            return replace(right, delay=self.delay_s)
        return replace(right, change={**right.change, "usage": ...})


class Faults:
    """The faults in force, by model; "*" is for every model that has none of its own."""

    def __init__(self) -> None:
        self._of: dict[str, Fault] = {}

    def set(
        self,
        model: str,
        kind: Kind,
        *,
        for_s: float | None = None,
        times: int | None = None,
        retry_after_s: float | None = None,
        delay_s: float = 0.0,
    ) -> None:
        """From now on requests for this model fail, in place of what was set for it before.

        Without `for_s` and `times` until it is cleared. A 429 says `retry_after_s`, or what is left of `for_s`.
        """
        if kind not in get_args(Kind):
            raise ValueError(f"there is no fault {kind!r}; there are {', '.join(get_args(Kind))}")
        until = None if for_s is None else time.monotonic() + for_s
        self._of[model] = Fault(kind, until, times, retry_after_s, delay_s)

    def clear(self, model: str | None = None) -> None:
        """End the fault of one model, or every fault."""
        if model is None:
            self._of.clear()
        else:
            self._of.pop(model, None)

    def next(self, model: str) -> Fault | None:
        """The fault that the next request for this model gets, counted as given; None where all is well."""
        name = model if model in self._of else "*"
        fault = self._of.get(name)
        if fault is None:
            return None
        if fault.left_s == 0 or fault.times == 0:
            del self._of[name]
            return self.next(model)
        if fault.times is not None:
            fault.times -= 1
        return fault

    def shown(self) -> dict[str, Any]:
        """What is in force, as JSON."""
        return {model: {"fault": fault.kind, "left_s": fault.left_s, "times": fault.times} for model, fault in self._of.items()}

    def switch(self, wanted: Mapping[str, Any]) -> None:
        """What `POST /control` says. Raises `ValueError` or `TypeError` for what is no fault."""
        model, kind = str(wanted.get("model", "*")), wanted.get("fault")
        if kind is None:
            self.clear(None if model == "*" else model)
        else:
            self.set(model, kind, **{name: value for name, value in wanted.items() if name not in ("model", "fault")})
