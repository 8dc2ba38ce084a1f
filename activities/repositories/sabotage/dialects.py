"""What sets the languages with braces apart: how an error is raised, what a brace opens, which statements do nothing."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from activities.repositories.sabotage.masks import Family
from activities.repositories.sabotage.region import Fault

Kind = Literal["code", "switch", "arms", "members", "type", "value"]
"""What braces hold: statements; statements between labels; arms of a `match`; members or items; fields of a type; values."""

HOLDS_STATEMENTS: tuple[Kind, ...] = ("code", "switch", "arms", "members")


@dataclass(frozen=True)
class Dialect:
    """One language. `raises` and `field` are templates; `ends` are what names of its files end in."""

    family: Family
    ends: Sequence[str]
    top: Kind
    kinds: Callable[[str, Kind], Kind]
    newlines: bool
    """Whether a line end may end a statement."""
    raises: str
    nothing: re.Pattern[str]
    """Heads of statements that run nothing: imports, and types where they are gone at run time."""
    function: re.Pattern[str]
    """Heads of statements that define a function: the fault stands in its body."""
    field: str = ""
    """How a fault is run where only members may stand; empty: there is no way."""
    value: str = ""
    """The fault before a value, which stays what it is where the fault is not live; empty: there is no way."""

    def statement(self, fault: Fault) -> str:
        """The fault as one statement. Its condition is none that a compiler computes: code behind it stays reachable."""
        return self._filled(self.raises, fault)

    def before_value(self, fault: Fault) -> str:
        """The fault in an expression."""
        return self._filled(self.value, fault)

    def _filled(self, template: str, fault: Fault) -> str:
        first, second = fault.halves
        return template.format(number=int(fault.live), truth=str(fault.live).lower(), first=first, second=second)


_CASE = re.compile(r"^(case\b.*|default|\w+)\s*:$", re.DOTALL)
_CONTROL = re.compile(r"(^|\W)(else|do|try|finally|catch|static)$")


def _javascript(head: str, parent: Kind) -> Kind:
    if re.search(r"(^|[\s=(,])class\b[^;]*$|\b(extends|implements)\b[^;()]*$", head) and not head.endswith("=>"):
        return "members"
    if re.search(r"(^|\s)(enum|interface)\b|^(export\s+)?(declare\s+)?type\b[^=]*=$", head):
        return "type"
    if re.search(r"\bswitch\s*\(\)$", head):
        return "switch"
    if head.endswith(("=>", ")")) or _CONTROL.search(head) or re.search(r"\)\s*:\s*[^=(){}?:]+$", head):
        return "code"
    if re.search(r"^(export\s+)?(declare\s+)?(namespace\s+[\w$.]+|module\s+[\w$.\"]+|global)$", head):
        return "code"
    return "code" if parent in ("code", "switch") and (not head or _CASE.search(head)) else "value"


def _rust(head: str, parent: Kind) -> Kind:
    after = head.rpartition("=>")[2].strip()
    if re.search(r"!\s*\w*$", head):
        return "value"
    if re.search(r"\bfn\b", after):
        return "code"
    if parent == "members" and re.search(r"\b(impl|trait|mod|extern)\b", head):
        return "members"
    if re.search(r"\b(struct|enum|union)\b", head):
        return "type"
    if re.search(r"\bmatch\b", after):
        return "arms"
    control = re.search(r"\b(if|else|loop|while|for|unsafe|async|move|const)\b|(=|\breturn|\|)$|\|\s*->[^|]+$", after)
    return "code" if control or not after else "value"


def _java(head: str, parent: Kind) -> Kind:
    if re.search(r"\bswitch\s*\(\)$", head):
        return "switch"
    if head.endswith("->"):
        return "code"
    if re.search(r"(^|[\s@])(class|interface|enum|record)\b|\bnew\s+[\w.<>,?\s]+\(\)$", head):
        return "members"
    if head.endswith(")") or _CONTROL.search(head) or re.search(r"\)\s*throws\b[\w.,\s]*$", head):
        return "code"
    if parent == "members" and re.search(r"^[\w\s@]*$", head):
        return "code"  # an initialiser, or the short constructor of a record
    return "code" if parent in ("code", "switch") and (not head or _CASE.search(head)) else "value"


def _go(head: str, parent: Kind) -> Kind:
    if re.search(r"^(\w+:\s*)?(switch|select)\b", head):
        return "switch"
    if re.search(r"\b(struct|interface)$", head):
        return "type"
    if re.search(r"\bfunc\b[^=]*$|^(\w+:\s*)?(if|for|else)\b", head):
        return "code"
    return "code" if parent in ("code", "switch") and (not head or _CASE.search(head)) else "value"


DIALECTS = (
    Dialect(
        "javascript",
        (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts"),
        "code",
        _javascript,
        True,
        'if (Number("{number}")) {{ throw new Error("{first}" + "{second}"); }}',
        re.compile(
            r'(export\s+)?(default\s+)?(declare\b|abstract\s+(?!class)|interface\b|type\s+[\w${])|import\s+type\b|"+;?$'
        ),
        re.compile(r"(export\s+)?(default\s+)?(async\s+)?function\b|[^()]*=\s*(async\s+)?function\b"),
        "static {{ {fault} }} ",
        'Number("{number}") ? (() => {{ throw new Error("{first}" + "{second}"); }})() : ',
    ),
    Dialect(
        "rust",
        (".rs",),
        "members",
        _rust,
        False,
        'if ::core::hint::black_box({truth}) {{ panic!("{{}}{{}}", "{first}", "{second}"); }}',
        re.compile(r"(#!?\[\]\s*)*(pub(\s*\(\))?\s+)?(use|mod|extern\s+crate|impl|unsafe\s+impl|trait)\b|(#!?\[\]\s*)+$"),
        re.compile(r"[^{=]*\bfn\b"),
    ),
    Dialect(
        "java",
        (".java",),
        "members",
        _java,
        False,
        'if (java.lang.Boolean.parseBoolean("{truth}")) {{ throw new java.lang.Error("{first}" + "{second}"); }}',
        re.compile(r"(import|package)\b|[^={]*\babstract\b[^={]*;$"),
        re.compile(r"(?!)"),
        "static {{ {fault} }} ",
    ),
    Dialect(
        "go",
        (".go",),
        "members",
        _go,
        True,
        'if len("1") == {number} {{ panic("{first}" + "{second}") }}',
        re.compile(r"(import|package)\b"),
        re.compile(r"func\b"),
        "func init() {{ {fault} }}\n",
    ),
)


def dialect_of(path: str) -> Dialect | None:
    """The language of a source file, by the end of its name; None for Python and for what cannot be read."""
    end = PurePosixPath(path).suffix
    return next((one for one in DIALECTS if end in one.ends), None)
