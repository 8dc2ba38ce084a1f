"""Patches that people hand in and that are too large for a message: kept as artifacts, of which the message has the digest."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from contracts.errors import NotFound, Refused
from contracts.gates import MESSAGE_LIMIT, GateView
from contracts.hand_in import PATCH_LIMIT, digest_in, naming
from ledger import artifacts


def in_message(connection: Connection, files: Path, view: GateView, more: Mapping[str, Any]) -> dict[str, Any]:
    """The fields `more` of a decision at this gate, with a patch that is too large for a message stored and named by digest.

    Safe to call twice. Raises `Refused` for a patch above `PATCH_LIMIT`.
    """
    patch = str(more.get("patch") or "")
    size = len(patch.encode())
    if size > PATCH_LIMIT:
        raise Refused(
            f"the patch has {size} bytes, the limit is {PATCH_LIMIT}: hand in a part of it with `unsure` and a question, and "
            "the rest once that is answered. Nothing was sent"
        )
    if not patch or len(json.dumps(dict(more))) <= MESSAGE_LIMIT // 2:
        return dict(more)
    kept = artifacts.put(connection, files, patch.encode(), "text/x-diff")
    artifacts.note_seen(connection, view.trace, view.path, kept.digest, _name(view), untrusted=True, sources=("repo",))
    return {**more, "patch": naming(kept.digest)}


def patch_of(connection: Connection, files: Path, view: GateView, patch: str) -> str:
    """The patch that a decision at this gate has, or names.

    Raises `Refused` for a digest of nothing that was handed in here, and `ArtifactDamaged` if its bytes are others by now.
    """
    digest = digest_in(patch)
    if digest is None:
        return patch
    try:
        found = artifacts.find_named(connection, files, digest, _name(view))
    except NotFound as error:
        raise Refused(f"the patch cannot be taken: {error}. Hand it in again") from None
    if found is None:
        raise Refused(
            f"no patch {digest[:12]}… was stored for {view.gate}: `baton answer --patch FILE` stores a large one, and names it"
        )
    return found.decode()


def _name(view: GateView) -> str:
    """What such an artifact is called. With the run: the bytes are found by their digest, and belong to this gate alone."""
    return f"patch handed in at {view.gate} of {view.trace}"
