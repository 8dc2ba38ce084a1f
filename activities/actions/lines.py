"""What the feed says of actions: every text of this room's lines, to be read and changed in one place."""

from datetime import UTC, datetime

from contracts.actions import NoteAction, Receipt
from contracts.gates import Intent
from contracts.runs import Note
from contracts.text import one_line


def allowed(intent: Intent, trace: str, policy_digest: str) -> Note:
    """No person was asked, because policy says so."""
    return Note(
        key=f"action/{intent.key}/allowed/{trace}",
        at=datetime.now(UTC),
        stage="act",
        actor="policy",
        did=f"allowed: {intent.summary}",
        why=f"policy's tier auto lets {intent.type} happen without a person; policy {policy_digest}",
        next="it is carried out",
        inputs=(intent.key,),
    )


def not_allowed(intent: Intent, trace: str, reason: str) -> Note:
    """The same event stands in the outbox with other arguments."""
    return Note(
        key=f"action/{intent.key}/refused/{trace}/{intent.arguments_digest}",
        at=datetime.now(UTC),
        stage="act",
        actor="policy",
        did=f"refused: {intent.summary}",
        why=reason,
        next="nothing was done",
        importance="alert",
        inputs=(intent.key,),
    )


def note_key(note: NoteAction) -> str:
    """The key of a note's line: by it the ledger knows that the note is there."""
    return f"note/{note.key()}"


def noted(note: NoteAction, digest: str, when: datetime) -> Note:
    """A note of a run; its whole text is the artifact."""
    return Note(
        key=note_key(note),
        at=when,
        stage="act",
        actor="relay",
        did=f"note {one_line(note.name, 100)}: {one_line(note.text, 1000)}",
        outputs=(digest,),
    )


def settled(receipt: Receipt, fence: int, gate: str) -> Note:
    """How an action ended. One line for each lease that settled it: its `fence` is in the key. `gate` "": none let it."""
    let = "approved at the gate" if gate else "policy let it happen"
    how = "it was there already" if receipt.how == "found" else let
    return Note(
        key=f"action/{receipt.key}/{fence}",
        at=datetime.now(UTC),
        stage="act",
        actor="relay",
        did=f"{receipt.state}: {receipt.summary}",
        why=receipt.problem or how,
        next=receipt.reference and f"receipt {receipt.reference}",
        inputs=(receipt.key,),
    )
