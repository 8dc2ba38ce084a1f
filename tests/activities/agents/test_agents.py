"""Agents as files: what is wrong is named with its file, and a released version never changes unseen."""

from pathlib import Path
from typing import Any

import pytest

from activities.agents.agent import load_agent
from activities.agents.catalogue import Catalogue, load_catalogue
from activities.agents.releases import lock_problems, read_lock, withdraw, wrong_versions
from contracts.agents import Choice
from contracts.base import Contract
from contracts.errors import Misconfigured, NotFound, Refused
from tests.activities.agentfiles import ROUTES, TASK, TOOLS, agent, text_of, tool, write

CHOICE = Choice(model="anthropic:some-model")


def catalogue(folder: Path) -> Catalogue:
    """All agents of a folder."""
    (folder / "routes.toml").write_text(ROUTES)
    return load_catalogue(folder, TOOLS)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"tolls": ["read_file"]}, r"tolls: Extra inputs are not permitted"),
    ({"limits": {"trns": 3}}, r"limits\.trns: Extra inputs are not permitted"),
    ({"limits": {"turns": 0}}, r"limits\.turns: Input should be greater than or equal to 1"),
    ({"limits": {"wall": "PT0S"}}, r"limits\.wall: Input should be greater than 0 seconds"),
    ({"limits": {"wall": "-PT5M"}}, r"limits\.wall: Input should be greater than 0 seconds"),
    ({"limits": {"call": "PT0S"}}, r"limits\.call: Input should be greater than 0 seconds"),
    ({"limits": {"call": "P367D"}}, r"limits\.call: Input should be less than or equal to 366 days"),
    ({"limits": {"wall": "P999999D"}}, r"limits\.wall: Input should be less than or equal to 366 days"),
    ({"owns": None}, r"owns: Field required"),
    ({"never": None}, r"never: Field required"),
    ({"minimum_confidence": 2000}, r"minimum_confidence: Input should be less than or equal to 1000"),
    ({"takes": "ghost/1"}, r"there is no contract 'ghost/1'; there are .*write_task/1"),
    ({"returns": "write_sumary/1"}, r"there is no contract 'write_sumary/1'"),
    ({"returns": "write_summary/9"}, r"write_summary/9 is newer than this release can read \(write_summary/1\).* Upgrade"),
    ({"tools": ["read_file", "shell"]}, r"there is no tool shell; there are read_file, write_file"),
]


@pytest.mark.parametrize(("change", "said"), WRONG)
def test_what_is_wrong_is_named_with_file_and_key(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    """Nobody has to guess which of many files has the misspelt key."""
    path = write(tmp_path, **change)
    with pytest.raises(Misconfigured, match=rf"^{path}: .*{said}"):
        load_agent(path, TOOLS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no front matter", r"begins with front matter between two lines of '---'"),
        ("---\nname: [\n---\ntext\n", r"the front matter is not YAML"),
        ("---\n- a\n- b\n---\ntext\n", r"\(whole\): Input should be"),
        ("---\n---\ntext\n", r"begins with front matter|\(whole\): Input should be"),
    ],
)
def test_a_file_that_is_no_agent_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """Whatever stands in it: the message names the file and what an agent file looks like."""
    path = tmp_path / "helper" / "v1.md"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(Misconfigured, match=rf"^{path}: .*({said})"):
        load_agent(path, TOOLS)


@pytest.mark.parametrize("place", ["other/v1.md", "helper/v2.md"])
def test_name_and_version_agree_with_the_place(tmp_path: Path, place: str) -> None:
    """A copied file that still says its old name is not loaded under the new one."""
    path = tmp_path / place
    path.parent.mkdir()
    path.write_text(text_of())
    with pytest.raises(Misconfigured, match=r"says it is helper/v1\.md; name and version must match its path"):
        load_agent(path, TOOLS)


def test_windows_line_ends_are_read(tmp_path: Path) -> None:
    """A file that was saved with other line ends is the same agent."""
    plain = agent(tmp_path)
    path = tmp_path / "helper" / "v1.md"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert load_agent(path, TOOLS).digest == plain.digest


def test_instructions_are_filled_in(tmp_path: Path) -> None:
    """The task, the agent and its tools can be used; nothing is escaped, since it is no web page."""
    tools = "{% for tool in tools %}{{ tool.name }} ({{ tool.description }}){% endfor %}"
    text = f"{{{{ agent.name }}}}: {{{{ task.instruction }}}} with {tools}"
    made = agent(tmp_path, text)
    task = TASK.model_copy(update={"instruction": "use <b> & 'höher'"})
    assert made.render(task) == "helper: use <b> & 'höher' with read_file (Reads a file.)\n"


@pytest.mark.parametrize(
    "text", ["{{ nothing }}", "{{ task.instrution }}", "{{ task.item.nothing.more }}", "{% for x in ghosts %}{% endfor %}"]
)
def test_a_missing_variable_is_refused(tmp_path: Path, text: str) -> None:
    """A misspelt name does not become an empty space in a prompt; the message says what may be used."""
    with pytest.raises(
        Misconfigured,
        match=r"^agents/helper/v1\.md: .*(undefined|has no attribute).*; instructions may use .* \(a write_task/1\)",
    ):
        agent(tmp_path, text).render(TASK)


@pytest.mark.parametrize(
    "text",
    [
        "{{ agent.__class__ }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ agent.render.__globals__ }}",
        "{{ tools.append(1) }}",
        "{{ task.update({'a': 1}) }}",
        "{{ cycler.__init__.__globals__.os.popen('true').read() }}",
        "{% for x in range(1000000000) %}{% endfor %}",
        "{% unknown %}",
        "{{ task.instruction",
    ],
)
def test_instructions_can_do_nothing_but_fill_in(tmp_path: Path, text: str) -> None:
    """A template reaches neither Python's inside nor files, changes nothing and does not run for ever."""
    with pytest.raises((Misconfigured, OverflowError), match=r"agents/helper/v1\.md|[Rr]ange too big"):
        agent(tmp_path, text).render(TASK)


def test_a_task_is_data_and_not_a_template(tmp_path: Path) -> None:
    """What stands in a task is put in as it is, also when it looks like a template."""
    task = TASK.model_copy(update={"instruction": "{{ agent.__class__ }} {% raw %}"})
    assert agent(tmp_path).render(task) == "Do {{ agent.__class__ }} {% raw %}.\n"


class ReadMore(Contract):
    path: str
    first_line: int | None = None


def test_the_digest_covers_all_that_a_model_sees(tmp_path: Path) -> None:
    """Any change of the text, of a tool's name, description or arguments, or of task and result, is another agent."""
    digests = {
        agent(tmp_path / "0").digest,
        agent(tmp_path / "1", "Do it well.").digest,
        agent(tmp_path / "2", owns="another thing").digest,
        agent(tmp_path / "3", tools={"read_file": tool(description="Reads.")}).digest,
        agent(tmp_path / "4", tools={"read_file": tool(takes=ReadMore)}).digest,
        agent(tmp_path / "5", takes="plan_task/1").digest,
        agent(tmp_path / "6", returns="test_notes/1").digest,
    }
    assert len(digests) == 7
    assert agent(tmp_path / "7").digest == agent(tmp_path / "0").digest


def test_tools_that_it_does_not_use_do_not_count(tmp_path: Path) -> None:
    """A change of another tool releases no new agent."""
    other = dict(TOOLS) | {"write_file": tool("write_file", "Writes otherwise.")}
    assert agent(tmp_path / "0").digest == agent(tmp_path / "1", tools=other).digest


def test_a_pin_holds_what_a_run_needs(tmp_path: Path) -> None:
    """Name, version, digest, contracts, tools with their effects, limits and choices; a scripted model shows in the label."""
    made = agent(tmp_path, tools=TOOLS, limits={"turns": 3}, parallel=False)
    pin = made.pin((CHOICE,))
    assert (pin.name, pin.version, pin.digest, pin.takes, pin.returns) == (
        "helper",
        "v1",
        made.digest,
        "write_task/1",
        "write_summary/1",
    )
    assert (pin.limits.turns, pin.parallel, pin.choices) == (3, False, (CHOICE,))
    assert [(one.name, one.effect) for one in pin.tools] == [("read_file", "none")]
    assert pin.label == "helper@v1"
    assert made.pin((Choice(model="scripted:x"),)).label == "helper@v1 (scripted)"


def test_the_newest_version_is_live_and_pinned_ones_stay(tmp_path: Path) -> None:
    """v10 is newer than v9; a run that pinned v9 still gets exactly that one."""
    for version in (9, 10, 2):
        write(tmp_path, version=version)
    whole = catalogue(tmp_path)
    assert whole.newest("helper").version == "v10"
    old = next(one for one in whole.agents if one.version == "v9")
    assert whole.pinned(old.pin((CHOICE,))) is old
    with pytest.raises(NotFound, match="there is no agent 'ghost'; there are: helper"):
        whole.newest("ghost")


def test_a_pinned_file_that_changed_is_refused(tmp_path: Path) -> None:
    """A worker with other bytes under the same name does not go on with them; the message says to restore the file."""
    write(tmp_path)
    pin = catalogue(tmp_path).newest("helper").pin((CHOICE,))
    write(tmp_path, "Do something else.")
    with pytest.raises(
        Misconfigured, match=rf"pinned helper@v1 with digest {pin.digest[:12]}…, and this worker has no such file.*restore it"
    ):
        catalogue(tmp_path).pinned(pin)


@pytest.mark.parametrize(
    ("routes", "said"),
    [
        (None, r"routes file .*routes\.toml cannot be read: No such file"),
        ("[classes\n", r"routes\.toml is not TOML"),
        ("[classes]\n[clases]\n", r"clases: Extra inputs are not permitted"),
        ('[classes]\nworker = [{ model = "nocolon" }]\n', r"classes\.worker\.0\.model: String should match pattern"),
        ('[classes]\nworker = [{ model = "a:b", whne = ["first"] }]\n', r"classes\.worker\.0\.whne: Extra inputs"),
        ('[classes]\nother = [{ model = "a:b" }]\n', r"agents/helper: class 'worker' is not in routes\.toml \(other\)"),
    ],
)
def test_what_is_wrong_with_routes_is_named(tmp_path: Path, routes: str | None, said: str) -> None:
    """File and key, or the agent whose class nobody answers."""
    write(tmp_path)
    if routes is not None:
        (tmp_path / "routes.toml").write_text(routes)
    with pytest.raises(Misconfigured, match=said):
        load_catalogue(tmp_path, TOOLS)


def test_a_folder_without_agents_is_refused(tmp_path: Path) -> None:
    """A wrong setting is not an empty catalogue."""
    with pytest.raises(Misconfigured, match=rf"no agent files under {tmp_path}; set `agents`"):
        load_catalogue(tmp_path, TOOLS)


def test_the_lock_says_what_is_released(tmp_path: Path) -> None:
    """Lines of name, version and digest; comments and empty lines are for people; no file is an empty lock."""
    path = tmp_path / "released.lock"
    assert read_lock(path) == {}
    path.write_text("# released\n\nhelper@v1 abc  # good\n  planner@v2   def\n")
    assert read_lock(path) == {"helper@v1": "abc", "planner@v2": "def"}


def test_a_changed_released_file_is_named(tmp_path: Path) -> None:
    """What is released and differs, or is gone, is a problem; what is not released yet may change."""
    write(tmp_path)
    write(tmp_path, version=2)
    whole = catalogue(tmp_path)
    digests = {one.version: one.digest for one in whole.agents}
    assert lock_problems(whole, {"helper@v1": digests["v1"]}) == []
    assert lock_problems(whole, {}) == []
    problems = lock_problems(whole, {"helper@v1": "0" * 64, "helper@v2": digests["v2"], "ghost@v1": "1" * 64})
    assert problems == [
        "ghost@v1 is released and its file is gone; restore it",
        f"helper@v1 is released with digest 000000000000… and has {digests['v1'][:12]}… now: its file, or the schema of "
        "a tool, its task or its result changed. Restore it, and put the change into a new version",
    ]


def test_what_should_not_be_live_is_named_and_withdrawn(tmp_path: Path) -> None:
    """A version that was never released beside one that was, and a released file that was changed; then the one below is live.

    The withdrawn file stays for the runs that pinned it, the last version cannot be withdrawn, and a typing error is named.
    """
    write(tmp_path)
    digest = catalogue(tmp_path).newest("helper").digest
    released = {"helper@v1": digest}
    assert wrong_versions(catalogue(tmp_path), {}) == wrong_versions(catalogue(tmp_path), released) == []
    changed = wrong_versions(catalogue(tmp_path), {"helper@v1": "0" * 64})
    assert changed == ["helper@v1 is live, and is not what was released under that name: its file or a tool was changed"]
    write(tmp_path, version=2)
    whole = catalogue(tmp_path)
    assert wrong_versions(whole, released) == ["helper@v2 is live and was never released; helper@v1 was"]
    assert withdraw(tmp_path, whole, whole.newest("helper"), "it is\nwrong", "olga") is True
    after = catalogue(tmp_path)
    assert (after.newest("helper").version, len(after.agents), wrong_versions(after, released)) == ("v1", 2, [])
    assert withdraw(tmp_path, after, whole.newest("helper"), "again", "erik") is False
    assert (tmp_path / "withdrawn.lock").read_text().splitlines()[1:] == [r"helper@v2  # olga: it is\nwrong"]
    with pytest.raises(Refused, match="helper@v1 is the last version of helper"):
        withdraw(tmp_path, after, after.newest("helper"), "why", "olga")
    (tmp_path / "withdrawn.lock").write_text("helper@v1\nhelper@v2\n")
    with pytest.raises(NotFound, match="every version of agent 'helper' was withdrawn"):
        catalogue(tmp_path)
    (tmp_path / "withdrawn.lock").write_text("helper@v9\n")
    with pytest.raises(Misconfigured, match="names helper@v9, and there is no such agent version"):
        catalogue(tmp_path)
