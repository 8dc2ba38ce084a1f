"""Workers that die: `python -m tests.activities.actions.dying OUTSIDE POINT KEY…` forks one for each action.

Forked and not started: what takes seconds is loading, which is done once for all.
"""

import os
import sys
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


def main(outside: Outside, point: str, keys: list[str]) -> None:
    """Have each die; prints the signal that ended it, a line each."""
    for key in keys:
        pid = os.fork()
        if pid == 0:
            _die(outside, point, key, outside.folder / f"marker-{key}")
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        print(key, os.WTERMSIG(status), flush=True)


if __name__ == "__main__":
    main(Outside.passed(sys.argv[1]), sys.argv[2], sys.argv[3:])
