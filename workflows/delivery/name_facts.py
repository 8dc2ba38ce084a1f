"""What the change gate says of names that a change adds: those that collide on many disks, and ignored ones. Pure functions."""

from contracts.delivery.change import Frozen


def name_facts(frozen: Frozen) -> list[str]:
    """A line for each kind that there is."""
    found = (
        ("names collide on disks that do not tell case or accents apart (macOS, Windows)", frozen.collisions),
        ("added although .gitignore leaves it out", frozen.ignored),
    )
    return [f"{what}: {'; '.join(names)}" for what, names in found if names]


def name_risks(frozen: Frozen) -> tuple[int, tuple[str, ...]]:
    """How much risk that is (0 low, 1 medium, 2 high), and why."""
    reasons = (
        *(["names collide where case or accents do not tell files apart"] if frozen.collisions else []),
        *(["it adds files that the repository ignores"] if frozen.ignored else []),
    )
    return (2 if frozen.collisions else 1 if frozen.ignored else 0), reasons
