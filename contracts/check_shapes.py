"""What the shape of a check's command hides: parts that can fail while the command as a whole succeeds. Pure."""

import re
import shlex
from itertools import pairwise

_QUOTED = re.compile(r"""(?<!\S)\#[^\n]*|\\.|'[^']*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
_REDIRECTED = re.compile(r"&>>?|\d*[<>]+[&|]?")
_OPERATOR = re.compile(r"(\|\||&&|\|&?|[;&\n])")
_SUBSTITUTED = re.compile(r"\$\((?!\()|`")
_STOPS = re.compile(r"\Aset +-[a-z]*e")
"""A shell that ends with the first command that fails."""

_PREPARES = re.compile(r"(?:cd|export|unset|set|umask|ulimit|mkdir|\.|source|trap|true|:|[A-Za-z_]\w*=\S*)(?=\s|\Z)")
"""Commands before a check of which nobody wants to know how they ended, or after which the check fails by itself."""

_CONTROL = re.compile(r"(?:for|while|until|if|case|then|do|else|elif|done|fi|esac)\b")

_IGNORING = (
    (re.compile(r"\b(?:make|gmake)\b[^|;&\n]*? (?:-[a-zA-Z]*i[a-zA-Z]*|--ignore-errors)(?=\s|\Z)"), "make ignores errors"),
    (re.compile(r" --exit-zero(?=\s|\Z)"), "--exit-zero ends as if nothing were found"),
    (re.compile(r" (?:--collect-only|--co)(?=\s|\Z)"), "pytest only lists the tests"),
    (re.compile(r"\bcargo\b[^|;&\n]* --no-run(?=\s|\Z)"), "cargo builds the tests and runs none"),
    (re.compile(r"\Amake\b[^|;&\n]*? (?:-[a-zA-Z]*n[a-zA-Z]*|--dry-run)(?=\s|\Z)"), "make only shows what it would run"),
)


def has_pipe(command: str) -> bool:
    """Whether one command's output goes into another's. A shell by itself then tells how the last one ended alone."""
    return any(part in ("|", "|&") for part in _parts(command))


def hides(command: str) -> tuple[str, ...]:
    """How the command can succeed although what it runs fails, one sentence each; none for an ordinary command.

    Pipes are none: a check is run so that all of their parts count.
    """
    inner = _script(command)
    if inner:
        piped = "pipefail" not in command and has_pipe(inner)
        return (*(("in a shell of its own a pipe ends as its last part does",) if piped else ()), *hides(inner))
    parts = _parts(command)
    stops = bool(_STOPS.match(command.strip()))
    found = [_either(parts), "" if stops else _in_turn(parts), _meanwhile(parts), _negated(parts)]
    if _SUBSTITUTED.search(re.sub(r"'[^']*'", "", command)):
        found.append("how a command inside $(…) or `…` ends is not looked at")
    found += [why for pattern, why in _IGNORING if pattern.search(_bare(command))]
    return tuple(one for one in found if one)


def _script(command: str) -> str:
    """The text that a command such as `sh -c TEXT` runs; "" for another command."""
    try:
        words = shlex.split(command)
    except ValueError:
        return ""
    if not words or words[0].rpartition("/")[2] not in ("sh", "bash", "dash", "ksh", "zsh"):
        return ""
    at = next((at for at, word in enumerate(words) if re.fullmatch(r"-[a-z]*c", word)), len(words))
    return words[at + 1] if at + 1 < len(words) else ""


def _bare(command: str) -> str:
    """The command without comments and with what is quoted as plain letters, so that no operator is found there."""
    return _REDIRECTED.sub(" ", _QUOTED.sub(lambda part: "" if part[0][0] == "#" else "q" * len(part[0]), command))


def _parts(command: str) -> list[str]:
    """Commands and operators in turn, without blanks around them; the first and the last are commands."""
    return [part.strip(" \t\r") or ("\n" if part == "\n" else "") for part in _OPERATOR.split(_bare(command))]


def _either(parts: list[str]) -> str:
    after = [parts[at + 1] for at, part in enumerate(parts) if part == "||"]
    if not after or all(re.match(r"(?:exit|return) +(?!0\b)|false\b", one) for one in after):
        return ""
    return f"after || another command decides how it ends: {_shown(after[0])}"


def _in_turn(parts: list[str]) -> str:
    """Commands that run one after the other, whatever became of the one before."""
    commands = [[""]]
    for part in parts:
        if part in (";", "\n"):
            commands.append([""])
        else:
            commands[-1].append(part)
    each = [" ".join(part for part in command if part) for command in commands]
    each = [one for one in each if one and not one.startswith("#")]
    # What is followed by a look at `$?` is not lost.
    alone = [one for one, after in pairwise(each) if "$?" not in after]
    lost = [one for one in alone if not _PREPARES.match(one) and not _CONTROL.match(one)]
    if lost:
        return f"only the last command's exit code counts, and not that of {_shown(lost[0])}"
    loops = any(re.match(r"(?:for|while|until)\b", one) for one in each)
    inside = [one for one in each if re.match(r"do\s", one) and "||" not in one]
    return "of a loop only the last round's exit code counts" if loops and inside else ""


def _meanwhile(parts: list[str]) -> str:
    started = [parts[at - 1] for at, part in enumerate(parts) if part == "&" and parts[at - 1]]
    return f"how a command that runs in the background ends is not looked at: {_shown(started[0])}" if started else ""


def _negated(parts: list[str]) -> str:
    return "! turns failure into success" if any(re.match(r"!\s", part) for part in parts) else ""


def _shown(command: str) -> str:
    return re.sub(r"q{2,}", "…", command)[:80] or "nothing"
