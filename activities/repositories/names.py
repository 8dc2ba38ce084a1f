"""Names that a change adds and that mean trouble: one name with another on many disks, or ignored by the repository. Pure."""

import unicodedata
from collections.abc import Iterator, Sequence

from contracts.exact import exact

NAMED = 10
"""Names, or pairs of names, that one list has."""


def collisions(new: Sequence[bytes], tree: Sequence[bytes]) -> tuple[str, ...]:
    """Pairs of a new path, or a folder above it, and what else is in the tree, that are one name on many disks.

    macOS and Windows do not tell upper and lower case apart, macOS not how accents are composed: of two such files a checkout
    has one, with the content of the other.
    """
    if not new:
        return ()
    spellings: dict[str, dict[str, None]] = {}
    for path in tree:
        for name in _with_folders(path):
            spellings.setdefault(_folded(name), {})[name] = None
    pairs: dict[frozenset[str], str] = {}
    for path in new:
        for name in _with_folders(path):
            for other in spellings[_folded(name)]:
                if other.rstrip("/") != name.rstrip("/"):
                    pairs.setdefault(
                        frozenset((name, other)), f"{_shown(name)} and {_shown(other)} differ only in {_by(name, other)}"
                    )
    return _first(tuple(pairs.values()))


def ignored(paths: Sequence[bytes]) -> tuple[str, ...]:
    """New paths that the repository's `.gitignore` files would leave out, as they are shown."""
    return _first([exact(path) for path in paths])


def _with_folders(path: bytes) -> Iterator[str]:
    """The path, then each folder above it with a slash at its end."""
    text = path.decode(errors="surrogateescape")
    yield text
    at = text.find("/")
    while at >= 0:
        yield text[: at + 1]
        at = text.find("/", at + 1)


def _folded(name: str) -> str:
    # A file and a folder of one name collide as well.
    name = name.rstrip("/")
    return name.lower() if name.isascii() else _composed(_composed(name).casefold())


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _by(one: str, other: str) -> str:
    one, other = one.rstrip("/"), other.rstrip("/")
    if _composed(one) == _composed(other):
        return "how accents are composed"
    return (
        "upper and lower case" if one.casefold() == other.casefold() else "upper and lower case, and how accents are composed"
    )


def _shown(name: str) -> str:
    if name.isascii() or unicodedata.is_normalized("NFC", name):
        return exact(name.encode(errors="surrogateescape"))
    # Both would look the same: the marks are written out.
    return "".join(f"\\u{ord(one):04x}" if unicodedata.combining(one) else one for one in name)


def _first(names: Sequence[str]) -> tuple[str, ...]:
    more = len(names) - NAMED
    return (*(name[:300] for name in names[:NAMED]), *((f"and {more} more",) if more > 0 else ()))
