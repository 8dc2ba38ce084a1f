"""Which changes of a JSON Schema break those who hold bodies made for the old one.

A change breaks when something that the old schema accepted is refused by the new one, when a field is gone that readers may
rely on, or when a field that is left out comes to mean something else: callers, histories and stored bodies leave out what has
its default. Accepting more, and other words, break nothing.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Schema = Mapping[str, Any]

LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_NONE = object()
EXACT = ("pattern", "format", "multipleOf", "uniqueItems")


class Change(NamedTuple):
    """One breaking change: the field, what happened to it, and what would not break."""

    where: str
    what: str
    mend: str


def breaking_changes(before: Schema, now: Schema) -> list[Change]:
    """Every breaking change from one schema to another, each named once."""
    return list(dict.fromkeys(_Comparison(before, now).changes(before, now, "")))


@dataclass
class _Comparison:
    """Two documents whose pointers are followed. `under_way` ends the walk where a schema contains itself."""

    before: Schema
    now: Schema
    under_way: set[tuple[str, str]] = field(default_factory=set)

    def changes(self, before: Schema, now: Schema, where: str) -> Iterator[Change]:
        """What breaks at this place and below."""
        pair = (str(before.get("$ref", "")), str(now.get("$ref", "")))
        if all(pair):
            if pair in self.under_way:
                return
            self.under_way.add(pair)
        one, other = _resolved(before, self.before), _resolved(now, self.now)
        if _alternatives(one) or _alternatives(other):
            yield from self._choices(_alternatives(one) or [one], _alternatives(other) or [other], where)
        else:
            yield from self._plain(one, other, where)
        self.under_way.discard(pair)

    def _choices(self, before: list[Schema], now: list[Schema], where: str) -> Iterator[Change]:
        """Each old alternative must be accepted by some new one; where only one fits by its type, its own changes are named."""
        for one in before:
            tried = [list(self.changes(one, other, where)) for other in now]
            if all(tried):
                same = [changes for changes, other in zip(tried, now, strict=True) if self._kind(one) == self._kindnow(other)]
                yield from same[0] if same else [_narrowed(where, self._said(one, self.before))]

    def _plain(self, before: Schema, now: Schema, where: str) -> Iterator[Change]:
        if not before.get("type") and not _values(before) and not now.get("type"):
            return
        old, new = _types(before), _types(now)
        if new and not _covers(new, old):
            yield Change(where or "(whole)", f"was {_words(old)} and is {_words(new)}", "keep its type and add another field")
            return
        yield from _lost_values(before, now, where)
        yield from _tighter(before, now, where)
        yield from self._fields(before, now, where)
        if "items" in before and "items" in now:
            yield from self.changes(before["items"], now["items"], f"{where}[]")
        yield from self._open_fields(before, now, where)

    def _fields(self, before: Schema, now: Schema, where: str) -> Iterator[Change]:
        old, new = before.get("properties", {}), now.get("properties", {})
        had, needs = set(before.get("required", ())), set(now.get("required", ()))
        for name in old:
            place = f"{where}.{name}".lstrip(".")
            if name not in new:
                yield Change(place, "is gone", "keep it as an optional field")
                continue
            if name in needs - had:
                yield Change(place, "was optional and is required", "give it its default back")
            elif "default" in old[name] and old[name]["default"] != new[name].get("default", _NONE):
                now = json.dumps(new[name]["default"]) if "default" in new[name] else "none that is written down"
                yield Change(place, f"has the default {now} and had {json.dumps(old[name]['default'])}", "leave it as it was")
            yield from self.changes(old[name], new[name], place)
        for name in sorted(needs - set(old)):
            yield Change(f"{where}.{name}".lstrip("."), "is new and required", "give it a default")

    def _open_fields(self, before: Schema, now: Schema, where: str) -> Iterator[Change]:
        old, new = before.get("additionalProperties", True), now.get("additionalProperties", True)
        if old is not False and new is False:
            yield Change(where or "(whole)", "no longer accepts other keys", "leave it open")
        elif isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from self.changes(old, new, f"{where}{{}}")
        elif old is True and isinstance(new, Mapping) and "properties" not in before:
            yield _narrowed(where, "any value")

    def _kind(self, schema: Schema) -> frozenset[str]:
        return _types(_resolved(schema, self.before))

    def _kindnow(self, schema: Schema) -> frozenset[str]:
        return _types(_resolved(schema, self.now))

    def _said(self, schema: Schema, document: Schema) -> str:
        return str(schema.get("$ref", "")).rsplit("/", 1)[-1] or _words(_types(_resolved(schema, document)))


def _resolved(schema: Schema, document: Schema) -> Schema:
    while "$ref" in schema:
        schema = document.get("$defs", {})[schema["$ref"].removeprefix("#/$defs/")]
    return schema


def _alternatives(schema: Schema) -> list[Schema]:
    return list(schema.get("anyOf") or schema.get("oneOf") or ())


def _types(schema: Schema) -> frozenset[str]:
    if "type" in schema:
        named = schema["type"]
        return frozenset([named] if isinstance(named, str) else named)
    return frozenset(_json_type(value) for value in _values(schema) or ())


def _json_type(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null", list: "array"}
    return names.get(type(value), "object")


def _covers(new: frozenset[str], old: frozenset[str]) -> bool:
    """True if every old type is accepted; a number accepts integers. Anything at all is not covered by something."""
    return bool(old) and all(one in new or (one == "integer" and "number" in new) for one in old)


def _values(schema: Schema) -> list[Any] | None:
    return list(schema["enum"]) if "enum" in schema else [schema["const"]] if "const" in schema else None


def _lost_values(before: Schema, now: Schema, where: str) -> Iterator[Change]:
    old, new = _values(before), _values(now)
    if new is None:
        return
    if old is None:
        yield _narrowed(where, "any value of its type")
        return
    for value in old:
        if value not in new:
            yield Change(where or "(whole)", f"no longer accepts {value!r}", "keep accepting it")


def _tighter(before: Schema, now: Schema, where: str) -> Iterator[Change]:
    """Limits that refuse what was accepted."""
    for name in LOWER_BOUNDS:
        if name in now and now[name] > before.get(name, 0 if name.startswith("min") and name != "minimum" else float("-inf")):
            yield _limit(where, name, before, now)
    for name in UPPER_BOUNDS:
        if name in now and now[name] < before.get(name, float("inf")):
            yield _limit(where, name, before, now)
    for name in EXACT:
        if name in now and now[name] != before.get(name):
            yield _limit(where, name, before, now)


def _limit(where: str, name: str, before: Schema, now: Schema) -> Change:
    was = f"was {before[name]!r}" if name in before else "did not have one"
    return Change(where or "(whole)", f"has {name} {now[name]!r} and {was}", "leave the limit as it was")


def _narrowed(where: str, accepted: str) -> Change:
    return Change(where or "(whole)", f"no longer accepts {accepted}", "keep accepting it")


def _words(types: frozenset[str]) -> str:
    return " or ".join(sorted(types)) or "anything"
