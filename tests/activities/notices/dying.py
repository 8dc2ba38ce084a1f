"""Messengers that die, one for each channel: `forks.program("tests.activities.notices.dying")` starts them.

Forked and not started: what takes seconds is loading, which is done once for all.
"""

import asyncio
import os
from collections.abc import Sequence
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


def main(arguments: Sequence[str]) -> None:
    """Have each die; prints the signal that ended it, a line each. Its arguments: URL FOLDER WEB MAIL POINT."""
    url, folder, web, mail, point = arguments
    for name in CHANNELS:
        pid = os.fork()
        if pid == 0:
            _die(url, Path(folder), web, int(mail), name, point)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        print(name, os.WTERMSIG(status), flush=True)
