"""`baton completion`: the script that lets a shell complete commands, options and the ids of runs."""

from typing import Annotated, Any, Literal

import typer

from commands.context import CARE, Json
from commands.output import Out

VARIABLE = "_BATON_COMPLETE"
"""The environment variable through which a shell asks; Typer derives it from the program's name."""

Shell = Literal["bash", "zsh", "fish"]


def add_to(app: typer.Typer) -> None:
    """Add this command to the app, and let Typer answer the shells that have its script."""
    from typer._click.shell_completion import add_completion_class
    from typer._completion_classes import ZshComplete, completion_init

    class Zsh(ZshComplete):
        def format_completion(self, item: Any) -> str:
            # Typer's answer is in quotes that an apostrophe would end.
            item.help = (item.help or "").replace("'", "’")
            return super().format_completion(item)

    completion_init()
    add_completion_class(Zsh, "zsh")
    app.command(rich_help_panel=CARE)(completion)


def completion(
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")], as_json: Json = False
) -> None:
    """Print the script for shell completion: `source <(baton completion bash)`; in fish: `baton completion fish | source`."""
    # Private to Typer, and still the only place that has its scripts; the version is pinned, and a test asks each shell.
    from typer._completion_shared import get_completion_script

    out, script = Out(as_json=as_json), get_completion_script(prog_name="baton", complete_var=VARIABLE, shell=shell)
    out.document(shell=shell, script=script)
    out.line(script)
