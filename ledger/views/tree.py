"""What a thing came from, as a tree of lines."""

from dataclasses import dataclass, replace

from ledger.views.origins import Node, Origins


@dataclass(frozen=True)
class Step:
    """One thing in the tree. `depth` is 0 for the first; `own` are the lines to its left. `again`: what it came from stands
    with an earlier step. `more` counts what it came from and is left out."""

    node: Node
    label: str
    depth: int
    own: str
    again: bool
    more: int


class Tree:
    """Walks from one thing to its origins. A node that was met before is only named."""

    def __init__(self, origins: Origins, limit: int) -> None:
        """`limit`: most things whose origins are looked for, and most steps."""
        self._origins, self._limit = origins, limit
        self._met: set[Node] = set()
        self.steps: list[Step] = []
        self.edges: list[tuple[str, str]] = []
        """Child and parent."""

    @property
    def start(self) -> str:
        """The id that it was walked from."""
        return self.steps[0].node.id if self.steps else ""

    @property
    def cut(self) -> bool:
        """True if there is more than was walked to."""
        return any(step.more for step in self.steps)

    @property
    def nodes(self) -> list[Step]:
        """Every thing once."""
        found: dict[Node, Step] = {}
        for step in self.steps:
            found.setdefault(step.node, step)
        return list(found.values())

    def walk(self, node: Node, depth: int = 0, own: str = "", below: str = "") -> None:
        """Add a thing and what it came from."""
        known, parents, at = node in self._met, self._origins.parents(node), len(self.steps)
        self.steps.append(Step(node, self._origins.label(node), depth, own, known and bool(parents), 0))
        if known:
            return
        self._met.add(node)
        for number, parent in enumerate(parents, 1):
            if len(self._met) > self._limit or len(self.steps) > self._limit:
                self.steps[at] = replace(self.steps[at], more=len(parents) - number + 1)
                return
            self.edges.append((node.id, parent.id))
            last = number == len(parents)
            self.walk(parent, depth + 1, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "))
