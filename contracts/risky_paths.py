"""Paths whose change means more than its lines say: what runs by itself, holds secrets, is generated, or is installed.

The paths are in `special_paths.toml`. Upper and lower case do not tell them apart: macOS and Windows open `makefile` for
`Makefile`.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from contracts.repositories import RiskKind
from contracts.special_paths import ECOSYSTEMS, fits

SHOWN = 5
"""Most paths that are named for one kind."""

RULES: Mapping[RiskKind, tuple[str, ...]] = {
    # What judges a change is run by every check, so it runs by itself.
    "runs_itself": tuple(path for one in ECOSYSTEMS for path in (*one.configuration, *one.runs_itself)),
    "secret": tuple(path for one in ECOSYSTEMS for path in one.secret),
    "installed": tuple(path for one in ECOSYSTEMS for path in one.installed),
    "generated": tuple(path for one in ECOSYSTEMS for path in one.generated),
}
"""The patterns of each kind, of all ecosystems."""

LOOK_ALIKES = tuple(path for one in ECOSYSTEMS for path in one.look_alikes)

WHY: Mapping[RiskKind, str] = {
    "runs_itself": "runs automatically, or instructs tools and agents",
    "secret": "is where secrets are kept",
    "installed": "decides what is installed and run from elsewhere",
    "generated": "is generated or built, so reading it does not show where it comes from",
}
"""What it means, as the change gate says it."""

LEVELS: Mapping[RiskKind, int] = {"runs_itself": 2, "secret": 2, "installed": 1, "generated": 1}
"""How much risk it is: 1 medium, 2 high."""


@lru_cache(maxsize=8192)
def kinds_of(path: str) -> tuple[RiskKind, ...]:
    """What a change of this path may be beside a change of lines, in a fixed order; empty for ordinary files."""
    name = path.casefold()
    found = tuple(kind for kind, patterns in RULES.items() if fits(name, patterns))
    return tuple(kind for kind in found if kind != "secret" or not fits(name, LOOK_ALIKES))


def risks_of(paths: Iterable[str]) -> dict[RiskKind, tuple[str, ...]]:
    """The first paths of each kind that occurs."""
    found: dict[RiskKind, tuple[str, ...]] = {}
    for path in paths:
        for kind in kinds_of(path):
            if len(there := found.get(kind, ())) < SHOWN:
                found[kind] = (*there, path)
    return found
