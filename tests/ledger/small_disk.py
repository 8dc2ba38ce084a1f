"""What a ledger does on a disk that is really full: `python -m tests.ledger.small_disk FOLDER READ_ONLY` runs on one."""

import contextlib
import json
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

from contracts.errors import LedgerUnavailable
from ledger import artifacts, feed, runs
from ledger.artifacts import IN_ROW
from ledger.db import Ledger
from ledger.migrate import upgrade
from tests.ledger import samples

LARGE = b"x" * (IN_ROW + 1)


def main(folder: Path, read_only: Path) -> dict[str, object]:
    """Fill the disk, try, make room, and try again; what happened."""
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}", folder / "artifacts")
    upgrade(ledger)
    ledger.tx_now(runs.begin, *samples.begin())
    _line(ledger, 0)
    fill(folder / "filler")
    found: dict[str, object] = {
        "row": _refused(lambda: [_line(ledger, number) for number in range(1, 1000)]),
        "artifact": _refused(lambda: ledger.tx_now(artifacts.put, ledger.files, LARGE)),
    }
    kept = len(ledger.read_now(feed.after, 0, limit=10_000))
    found["files"] = [path.name for path in (folder / "artifacts").rglob("*") if path.is_file()]
    (folder / "filler").unlink()
    _line(ledger, 1000)
    found["lines since"] = len(ledger.read_now(feed.after, 0, limit=10_000)) - kept
    made = ledger.tx_now(artifacts.put, ledger.files, LARGE)
    found["read back"] = ledger.read_now(artifacts.get, ledger.files, made.digest) == LARGE
    found["read-only"] = _refused(lambda: ledger.tx_now(artifacts.put, read_only, LARGE + b"y"))
    ledger.close()
    with contextlib.closing(sqlite3.connect(folder / "ledger.db")) as connection:
        found["integrity"] = connection.execute("PRAGMA integrity_check").fetchone()[0]
    return found


def fill(path: Path) -> None:
    """Take all the room that there is."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def _line(ledger: Ledger, number: int) -> None:
    note = samples.note(str(number), why="long enough to need room " * 100)
    ledger.tx_now(feed.append, samples.ref(), [note])


def _refused(call: Callable[[], object]) -> str:
    try:
        call()
    except LedgerUnavailable as error:
        return str(error)
    return ""


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]))))
