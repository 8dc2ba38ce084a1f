"""What the subject of a gate and the arguments of an action came from: the handoff with these bytes, and what they name."""

from sqlalchemy import Connection

from ledger import artifacts, handoffs
from ledger.handoffs import derive, link, made, own


def of_subject(connection: Connection, trace: str, gate: str, digest: str, subject: str) -> None:
    """Record where a gate and its subject came from. Safe to call twice."""
    derive(connection, trace, digest, origins_of(connection, trace, digest, subject))
    link(connection, f"{trace}/{gate}", "derived", [made(trace, digest)])


def origins_of(connection: Connection, trace: str, digest: str, subject: str) -> list[str]:
    """What the subject of a gate, with this digest, came from: the handoff with these bytes, and what they name."""
    return [*handoffs.with_body(connection, trace, digest), *named(connection, trace, subject)]


def of_action(connection: Connection, trace: str, key: str, gate: str, arguments: str) -> None:
    """Record where an action came from: the gate that let it happen ("": policy did) and its arguments. Safe to call twice."""
    link(connection, key, "derived", [*([f"{trace}/{gate}"] if gate else []), *own(connection, trace, [arguments])])


def of_arguments(connection: Connection, trace: str, digest: str, arguments: str) -> None:
    """Record what an action's arguments came from. Safe to call twice."""
    derive(connection, trace, digest, named(connection, trace, arguments))


def of_undo(connection: Connection, trace: str, arguments: str, undone: str) -> None:
    """Record that the action with these arguments (their digest) takes back the one with this key. Safe to call twice."""
    link(connection, made(trace, arguments), "undoes", [undone])


def named(connection: Connection, trace: str, text: str) -> list[str]:
    """What a text of ours names by its digest: artifacts that this run made, and handoffs of it."""
    found = sorted(artifacts.digests_in(text))
    ours = {one for one in own(connection, trace, found) if "/" in one}
    return sorted(ours | handoffs.among(connection, trace, found))
