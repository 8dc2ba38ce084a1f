"""What a gate decides on, line by line, each with the place by which somebody may talk about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts import diffs
from contracts.anchors import item_place, line_place
from contracts.diffs import WHOLE, Line
from contracts.exact import exact

if TYPE_CHECKING:
    from contracts.delivery.plan import Plan
    from ledger.views.gates import Subject
    from ledger.views.work import Sheet


@dataclass(frozen=True)
class Shown:
    """One line. `place` is how it is named in a note, "" for a line that nobody can talk about; `kind` is a diff line's."""

    text: str
    place: str = ""
    kind: diffs.Kind = "about"


def shown_lines(found: "Subject", limit: int = WHOLE) -> list[Shown]:
    """The plan's items, the change's diff, or the text; of a text or a diff about `limit` characters. Nothing is hidden."""
    if found.patch is not None:
        return [_of_diff(text, line) for text, line in diffs.shown_lines(found.patch, limit)]
    if found.sheet is not None:
        return [Shown(line) for line in _sheet_lines(found.sheet)]
    if found.plan is not None:
        return list(_plan_lines(found.plan))
    return [Shown(exact(line)) for line in found.data[:limit].split(b"\n")]


def _of_diff(text: str, line: Line) -> Shown:
    if line.kind in ("about", "binary") or text.startswith(diffs.NOTE):
        return Shown(text)
    removed = line.kind == "removed"
    return Shown(text, line_place(exact(line.path), line.was if removed else line.number, removed=removed), line.kind)


def _plan_lines(plan: "Plan") -> Iterator[Shown]:
    yield from map(Shown, _told("plan: ", plan.summary))
    for item in plan.ordered():
        yield Shown("")
        after = f" (after {', '.join(item.depends_on)})" if item.depends_on else ""
        first, *others = _told(f"{item.id}{after}: ", item.intent)
        yield Shown(first, item_place(item.id))
        others += _told("  writes     ", ", ".join(item.files))
        others += [line for one in item.acceptance for line in _told("  accepted   ", one.line)]
        others += _told("  touches    ", ", ".join(item.settings)) if item.settings else []
        yield from map(Shown, others)
    yield from map(Shown, [*([""] if plan.risks else []), *(line for risk in plan.risks for line in _told("risk: ", risk))])


def _sheet_lines(sheet: "Sheet") -> list[str]:
    """What the agent would have been sent, each text behind a bar: it is material, and none of it is ours."""
    lines = [f"the step of {sheet.work.agent} at {exact(sheet.work.path.encode())}, which makes {sheet.work.returns}"]
    if (files := sheet.work.workspace) is not None:
        state = f", then the patch {files.state}" if files.state else ""
        lines.append(f"its files: {exact(files.ref.repository.encode())} at {files.ref.base}{state}")
    for who, text in (("instructions", sheet.instructions), *sheet.said):
        lines += ["", f"{who}:", *(f"│ {exact(line)}" for line in text.encode(errors="surrogatepass").split(b"\n"))]
    return lines


def _told(label: str, text: str) -> list[str]:
    """An agent's words after a label; further lines of them behind a bar, so that none looks like one of ours."""
    first, *others = (exact(line) for line in text.encode(errors="surrogatepass").split(b"\n"))
    return [label + first, *(f"{'':{len(label)}}│ {line}" for line in others)]
