"""Outside programs that do an agent's step: how they are declared, what one is given on its input, and what it says at its end.

A table `[programs.NAME]` of baton.toml declares one; a route names it as `command:NAME`.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator

from contracts.base import Contract, Input, PerMille, Span
from contracts.check_limits import MiB
from contracts.effects.targets import Host, Variable
from contracts.handoff import Outcome

PROGRAM = "command"
"""What a route says before a program's name, in place of a provider."""

RUN_PROGRAM = "run_program"
"""The tool that runs one."""

UNMETERED = "unmetered"
"""The price list of what nobody can count: it is booked at nothing, and said to be unknown wherever money is shown."""

LONGEST = timedelta(hours=12)

UNSAID = 500
"""How sure a program counts as that does not say it, per mille: nobody knows either way."""

TEXT_LIMIT = 4000
BODY_LIMIT = 24_000
"""Characters of a program's reason or summary, and of its body as JSON."""


class ProgramSetting(Input):
    """A table `[programs.NAME]`: a program that may do an agent's step in the sandbox, and all that it may use and see."""

    about: str = Field(min_length=1, max_length=300, description="what it is; people read it where it took part")
    argv: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        min_length=1, max_length=100, description="program and arguments, as they are: no shell reads them"
    )
    environment: Path | None = Field(
        default=None,
        description="folder with a bin in it that is mounted read-only and comes on PATH before the check's",
    )
    hosts: tuple[Host, ...] = Field(default=(), description="HOST:PORT of all that it may reach; none by default")
    variables: dict[Variable, Variable] = Field(
        default={}, description="variables that it gets, from which of the worker's: these secrets it may see"
    )
    timeout: Span = Field(default=timedelta(minutes=30), description="time for one step, up to PT12H; then it is stopped")
    output_kib: int = Field(default=256, ge=1, le=16_384, description="of what it prints, kept: beginning and end")
    memory_mib: MiB | None = Field(default=None, ge=64, description="that all its processes use together; none: as [checks]")

    @field_validator("timeout")
    @classmethod
    def _ends(cls, timeout: timedelta) -> timedelta:
        if not timedelta(seconds=1) <= timeout <= LONGEST:
            raise ValueError("has to be from PT1S to PT12H")
        return timeout

    @field_validator("argv")
    @classmethod
    def _starts(cls, argv: tuple[str, ...]) -> tuple[str, ...]:
        if argv[0].startswith("-") or any("\0" in word for word in argv):
            raise ValueError("begins with a program's name, which has no hyphen in front, and holds no NUL characters")
        return argv


class ProgramTask(Contract, name="program_task/1"):
    """What a program reads on its standard input, as one JSON object."""

    version: str = Field(default="program_task/1", description="name and version of this object")
    agent: str = Field(description="whose step it does")
    instruction: str = Field(description="all that a model would be told, as text: rules, task, answers and other handoffs")
    takes: str = Field(description="contract of `task`")
    task: dict[str, Any] = Field(description="the task itself; `feedback` in it is what was wrong with an earlier try")
    returns: str = Field(description="contract of the body that the step returns")
    body_schema: dict[str, Any] = Field(description="JSON Schema of that body")
    writes: bool = Field(description="whether files that it leaves in its working folder are its result")
    check: str = Field(default="", description="the project's check; /baton/check runs it on a copy of the files; none: empty")


class ProgramEnd(Contract, name="program_end/1"):
    """The last line of a program's output that is a JSON object with `outcome`; unknown keys in it are ignored."""

    outcome: Outcome
    reason: str = Field(default="", max_length=TEXT_LIMIT, description="why it is not done")
    summary: str = Field(default="", max_length=TEXT_LIMIT, description="what it did, where it names no body")
    confidence: PerMille = Field(default=UNSAID, description="how sure it is, 0 to 1000")
    body: dict[str, Any] | None = Field(default=None, description="the result, by the schema that it was given")


class ProgramCall(Contract):
    """Arguments of the tool that starts a program: made by us, and never by a model."""

    program: str
    task: ProgramTask
    start: int = Field(default=1, description="how often it was started for this step, this time included")


class ProgramRan(Contract):
    """How a program ended, what it said of its work, and what of its output people can look at."""

    program: str
    exit_code: int | None = Field(description="None: it was stopped")
    seconds: int
    starts: int = Field(default=1, description="above 1: its worker was lost meanwhile, and what it had done was undone")
    outcome: Outcome
    reason: str = ""
    summary: str = ""
    confidence: PerMille = 0
    body: dict[str, Any] | None = None
    end_of_output: str = ""
