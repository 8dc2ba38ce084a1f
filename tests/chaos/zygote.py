"""A process that has imported the worker, and forks one in milliseconds: importing costs three seconds of a core each time.

`python -m tests.chaos.zygote`. Reads one JSON object a line, `{"variables", "log", "variant"}`, and writes `{"pid"}`; writes
`{"pid", "status"}` when a worker ends. The fork runs `worker.main()`, what `python worker.py` runs; no thread, event loop or
connection exists here that it would inherit. When the input ends, or this process dies, all workers are killed.
"""

import ctypes
import gc
import json
import os
import selectors
import signal
import sys
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import genai_prices  # noqa: F401 - loaded late by a worker, and here once for all of them
from pydantic import SecretStr

import config
import worker
import worker_parts
from ledger.db import Ledger
from ledger.migrate import upgrade
from tests.chaos import mutants

PR_SET_PDEATHSIG = 1


def _say(**what: Any) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


def _become_worker(asked: dict[str, Any]) -> None:
    """In the fork: a session, an output and an environment of its own, and then what every worker does."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for ours, theirs in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(ours, theirs)
    os.closerange(3, 256)
    os.environ.update(asked["variables"])
    os.chdir(Path(asked["log"]).parent)
    try:
        mutants.become(asked["variant"])
        worker.main()
    except BaseException:  # noqa: BLE001 (the log has to say why: who waits sees the code alone)
        traceback.print_exc()
    finally:
        os._exit(70)


def _warm_up() -> None:
    """Build all parts once and drop them: what they load and compute the first time costs half a second of a core."""
    with TemporaryDirectory() as folder:
        ledger = Ledger(f"sqlite:///{folder}/ledger.db", Path(folder))
        upgrade(ledger)
        worker_parts.build(config.Settings(state=Path(folder), openai_api_key=SecretStr("none"), model="openai:none"), ledger)
        ledger.close()
    gc.collect()
    gc.freeze()


def _fork(asked: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        _become_worker(asked)
    return pid


def _reap(running: set[int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        running.discard(pid)
        _say(pid=pid, status=status)


def main() -> None:
    """Serve until the input ends."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: set[int] = set()
    _warm_up()
    _say(ready=True)
    waiting = selectors.DefaultSelector()
    waiting.register(0, selectors.EVENT_READ)
    waiting.register(woken, selectors.EVENT_READ)
    text = b""
    while True:
        ready = {key.fd for key, _ in waiting.select()}
        if woken in ready:
            os.read(woken, 4096)
            _reap(running)
        if 0 in ready:
            if not (piece := os.read(0, 65536)):
                break
            *lines, text = (text + piece).split(b"\n")
            for line in lines:
                running.add(pid := _fork(json.loads(line)))
                _say(pid=pid)
    for pid in running:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
    sys.exit(0)
