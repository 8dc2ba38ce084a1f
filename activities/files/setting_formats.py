"""The formats of configuration files: what stands in one, and where a key's value may stand in its text. Pure."""

import json
import math
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

from contracts.errors import BatonError
from contracts.text import one_line

Path = tuple[str | int, ...]
"""The keys that lead to a value. Of files with sections: the section, "" before the first, and the key."""

LEAVES = 50_000
"""Most values of a file: a small YAML file can hold more than a disk."""


class NotClear(BatonError):
    """The file cannot be changed without doubt. The text says why."""


@dataclass(frozen=True)
class Leaf:
    """A value with its type, because in Python 1 and True are the same."""

    kind: str
    value: Any


@dataclass(frozen=True)
class Form:
    """One format. `whole`: its parser reads all that the format knows, so that what it refuses is damaged."""

    read: Callable[[str], Mapping[Path, Leaf]]
    """Every value of a text. Raises `NotClear` where it cannot be read, or a key stands in it twice."""
    scalar: Callable[[str], Any]
    """A value as it stands in a file without quotes; the text itself where it is one. Raises `NotClear`."""
    patterns: Callable[[str], tuple[re.Pattern[str], ...]]
    """Where a key's value, the group `value`, may stand."""
    whole: bool = True

    def wanted(self, before: Leaf, value: str) -> Leaf:
        """What the new value is in place of that one. Raises `NotClear` where it could be a text or something else."""
        if not self.whole:
            return Leaf("str", _as_before(str(before.value), value))
        found = self.scalar(value)
        if isinstance(found, str):
            return Leaf("str", value)
        if re.search(r"[\s#,\[\]{}]", value):
            raise NotClear(f"{one_line(value, 100)!r} is more than one value")
        if before.kind != "str":
            return _leaf(found)
        # A text in quotes that looks like a number stays one; any other that would become one may be meant either way.
        if type(self.scalar(before.value)) is not type(found):
            raise NotClear(f"a text stands there, and {value!r} may be meant as one or not")
        return Leaf("str", value)


def form_of(name: str) -> Form:
    """The format of a file with this name. Raises `NotClear` for one that is not known."""
    path = PurePosixPath(name)
    form = _FORMS.get(path.suffix.casefold()) or (_PAIRS if path.name.split(".")[1:2] == ["env"] else None)
    if form is None:
        known = ", ".join(sorted(_FORMS))
        raise NotClear(f"settings are changed in files of known formats ({known}, .env), and {path.name} has none of them")
    return form


def _leaf(value: Any) -> Leaf:
    return Leaf(type(value).__name__, value)


def _leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Leaf]]:
    if isinstance(value, Mapping) and value:
        for key, held in value.items():
            yield from _leaves(held, (*path, key if isinstance(key, int) and not isinstance(key, bool) else str(key)))
    elif isinstance(value, list) and value:
        for at, held in enumerate(value):
            yield from _leaves(held, (*path, at))
    else:
        yield path, _leaf(value)


def _document(load: Callable[[str], Any]) -> Callable[[str], Mapping[Path, Leaf]]:
    def read(text: str) -> Mapping[Path, Leaf]:
        found = dict[Path, Leaf]()
        try:
            for number, (path, leaf) in enumerate(_leaves(load(text))):
                if number == LEAVES or path in found:
                    raise NotClear("it has too many values" if number == LEAVES else f"{path[-1]!r} stands in it twice")
                # Not-a-number is never itself, and would make every comparison fail.
                odd = isinstance(leaf.value, float) and not math.isfinite(leaf.value)
                found[path] = _leaf(repr(leaf.value)) if odd else leaf
        except (ValueError, yaml.YAMLError, RecursionError, TypeError) as error:
            raise NotClear(f"it cannot be read: {one_line(str(error), 200)}") from None
        return found

    return read


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands in it twice")
    return found


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique)


class _Strict(yaml.SafeLoader):
    """Without keys that stand twice, of which other readers take the other one; and without merged mappings."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping. Raises `ConstructorError` for a key that is there already."""
        seen = set[Any]()
        for key, _ in node.value:
            said = (key.tag, str(key.value))
            if said in seen or key.tag == "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} stands in it twice", key.start_mark)
            seen.add(said)
        return super().construct_mapping(node, deep)


def _yaml(text: str) -> Any:
    return yaml.load(text, _Strict)  # noqa: S506 (it is a SafeLoader)


def _json_scalar(value: str) -> Any:
    try:
        found = json.loads(value)
    except ValueError:
        return value
    return found if isinstance(found, bool | int | float) or found is None else value


def _toml_scalar(value: str) -> Any:
    try:
        return tomllib.loads(f"x = {value}")["x"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return value


def _yaml_scalar(value: str) -> Any:
    try:
        return _yaml(value)
    except (yaml.YAMLError, ValueError, RecursionError):
        return value


_QUOTED = r"\"[^\"\\\r\n]*\"|'[^'\\\r\n]*'"


def _compiled(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(one, re.MULTILINE) for one in patterns)


def _json_places(key: str) -> tuple[re.Pattern[str], ...]:
    name = re.escape(json.dumps(key, ensure_ascii=False))
    return _compiled(rf'{name}[ \t\r\n]*:[ \t\r\n]*(?P<value>"[^"\\\r\n]*"|[-+.0-9A-Za-z]+)')


def _toml_places(key: str) -> tuple[re.Pattern[str], ...]:
    name = re.escape(key)
    return _compiled(
        rf"(?<![\w-])(?:\"{name}\"|'{name}'|{name})[ \t]*=[ \t]*(?P<value>{_QUOTED}|[^\s\"'#,\[\]{{}}]+(?: [0-9:.]+)?)"
    )


def _yaml_places(key: str) -> tuple[re.Pattern[str], ...]:
    name = rf"(?<![\w.-])(?:\"{re.escape(key)}\"|'{re.escape(key)}'|{re.escape(key)})[ \t]*:[ \t]+"
    start = r"[^\s\"'\[\]{}&*!|>%@`#,]"
    return _compiled(
        rf"{name}(?P<value>{_QUOTED})",
        rf"{name}(?P<value>{start}[^\r\n]*?)(?=[ \t]*(?:[ \t]#|\r?$))",
        rf"{name}(?P<value>{start}[^\r\n,}}\]]*?)(?=[ \t]*[,}}\]])",
    )


_PAIR = re.compile(r"(?:export[ \t]+)?(?P<key>[^\s=:#;\[\]\"'][^=:\"']*?)[ \t]*(?P<sign>[=:])[ \t]*(?P<value>.*?)[ \t]*")
_SECTION = re.compile(r"\[(?P<name>[^\[\]]+)\][ \t]*")


def _pairs(text: str) -> Mapping[Path, Leaf]:
    """KEY=VALUE lines, in sections where there are any. Stricter than all programs that read such files."""
    found, section, last, goes_on = dict[Path, Leaf](), "", None, False
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.removesuffix("\r")
        bare = line.strip()
        if last is not None and (goes_on or (bare and line[0] in " \t" and bare[0] not in "#;")):
            found[last] = Leaf("str", f"{found[last].value}\n{bare}")
            goes_on = line.endswith("\\")
            continue
        if not bare or bare[0] in "#;!":
            continue
        if (titled := _SECTION.fullmatch(line)) is not None:
            section, last = titled["name"].strip(), None
            continue
        pair = _PAIR.fullmatch(line)
        if pair is None:
            raise NotClear(f"line {number} is neither KEY=VALUE nor a section or a comment")
        last, goes_on = (section, pair["key"]), line.endswith("\\")
        if last in found:
            raise NotClear(f"{pair['key']} stands in it twice")
        if pair["value"][:1] in ("'", '"') and not _in_quotes(pair["value"]):
            raise NotClear(f"line {number} has quotes that do not enclose the whole value")
        found[last] = Leaf("str", pair["value"])
    return found


def _in_quotes(value: str) -> bool:
    return len(value) > 1 and value[0] in "\"'" and value[-1] == value[0] and value.count(value[0]) == 2


def _as_before(before: str, value: str) -> str:
    """A value of KEY=VALUE in the quotes that the former one has. Raises `NotClear` where programs read it in two ways."""
    if "\n" in before or before.endswith("\\"):
        raise NotClear("its value takes several lines")
    if _in_quotes(before):
        return f"{before[0]}{value}{before[0]}"
    if sign := next((one for one in "#;%" if one in before or one in value), None):
        raise NotClear(f"there is {sign!r} in its value, where programs differ on whether a comment begins")
    if re.search(r"\s", value) and not re.search(r"\s", before):
        raise NotClear("the value has blanks in it, and the one that stands there has no quotes")
    return value


def _pair_places(key: str) -> tuple[re.Pattern[str], ...]:
    return _compiled(rf"^(?:export[ \t]+)?{re.escape(key)}[ \t]*[=:][ \t]*(?P<value>[^\r\n]*?)(?=[ \t]*\r?$)")


_PAIRS = Form(_pairs, lambda value: value, _pair_places, whole=False)
_YAML = Form(_document(_yaml), _yaml_scalar, _yaml_places)
_FORMS: Mapping[str, Form] = {
    ".json": Form(_document(_json), _json_scalar, _json_places),
    ".toml": Form(_document(tomllib.loads), _toml_scalar, _toml_places),
    ".yaml": _YAML,
    ".yml": _YAML,
    **dict.fromkeys((".ini", ".cfg", ".conf", ".env", ".properties"), _PAIRS),
}
