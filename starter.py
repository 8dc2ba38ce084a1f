"""The `baton` command: thin over Temporal and the ledger. The commands themselves are in `commands/`."""

import functools
import importlib
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer
import typer.main
from typer.core import TyperGroup

import contexts
from commands.context import InContext, add_option
from commands.errors import Code, Usage, check_utf8, explain
from contracts.pipelines import PIPELINES

COMMANDS: dict[str, tuple[str, ...]] = {
    "commands.machine": ("up", "down", "demo"),
    "commands.machine_contexts": ("context",),
    "commands.start.commands": tuple(one.command for one in PIPELINES),
    "commands.start.retry": ("retry",),
    "commands.look.status": ("status",),
    "commands.look.runs": ("runs", "show", "result"),
    "commands.look.gates": ("gates",),
    "commands.look.runbook": ("runbook",),
    "commands.decide.verbs": (
        *("approve", "reject", "request-changes", "answer"),
        *("happened", "did-not-happen", "done", "declined"),
    ),
    "commands.look.feed": ("feed",),
    "commands.look.why": ("why",),
    "commands.look.read": ("read",),
    "commands.look.impact": ("impact",),
    "commands.look.find": ("find",),
    "commands.look.audit": ("verify", "export"),
    "commands.look.spend": ("spend",),
    "commands.look.figures": ("figures",),
    "commands.money.budget": ("budget",),
    "commands.money.review": ("budget",),
    "commands.decide.control": ("pause", "resume", "cancel"),
    "commands.decide.actions": ("actions",),
    "commands.decide.condemned": ("condemn", "condemned"),
    "commands.decide.notify": ("notify",),
    "commands.decide.policy": ("policy",),
    "commands.decide.keys": ("keys",),
    "commands.doctor.doctor": ("doctor",),
    "commands.doctor.checks": ("checks",),
    "commands.doctor.prepare": ("prepare",),
    "commands.look.agents": ("agents", "contracts"),
    "commands.look.models": ("models",),
    "console.command": ("console",),
    "commands.completion": ("completion",),
}
"""Command modules, in the order of the help, with the commands and groups that each adds: only that of the one that is typed
is loaded. Each has `add_to(app)` and imports slow modules inside its commands."""


class _Late(TyperGroup):
    """Makes each command when it is typed; all of them for help, for a shell that completes, and for a name that is none."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.commands:
            # For a name that is none all are there, so that the near ones can be named.
            self.commands.update(_made(_modules_of(cmd_name) or tuple(COMMANDS)))
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: Any) -> list[str]:
        self.commands = dict(_made(tuple(COMMANDS)))
        return super().list_commands(ctx)


def assemble(modules: Iterable[str] = tuple(COMMANDS)) -> typer.Typer:
    """Build the app with the commands of these modules; by default with all."""
    app = _empty()
    for name in modules:
        importlib.import_module(name).add_to(app)
    add_option(app)
    return app


def _empty(kind: type[TyperGroup] = TyperGroup) -> typer.Typer:
    app = typer.Typer(
        name="baton",
        cls=kind,
        no_args_is_help=True,
        add_completion=False,  # its options install into a user's files; `baton completion` only prints
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(epilog=_CODES)(_baton)
    return app


def _modules_of(command: str) -> tuple[str, ...]:
    return tuple(module for module, commands in COMMANDS.items() if command in commands)


@functools.cache
def _made(modules: tuple[str, ...]) -> Mapping[str, Any]:
    """The commands of these modules by name."""
    group: Any = typer.main.get_command(assemble(modules))
    return dict(group.commands)


@functools.cache
def _command() -> Any:
    """What runs a command line."""
    return typer.main.get_command(_empty(_Late))


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
