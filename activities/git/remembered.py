"""Answers of git that need no second question: what a whole id names never changes, for the id is the digest of it."""

import re
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")

MOST = 64
"""Answers of one kind that are kept, the latest asked for."""

LONGEST = 2_000
"""Parts of an answer that is kept, of about 300 bytes each. A longer one is asked for each time."""

WHOLE_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Remembered(Generic[T]):
    """Answers of one kind. May be used by several threads at once: at worst both ask."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._known: dict[tuple[Path, tuple[str, ...]], tuple[T, ...]] = {}
        self._lock = Lock()

    def of(self, directory: Path, ids: tuple[str, ...], ask: Callable[[], list[T]], keep: Callable[[list[T]], bool]) -> list[T]:
        """The answer about these objects of a mirror, a list of the caller's own; `ask` is called where it is not known.

        It is kept if `keep` says so, it is not too long, and all ids are whole: other names may mean something else later.
        """
        key = (directory, ids)
        with self._lock:
            known = self._known.pop(key, None)
            if known is not None:
                self._known[key] = known
                return list(known)
        answer = ask()
        if len(answer) <= LONGEST and all(WHOLE_ID.fullmatch(one) for one in ids) and keep(answer):
            with self._lock:
                self._known[key] = tuple(answer)
                while len(self._known) > MOST:
                    del self._known[next(iter(self._known))]
        return answer
