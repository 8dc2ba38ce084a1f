"""The `baton` command: thin over Temporal and the ledger. The commands themselves are in `commands/`."""

import functools
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

import contexts
from commands.context import InContext, add_option
from commands.errors import Code, Usage, check_utf8, explain

COMMANDS = (
    "commands.machine",
    "commands.machine_contexts",
    "commands.start.commands",
    "commands.start.retry",
    "commands.look.status",
    "commands.look.runs",
    "commands.look.gates",
    "commands.look.runbook",
    "commands.decide.verbs",
    "commands.look.feed",
    "commands.look.why",
    "commands.look.read",
    "commands.look.impact",
    "commands.look.find",
    "commands.look.audit",
    "commands.look.spend",
    "commands.look.figures",
    "commands.money.budget",
    "commands.money.review",
    "commands.decide.control",
    "commands.decide.actions",
    "commands.decide.condemned",
    "commands.decide.notify",
    "commands.decide.policy",
    "commands.decide.keys",
    "commands.doctor.doctor",
    "commands.doctor.checks",
    "commands.doctor.prepare",
    "commands.look.agents",
    "commands.look.models",
    "console.command",
    "commands.completion",
)
"""Command modules, in the order of the help. Each has `add_to(app)` and imports slow modules inside its commands."""


def assemble() -> typer.Typer:
    """Build the app with all commands."""
    app = typer.Typer(
        name="baton",
        no_args_is_help=True,
        add_completion=False,  # its options install into a user's files; `baton completion` only prints
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(epilog=_CODES)(_baton)
    for name in COMMANDS:
        importlib.import_module(name).add_to(app)
    add_option(app)
    return app


@functools.cache
def _command() -> Callable[..., object]:
    """What runs a command line. Typer takes longer to make it than most commands take: once is enough for many lines."""
    return typer.main.get_command(assemble())


_CODES = (
    "Exit codes: 0 done, 1 failed, 2 usage, configuration or refused input, 3 not found, 4 waits for a person, 5 refused, "
    "6 Temporal or ledger unreachable, 7 no worker, 8 budget exhausted, 9 not ended yet, "
    "10 findings as bad as --fail-on, 130 interrupted, 141 closed pipe."
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"baton {version('baton')}")
        raise typer.Exit


def _baton(
    version: Annotated[
        bool, typer.Option("--version", "-V", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Print the traceback of an unexpected error.")] = False,
    in_context: InContext = "",
) -> None:
    """Agents that hand off to each other, stop where a person decides, and leave a record."""
    del version, debug  # a callback answers the one, `_report` looks for the other
    if in_context:
        contexts.choose(in_context)


def call(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code. Every error becomes a message on stderr here."""
    try:
        check_utf8(arguments)
        # Standalone, Click would print errors itself and exit with codes of its own.
        code = _command()(list(arguments), prog_name="baton", standalone_mode=False)
        return code if isinstance(code, int) else Code.DONE
    except SystemExit as ending:
        # Typer leaves so with 0 once it has answered a shell that completes, and with 1 when the reader of a pipe closed it.
        return Code.PIPE if ending.code else Code.DONE
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (the last resort: `explain` tells each kind apart)
        return _report(error, arguments)
    finally:
        contexts.choose("")  # a flag is for one command line, and one process may run several


def _report(error: BaseException, arguments: Sequence[str]) -> int:
    from commands.output import Out, OutputLost, safe_text

    code, text = explain(error, debug="--debug" in arguments)
    sys.stderr.write(safe_text(f"baton: {text}\n"))
    if "--json" in arguments and not isinstance(error, OutputLost):
        Out(as_json=True).document(error={"code": int(code), "name": code.name.lower(), "text": text})
    return int(code)


def main() -> None:
    """Entry point of `baton`."""
    from commands.output import prepare_streams

    try:
        prepare_streams()
        code = call(sys.argv[1:])
    except Usage as error:
        code = _report(error, ())
    # `os._exit` would drop what is still buffered, which in a pipe may be all of the output.
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            code = Code.PIPE
        except OSError:  # told already, or there is nowhere to tell it
            continue
    # The SDK's threads can abort the interpreter while it shuts down (temporalio/sdk-python issue 300).
    os._exit(code)


if __name__ == "__main__":
    main()
