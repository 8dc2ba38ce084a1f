"""Released agent versions are frozen: their files, and the schemas of their tools, tasks and results."""

from dataclasses import replace
from pathlib import Path

import pytest

from activities.agents.catalogue import load_catalogue
from activities.agents.releases import freeze, lock_problems, read_lock
from activities.tools.registry import TOOLS
from contracts.errors import Misconfigured

AGENTS = Path(__file__).parent.parent / "agents"


def test_released_agents_are_as_they_were_released() -> None:
    """A released file, or a schema that its digest covers, must not change; a change is a new version."""
    assert lock_problems(load_catalogue(AGENTS, TOOLS), read_lock(AGENTS / "released.lock")) == []


def test_every_shipped_agent_is_released() -> None:
    """What the repository ships is in the lock, so that nothing runs that could still change."""
    catalogue = load_catalogue(AGENTS, TOOLS)
    assert {f"{agent.file.name}@{agent.version}" for agent in catalogue.agents} == set(read_lock(AGENTS / "released.lock"))


@pytest.mark.parametrize("change", ["text", "tool"])
def test_a_changed_release_is_named(tmp_path: Path, change: str) -> None:
    """The check can fail: a changed word in a file and a changed tool description are both named with what to do."""
    copy = tmp_path / "agents"
    (copy / "writer").mkdir(parents=True)
    (copy / "routes.toml").write_text((AGENTS / "routes.toml").read_text())
    text = (AGENTS / "writer" / "v1.md").read_text()
    (copy / "writer" / "v1.md").write_text(text.replace("smallest", "largest") if change == "text" else text)
    tools = dict(TOOLS)
    if change == "tool":
        tools["write_file"] = replace(TOOLS["write_file"], description="Write any file anywhere.")
    lock = {name: digest for name, digest in read_lock(AGENTS / "released.lock").items() if name.startswith("writer")}
    problems = lock_problems(load_catalogue(copy, tools), lock)
    problems = [one for one in problems if "its file is gone" not in one]
    assert len(problems) == 1
    assert "writer@v1 is released" in problems[0]
    assert "put the change into a new version" in problems[0]


def test_freezing_adds_once_and_never_replaces(tmp_path: Path) -> None:
    """A version is written once; the same name with other bytes is refused."""
    agent = load_catalogue(AGENTS, TOOLS).newest("planner")
    name = f"planner@{agent.version}"
    lock = tmp_path / "released.lock"
    assert [freeze(lock, agent), freeze(lock, agent)] == [True, False]
    with pytest.raises(Misconfigured, match=rf"{name} is released with digest .* put the change into a new version"):
        freeze(lock, replace(agent, digest="0" * 64))
    assert read_lock(lock) == {name: agent.digest}


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    """A line that is no `name@vN DIGEST` is not passed over."""
    (tmp_path / "released.lock").write_text("# fine\nplanner v1 abc\n")
    with pytest.raises(Misconfigured, match="line 2"):
        read_lock(tmp_path / "released.lock")
