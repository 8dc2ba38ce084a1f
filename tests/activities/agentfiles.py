"""Agent files in a temporary folder, for tests that are about what such a file says."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from activities.agents.agent import Agent, load_agent
from activities.tools.base import WRITES, Need, Tool, ToolContext, ToolOutcome
from contracts.base import Contract
from contracts.delivery.plan import WorkItem
from contracts.delivery.writing import WriteTask

ROUTES = '[classes]\nworker = [{ model = "scripted:any" }]\n'

TASK = WriteTask(
    item=WorkItem(id="one", intent="say höher", files=("a.py",), settings=(), acceptance=("it says höher",), depends_on=()),
    instruction="make it better",
    plan_summary="one item",
)


class ReadFile(Contract):
    """Arguments of the one tool that these agents have."""

    path: str


class FileRead(Contract):
    """Its result."""

    text: str


async def _run(context: ToolContext, arguments: ReadFile) -> ToolOutcome:
    return ToolOutcome(FileRead(text=arguments.path))


def routed(folder: Path, **agents: str) -> Path:
    """The shipped agents, of whom these have routes of their own, as TOML."""
    shutil.copytree(Path(__file__).parents[2] / "agents", folder)
    routes = folder / "routes.toml"
    own = "\n".join(f"{name} = {choices}" for name, choices in agents.items())
    routes.write_text(f"{routes.read_text()}\n[agents]\n{own}\n")
    return folder


def tool(
    name: str = "read_file",
    description: str = "Reads a file.",
    takes: type[Contract] = ReadFile,
    needs: Need | None = None,
) -> Tool:
    """A tool, varied by what a model sees of it."""
    return Tool(name, description, takes, FileRead, _run, needs)


TOOLS: Mapping[str, Tool] = {"read_file": tool(), "write_file": tool("write_file", needs=WRITES)}


def front(**changes: Any) -> dict[str, Any]:
    """The front matter of a small agent; a value of None leaves its key out."""
    whole = {
        "name": "helper",
        "version": 1,
        "class": "worker",
        "tools": ["read_file"],
        "takes": "write_task/1",
        "returns": "write_summary/1",
        "owns": "one small thing",
        "never": ["guess"],
        "escalates_when": ["it is unclear"],
    }
    said = whole | changes
    if {"read_file", "search", "write_file", "edit_file", "run_checks"} & set(said["tools"] or ()):
        said = {"resources": {"workspace": "write"}} | said
    return {key: value for key, value in said.items() if value is not None}


def text_of(instructions: str = "Do {{ task.instruction }}.", **changes: Any) -> str:
    """The whole file."""
    return f"---\n{yaml.safe_dump(front(**changes), allow_unicode=True, sort_keys=False)}---\n{instructions}\n"


def write(folder: Path, instructions: str = "Do {{ task.instruction }}.", **changes: Any) -> Path:
    """Put an agent file where its name and version belong."""
    said = front(**changes)
    path = folder / str(said.get("name", "helper")) / f"v{said.get('version', 1)}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text_of(instructions, **changes))
    return path


def agent(
    folder: Path, instructions: str = "Do {{ task.instruction }}.", tools: Mapping[str, Tool] = TOOLS, **changes: Any
) -> Agent:
    """The agent that such a file makes."""
    return load_agent(write(folder, instructions, **changes), tools)
