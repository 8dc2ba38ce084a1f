"""What people send, read and checked: any JSON comes in, and nothing but `Refused` with a readable reason is raised. Pure."""

import inspect
import json
from collections.abc import Callable
from typing import Any

from contracts.errors import ContractViolation, Refused
from contracts.gates import MESSAGE_LIMIT, NEEDS_NOTE, Decision, GateView, Verb
from contracts.money import micros, usd
from converter import Unreadable

EXAMPLE = '{"gate": "plan-1", "by": "you"}'


def read_decision(args: tuple[Any, ...]) -> Decision:
    """The decision that was sent."""
    value = _only(args, f"send exactly one JSON object like {EXAMPLE}, got {len(args)} arguments")
    if _size(value) > MESSAGE_LIMIT:
        raise Refused(f"the decision is larger than {MESSAGE_LIMIT} bytes; keep the note short and put the rest elsewhere")
    if not isinstance(value, dict):
        raise Refused(f"send one JSON object like {EXAMPLE}, got {type(value).__name__}")
    try:
        return Decision.read_typed_by_people(value)
    except ContractViolation as error:
        raise Refused("; ".join(error.problems)) from None


def read_switch(name: str, args: tuple[Any, ...]) -> None:
    """Pause and resume say all by their name: nothing may come with them, or one object that is not looked at."""
    value = _only(args or ({},), f"{name} takes at most one small JSON object, got {len(args)} arguments")
    if not isinstance(value, dict | None):
        raise Refused(f"{name} takes nothing, or one JSON object, got {type(value).__name__}")
    if _size(value) > MESSAGE_LIMIT:
        raise Refused(f"{name} takes at most one small JSON object, got more than {MESSAGE_LIMIT} bytes")


def only_object(name: str, args: tuple[Any, ...]) -> dict[str, Any]:
    """The one JSON object that a message must be."""
    value = _only(args, f"{name} takes exactly one JSON object, got {len(args)} arguments")
    if not isinstance(value, dict) or _size(value) > MESSAGE_LIMIT:
        raise Refused(f"{name} takes one JSON object of at most {MESSAGE_LIMIT} bytes")
    return value


def text_of(args: tuple[Any, ...], name: str) -> str:
    """A field of a message that may be anything, for the record; "" where it is no text."""
    value = args[0].get(name) if len(args) == 1 and isinstance(args[0], dict) else None
    return value[:200] if isinstance(value, str) else ""


def check_decision(view: GateView, verb: Verb, said: Decision) -> None:
    """Raise `Refused` unless this decision may be made at this gate, as far as the gate itself can tell."""
    if verb not in view.verbs:
        raise Refused(f"gate {view.gate} takes {', '.join(view.verbs)}, not {verb}")
    if said.subject is not None and said.subject != view.subject:
        raise Refused(
            f"gate {view.gate} is about subject {view.subject[:12]}…, you looked at {said.subject[:12]}…: "
            "it changed since you opened it. Look again, then decide"
        )
    if view.revision > 1 and said.subject is None and (verb == "approve" or said.gate != view.gate):
        raise Refused(f"this gate is at revision {view.revision}: send the subject you looked at ({view.subject})")
    if verb in NEEDS_NOTE and not said.note.strip():
        raise Refused(f"{verb} needs a note that says why")
    if verb == "raise_ceiling":
        _check_raise(view, said)
    missing = [question.id for question in view.questions if not (said.answers or {}).get(question.id, "").strip()]
    if verb in {"approve", "answer"} and missing:
        raise Refused(f'gate {view.gate} asks {", ".join(missing)}; send answers, e.g. "answers": {{"{missing[0]}": "…"}}')


def _check_raise(view: GateView, said: Decision) -> None:
    refused = view.ceiling
    assert refused is not None, "only ceiling gates take this verb"
    if refused.shared:
        raise Refused(
            f"runs share {refused.scope}: raise it for all of them, `baton budget raise {refused.scope} --to USD -m why`"
        )
    if said.to_usd is None:
        raise Refused('raise_ceiling needs the new ceiling in US dollars, e.g. "to_usd": "40"')
    if micros(said.to_usd) <= refused.ceiling:
        raise Refused(f"the ceiling is {usd(refused.ceiling)}, and {said.to_usd} is no more; name a higher one")


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
    """The handler, saying at once what the SDK would find out by inspecting it, which it does at every start of a workflow."""
    handle.__signature__ = _ANY  # type: ignore[attr-defined]
    handle.__annotations__ = {}
    return handle
