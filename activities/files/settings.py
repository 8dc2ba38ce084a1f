"""Changes one setting in the text of a configuration file and nothing else, where it is clear which one is meant. Pure.

Nothing is written anew: the value's own characters are replaced, and the result is read again by a parser of the format. It
counts only if exactly this setting has changed.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from activities.files.setting_formats import Form, Leaf, NotClear, Path, form_of
from contracts.text import one_line, visible

PLACES = 20
"""Most places where a key may stand in a file: each costs reading the file once more."""

VALUE = 1000

_NUMBERS = (int, float)


@dataclass(frozen=True)
class Changed:
    """The text with the new value. `text` is the former one where the setting has this value already."""

    text: str
    setting: str
    """Its whole name: with its section, or the keys that lead to it."""


def changed(name: str, text: str, setting: str, value: str) -> Changed:
    """Give a setting of the file `name` this value: `setting` is its name, with or without what leads to it.

    A text stays a text, a number a number. Raises `NotClear`, which says why, for a format that is not known, a file that
    cannot be read without doubt, a setting that is not there or is there twice, and a value that cannot stand there as it is.
    """
    form = form_of(name)
    _writable(value)
    leaves = form.read(text)
    path = _meant(leaves, setting)
    wanted = form.wanted(leaves[path], value)
    if not _fits(leaves[path], wanted):
        kind = {"str": "a text", "int": "a number", "float": "a number", "bool": "true or false"}.get(leaves[path].kind)
        raise NotClear(f"{_said(path)} is {kind or 'neither text, number, true nor false'}, and {value!r} is not the same")
    if leaves[path] == wanted:
        return Changed(text, _said(path))
    return Changed(_placed(form, text, path, value, {**leaves, path: wanted}), _said(path))


def readable(name: str, text: str) -> None:
    """Raise `NotClear` where a text is no document of the format that the file's name says."""
    try:
        form = form_of(name)
    except NotClear:
        return
    if form.whole:
        form.read(text)


def _writable(value: str) -> None:
    if not value or len(value) > VALUE or value != value.strip() or visible(value) != value:
        raise NotClear("no value is proposed that could be written as it is")
    if sign := next((one for one in "\"'\\`$\n" if one in value), None):
        raise NotClear(f"the value has {sign!r} in it, which formats read in different ways")


def _meant(leaves: Mapping[Path, Leaf], setting: str) -> Path:
    # As people write it: [section] key.
    asked = re.sub(r"^\[([^\]]+)\]\s*", r"\1.", setting.strip())
    ways: tuple[Callable[[Path], bool], ...] = (
        lambda path: _said(path) == asked,
        lambda path: str(path[-1]) == asked,
        lambda path: _said(path).endswith(f".{asked}"),
    )
    for fits in ways:
        found = [path for path in leaves if path and fits(path)]
        if len(found) > 1:
            named = ", ".join(_said(path) for path in found[:5])
            raise NotClear(f"{len(found)} settings are called {one_line(asked, 100)}: {one_line(named, 300)}")
        if found:
            return found[0]
    raise NotClear(f"no setting in it is called {one_line(asked, 100)}")


def _said(path: Path) -> str:
    return ".".join(str(part) for part in path if part != "")


def _fits(before: Leaf, after: Leaf) -> bool:
    numbers = tuple(one.__name__ for one in _NUMBERS)
    if before.kind in numbers and after.kind in numbers:
        return not isinstance(after.value, float) or math.isfinite(after.value)
    return before.kind == after.kind and before.kind in ("str", "bool")


def _placed(form: Form, text: str, path: Path, value: str, expected: Mapping[Path, Leaf]) -> str:
    """The one text in which this value alone is another."""
    made = dict[str, None]()
    for number, (start, end) in enumerate(_places(form, text, str(path[-1]))):
        if number == PLACES:
            raise NotClear(f"its name stands in more than {PLACES} places of the file")
        token = text[start:end]
        quote = token[0] if len(token) > 1 and token[0] in "\"'" and token[-1] == token[0] else ""
        candidate = f"{text[:start]}{quote}{value}{quote}{text[end:]}"
        try:
            if form.read(candidate) == expected:
                made[candidate] = None
        except NotClear:
            continue
    if len(made) != 1:
        raise NotClear(f"the line of {_said(path)} cannot be changed without doubt")
    return next(iter(made))


def _places(form: Form, text: str, key: str) -> Iterator[tuple[int, int]]:
    """Where a value of this key may stand, as one pattern of the format or another sees it; each place once."""
    found = dict.fromkeys(one.span("value") for pattern in form.patterns(key) for one in pattern.finditer(text))
    yield from sorted(found)
