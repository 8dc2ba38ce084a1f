"""Articles of a declared folder, found by SQLite's full-text search."""

import os
import re
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from activities.files.paths import open_beneath
from contracts.support_cases import Article

ENDS = (".md", ".markdown", ".txt")
MOST_FILES, MOST_BYTES = 5000, 1024 * 1024
"""Most articles of a folder, and most bytes of one: what is beyond is not found."""

TEXT = 1500
"""Most characters of an article's part."""

KEPT = 8
"""Folders whose index a worker keeps."""

_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t#]*$")
_TERM = re.compile(r"\w+")

Stamp = tuple[tuple[str, int, int], ...]


@dataclass
class Index:
    """The articles of one folder, cut at their headings, as they were when its files had these sizes and times."""

    stamp: Stamp
    database: sqlite3.Connection


@dataclass
class Knowledge:
    """Searches folders. An index is made again once a file has changed. Safe to call from many threads."""

    _indexes: dict[str, Index] = field(default_factory=dict)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def find(self, root: Path, terms: Sequence[str], most: int) -> tuple[Article, ...]:
        """The parts of a folder's articles that fit these words best; () where none has any."""
        words = [word for term in terms for word in _TERM.findall(term)][:40]
        if not words:
            return ()
        with self._turn:
            index = self._current(root)
            # Each word in quotes: nothing in it is an operator. The star finds what it begins.
            wanted = " OR ".join(f'"{word}"*' for word in dict.fromkeys(words))
            query = "select path, title, text from article where article match ? order by bm25(article, 0, 4, 1), path, part"
            rows = index.database.execute(f"{query} limit ?", (wanted, most)).fetchall()
        return tuple(Article(path=path, title=title, text=text) for path, title, text in rows)

    def _current(self, root: Path) -> Index:
        name, stamp = str(root), tuple(_files(root))
        known = self._indexes.get(name)
        if known is not None and known.stamp == stamp:
            return known
        if known is not None:
            self._indexes.pop(name).database.close()
        elif len(self._indexes) >= KEPT:
            self._indexes.pop(next(iter(self._indexes))).database.close()
        self._indexes[name] = made = Index(stamp, _built(root, [path for path, _, _ in stamp]))
        return made


def _files(root: Path) -> Iterator[tuple[str, int, int]]:
    """Every article beneath a folder with its time and size, sorted by path. No link is followed."""
    found = list[tuple[str, int, int]]()
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if not name.lower().endswith(ENDS) or path.is_symlink():
                continue
            seen = path.stat()
            if seen.st_size <= MOST_BYTES:
                found.append((path.relative_to(root).as_posix(), seen.st_mtime_ns, seen.st_size))
    yield from sorted(found)[:MOST_FILES]


def _built(root: Path, paths: Sequence[str]) -> sqlite3.Connection:
    database = sqlite3.connect(":memory:", check_same_thread=False)
    database.execute(
        "create virtual table article using fts5(path unindexed, title, text, part unindexed, tokenize = 'unicode61')"
    )
    for path in paths:
        with os.fdopen(open_beneath(root, path, os.O_RDONLY), "rb") as file:
            text = file.read(MOST_BYTES).decode(errors="replace")
        database.executemany(
            "insert into article (path, title, text, part) values (?, ?, ?, ?)",
            [(path, title, part, number) for number, (title, part) in enumerate(_parts(path, text))],
        )
    database.commit()
    return database


def _parts(path: str, text: str) -> Iterator[tuple[str, str]]:
    """An article cut at its headings, and what is too long at blank lines."""
    title, lines = Path(path).stem, list[str]()
    for line in text.splitlines():
        heading = _HEADING.match(line)
        if heading is not None:
            yield from _cut(title, lines)
            title, lines = heading[1][:200], []
        else:
            lines.append(line)
    yield from _cut(title, lines)


def _cut(title: str, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    part = ""
    for block in re.split(r"\n\s*\n", "\n".join(lines).strip()):
        if part and len(part) + len(block) > TEXT:
            yield title, part[:TEXT]
            part = ""
        part = f"{part}\n\n{block}" if part else block
    if part:
        yield title, part[:TEXT]
