"""Golden defaults of every contract whose payloads leave them out: a history without the field means the default of that time.

Nested contracts and factories are included, which schemas do not show. `python -m tests.contracts.golden` says what differs;
`--write` adds what is new and refuses to cover a changed one.
"""

import importlib
import json
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

import contracts
from contracts.base import Contract

FILE = Path(__file__).parent / "defaults.json"
_ANY = TypeAdapter[Any](Any)


def brief() -> list[type[Contract]]:
    """Every contract of ours whose payloads leave out defaults."""
    for module in pkgutil.walk_packages(contracts.__path__, "contracts."):
        importlib.import_module(module.name)
    return [one for one in _below(Contract) if one.brief and one.__module__.startswith("contracts.")]


def defaults(of: Iterable[type[Contract]]) -> dict[str, Any]:
    """Each default of these contracts and of those inside them, as JSON, by contract and field."""
    found: dict[str, Any] = {}
    for contract in sorted(_reached(of), key=_name):
        for name, field in contract.model_fields.items():
            if not field.is_required():
                found[f"{_name(contract)}.{name}"] = _value(field)
    return found


def changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Every kept default that is another one now, or none, with how to mend it."""
    return [
        f"{name}: its default was {json.dumps(value)} and is {json.dumps(now[name]) if name in now else 'gone'}, but histories "
        "leave the field out. Put it back, and write the other value where it is meant; or make the contract a new version"
        for name, value in before.items()
        if name not in now or now[name] != value
    ]


def kept(file: Path = FILE) -> dict[str, Any]:
    """The defaults as they are kept; none without the file."""
    return dict(json.loads(file.read_text())) if file.exists() else {}


def write(now: Mapping[str, Any], file: Path = FILE) -> None:
    """Keep these."""
    file.write_text(json.dumps(now, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def _below(contract: type[Contract]) -> Iterator[type[Contract]]:
    for one in contract.__subclasses__():
        yield one
        yield from _below(one)


def _reached(of: Iterable[type[Contract]]) -> set[type[Contract]]:
    seen: set[type[Contract]] = set()
    left = list(of)
    while left:
        one = left.pop()
        if one not in seen:
            seen.add(one)
            left += [inner for field in one.model_fields.values() for inner in _inside(field.annotation)]
    # Of `Handoff[Plan]` and the like, which exist as somebody names them, only `Handoff`.
    return {one.__pydantic_generic_metadata__["origin"] or one for one in seen}


def _inside(annotation: Any) -> Iterator[type[Contract]]:
    if isinstance(annotation, type) and issubclass(annotation, Contract):
        yield annotation
    for part in get_args(annotation):
        yield from _inside(part)


def _name(contract: type[Contract]) -> str:
    # The name alone is not enough: `Prepared` is an action in one module, and an environment in another.
    return f"{contract.__module__.removeprefix('contracts.')}.{contract.__name__}"


def _value(field: FieldInfo) -> Any:
    return _ANY.dump_python(field.get_default(call_default_factory=True, validated_data={}), mode="json")
