"""Which of the changed files a step was allowed to write."""

import pytest

from activities.repositories.changes import _outside
from contracts.repositories import CollectChanges, Workspace, WorkspaceRef
from contracts.runs import RunRef

CHANGED = ("a.txt", "docs/x.md", "docs/deep/y.md", "src/a/b.py", "srcs/c.py")


@pytest.mark.parametrize(
    ("allowed", "outside"),
    [
        (("./a.txt",), CHANGED[1:]),
        (("docs/",), ("a.txt", *CHANGED[3:])),
        (("docs",), ("a.txt", *CHANGED[3:])),
        (("./docs//",), ("a.txt", *CHANGED[3:])),
        (("src", "a.txt"), ("docs/x.md", "docs/deep/y.md", "srcs/c.py")),
        (("docs/*",), ("a.txt", "docs/deep/y.md", *CHANGED[3:])),
        (("*",), ()),
    ],
)
def test_names_mean_the_same_however_they_are_written(allowed: tuple[str, ...], outside: tuple[str, ...]) -> None:
    """With `./`, doubled slashes, and a folder with or without its slash: no gate opens for how a plan writes a name."""
    run = RunRef(trace="t", path="p", workflow_id="w")
    use = Workspace(name="w", ref=WorkspaceRef(repository="r", base="0" * 40))
    request = CollectChanges(run=run, workspace=use, item="i", summary="s", allowed=allowed)
    assert _outside(CHANGED, request) == outside
    if allowed != ("*",):  # which is no pattern there
        never = CollectChanges(run=run, workspace=use, item="i", summary="s", allowed=("*",), never=allowed)
        assert {*_outside(CHANGED, never)} == {*CHANGED} - {*outside}
