"""Where something came from: from a pushed change through its gate, its agents' handoffs and turns to the files they read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row

from contracts.errors import Ambiguous, NotFound
from contracts.handoff import Handoff
from contracts.money import usd
from contracts.text import amount, one_line
from ledger import actions, artifacts, condemnations, gates, handoffs, outside, turns
from ledger.views import identities
from ledger.views.asked import asked_of
from ledger.views.effects import effect_named
from ledger.views.gates import gates_named, gates_of, winner
from ledger.views.runs import SHORTEST, find_run, names_of

Kind = Literal["run", "action", "gate", "handoff", "turn", "tool", "artifact", "unknown"]
LIMIT = 500
"""Most nodes in one answer."""


@dataclass(frozen=True)
class Node:
    """One thing: `id` is its digest in the ledger, or trace/name for things without one."""

    kind: Kind
    id: str


class Origins:
    """Reads what things of one run family came from, through one connection: all of one moment."""

    def __init__(self, connection: Connection, trace: str) -> None:
        self._connection = connection
        self.trace = trace
        self._edges: dict[str, list[str]] = {}
        self._seen = artifacts.seen_in(connection, trace)
        self._names = {digest: (path, name) for path, name, digest in reversed(self._seen)}
        self._handoffs = handoffs.of_trace(connection, trace)

    def parents(self, node: Node) -> list[Node]:
        """What a thing came from, the most informative first."""
        by_kind: dict[Kind, Callable[[str], list[Node]]] = {
            "run": self._of_run,
            "handoff": self._of_handoff,
            "turn": self._of_turn,
        }
        found = by_kind.get(node.kind, self._of_edges)(node.id)
        return [one for one in dict.fromkeys(found) if one != node]

    def _of_run(self, trace: str) -> list[Node]:
        done = [Node("action", row.key) for row in actions.of_trace(self._connection, trace)]
        waiting = [Node("gate", f"{trace}/{one.view.gate}") for one in gates_of(self._connection, trace)]
        return done or waiting[-1:] or [Node("handoff", row.id) for row in self._handoffs[-1:]]

    def _of_handoff(self, identity: str) -> list[Node]:
        """The handoffs and the task it was made from, then what its agent read on the way."""
        direct = self._of_edges(identity)
        last = [node.id for node in direct if node.kind == "turn"]
        chain = turns.chain(self._connection, last[0]) if last else []
        read: list[Node] = []
        for results in turns.results(self._connection, [row.id for row in chain]).values():
            for row in results:
                read += [node for node in self._of_edges(_tool_id(row)) if node.kind in {"artifact", "handoff"}]
        return [*(node for node in direct if node.kind != "turn"), *read]

    def _of_turn(self, identity: str) -> list[Node]:
        row = turns.get(self._connection, identity)
        results = turns.results(self._connection, [row.parent])[row.parent] if row.parent else []
        return [*self._of_edges(identity), *(Node("tool", _tool_id(one)) for one in results)]

    def _of_edges(self, identity: str) -> list[Node]:
        if identity not in self._edges:
            self._edges[identity] = []
            for child, _, parent in handoffs.upstream(self._connection, identity, LIMIT):
                known = self._edges.setdefault(child, [])
                if parent not in known:
                    known.append(parent)
        return [self.node(parent) for parent in self._edges[identity]]

    def starts(self, node: Node) -> list[str]:
        """The ids from which all that came of a thing is found: of a run, everything that it made; else the thing itself."""
        if node.kind != "run":
            return [node.id]
        made = [*identities.turns_of(self._connection, node.id), *(row.id for row in self._handoffs)]
        return [*made, *(f"{node.id}/{one.view.gate}" for one in gates_of(self._connection, node.id))]

    def node(self, identity: str) -> Node:
        """The thing with this complete id."""
        return Node(identities.kind_of(self._connection, identity) or "unknown", identity)

    # How things read

    def label(self, node: Node) -> str:
        """One line of text about a thing; of one that is condemned it says so."""
        by_kind: dict[Kind, Callable[[str], str]] = {
            "run": self._run_label,
            "action": self._action_label,
            "gate": self._gate_label,
            "handoff": self._handoff_label,
            "turn": self._turn_label,
            "tool": self._tool_label,
            "artifact": self._artifact_label,
        }
        told = by_kind.get(node.kind)
        said = one_line(told(node.id) if told else f"{node.id}: not in this ledger", 400)
        condemned = condemnations.marks(self._connection, [node.id]).get(node.id, ())
        return "; ".join((said, *(one.mark for one in condemned)))

    def _run_label(self, trace: str) -> str:
        run = find_run(self._connection, trace)
        return f"run {run.workflow_id}: {run.state}; {run.owner} asked: {asked_of(run.pipeline, run.asked).what}"

    def _action_label(self, key: str) -> str:
        row = actions.get(self._connection, key)
        return f"action {row.type}: {row.state}; {row.summary}{_from(row.taint.split(',') if row.taint else ())}"

    def _gate_label(self, name: str) -> str:
        view, state = gates.find(self._connection, *split(name))
        won = winner(self._connection, *split(name))
        if won is None:
            return f"gate {view.gate}: {state}; {view.title}"
        who = f"{won.by} ({won.channel or won.via}{won.identity})"
        return f"gate {view.gate}: {won.verb} by {who}{won.referred} {won.note}".rstrip()

    def _handoff_label(self, identity: str) -> str:
        made: Handoff[Any] = handoffs.get(self._connection, identity)
        steps = identities.turns_at(self._connection, made.trace, made.path)
        producer = made.producer
        who = f"{producer.agent}@{producer.version}" if producer.version else producer.agent
        claims = f", {amount(len(made.claims), 'claim')} ({len(made.unsupported)} unsupported)" if made.claims else ""
        model = f" with {producer.model}" if producer.model else ""
        work = f"{amount(steps.count, 'turn')}, {usd(steps.usd_micros)}"
        return f"handoff {made.path}: {made.contract_name} {made.outcome} by {who}{model}, {work}{claims}{_from(made.taint)}"

    def _turn_label(self, identity: str) -> str:
        row = turns.get(self._connection, identity)
        model = f"{row.provider}:{row.model_answered or row.model_asked}"
        problem = f"; unusable: {row.problem}" if row.problem else ""
        tokens = f"{row.tokens_in}+{row.tokens_out} tokens"
        return f"turn of {row.agent} at {row.path} with {model}, {tokens}, {usd(row.usd_micros)}{problem}"

    def _tool_label(self, identity: str) -> str:
        turn_id, _, index = identity.rpartition("/")
        row = turns.find_result(self._connection, turn_id, int(index)) if index.isdigit() else None
        return f"tool call {identity[:12]}…" if row is None else f"tool {row.name}{' (failed)' if row.failed else ''}"

    def _artifact_label(self, digest: str) -> str:
        digest = digest.rpartition("/")[2]
        path, name = self._names.get(digest, ("", "an artifact of another run"))
        size = identities.size_of(self._connection, digest)
        sources = outside.sources_behind(self._connection, self.trace, digest)
        return name + (f" at {path}" if path else "") + ("" if size is None else f", {amount(size, 'byte')}") + _from(sources)


def _from(sources: Sequence[str]) -> str:
    """Which sources from outside flowed in, as the end of a label."""
    return f"; from outside: {', '.join(sources)}" if sources else ""


def _tool_id(row: Row[Any]) -> str:
    return f"{row.turn}/{row.position}"


def split(name: str) -> tuple[str, str]:
    """Trace and name of a gate's id."""
    trace, _, gate = name.partition("/")
    return trace, gate


def find_start(connection: Connection, name: str) -> tuple[Origins, Node]:
    """What a person means by an id: a run, RUN/GATE, a gate's name, or (a prefix of) a digest.

    Also what an action has made: a branch, or (a prefix of) a commit or tree; and a tool's call as TURN/NUMBER. Raises
    `NotFound`, or `Ambiguous` if several gates or digests match.
    """
    # Most ids come from a page or a list, and are whole: of those nothing has to be looked through.
    if "/" not in name and (kind := identities.kind_of(connection, name)) is not None and kind != "run":
        return _thing(connection, kind, name)
    run, slash, gate = name.partition("/")
    try:
        found = find_run(connection, run)
    except NotFound as error:
        return _by_effect(connection, name) or _by_tool(connection, name) or _by_digest(connection, name, error)
    if slash and identities.kind_of(connection, f"{found.trace}/{gate}") == "artifact":
        return Origins(connection, found.trace), Node("artifact", f"{found.trace}/{gate}")
    if slash:
        view, _ = gates.find(connection, found.trace, gate)
        return Origins(connection, found.trace), Node("gate", f"{found.trace}/{view.gate}")
    return Origins(connection, found.trace), Node("run", found.trace)


def _by_effect(connection: Connection, name: str) -> tuple[Origins, Node] | None:
    found = effect_named(connection, name)
    return None if found is None else (Origins(connection, found.trace), Node("action", found.key))


def _by_tool(connection: Connection, name: str) -> tuple[Origins, Node] | None:
    turn_id, _, index = name.partition("/")
    if not index.isdecimal() or turns.find_result(connection, turn_id, int(index)) is None:
        return None
    return Origins(connection, identities.trace_of(connection, "turn", turn_id)), Node("tool", name)


def _by_digest(connection: Connection, name: str, error: NotFound) -> tuple[Origins, Node]:
    named = gates_named(connection, name)
    if len(named) == 1:
        return Origins(connection, named[0][0]), Node("gate", "/".join(named[0]))
    if named:
        names = names_of(connection, [trace for trace, _ in named]).values()
        raise Ambiguous(f"several runs have a gate {name}: write one of {', '.join(f'{run}/{name}' for run in names)}")
    found = identities.ids_like(connection, name) if len(name) >= SHORTEST else []
    if len(found) > 1:
        listed = ", ".join(f"{identity[:16]} ({kind})" for kind, identity in found[:8])
        raise Ambiguous(f"several ids begin with {name!r}: {listed}. Type more of it")
    if not found:
        raise NotFound(f"no run, gate, effect, handoff, turn or artifact begins with {one_line(name, 80)!r}: {error}")
    return _thing(connection, *found[0])


def _thing(connection: Connection, kind: identities.Kind, identity: str) -> tuple[Origins, Node]:
    """The thing of this kind with this complete id."""
    trace = identities.trace_of(connection, kind, identity)
    # What a run made is asked for by its digest, as `baton why` shows it.
    known_as = handoffs.own(connection, trace, [identity])[0] if kind == "artifact" else identity
    return Origins(connection, trace), Node(kind, known_as)
