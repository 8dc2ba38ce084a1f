"""Scripts for the `scripted` provider, said in Python."""

from pathlib import Path
from typing import Any

import yaml

Turn = dict[str, Any]


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    """One tool call. Optional arguments that are left out are null, as the closed schema wants them."""
    optional = {
        "list_files": ("pattern", "limit"),
        "read_file": ("first_line", "lines"),
        "edit_file": ("all",),
        "search": ("path", "regex", "limit", "context"),
    }
    return {"tool": tool, "arguments": dict.fromkeys(optional.get(tool, ())) | arguments}


def calls(*several: dict[str, Any]) -> Turn:
    """A turn that asks for tools."""
    return {"calls": list(several)}


def read(path: str) -> Turn:
    """A turn that reads one file."""
    return calls(call("read_file", path=path))


def edit(path: str, old: str, new: str) -> Turn:
    """A turn that edits one file."""
    return calls(call("edit_file", path=path, old=old, new=new))


def write(path: str, content: str) -> Turn:
    """A turn that writes one file."""
    return calls(call("write_file", path=path, content=content))


def answer(body: Any, outcome: str = "done", **more: Any) -> Turn:
    """A final output."""
    whole = {"outcome": outcome, "reason": "", "confidence": 900, "questions": [], "claims": [], "body": body}
    return {"answer": whole | more}


def could_not(reason: str) -> Turn:
    """An agent that gives up, with its reason."""
    return answer(None, "could_not", reason=reason)


def unsure(reason: str, *questions: dict[str, Any], body: Any = None) -> Turn:
    """An agent that is not sure."""
    asked = [{"options": []} | question for question in questions]
    return answer(body, "unsure", reason=reason, questions=asked, confidence=300)


def item(name: str, files: list[str], depends_on: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """One work item of a plan."""
    whole = {
        "id": name,
        "intent": f"do {name}",
        "files": files,
        "settings": [],
        "acceptance": [{"text": f"{name} is true", "shown_by": "the check"}],
        "depends_on": list(depends_on),
    }
    return whole | more


def plan(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A plan's body."""
    return {"summary": "the plan", "items": list(items), "risks": [], "check": None} | more


def summary(text: str = "did it") -> dict[str, Any]:
    """What a writer says at the end."""
    return {"summary": text, "how_it_meets": ["it does"]}


def notes(text: str = "tried to break it") -> dict[str, Any]:
    """What a tester says at the end."""
    return {"summary": text, "tried": ["the edges"]}


def says(agent: str, *turns: Turn, occurrence: int | None = None, text: str | None = None) -> dict[str, Any]:
    """One conversation of an agent."""
    whole: dict[str, Any] = {"agent": agent, "turns": list(turns)}
    if occurrence is not None:
        whole["occurrence"] = occurrence
    if text is not None:
        whole["text"] = text
    return whole


def writer(name: str, *turns: Turn, occurrence: int | None = None) -> dict[str, Any]:
    """The writer's conversation about one item."""
    return says("writer", *turns, answer(summary()), text=f"Your item is `{name}`", occurrence=occurrence)


def a_tester(*turns: Turn, occurrence: int | None = None) -> dict[str, Any]:
    """The tester's conversation."""
    return says("tester", *turns, answer(notes()), occurrence=occurrence)


def save(path: Path, *conversations: dict[str, Any]) -> Path:
    """Write a script file."""
    path.write_text(yaml.safe_dump({"conversations": list(conversations)}, sort_keys=False, allow_unicode=True))
    return path
