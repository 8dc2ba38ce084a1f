"""What a contract's fields can hold: whether each is bounded, and which are free text. Pure."""

import datetime
from collections.abc import Iterator, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen
from pydantic.fields import FieldInfo

from contracts.base import Contract

LONGEST = 2000
"""Most characters that one text field may hold to count as bounded."""

_CLOSED = (bool, datetime.date, datetime.datetime, datetime.timedelta, type(None))


def unbounded(contract: type[Contract]) -> tuple[str, ...]:
    """What is wrong with each field that can hold anything, of any size; () if all are typed and bounded.

    A text needs `max_length` (at most 2000), a number a lower and an upper limit, a tuple `max_length`.
    """
    return tuple(f"{name}: {said}" for name, annotation, marks in _fields(contract) if (said := _wrong(annotation, marks)))


def free_text(contract: type[Contract]) -> tuple[str, ...]:
    """The names of the fields that hold text: they may say anything, as far as they have room."""
    return tuple(name for name, annotation, _ in _fields(contract) if annotation is str)


def _fields(contract: type[Contract]) -> Iterator[tuple[str, Any, Sequence[Any]]]:
    """Name, type and marks of every field, and of every part of one, at any depth."""
    for name, info in contract.model_fields.items():
        yield from _parts(name, info.annotation, info.metadata)


def _parts(name: str, annotation: Any, marks: Sequence[Any]) -> Iterator[tuple[str, Any, Sequence[Any]]]:
    origin, given = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        more = [one for mark in given[1:] for one in (mark.metadata if isinstance(mark, FieldInfo) else [mark])]
        yield from _parts(name, given[0], [*marks, *more])
    elif origin in (Union, UnionType):
        for one in given:
            yield from _parts(name, one, marks)
    elif origin is tuple:
        yield name, tuple, marks if given[-1:] == (...,) else [MaxLen(len(given))]
        for one in given:
            yield from () if one is ... else _parts(f"{name}[]", one, ())
    elif isinstance(annotation, type) and issubclass(annotation, Contract):
        for inner, kind, found in _fields(annotation):
            yield f"{name}.{inner}", kind, found
    else:
        yield name, annotation, marks


def _wrong(annotation: Any, marks: Sequence[Any]) -> str:
    longest = min((mark.max_length for mark in marks if isinstance(mark, MaxLen)), default=None)
    if annotation is str:
        return "" if longest is not None and longest <= LONGEST else f"a text needs max_length, at most {LONGEST}"
    if annotation is tuple:
        return "" if longest is not None else "a tuple needs max_length"
    if annotation is int:
        limits = (any(isinstance(mark, kinds) for mark in marks) for kinds in ((Ge, Gt), (Le, Lt)))
        return "" if all(limits) else "a number needs a lower and an upper limit"
    if get_origin(annotation) is Literal or annotation in _CLOSED:
        return ""
    return f"{getattr(annotation, '__name__', annotation)} is no type that a field of a reader can have"
