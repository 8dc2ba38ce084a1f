"""Looks up what findings say: each quote in the files, each patch by applying it; and reads who has said what."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from activities.git import Mirror, PatchUnusable
from activities.repositories.merging import Fault, as_suggested, faults, moved
from activities.repositories.quotes import Texts, hunks_of, place_of, plain
from contracts.errors import ContractViolation
from contracts.findings import CheckFindings, Finding, Findings, Ranked, Suggested, Unproven
from ledger import handoffs

Said = tuple[str, Suggested]
"""Who, and what."""

TRIED = 100
"""Most patches of one review that are tried."""


@dataclass(frozen=True)
class Told:
    """What the reviewers say, what the synthesiser made of it (`merged_by` "": none did), and what nobody looked at."""

    findings: tuple[Said, ...]
    merged: tuple[Said, ...] = ()
    merged_by: str = ""
    not_looked_at: tuple[str, ...] = ()


def said_in(connection: Connection, request: CheckFindings) -> Told:
    """What is to be looked up. Requests of earlier releases bring the findings themselves, and nobody's name."""
    if not request.reviewed:
        return Told(tuple(("", as_suggested(one)) for one in request.findings))
    reviewed = [_said(connection, one) for one in request.reviewed]
    findings = tuple((by, one) for by, body in reviewed for one in body.findings)
    left = tuple(dict.fromkeys(text for _, body in reviewed for text in body.not_looked_at))
    if not request.merged:
        return Told(findings, not_looked_at=left)
    by, body = _said(connection, request.merged)
    return Told(findings, tuple((by, one) for one in body.findings), by, tuple(dict.fromkeys((*left, *body.not_looked_at))))


def _said(connection: Connection, identity: str) -> tuple[str, Findings]:
    handoff = handoffs.get(connection, identity)
    body = handoff.read_as(Findings)
    if body is None:
        raise ContractViolation("check_findings/1", (f"the handoff {identity[:12]}… has no findings",))
    return f"{handoff.producer.agent}{' (degraded)' if handoff.degraded else ''}", body


@dataclass
class Looking:
    """The files of a comparison, each read once. `diff` is the whole difference as tools show it."""

    mirror: Mirror
    tree: str
    base: str
    diff: str
    texts: dict[str, Texts] = field(default_factory=dict)
    tried: int = 0

    def up(self, said: Iterable[Said]) -> tuple[list[Said], list[Unproven]]:
        """The findings whose quote is there, at its line; the others with the reason."""
        proven: list[Said] = []
        unproven: list[Unproven] = []
        for by, one in said:
            place = place_of(one, self._texts(one.file))
            if isinstance(place, str):
                unproven.append(Unproven(finding=Finding(**one.model_dump(exclude={"rule", "patch"})), reason=place))
            else:
                proven.append((by, moved(one, place)))
        return proven, unproven

    def mended(self, one: Ranked) -> Ranked:
        """The finding with its patch if that applies to the files at the head and changes only the finding's file."""
        if not one.patch:
            return one
        self.tried += 1
        why = self._unusable(one) if self.tried <= TRIED else "too many patches are suggested to try them all"
        return one.model_copy(update={"patch": "", "note": f"its patch is left out: {why}"}) if why else one

    def _unusable(self, one: Ranked) -> str:
        try:
            applied = self.mirror.apply(self.tree, f"{one.patch.rstrip(chr(10))}\n".encode())
        except PatchUnusable:
            return "git cannot read it"
        if applied.tree is None or applied.tree == self.tree:
            return "it does not apply to the files at the head" if applied.tree is None else "it changes nothing"
        others = [change.path for change in self.mirror.changes(self.tree, applied.tree) if change.path != one.file]
        return f"it changes {others[0]}, too" if others else ""

    def _texts(self, path: str) -> Texts:
        if path not in self.texts:
            head, base = self.mirror.content(self.tree, path), self.mirror.content(self.mirror.tree_of(self.base), path)
            self.texts[path] = Texts(_text(head), _text(base), hunks_of(self.diff, path))
        return self.texts[path]


def named(merged: Sequence[Said], found: Sequence[Fault]) -> list[Said]:
    """The synthesiser's list under the names of those who found each; under its own what no reviewer has said."""
    named: list[Said] = []
    for by, one in merged:
        finders = [name for fault in found for name, _ in fault.said if fault.first.file == one.file and _is(fault, one)]
        named += [(name, one) for name in dict.fromkeys(finders)] or [(by, one)]
    return named


def _is(fault: Fault, one: Suggested) -> bool:
    return len(faults([("", fault.first), ("", one)])) == 1


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else plain(raw)
