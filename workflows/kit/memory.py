"""The finished steps of a workflow, so that a continued run does not repeat them."""

import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from contracts.base import Contract, sha256
from contracts.carried import Carried, Finished, Talk
from contracts.runs import Request

T = TypeVar("T", bound=Contract)

INLINE = 64 * 1024
"""Bytes of results in a continued run's input. Beyond that, the largest results go to the artifact store."""


@dataclass(eq=False)
class Entry:
    """One step of the story. `known` is its result in the previous run, `stood` the state of an agent's step there.

    `result` None: it has not finished, or it failed.
    """

    name: Callable[[], str]
    key: str = ""
    known: Finished | None = None
    stood: Talk | None = None
    result: Contract | None = None
    stands: Callable[[], Talk] | None = None

    def finished(self) -> Finished:
        """The result in the form for a continued run."""
        assert self.result is not None
        if isinstance(self.result, Finished):
            return self.result
        return Finished(key=self.key, result=self.result.model_dump_json())


class Memory:
    """The steps of this run in the order they start, and the finished steps of the previous run.

    A step's key is what it is (a path, a gate's kind, an activity with its request) plus its number among equal ones, from 1.
    Keys are computed only when needed: a run that never continues as new computes none.
    """

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._before: dict[str, Finished] = {}
        self._talks: dict[str, Talk] = {}
        self._seen: Counter[str] = Counter()
        self._continued = False

    def restore(self, carried: Carried) -> None:
        """Take over the finished steps of the previous run."""
        self._continued = True
        self._before = {one.key: one for one in carried.finished}
        self._talks = dict(carried.talks)

    def begin(self, name: Callable[[], str]) -> Entry:
        """Register that a step starts."""
        entry = Entry(name)
        self._entries.append(entry)
        if self._continued:
            self._number(entry)
            entry.known, entry.stood = self._before.get(entry.key), self._talks.get(entry.key)
        return entry

    def finished(self) -> list[Finished]:
        """All steps finished so far, with their keys."""
        return [entry.finished() for entry in self._numbered() if entry.result is not None]

    def talks(self) -> dict[str, Talk]:
        """The state of agents' unfinished steps."""
        unfinished = (entry for entry in self._numbered() if entry.result is None)
        return {entry.key: entry.stands() for entry in unfinished if entry.stands is not None}

    def large(self) -> list[Entry]:
        """The largest results, which must go to the artifact store so that the others fit into an input."""
        sizes = [(len(entry.finished().result.encode()), entry) for entry in self._numbered() if entry.result is not None]
        total, found = sum(size for size, _ in sizes), []
        for size, entry in sorted(sizes, key=lambda one: -one[0]):
            if total <= INLINE:
                break
            found.append(entry)
            total -= size
        return found

    def _numbered(self) -> Iterator[Entry]:
        for entry in self._entries:
            if not entry.key:
                self._number(entry)
            yield entry

    def _number(self, entry: Entry) -> None:
        name = entry.name()
        self._seen[name] += 1
        entry.key = f"{name}#{self._seen[name]}"


def in_batches(entries: Sequence[Entry], limit: int = INLINE) -> list[list[Entry]]:
    """Group steps so that each group's results fit into `limit` bytes; a larger one gets its own group."""
    batches: list[list[Entry]] = []
    room = 0
    for entry in entries:
        size = len(entry.finished().result.encode())
        if not batches or size > room:
            batches.append([])
            room = limit
        batches[-1].append(entry)
        room -= size
    return batches


def name_of(method: Callable[..., Any], request: Request) -> Callable[[], str]:
    """A function that names an activity's step: the activity, and the digest of its request."""

    def name() -> str:
        # Without what rides along: that differs between runs of the same step.
        asked = request.model_dump_json(exclude={"notes": True, "change": True, "run": {"workflow_id"}})
        return f"do:{method.__name__}:{sha256(asked.encode())}"

    return name


def returns(method: Callable[..., Any]) -> type[Contract]:
    """The contract that an activity returns."""
    kind: type[Contract] = inspect.get_annotations(method, eval_str=True)["return"]
    return kind
