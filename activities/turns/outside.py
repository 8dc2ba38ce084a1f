"""What an outside program is given when it does an agent's step: put together from the stored turn that asks for it."""

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row

from activities.agents.agent import Agent
from activities.providers.schema import closed_schema
from activities.sandbox.layout import CHECK
from activities.tools.base import Tool
from activities.tools.program import ANSWERING, WRITING
from contracts.programs import ProgramCall, ProgramTask
from contracts.turns import RunTool
from ledger import artifacts, turns


def outside_call(
    connection: Connection, files: Path, row: Row[Any], agent: Agent, request: RunTool, start: int
) -> tuple[Tool, bytes]:
    """The tool and its arguments for a turn of the provider `command`. The same turn gives the same task, on any worker.

    `start`: how often it is started for this call, this time included.
    """
    asked: Any = turns.reply_of(row).calls[request.index].arguments
    task = agent.takes.read(artifacts.get(connection, files, row.task))
    tool = tool_for(request)
    file = agent.file
    rules = [f"You own: {file.owns}", *(f"Never: {line}" for line in file.never)]
    rules += [f"End as unsure when: {line}" for line in file.escalates_when]
    check = _check_of(request)
    if check:
        rules.append(f"Your work is judged by: {check}. {CHECK} runs it on a copy of your files, in the same environment.")
    told = ProgramTask(
        agent=file.name,
        instruction="\n".join([agent.render(task), *rules, "", asked["told"]]),
        takes=file.takes,
        task=task.model_dump(mode="json"),
        returns=file.returns,
        body_schema=dict(closed_schema(agent.returns)),
        writes=tool is WRITING,
        check=check,
    )
    call = ProgramCall(program=asked["program"], task=told, start=start)
    return tool, call.stored()


def _check_of(request: RunTool) -> str:
    return request.workspace.check or "" if request.workspace is not None and tool_for(request) is WRITING else ""


def tool_for(request: RunTool) -> Tool:
    """The tool that runs a program in this step."""
    return WRITING if request.workspace is not None and request.workspace.access == "write" else ANSWERING
