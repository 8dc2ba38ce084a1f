"""Sinks: the arguments of an action that decide where it goes, what runs, or how much it costs. Pure.

Whoever can choose one of them can turn an action to their own ends, so a sink that stands only in text from outside needs a
person. Prose (a subject, a message) is no sink; addresses of web pages in it are.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from contracts.actions import INWARD
from contracts.text import bare

Role = Literal[
    "target", "recipient", "URL", "command", "path", "amount", "approver", "repository", "branch", "commit", "author"
]
"""What a sink decides."""

SINKS: Mapping[str, Mapping[str, Role]] = {
    "command.run": {"target": "target", "command": "command"},
    "email.send": {"target": "target", "to": "recipient", "cc": "recipient"},
    "file.write": {"target": "target", "path": "path"},
    "git.comment": {"target": "target", "repository": "repository", "number": "recipient"},
    "git.open_pull_request": {"target": "target", "repository": "repository", "head": "branch", "base": "branch"},
    "git.push": {"repository": "repository", "branch": "branch", "author": "author"},
    "git.revert": {"repository": "repository", "commit": "commit", "onto": "commit", "branch": "branch"},
    "http.post": {"target": "target"},
    "note": {},
    "sql.execute": {"target": "target", "statement": "command"},
    "sql.load": {"target": "target", "table": "target"},
}
"""The fields of each adapter's arguments that are sinks as a whole. All others are in `PROSE` or `KEYED`."""

KEYED: Mapping[str, tuple[str, ...]] = {
    "command.run": ("values",),
    "http.post": ("body",),
    "sql.execute": ("values",),
}
"""The fields whose entries have names of the operator's: an entry is a sink by its name, or by what it looks like."""

PROSE: Mapping[str, tuple[str, ...]] = {
    "command.run": ("event",),
    "email.send": ("event", "subject", "text"),
    "file.write": ("text", "artifact", "replaces"),
    "git.comment": ("event", "text"),
    "git.open_pull_request": ("title", "body"),
    "git.push": ("base", "tree", "message", "patch"),
    "git.revert": (),
    "http.post": ("event", "content_type"),
    "note": ("run", "name", "text"),
    "sql.execute": ("event",),
    # The file's name is for people; what is loaded is bound by the digests.
    "sql.load": ("file", "digest", "plan", "rows"),
}
"""The fields that decide nothing of the kind. Web addresses in them are sinks all the same."""

_NAMED: Mapping[Role, frozenset[str]] = {
    "amount": frozenset(
        ("amount", "budget", "ceiling", "cents", "cost", "discount", "eur", "limit", "price", "quantity", "sum", "total", "usd")
    ),
    "recipient": frozenset(
        ("account", "address", "bcc", "cc", "customer", "email", "iban", "mail", "payee", "phone", "recipient", "to", "user")
    ),
    "URL": frozenset(("callback", "endpoint", "host", "href", "link", "uri", "url", "webhook")),
    "command": frozenset(("argv", "cmd", "command", "script")),
    "path": frozenset(("dir", "directory", "file", "folder", "path")),
    "approver": frozenset(("approved", "approver", "approvers", "owner", "reviewer", "role")),
    "branch": frozenset(("branch", "ref", "tag")),
}

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_URL = re.compile(r"\b[a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^\s<>\"'`\\]+|\bwww\.[^\s<>\"'`\\]+")
_ADDRESS = re.compile(r"[^\s@<>\"']{1,64}@[^\s@<>\"']{1,255}")
_ENDS = ".,;:!?)]}"


@dataclass(frozen=True)
class Sink:
    """One argument that decides something: its name, such as `to[0]`, what it decides, and its value as text."""

    name: str
    role: Role
    value: str


def sinks_of(adapter: str, arguments: Mapping[str, Any], fixed: Iterable[str] = ()) -> tuple[Sink, ...]:
    """The sinks among an action's arguments. `fixed`: names of arguments that the pipeline's own code sets; they are none.

    Of an adapter that is not known every argument is one; an action that reaches nobody outside has none.
    """
    if adapter in INWARD:
        return ()
    known, keyed, own = SINKS.get(adapter), KEYED.get(adapter, ()), frozenset(fixed)
    found: list[Sink] = []
    for name, value in arguments.items():
        if name in own or value is None:
            continue
        if known is None or name in known:
            found += (Sink(where, "target" if known is None else known[name], said) for where, said in _leaves(name, value))
        elif name in keyed:
            found += _entries(name, decoded(value), every="command" if adapter == "command.run" else None)
        else:
            found += _addresses(name, value)
    return tuple(one for one in found if one.value)


def _entries(name: str, value: Any, every: Role | None) -> Iterator[Sink]:
    """The sinks in what the operator has named. `every`: all of its entries are sinks of this role."""
    if not isinstance(value, dict | list):
        yield from _addresses(name, value)
        return
    for where, said in _leaves("", value):
        there = f"{name}.{where}"
        role = every or _role(where) or ("recipient" if _ADDRESS.fullmatch(said) else None)
        if role is not None:
            yield Sink(there, role, said)
        else:
            yield from _addresses(there, said)


def _role(key: str) -> Role | None:
    words = {word.casefold() for word in _WORD.findall(key)}
    return next((role for role, names in _NAMED.items() if words & names), None)


def _addresses(name: str, value: Any) -> Iterator[Sink]:
    for where, said in _leaves(name, value):
        yield from (Sink(where, "URL", one.rstrip(_ENDS)) for one in dict.fromkeys(_URL.findall(said)))


def _leaves(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, held in value.items():
            yield from _leaves(f"{name}.{key}" if name else str(key), held)
    elif isinstance(value, list | tuple):
        for at, held in enumerate(value):
            yield from _leaves(f"{name}[{at}]", held)
    elif value is not None:
        yield name, json.dumps(value) if isinstance(value, bool) else str(value)


def decoded(value: Any) -> Any:
    """What a text of JSON says; anything else unchanged."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


P = TypeVar("P")


def outside_alone(
    sinks: Iterable[Sink], said: Iterable[str], outside: Iterable[tuple[P, str | None]], most: int
) -> dict[Sink, list[P]]:
    """Those sinks whose values stand in text from outside and in nothing that was `said`, with the first `most` places.

    `outside` has each text with its place, a large one in pieces of the same place; None stands for one that was not searched,
    and counts as holding every value. Most of these texts are kept as JSON: a value is found as it is, and as JSON writes it.
    """
    open_ = {one: plain(one.value) for one in sinks}
    for text in said:
        own = plain(text)
        open_ = {one: value for one, value in open_.items() if not vouches(own, value)}
    found: dict[Sink, list[P]] = {one: [] for one in open_}
    for place, text_there in outside if open_ else ():
        there = None if text_there is None else [plain(each) for each in dict.fromkeys((text_there, unescaped(text_there)))]
        for one, value in open_.items():
            known = len(found[one]) >= most or place in found[one]
            if not known and (there is None or any(occurs(each, value) for each in there)):
                found[one].append(place)
    return {one: places for one, places in found.items() if places}


def plain(text: str) -> str:
    """A text as it is compared: composed, without differences of case, blanks or invisible characters."""
    if not text.isascii():
        text = bare(unicodedata.normalize("NFKC", text))
    return " ".join(text.casefold().split())


_ESCAPED = re.compile(r"\\(?:([\"\\/bfnrt])|u([0-9a-fA-F]{4}))")
_MEANT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def unescaped(text: str) -> str:
    """The text with what JSON escapes as the characters that are meant; any text, also a part of one."""
    if "\\" not in text:
        return text
    found = _ESCAPED.sub(lambda one: _MEANT.get(one[1], one[1]) if one[1] else chr(int(one[2], 16)), text)
    # Two escapes make one character beyond the first plane; what is left of half a pair is no character.
    return found.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


_BEFORE = re.compile(r"[\w@%+/\\~#&-]")
_AFTER = re.compile(r"[\w@%+/\\~#&=:-]")


def vouches(text: str, value: str) -> bool:
    """True if `text` holds the value as a whole: not within a longer name, address or number. Both are `plain`.

    So `evil.example` is not vouched for by `not-evil.example`, nor 50 by 500.
    """
    at = text.find(value)
    while value and at >= 0:
        ends = at + len(value)
        if not _goes_on(_BEFORE, text[max(at - 2, 0) : at][::-1]) and not _goes_on(_AFTER, text[ends : ends + 2]):
            return True
        at = text.find(value, at + 1)
    return False


def _goes_on(part: re.Pattern[str], beside: str) -> bool:
    """True if what stands beside a value belongs to it: a letter of a name, or a dot or comma with one after it."""
    if not beside:
        return False
    return bool(part.match(beside)) or (beside[0] in ".,'" and len(beside) > 1 and beside[1].isalnum())


def occurs(text: str, value: str) -> bool:
    """True if a text from outside holds the value, as a word of its own or, where it is longer, anywhere. Both are `plain`."""
    if len(value) > 3:  # a shorter one stands in most texts by chance
        return value in text
    return vouches(text, value)
