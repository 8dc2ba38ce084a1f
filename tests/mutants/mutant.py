"""One change of one line, and what has to notice it."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class Stale(Exception):
    """The list is behind the code: the text is not there any more, or stands there more than once."""


@dataclass(frozen=True)
class Mutant:
    """`old` is text within one line of `file`, where it stands once; `new` stands there instead. `tests` have to fail then."""

    name: str
    promise: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def text(self, root: Path) -> str:
        """The whole file with the change. Raises `Stale`."""
        path = root / self.file
        if not path.is_file():
            raise Stale(f"there is no {self.file}; name the file that holds this promise now")
        before = path.read_text()
        if (count := before.count(self.old)) != 1:
            raise Stale(f"{self.file} has {count} places with {self.old!r}, and one is wanted; name today's line")
        return before.replace(self.old, self.new)

    @contextmanager
    def applied(self, root: Path) -> Iterator[None]:
        """While the block runs the file is changed. Raises `Stale` before it changes anything."""
        path, after = root / self.file, self.text(root)
        before = path.read_text()
        _write(path, after)
        try:
            yield
        finally:
            _write(path, before)


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    # Python takes a compiled file for today's by size and second: a change within one second would not be seen.
    Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
