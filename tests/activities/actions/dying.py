"""Workers that die, one for each action: `forks.program("tests.activities.actions.dying")` starts them.

Forked and not started: what takes seconds is loading, which is done once for all.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from activities.running import failpoints
from contracts.intents import Intent
from ledger import actions
from tests.activities.actions.cases import Outside, deliver_now


def _die(outside: Outside, point: str, key: str, marker: Path) -> None:
    failpoints.arm(f"{point} kill 1 {marker}")
    ledger = outside.open()
    row = ledger.read_now(actions.get, key)
    fields = ("key", "type", "arguments", "arguments_digest", "summary", "order")
    deliver_now(outside.actions(ledger), Intent(**{name: getattr(row, name) for name in fields}))


def main(arguments: Sequence[str]) -> None:
    """Have each die; prints the signal that ended it, a line each. Its arguments: what is outside, the failpoint, and keys."""
    outside, point, keys = Outside.passed(arguments[0]), arguments[1], arguments[2:]
    for key in keys:
        pid = os.fork()
        if pid == 0:
            _die(outside, point, key, outside.folder / f"marker-{key}")
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        print(key, os.WTERMSIG(status), flush=True)
