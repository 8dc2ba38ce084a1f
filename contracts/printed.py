"""Commands that are printed for people to copy: whoever starts a workflow chooses its id, and an id may hold anything."""

import shlex

from contracts.text import visible


def command(verb: str, *names: str, options: str = "") -> str:
    """`baton VERB NAMES OPTIONS`, for a shell: names are quoted, and come after `--` if one of them begins with a dash.

    `verb` and `options` are taken as they are; a name within `options` needs `quoted`.
    """
    parts = [quoted(name) for name in names]
    more = [options] if options else []
    # Before the names: what follows `--` is no option any more.
    tail = [*more, "--", *parts] if any(name.startswith("-") for name in names) else [*parts, *more]
    return " ".join(["baton", verb, *tail])


def quoted(name: str) -> str:
    """One name as a shell takes it back, as it is `shown`."""
    return shlex.quote(shown(name))


def shown(name: str) -> str:
    """A name on one line, with invisible characters as escapes. Commands take a run's id back in this form as well."""
    return visible(name).replace("\n", "\\n")
