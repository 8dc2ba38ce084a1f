"""What stands behind an id: an artifact's bytes, a gate's subject, an action's arguments, a handoff, the words of a turn."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row

from contracts.conversation import ToolCall
from contracts.errors import NotFound
from ledger import actions, artifacts, gates, handoffs, outside, turns
from ledger.views.identities import trace_of
from ledger.views.origins import Kind, Node, split
from ledger.views.runs import find_run


@dataclass(frozen=True)
class Part:
    """One piece of what was asked for, with a label that says what it is."""

    label: str
    data: bytes


@dataclass(frozen=True)
class Content:
    """What stands behind an id. The first part is the thing itself; what belongs to it follows."""

    node: Node
    parts: tuple[Part, ...]


class Contents:
    """Reads what stands behind ids, through one connection. Large artifacts are files in `files`."""

    def __init__(self, connection: Connection, files: Path) -> None:
        self._connection, self._files = connection, files

    def of(self, node: Node) -> Content:
        """The bytes behind a thing. Raises `NotFound` if it is not there or retention removed it, and `ArtifactDamaged`."""
        by_kind: dict[Kind, Callable[[str], list[Part]]] = {
            "run": self._run,
            "gate": self._gate,
            "action": self._action,
            "handoff": self._handoff,
            "turn": self._turn,
            "tool": self._tool,
            "artifact": self._artifact,
        }
        read = by_kind.get(node.kind)
        if read is None:
            raise NotFound(f"{node.id} is not in this ledger")
        return Content(node, tuple(read(node.id)))

    def _bytes(self, digest: str) -> bytes:
        return artifacts.get(self._connection, self._files, digest)

    def _run(self, trace: str) -> list[Part]:
        run = find_run(self._connection, trace)
        report = [Part("report", run.result.encode())] if run.result else []
        return [Part("input", run.input.encode()), *report]

    def _gate(self, name: str) -> list[Part]:
        view, state = gates.find(self._connection, *split(name))
        won = gates.winner(self._connection, *split(name))
        subject = [Part(f"subject of {view.gate} ({state})", self._bytes(view.subject))]
        if view.work is not None:
            subject.append(Part(f"what {view.work.agent} would have been sent", self._bytes(view.work.sheet)))
        if won is None:
            return subject
        said = {"note": won.note, "answers": json.loads(won.answers)} | ({"reference": won.reference} if won.reference else {})
        said |= json.loads(won.made) if won.made else {}
        return [*subject, Part(f"decision: {won.verb} by {won.by}", _json(said))]

    def _action(self, key: str) -> list[Part]:
        row = actions.get(self._connection, key)
        arguments = Part(f"arguments of {row.type} ({row.state})", self._bytes(row.arguments))
        return [arguments, *([Part("receipt", row.receipt.encode())] if row.receipt else [])]

    def _handoff(self, identity: str) -> list[Part]:
        made = handoffs.get(self._connection, identity)
        return [Part(f"handoff at {made.path}{_from(made.taint)}", made.stored())]

    def _turn(self, identity: str) -> list[Part]:
        """The reply first, then what it answered: the task, and the turns before it with the results of their tools."""
        row = turns.get(self._connection, identity)
        # Empty once retention has removed the conversation: `reply_of` says so.
        reply = turns.reply_of(row)
        first = Part(f"reply of {row.agent} with {row.provider}:{reply.model}", _said(reply.text, reply.calls))
        task = Part("task", self._bytes(row.task))
        return [first, *_problem(row), task, *self._before(turns.chain(self._connection, row.parent))]

    def _before(self, chain: Sequence[Row[Any]]) -> Iterator[Part]:
        found = turns.results(self._connection, [row.id for row in chain])
        for number, row in enumerate(chain, 1):
            reply = turns.reply_of(row)
            yield Part(f"turn {number}, {row.id[:12]}", _said(reply.text, reply.calls))
            yield from _problem(row)
            for result in found[row.id]:
                failed = ", failed" if result.failed else ""
                yield Part(f"result of {result.name}{failed}, {row.id[:12]}/{result.position}", result.body.encode())

    def _tool(self, identity: str) -> list[Part]:
        turn_id, _, index = identity.rpartition("/")
        row = turns.find_result(self._connection, turn_id, int(index))
        if row is None:
            raise NotFound(f"there is no tool call {identity}")
        turn = turns.get(self._connection, turn_id)
        calls = turns.reply_of(turn).calls
        asked = [Part("arguments", _json(calls[int(index)].arguments))] if int(index) < len(calls) else []
        behind = (outside.sources_behind(self._connection, turn.trace, one) for one in json.loads(row.artifacts))
        sources = sorted({name for one in behind for name in one})
        return [Part(f"result of {row.name}{' (failed)' if row.failed else ''}{_from(sources)}", row.body.encode()), *asked]

    def _artifact(self, identity: str) -> list[Part]:
        trace, _, digest = identity.rpartition("/")
        sources = outside.sources_behind(self._connection, trace or trace_of(self._connection, "artifact", digest), digest)
        return [Part(f"artifact{_from(sources)}", self._bytes(digest))]


def _from(sources: Sequence[str]) -> str:
    return f", from outside: {', '.join(sources)}" if sources else ""


def _problem(row: Row[Any]) -> list[Part]:
    return [Part("why it could not be used", row.problem.encode())] if row.problem else []


def _said(text: str, calls: tuple[ToolCall, ...]) -> bytes:
    lines = [text] if text else []
    lines += [f"calls {call.name} {json.dumps(call.arguments, ensure_ascii=False)}" for call in calls]
    return "\n".join(lines).encode(errors="backslashreplace")


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode(errors="backslashreplace")
