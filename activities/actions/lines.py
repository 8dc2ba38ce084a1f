"""What the feed says of actions: every text of this room's lines, to be read and changed in one place."""

from datetime import UTC, datetime

from contracts.actions import Receipt
from contracts.runs import Note


def settled(receipt: Receipt, fence: int) -> Note:
    """How an action ended. One line for each lease that settled it: its `fence` is in the key."""
    how = "it was there already" if receipt.how == "found" else "approved at the gate"
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
