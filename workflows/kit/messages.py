"""Parse and check messages from people. Accepts any JSON and raises only `Refused`, with a readable reason. Pure."""

import inspect
import json
from collections.abc import Callable
from typing import Any

from contracts.errors import ContractViolation, Refused
from contracts.gates import MESSAGE_LIMIT, OFFERED, TAKES_REFERENCE, Decision, GateView, Verb, needs_note
from contracts.money import micros, usd
from contracts.people import Act
from contracts.printed import command
from converter import Unreadable

TEXT_LIMIT = 200
"""Most characters that are kept of a field of an arbitrary message."""

EXAMPLE = '{"gate": "plan-1", "by": "you"}'


def read_decision(args: tuple[Any, ...]) -> Decision:
    """Parse a decision. Raises `Refused`."""
    value = _only(args, f"send exactly one JSON object like {EXAMPLE}, got {len(args)} arguments")
    if _size(value) > MESSAGE_LIMIT:
        raise Refused(f"the decision is larger than {MESSAGE_LIMIT} bytes, its note, answer and patch together; shorten it")
    if not isinstance(value, dict):
        raise Refused(f"send one JSON object like {EXAMPLE}, got {type(value).__name__}")
    try:
        return Decision.read_typed_by_people(value)
    except ContractViolation as error:
        raise Refused("; ".join(error.problems)) from None


def read_switch(name: str, args: tuple[Any, ...]) -> Act:
    """Who sends pause, resume or nudge, and why: nothing, or one small object with `by` and `note`. Raises `Refused`."""
    value = _only(args or ({},), f"{name} takes at most one small JSON object, got {len(args)} arguments")
    if not isinstance(value, dict | None):
        raise Refused(f"{name} takes nothing, or one JSON object, got {type(value).__name__}")
    if _size(value) > MESSAGE_LIMIT:
        raise Refused(f"{name} takes at most one small JSON object, got more than {MESSAGE_LIMIT} bytes")
    # Read leniently: older clients send any object, and what it holds was never refused.
    by, note, channel = (text_of((value,), field) for field in ("by", "note", "channel"))
    return Act(by=by.strip(), note=note.strip(), channel=channel)


def only_object(name: str, args: tuple[Any, ...]) -> dict[str, Any]:
    """The single JSON object of a message. Raises `Refused`."""
    value = _only(args, f"{name} takes exactly one JSON object, got {len(args)} arguments")
    if not isinstance(value, dict) or _size(value) > MESSAGE_LIMIT:
        raise Refused(f"{name} takes one JSON object of at most {MESSAGE_LIMIT} bytes")
    return value


def text_of(args: tuple[Any, ...], name: str) -> str:
    """A field of an arbitrary message, for the record; "" if it is not text."""
    value = args[0].get(name) if len(args) == 1 and isinstance(args[0], dict) else None
    return value[:TEXT_LIMIT] if isinstance(value, str) else ""


def check_decision(view: GateView, verb: Verb, said: Decision) -> None:
    """Check a decision against its gate, as far as possible without the ledger. Raises `Refused`."""
    if verb not in view.verbs:
        raise Refused(f"gate {view.gate} takes {', '.join(view.verbs)}, not {verb}")
    if said.subject is not None and said.subject != view.subject:
        raise Refused(
            f"gate {view.gate} is about subject {view.subject[:12]}…, but you looked at {said.subject[:12]}…: "
            "it changed since you opened it. Look again, then decide"
        )
    if view.revision > 1 and said.subject is None and (verb == "approve" or said.gate != view.gate):
        raise Refused(f"this gate is at revision {view.revision}: send the subject you looked at ({view.subject})")
    if needs_note(view.kind, verb) and not said.note.strip():
        raise Refused(f"{verb} needs a note that says why")
    if said.reference and verb not in TAKES_REFERENCE:
        raise Refused(f"{verb} takes no reference: only {' and '.join(sorted(TAKES_REFERENCE))} do. Leave it out")
    if verb == "raise_ceiling":
        _check_raise(view, said)
    _check_made(view, verb, said)
    missing = [question.id for question in view.questions if not (said.answers or {}).get(question.id, "").strip()]
    if verb in {"approve", "answer"} and missing:
        raise Refused(
            f'gate {view.gate} needs an answer to {", ".join(missing)}; send answers, e.g. "answers": {{"{missing[0]}": "…"}}'
        )


def _check_made(view: GateView, verb: Verb, said: Decision) -> None:
    work = view.work if verb == "answer" else None
    if work is None and (said.made is not None or said.patch):
        raise Refused(f"gate {view.gate} takes no `made` and no `patch`: only `answer` at a `work` gate does. Leave them out")
    if work is not None and said.made is None:
        raise Refused(f"gate {view.gate} needs `made`: the answer of {work.agent}, with a body that is {work.returns}")
    if work is not None and said.patch and work.workspace is None:
        raise Refused(f"gate {view.gate} takes no patch: {work.agent} changes no files in this step. Leave it out")


def _check_raise(view: GateView, said: Decision) -> None:
    refused = view.ceiling
    assert refused is not None, "only ceiling gates take this verb"
    if refused.shared:
        raising = command("budget raise", refused.scope, options="--to USD -m why")
        raise Refused(f"runs share {refused.scope}; raise it for all of them: `{raising}`")
    if said.to_usd is None:
        raise Refused('raise_ceiling needs the new ceiling in US dollars, e.g. "to_usd": "40"')
    if micros(said.to_usd) <= refused.ceiling:
        raise Refused(f"the ceiling is {usd(refused.ceiling)}, and {said.to_usd} is not higher; name a higher one")


def _only(args: tuple[Any, ...], otherwise: str) -> Any:
    if len(args) != 1:
        raise Refused(otherwise)
    if isinstance(args[0], Unreadable):
        raise Refused(args[0].reason)
    return args[0]


def _size(value: Any) -> int:
    try:
        return len(json.dumps(value, default=str))
    except (TypeError, ValueError, RecursionError):
        return MESSAGE_LIMIT + 1


_ANY = inspect.Signature([inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL)])


def bare(handle: Callable[..., Any]) -> Callable[..., Any]:
    """Annotate the handler with what the SDK would otherwise find by inspection at every workflow start."""
    handle.__signature__ = _ANY  # type: ignore[attr-defined]
    handle.__annotations__ = {}
    return handle


def no_such(what: str, name: str) -> str:
    """That there is no signal or update of this name, and which there are."""
    return f"there is no {what} {name!r}; there are {', '.join(OFFERED)}, pause and resume"
