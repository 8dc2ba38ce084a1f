"""Text from outside in contracts: which fields hold it, and where it comes from. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import Field

from contracts.base import Contract

SourceKind = Literal["repo", "ticket", "log", "web", "check", "file"]
"""Where text from outside comes from. Beside these, `tool:NAME` says which tool has shown it."""

_TOOL = "tool:"


def is_kind(source: str) -> bool:
    """True for a kind of source, such as `web` or `tool:read_file`, as opposed to the name or the id of one thing."""
    return source in get_args(SourceKind) or (source.startswith(_TOOL) and source != _TOOL)


@dataclass(frozen=True)
class From:
    """Marks a field that holds text from outside: `text: Annotated[str, From("ticket")]`.

    Whoever is given a contract with such a field that is not empty has read that source, and all that it makes is tainted.
    """

    source: SourceKind


@dataclass(frozen=True)
class OutsideText:
    """A text from outside that stands in a contract: the field's name, its sources, and the text."""

    name: str
    sources: tuple[str, ...]
    text: str


def texts_in(value: object, name: str = "") -> Iterator[OutsideText]:
    """Every text from outside in a contract, at any depth, in the order of its fields."""
    if isinstance(value, Contract):
        own = value.came_from()
        for field, info in type(value).model_fields.items():
            marks = tuple(mark.source for mark in info.metadata if isinstance(mark, From)) or own
            there = f"{name}.{field}" if name else field
            held = getattr(value, field)
            yield from (OutsideText(there, marks, text) for text in _leaves(held)) if marks else texts_in(held, there)
    elif isinstance(value, Mapping):
        for key, held in value.items():
            yield from texts_in(held, f"{name}.{key}")
    elif isinstance(value, list | tuple):
        for at, held in enumerate(value):
            yield from texts_in(held, f"{name}[{at}]")


def sources_in(value: object) -> tuple[str, ...]:
    """The sources of the texts from outside in a contract, each once, sorted."""
    return tuple(sorted({source for one in texts_in(value) for source in one.sources}))


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield from (value,) if value else ()
    elif isinstance(value, Contract):
        yield from (text for _, held in value for text in _leaves(held))
    elif isinstance(value, Mapping):
        yield from (text for pair in value.items() for text in _leaves(pair))
    elif isinstance(value, list | tuple):
        yield from (text for held in value for text in _leaves(held))
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def as_taint(names: Iterable[str]) -> tuple[str, ...]:
    """Names of sources as a handoff has them: each once, sorted."""
    return tuple(sorted({name for name in names if name}))


class OutsideTask(Contract, name="outside_text/1"):
    """A reader's task: one text from outside. Only agents that are readers take it."""

    source: SourceKind
    text: str = Field(max_length=60_000)

    def came_from(self) -> tuple[str, ...]:
        """The source that the pipeline named."""
        return (self.source,)
