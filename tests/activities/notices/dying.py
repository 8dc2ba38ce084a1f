"""Messengers that die: `python -m tests.activities.notices.dying URL FOLDER WEB MAIL POINT` forks one for each channel.

Forked and not started: what takes seconds is loading, which is done once for all.
"""

import asyncio
import os
import sys
from pathlib import Path

from activities.running import failpoints
from ledger.db import Ledger
from tests.activities.notices.world import Clock, channel, messenger, targets, turn

CHANNELS = {
    "once": channel(target="once"),
    "chat": channel("slack", "chat"),
    "post": channel("mail", "post", to=["olga@example.org"]),
}
"""A receiver that acts once per key, one that knows no keys, and a mail server."""


def _die(url: str, folder: Path, web: str, mail: int, name: str, point: str) -> None:
    failpoints.arm(f"{point} kill 1 {folder / name}")
    ledger = Ledger(url, folder / "artifacts")
    asyncio.run(turn(messenger(ledger, targets(web, mail), {name: CHANNELS[name]}, Clock(), f"dies-{name}")))


def main(url: str, folder: Path, web: str, mail: int, point: str) -> None:
    """Have each die; prints the signal that ended it, a line each."""
    for name in CHANNELS:
        pid = os.fork()
        if pid == 0:
            _die(url, folder, web, mail, name, point)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        print(name, os.WTERMSIG(status), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5])
