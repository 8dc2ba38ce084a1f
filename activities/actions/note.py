"""The adapter of `note`: a note of a run in the ledger, an artifact and a line of the feed, found before it is written."""

from datetime import datetime

from sqlalchemy import Connection

from activities.actions import lines
from contracts.actions import NoteAction
from contracts.errors import BatonError, ContractViolation
from ledger import artifacts, feed
from ledger.db import Ledger


class NoteAdapter:
    """Synchronous; callers use a thread. Knows a note by the key of its line: the ledger takes each key once."""

    permanent: tuple[type[BatonError], ...] = (ContractViolation,)

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def find(self, arguments: bytes) -> str | None:
        """The digest of the note's text if it is in the ledger, asked of the ledger now."""
        line = self._ledger.read_now(feed.find, lines.note_key(NoteAction.read(arguments)))
        return line.outputs[0] if line is not None else None

    def send(self, arguments: bytes, when: datetime) -> str:
        """Write the note and return the digest of its text. Written again it changes nothing."""
        return self._ledger.tx_now(self._write, NoteAction.read(arguments), when)

    def _write(self, connection: Connection, note: NoteAction, when: datetime) -> str:
        kept = artifacts.put(connection, self._ledger.files, note.text.encode())
        # Untrusted: an agent may have written the words.
        artifacts.note_seen(connection, note.run.trace, note.run.path, kept.digest, f"note {note.name}", untrusted=True)
        feed.append(connection, note.run, [lines.noted(note, kept.digest, when)])
        return kept.digest
