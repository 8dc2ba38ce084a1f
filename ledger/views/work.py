"""A step that waits for a person, as they see it: what the agent would have been sent, and the form that they fill in."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from contracts.conversation import Message
from contracts.work import Work, WorkSheet
from ledger import artifacts


@dataclass(frozen=True)
class Sheet:
    """One step: `said` is who said what, in order. `form` is the JSON Schema of the answer."""

    work: Work
    instructions: str
    said: tuple[tuple[str, str], ...]
    form: dict[str, Any]


def sheet_of(connection: Connection, files: Path, work: Work) -> Sheet:
    """The step of a gate `work`. Raises `NotFound` if its bytes were removed, or `ArtifactDamaged`."""
    sheet = WorkSheet.read(artifacts.get(connection, files, work.sheet))
    said = tuple(one for message in sheet.messages for one in _said(message))
    return Sheet(work, sheet.instructions, said, dict(sheet.form))


def _said(message: Message) -> list[tuple[str, str]]:
    if message.kind == "user":
        return [("task", message.text)]
    if message.kind == "tools":
        return [(f"result of {one.name}{' (failed)' if one.is_error else ''}", one.text) for one in message.answers]
    calls = [f"calls {call.name} {call.arguments}" for call in message.calls]
    return [("an earlier answer", "\n".join([*([message.text] if message.text else []), *calls]))]
