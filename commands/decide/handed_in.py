"""What somebody hands in at a gate `work`: from a file or asked for, checked before it is sent, and kept until it counts."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands.errors import Usage
from commands.output import safe
from commands.questions import told_if_any
from contracts.printed import command, quoted

if TYPE_CHECKING:
    from commands.output import Out
    from contracts.gates import GateView
    from ledger.db import Ledger

STDIN = "-"
LARGEST = 1024 * 1024
"""Most bytes that are read of a file; `PATCH_LIMIT` of contracts/hand_in.py, which takes long to load."""

_SMALLER = {
    "--file": "An answer is at most 64 KiB: put what is long into the patch, or into files that it names",
    "--patch": "Hand in a part of it with `unsure` and a question, and the rest once that is answered",
}


def read_file(flag: str, typed: str) -> bytes:
    """The bytes of a file, `-` for stdin. Raises `Usage`."""
    try:
        if typed == STDIN:
            data = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with Path(typed).expanduser().open("rb") as stream:
                data = stream.read(LARGEST + 1)
    except OSError as error:
        raise Usage(f"{flag} {safe(typed, 200)}: {error.strerror or error}") from None
    if len(data) > LARGEST:
        raise Usage(
            f"{flag} {safe(typed, 200)} has more than {LARGEST} bytes, which is the limit. Nothing was sent. {_SMALLER[flag]}"
        )
    return data


def read_answer(typed: str) -> dict[str, Any]:
    """The JSON object in a file. Raises `Usage`."""
    try:
        found = json.loads(read_file("--file", typed))
    except (ValueError, RecursionError) as error:
        raise Usage(f"--file {safe(typed, 200)} is not JSON: {safe(error, 300)}") from None
    if not isinstance(found, dict):
        raise Usage(f"--file {safe(typed, 200)} holds {type(found).__name__}, not one JSON object")
    return found


def read_patch(typed: str) -> str:
    """A patch as text. Raises `Usage` for one that is none, such as of binary files without `git diff --binary`."""
    try:
        return read_file("--patch", typed).decode()
    except UnicodeDecodeError:
        raise Usage(f"--patch {safe(typed, 200)} is not UTF-8: write it with `git diff --binary`") from None


def blank(ledger: "Ledger", view: "GateView") -> str:
    """The form of a gate `work`, empty, as JSON. Raises `Usage` at any other gate."""
    from commands.decide.forms import Form

    return json.dumps(Form(_form(ledger, view)).blank(), ensure_ascii=False, indent=2)


def asked(ledger: "Ledger", view: "GateView", patch: str) -> tuple[dict[str, Any], str]:
    """The answer and the patch, after asking for them field by field."""
    from commands.decide.forms import Form

    made = Form(_form(ledger, view)).asked()
    if view.work is not None and view.work.workspace is not None and not patch:
        patch = read_patch(file) if (file := told_if_any("patch: a file as `git diff --binary` writes it")) else ""
    return made, patch


def check(view: "GateView", made: dict[str, Any] | None, run: str) -> None:
    """Raise `Usage` if this would be refused, so that nothing is sent in vain."""
    if view.work is None:
        return
    if made is None:
        form = command("answer", run, view.gate, options="--form > FILE")
        raise Usage(f"gate {view.gate} needs what {view.work.agent} would have made: write it with `{form}`, then --file FILE")
    from contracts.hand_in import problem_with

    if problem := problem_with(view.work.returns, made):
        raise Usage(f"nothing was sent: {problem}")


def keep(out: "Out", state: Path, run: str, view: "GateView", made: dict[str, Any]) -> None:
    """Keep what was typed in a file of the state folder until it counts, and say how to send it from there."""
    path = draft_of(state, view)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(made, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    again = command("answer", run, view.gate, options=f"--file {quoted(str(path))}")
    out.note(f"until it counts, what you typed is kept: `{again}`")


def draft_of(state: Path, view: "GateView") -> Path:
    """Where what was typed for a gate is kept."""
    return state / "drafts" / f"{view.trace}.{view.gate}.json"


def _form(ledger: "Ledger", view: "GateView") -> dict[str, Any]:
    from ledger.views.work import sheet_of

    if view.work is None:
        raise Usage(f"gate {view.gate} has no form: {view.kind} takes {', '.join(view.verbs)}")
    return ledger.read_now(sheet_of, ledger.files, view.work).form
