"""What a diff shows badly or not at all, as facts for who approves it: line ends, encoding, mode, type, hidden characters."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from activities.git import Mirror
from activities.git.differences import TreeChange
from contracts.diffs import added_unseen, long_lines
from contracts.exact import exact
from contracts.text import amount

NAMED = 10
"""Files or places that one fact names; the diff has all."""

FACT = 1500
"""Characters of one fact."""

LARGEST = 4 * 1024 * 1024
"""Bytes of a file that is looked at for its form."""

TOGETHER = 64 * 1024 * 1024
"""Bytes of all files of one change that are looked at."""

_BOM = b"\xef\xbb\xbf"
FILES = ("100644", "100755")
"""Git's modes of plain files."""

_TYPES = {"100644": "a file", "100755": "an executable file", "120000": "a symbolic link", "160000": "a submodule"}


@dataclass(frozen=True)
class Form:
    """How a file's text is written: line feeds alone and with a carriage return before, encoding, how it begins and ends."""

    lf: int
    crlf: int
    utf8: bool
    bom: bool
    ended: bool

    @property
    def ends(self) -> str:
        """Its line ends in a word; "" where it has none."""
        if self.lf and self.crlf:
            return f"mixed ({self.crlf} CRLF, {self.lf} LF)"
        return "CRLF" if self.crlf else "LF" if self.lf else ""

    @property
    def encoding(self) -> str:
        """Its encoding in a word."""
        return ("UTF-8 with a byte order mark" if self.bom else "UTF-8") if self.utf8 else "not UTF-8"


def form_of(data: bytes) -> Form:
    """How these bytes are written."""
    crlf = data.count(b"\r\n")
    try:
        data.decode()
        # UTF-16 without a byte order mark often is valid UTF-8 as well: its NULs give it away.
        utf8 = b"\0" not in data
    except UnicodeDecodeError:
        utf8 = False
    return Form(data.count(b"\n") - crlf, crlf, utf8, data.startswith(_BOM), data.endswith(b"\n"))


def form_facts(mirror: Mirror, changes: Sequence[TreeChange], patch: bytes) -> tuple[str, ...]:
    """The facts of a change between two trees, each with the files that it is true of; none for an ordinary change."""
    ids = (identity for one in changes for mode, identity in (one.before, one.after) if mode in (*FILES, "120000"))
    sizes, contents = dict[str, int](), dict[str, bytes]()
    for identity, size, data in mirror.blobs(list(dict.fromkeys(ids)), LARGEST, TOGETHER):
        sizes[identity] = size
        if data is not None:
            contents[identity] = data
    return (
        *fact("hidden characters are added", _places(patch)),
        *fact("line ends change", _line_ends(changes, contents)),
        *fact("encoding changes", _encodings(changes, contents)),
        *fact("mode or type changes", _kinds(changes, contents)),
        *fact("not shown in the diff", _not_shown(changes, sizes, patch)),
        *fact("too large to be looked at for line ends and encoding", _unread(changes, contents)),
    )


def fact(what: str, found: Iterable[str]) -> Iterator[str]:
    """One line with the first that it is true of; none where there are none."""
    each = list(found)
    if each:
        more = f"; and {len(each) - NAMED} more" if len(each) > NAMED else ""
        yield f"{what}: {'; '.join(each[:NAMED])}"[: FACT - len(more)] + more


def name_of(change: TreeChange) -> str:
    """The changed path as a person is shown it."""
    return exact(change.path.encode())[:300]


def _places(patch: bytes) -> Iterator[str]:
    for one in added_unseen(patch):
        yield f"{one.path} line {one.number} ({' '.join(one.codes[:5])}{' …' if len(one.codes) > 5 else ''})"


def _texts(changes: Sequence[TreeChange], contents: Mapping[str, bytes]) -> Iterator[tuple[TreeChange, Form | None, Form]]:
    """Changed plain files with their form before (None: there was no such file) and after."""
    for one in changes:
        after = contents.get(one.after[1]) if one.after[0] in FILES else None
        before = contents.get(one.before[1]) if one.before[0] in FILES else None
        if after is not None and (before is not None or one.status == "added"):
            yield one, None if before is None else form_of(before), form_of(after)


def _line_ends(changes: Sequence[TreeChange], contents: Mapping[str, bytes]) -> Iterator[str]:
    for one, before, after in _texts(changes, contents):
        if one.added is None:
            continue
        name = name_of(one)
        if before is None:
            if after.lf and after.crlf:
                yield f"{name} is new and {after.ends}"
            continue
        # Mixed before and after is a change where one kind gave way to the other.
        turned = (after.lf - before.lf) * (after.crlf - before.crlf) < 0
        mixed_anew = before.ends != after.ends and not ((before.lf and before.crlf) and (after.lf and after.crlf))
        if before.ends and after.ends and (turned or mixed_anew):
            yield f"{name}: {before.ends} → {after.ends}"
        if before.ended != after.ended and (before.ended or before.ends):
            yield f"{name}: the newline at its end is {'added' if after.ended else 'lost'}"


def _encodings(changes: Sequence[TreeChange], contents: Mapping[str, bytes]) -> Iterator[str]:
    for one, before, after in _texts(changes, contents):
        name = name_of(one)
        if before is None:
            if one.added is not None and not after.utf8:
                yield f"{name} is new and not UTF-8"
        elif before.encoding != after.encoding:
            yield f"{name}: {before.encoding} → {after.encoding}"


def _kinds(changes: Sequence[TreeChange], contents: Mapping[str, bytes]) -> Iterator[str]:
    for one in changes:
        was, now = one.before[0], one.after[0]
        name = name_of(one)
        target = f" to {exact(contents.get(one.after[1], b'?')[:200])}" if now == "120000" else ""
        if one.status == "added":
            if now != "100644":
                yield f"{name} is new and {_TYPES.get(now, now)}{target}"
        elif one.status != "deleted" and (was != now or now in ("120000", "160000")):
            yield f"{name}: {_TYPES.get(was, was)} → {_TYPES.get(now, now)}{target}"


def _not_shown(changes: Sequence[TreeChange], sizes: Mapping[str, int], patch: bytes) -> Iterator[str]:
    gone = {one.before[1]: one for one in changes if one.status == "deleted" and one.added is None}
    moved = {one.after[1]: one for one in changes if one.status == "added" and one.after[1] in gone}
    for one in changes:
        if one.added is None and moved.get(one.after[1]) is one:
            yield f"{name_of(one)} (binary, moved unchanged from {name_of(gone[one.after[1]])})"
        elif one.added is None and not (gone.get(one.before[1]) is one and one.before[1] in moved):
            was, now = sizes.get(one.before[1], 0), sizes.get(one.after[1], 0)
            yield f"{name_of(one)} (binary, {amount(was, 'byte')} before, {now} after)"
    for name in long_lines(patch):
        yield f"the ends of long lines of {name}"


def _unread(changes: Sequence[TreeChange], contents: Mapping[str, bytes]) -> Iterator[str]:
    for one in changes:
        if one.added is not None and one.after[0] in FILES and one.after[1] not in contents:
            yield name_of(one)
