"""The tool that runs the step's declared check on the workspace as it is now."""

from activities.tools.base import READS, Source, Tool, ToolContext, ToolOutcome, ToolProblem
from contracts.base import Contract


class CheckArguments(Contract):
    """No arguments: what is run was declared when the run started."""


class ChecksRan(Contract):
    """What the check showed. `total` is null if the check does not report single tests."""

    command: str
    exit_code: int | None
    timed_out: bool
    total: int | None
    failures: tuple[str, ...]
    end_of_output: str


async def _run(context: ToolContext, _: CheckArguments) -> ToolOutcome:
    if context.check is None:
        raise ToolProblem("no check was declared for this run, so there is none to run")
    ran = await context.check()
    result = ChecksRan(
        command=ran.command,
        exit_code=ran.exit_code,
        timed_out=ran.timed_out,
        total=ran.total,
        failures=ran.failures[:50],
        end_of_output=ran.tail,
    )
    # All of the output, although the result shows only its end: evidence may quote any of it.
    return ToolOutcome(result, (Source("check output", ran.output),))


RUN_CHECKS = Tool(
    "run_checks",
    "Run the declared check on a copy of your workspace as it is now, in a sandbox without network.",
    CheckArguments,
    ChecksRan,
    _run,
    READS,
    shows="check",
)
