"""A CPU profile of every Python thread of a worker, to find out where time is lost."""

import contextlib
import cProfile
import pstats
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TOP = 45


@contextlib.contextmanager
def kept(path: str) -> Iterator[None]:
    """Profile the block and the threads it starts, and write text to `path`. Does nothing if `path` is empty."""
    if not path:
        yield
        return
    profiles: dict[str, list[cProfile.Profile]] = {}

    def begin(*_: Any) -> None:
        profile = cProfile.Profile(time.thread_time)
        profiles.setdefault(_kind(threading.current_thread().name), []).append(profile)
        profile.enable()

    begin()
    threading.setprofile(begin)
    try:
        yield
    finally:
        threading.setprofile(None)
        _write(Path(path), profiles)


def _kind(thread: str) -> str:
    """The thread name without its number, so that the threads of one pool count together."""
    return thread.rstrip("0123456789").rstrip("_-")


def _write(path: Path, profiles: dict[str, list[cProfile.Profile]]) -> None:
    with path.open("w") as out:
        for kind, of_kind in profiles.items():
            stats = pstats.Stats(*of_kind, stream=out)
            total = stats.total_tt  # type: ignore[attr-defined]
            out.write(f"==== {kind}: {len(of_kind)} threads, {total:.2f} s of CPU\n")
            for order in ("cumulative", "tottime"):
                stats.sort_stats(order).print_stats(TOP)
