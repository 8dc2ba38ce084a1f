"""A change as what judges it and what is judged: the two trees, the files that differ, and trees made of both."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from activities.git import Mirror
from activities.repositories import judging, sabotage, suspects
from activities.repositories.metadata import only_metadata
from activities.repositories.shared import changes, lines_between, text_of
from contracts.delivery.proof import Judging
from contracts.repositories import FileChange

READ = 40
"""Files of one kind that are read; a change of thousands is told by its names, and its other places are named as untried."""


@dataclass(frozen=True)
class Sides:
    """Methods that ask git block: call them in threads."""

    mirror: Mirror
    tree: str
    base: str
    judging: tuple[Judging, ...]
    others: tuple[FileChange, ...]
    imported: tuple[str, ...]
    aware: tuple[str, ...]
    written: tuple[str, ...]

    @property
    def tests(self) -> tuple[str, ...]:
        """New and edited tests."""
        return tuple(one.path for one in self.judging if one.kind == "test" and one.status != "deleted")

    @property
    def languages(self) -> tuple[str, ...]:
        """Changed source files in languages whose lines cannot be made to raise."""
        return tuple(path for path in self._unbroken if judging.language_of(path) is not None)

    @property
    def texts(self) -> tuple[str, ...]:
        """Changed files that are neither source nor data."""
        return tuple(path for path in self._unbroken if judging.language_of(path) is None)

    @property
    def _unbroken(self) -> tuple[str, ...]:
        return tuple(path for path in self._there if not sabotage.supports(path) and not sabotage.is_data(path))

    @property
    def _there(self) -> tuple[str, ...]:
        return tuple(one.path for one in self.others if one.status != "deleted")

    def with_referee(self) -> str:
        """The change's tree with all that judges as the base has it."""
        return self.mirror.restore(self.tree, [one.path for one in self.judging], self.base)

    def with_own_tests(self) -> str:
        """The base's tree with all that judges as the change has it."""
        return self.mirror.restore(self.base, [one.path for one in self.judging], self.tree)

    @property
    def sources(self) -> tuple[str, ...]:
        """Changed files that are judged and can be broken: sources whose lines can be made to raise, then data."""
        found = [path for path in self._there if sabotage.supports(path)]
        return (*found, *(path for path in self._there if sabotage.is_data(path)))

    def regions(self) -> tuple[sabotage.Region, ...]:
        """The places of the first files that are judged: each file has its turn, and in it each function."""
        found = (self._regions(path) for path in self.sources[:READ])
        return in_turn([in_turn(_by_function(regions)) for regions in found])

    def _regions(self, path: str) -> tuple[sabotage.Region, ...]:
        lines, text = lines_between(self.mirror, self.base, self.tree, path), text_of(self.mirror, self.tree, path)
        return sabotage.regions(path, text, lines) if text is not None else sabotage.unreadable(path, lines)


def in_turn(lists: Sequence[Sequence[sabotage.Region]]) -> tuple[sabotage.Region, ...]:
    """The first of each list, then the second of each, and so on."""
    return tuple(one for turn in zip_longest(*lists) for one in turn if one is not None)


def _by_function(regions: Sequence[sabotage.Region]) -> list[list[sabotage.Region]]:
    found: dict[str, list[sabotage.Region]] = {}
    for one in regions:
        found.setdefault(one.where, []).append(one)
    return list(found.values())


def sides(mirror: Mirror, base: str, tree: str, command: str) -> Sides:
    """Look at all files that differ between the base and the change."""
    files = changes(mirror, base, tree)
    changed = [one.path for one in files]
    run = _plugins(mirror, base, tree, changed)
    for side in (base, tree):
        run |= _run_on(mirror, side, command, changed)
    judged: list[Judging] = []
    others: list[FileChange] = []
    for one in files:
        kind = judging.kind_of(one, run)
        # Beyond the limit a configuration counts as judging: what was not read cannot be called harmless.
        if kind is None or (kind == "configuration" and len(judged) < READ and _harmless(mirror, base, tree, one.path)):
            others.append(one)
        else:
            lines = lines_between(mirror, base, tree, one.path) if len(judged) < READ else judging.Lines()
            judged.append(judging.judging(one, kind, lines))
    return Sides(
        mirror,
        tree,
        base,
        tuple(judged),
        tuple(others),
        imported=suspects.may_judge(mirror, base, tree, command, others),
        aware=suspects.aware(mirror, base, tree, others),
        written=suspects.written(mirror, base, tree, others),
    )


SETTINGS = ("pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg", "conftest.py", "tests/conftest.py")
"""Where plugins of pytest are named."""


def _plugins(mirror: Mirror, base: str, tree: str, changed: list[str]) -> frozenset[str]:
    """Changed files that are plugins of the tests on one side or the other."""
    if not any(path.endswith(".py") for path in changed):
        return frozenset()
    # On both: a change of the settings may name a new plugin, or no longer name one that the base has.
    asked = [(base, name) for name in SETTINGS] + [(tree, name) for name in SETTINGS if name in changed]
    named = (judging.plugins_in(text_of(mirror, side, name) or "") for side, name in asked)
    return frozenset[str]().union(*named) & set(changed)


def _run_on(mirror: Mirror, tree: str, command: str, changed: list[str]) -> frozenset[str]:
    return judging.run_by(command, changed, lambda path: text_of(mirror, tree, path))


def _harmless(mirror: Mirror, base: str, tree: str, path: str) -> bool:
    return only_metadata(path, text_of(mirror, base, path), text_of(mirror, tree, path))
