"""What the functions and classes around a place are called, for a person to find it. Pure."""

import re

from activities.repositories.sabotage.blocks import TOP, Source

_HOLDERS = re.compile(
    r"\b(?:class|interface|enum|record|trait|mod|namespace|struct)\s+([\w$]+)|\bimpl\b.*?([\w$]+)(?:<[^{]*>)?\Z"
)
_FUNCTIONS = (
    re.compile(r"\bfn\s+(\w+)"),
    re.compile(r"\bfunc\b\s*(?:\(\)\s*)?(\w+)"),
    re.compile(r"\bfunction\b\s*\*?\s*([\w$]+)"),
    re.compile(r"([\w$]+)\s*(?::[^=]*)?=\s*(?:async\s*)?(?:function\b|\(\)|[\w$]+\s*=>)"),
    re.compile(r"([\w$]+)\s*(?:<[^()]*>)?\s*\(\)"),
)
_CONTROL = re.compile(r"(else\s+)?(if|for|while|switch|select|catch|match|with|synchronized|try|do|finally|case)\b")
_NO_NAMES = frozenset(("function", "func", "return", "new", "else"))


def name_of(source: Source, at: int, *, value: bool = False) -> str:
    """Names from the outside to the inside, joined by dots. `value`: the place is the value of an arrow function."""
    names = [_of_braces(source, one) for one in reversed(source.around(at))]
    if value:
        line = source.mask.rfind("\n", 0, at) + 1
        names.append(_function(source.collapsed(line, at)))
    return ".".join(name for name in names if name)


def _of_braces(source: Source, opened: int) -> str:
    if source.mask[opened] != "{" or opened == TOP:
        return ""
    head = " ".join(source.head(opened)[1].split())
    if source.kind[opened] == "members":
        found = _HOLDERS.search(head)
        return next((name for name in found.groups() if name), "") if found else ""
    return _function(head) if source.kind[opened] == "code" else ""


def _function(head: str) -> str:
    if _CONTROL.match(head):
        return ""
    for form in _FUNCTIONS:
        found = form.search(head)
        if found:
            return "" if found[1] in _NO_NAMES else found[1]
    return ""
