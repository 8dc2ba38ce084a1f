"""The adapter of `note`: a run's note in the ledger, as an artifact and a feed line, looked for before it is written."""

from datetime import datetime

from sqlalchemy import Connection

from activities.actions import lines
from contracts.actions import NoteAction
from contracts.errors import BatonError, ContractViolation
from ledger import artifacts, feed
from ledger.db import Ledger


class NoteAdapter:
    """Synchronous: call it in a thread. Recognises a note by the key of its feed line: the ledger takes each key once."""

    permanent: tuple[type[BatonError], ...] = (ContractViolation,)

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def find(self, arguments: bytes) -> str | None:
        """Ask the ledger now; return the digest of the note's text if it is there, else None."""
        line = self._ledger.read_now(feed.find, lines.note_key(NoteAction.read(arguments)))
        return line.outputs[0] if line is not None else None

    def send(self, arguments: bytes, when: datetime) -> str:
        """Write the note and return the digest of its text. Safe to call twice."""
        return self._ledger.tx_now(self._write, NoteAction.read(arguments), when)

    def _write(self, connection: Connection, note: NoteAction, when: datetime) -> str:
        kept = artifacts.put(connection, self._ledger.files, note.text.encode())
        # Untrusted: an agent may have written the words.
        artifacts.note_seen(connection, note.run.trace, note.run.path, kept.digest, f"note {note.name}", untrusted=True)
        feed.append(connection, note.run, [lines.noted(note, kept.digest, when)])
        return kept.digest
