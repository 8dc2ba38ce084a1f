"""Named contexts: a state folder and the addresses (Temporal, ledger) that a user works with, as one name.

They are kept in `contexts.json` in the user's configuration folder. The first of these that names one counts: `--context`,
`BATON_CONTEXT`, `baton context use`. Without any, Baton uses the user's one state folder and what the settings say.
"""

import json
import os
import re
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Literal

import places
from contracts.errors import Misconfigured

DEFAULT = "default"
"""The name that stands for no context."""

VARIABLE = "BATON_CONTEXT"

ADDRESS = re.compile(r"[^\s/:]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}")
"""The form of a Temporal server's address: HOST:PORT."""

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")

How = Literal["flag", "environment", "use"]
"""What named the context in force."""

_flag: ContextVar[str] = ContextVar("context named on the command line", default="")


@dataclass(frozen=True)
class Context:
    """What one name stands for; "" leaves to the settings, and to Temporal's profile, what they say without a context.

    With an address of its own a context has none of the credentials of Temporal's default profile: they belong to another
    server. `profile` names the one that belongs to it.
    """

    state: str
    temporal: str = ""
    namespace: str = ""
    profile: str = ""
    ledger_url: str = ""
    ledger_url_file: str = ""
    ui_url: str = ""

    def settings(self) -> dict[str, str]:
        """The settings of Baton that it sets, by their names."""
        # The ledger always: without an address it is the file in `state`, whatever a lower place says.
        found = {"state": self.state, "ledger_url": self.ledger_url, "ledger_url_file": self.ledger_url_file}
        return found | ({"ui_url": self.ui_url} if self.ui_url else {})

    @property
    def local_port(self) -> int | None:
        """The port of its server, where that is on this machine; None where it names no server, or another machine's."""
        host, _, port = self.temporal.rpartition(":")
        return int(port) if host in ("127.0.0.1", "localhost", "[::1]") and port.isdecimal() else None


@dataclass(frozen=True)
class Contexts:
    """All contexts of a user, and the one in use."""

    use: str = DEFAULT
    named: dict[str, Context] = field(default_factory=dict)

    def get(self, name: str) -> Context:
        """The context of that name. Raises `Misconfigured` with the names there are."""
        if name not in self.named:
            known = ", ".join((DEFAULT, *sorted(self.named)))
            raise Misconfigured(f"there is no context {name!r}; there are: {known}. `baton context add` makes one")
        return self.named[name]

    def without(self, name: str) -> "Contexts":
        """The same without one; if it was in use, none is."""
        return Contexts(DEFAULT if self.use == name else self.use, {n: c for n, c in self.named.items() if n != name})

    def using(self, name: str) -> "Contexts":
        """The same with another one in use. Raises `Misconfigured` if there is no such context."""
        if name != DEFAULT:
            self.get(name)
        return replace(self, use=name)


@dataclass(frozen=True)
class Chosen:
    """The context in force and what named it; `context` is None for the default."""

    name: str
    how: How
    context: Context | None


def choose(name: str) -> None:
    """Take this context for the command that runs now; "" for what is named elsewhere."""
    _flag.set(name)


def chosen() -> Chosen:
    """The context in force. Raises `Misconfigured` for a name that is not known."""
    kept = load()
    flag, variable = _flag.get(), os.environ.get(VARIABLE, "")
    name, how = (flag, "flag") if flag else (variable, "environment") if variable else (kept.use, "use")
    return Chosen(name, how, None if name == DEFAULT else kept.get(name))  # type: ignore[arg-type]


def for_temporal() -> Context | None:
    """The context whose Temporal server is the one to use; None where TEMPORAL_ADDRESS comes before it, or none is named."""
    found = chosen()
    return None if found.how != "flag" and os.environ.get("TEMPORAL_ADDRESS") else found.context


def file() -> Path:
    """Where the contexts are kept."""
    return places.config_home() / "baton" / "contexts.json"


def default_state(name: str) -> Path:
    """The state folder of a new context that names none: beside the default one."""
    return places.state_home() / f"baton-{name}"


def load() -> Contexts:
    """The contexts that are kept; none where there is no file. Raises `Misconfigured` for a file that is not ours."""
    try:
        kept = file()
    except Misconfigured:
        return Contexts()  # a user without a home has kept none, and may name a state folder
    try:
        found = json.loads(kept.read_text(encoding="utf-8"))
        known = {one.name for one in fields(Context)}
        named = {
            name: Context(**{key: str(value) for key, value in one.items() if key in known})
            for name, one in found["contexts"].items()
        }
        return Contexts(str(found["use"]), named).using(str(found["use"]))
    except FileNotFoundError:
        return Contexts()
    except OSError as error:
        raise Misconfigured(f"the contexts cannot be read: {places.unable(error)}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Misconfigured(f"{kept} is not a file of contexts; move it away, and add them with `baton context add`") from None


def save(kept: Contexts) -> None:
    """Keep the contexts, whole or not at all. For their user alone: an address may hold a password."""
    # Imported here: every command reads the contexts, and few write them.
    from activities.files.atomic import write_durably

    target = file()
    text = json.dumps({"use": kept.use, "contexts": {name: asdict(one) for name, one in kept.named.items()}}, indent=1)
    try:
        write_durably(target, text.encode(), mode=0o600)
    except OSError as error:
        raise Misconfigured(f"the contexts cannot be kept: {places.unable(error)}") from None
