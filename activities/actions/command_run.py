"""The adapter of `command.run`: a declared command in the sandbox, on a copy of a declared folder, with declared hosts only."""

import asyncio
import re
import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from activities.actions.adapter import CannotFind, NotSent, TargetRefused, Unclear
from activities.actions.declared import Targets
from activities.sandbox import Completed, Sandbox
from activities.sandbox.doorway import doorway, through
from contracts.actions import Receipt
from contracts.effects.command_run import CommandRun
from contracts.effects.targets import CommandSetting, CommandTarget
from contracts.errors import BatonError, ContractViolation, Misconfigured, Refused
from contracts.intents import Arguments
from contracts.text import one_line


class CommandRunAdapter:
    """Finds what was done by a declared `check`. A command that was stopped may have done its work."""

    permanent: tuple[type[BatonError], ...] = (TargetRefused, Refused, Misconfigured, ContractViolation)

    def __init__(self, targets: Targets, sandbox: Callable[[], Sandbox], folder: Path) -> None:
        """`sandbox` raises `SandboxUnavailable` where there is none. Copies are made in `folder`."""
        self._targets = targets
        self._sandbox = sandbox
        self._folder = folder

    def check(self, arguments: bytes) -> tuple[str, ...]:
        """What the command does, its words, and which hosts it may reach."""
        wanted, target, setting = self._wanted(arguments)
        reach = ", ".join(target.hosts) or "no host"
        unclear = f"`{setting.check}` says whether it was done" if setting.check else "a person is asked"
        words = " ".join(_argv(wanted, setting))
        return (f"{wanted.command}: {setting.about}", words, f"it may reach {reach}", f"without a clear end {unclear}")

    def compensation(self, arguments: bytes, receipt: Receipt) -> Arguments | None:
        """The command that this one names as `undo`, with the same values, as an event of its own."""
        del receipt
        wanted, target, setting = self._wanted(arguments)
        if setting.undo is None:
            return None
        values = {name: value for name, value in wanted.values.items() if name in target.commands[setting.undo].parameters}
        return CommandRun(target=wanted.target, event=f"undo {wanted.event}"[:200], command=setting.undo, values=values)

    def find(self, arguments: bytes) -> str | None:
        """Run the check that the command names: 0 is yes, 1 is no, and any other end is no answer."""
        wanted, target, setting = self._wanted(arguments)
        if setting.check is None:
            raise CannotFind(f"[targets.{wanted.target}.commands.{wanted.command}] has no check")
        done = self._run(wanted, target, setting.check)
        if done.exit_code not in (0, 1):
            raise NotSent(f"the check {setting.check} gave no answer: {_end(done)}")
        return None if done.exit_code else f"{setting.check}: {_end(done)}"

    def send(self, arguments: bytes, when: datetime) -> str:
        """Run it; returns how it ended and the end of what it printed. Any code but 0 is a failure."""
        del when
        wanted, target, _ = self._wanted(arguments)
        done = self._run(wanted, target, wanted.command)
        if done.exit_code is None or done.stopped:
            raise Unclear(f"{wanted.command} was stopped ({done.stopped}), and may have done its work: {_end(done)}")
        if done.exit_code:
            raise TargetRefused(f"{wanted.command} failed: {_end(done)}")
        return f"{wanted.command}: {_end(done)}"

    def _wanted(self, arguments: bytes) -> tuple[CommandRun, CommandTarget, CommandSetting]:
        wanted = CommandRun.read(arguments)
        target = self._targets.get(wanted.target, CommandTarget)
        setting = target.commands.get(wanted.command)
        if setting is None:
            there = ", ".join(sorted(target.commands))
            raise Refused(f"the target {wanted.target} declares no command {wanted.command!r}; it has {there}")
        if wanted.values.keys() != setting.parameters.keys():
            takes = ", ".join(sorted(setting.parameters)) or "no values"
            raise Refused(f"{wanted.command} takes {takes}; got {', '.join(sorted(wanted.values)) or 'none'}")
        for name, value in (("event", wanted.event), *wanted.values.items()):
            # As a word of its own it would be an option of the program.
            if value.startswith("-"):
                raise Refused(f"{name} of {wanted.command} begins with a hyphen, as options do; got {value[:80]!r}")
        for name, value in wanted.values.items():
            if "\0" in value or not re.fullmatch(setting.parameters[name], value):
                raise Refused(f"{name} of {wanted.command} has to match {setting.parameters[name]}; got {value[:80]!r}")
        return wanted, target, setting

    def _run(self, wanted: CommandRun, target: CommandTarget, name: str) -> Completed:
        setting, sandbox = target.commands[name], self._sandbox()
        argv = _argv(wanted, setting)
        if not target.folder.is_dir():
            raise Misconfigured(f"{target.folder}, which [targets.{wanted.target}] names, is no folder on this machine")
        variables = {name: self._targets.secret(wanted.target, source, None) for name, source in target.variables.items()}
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="run-") as made:
            copied = Path(made) / "files"
            shutil.copytree(target.folder, copied, symlinks=True)
            return asyncio.run(_done(sandbox, argv, copied, target, variables, setting))


async def _done(
    sandbox: Sandbox,
    argv: tuple[str, ...],
    folder: Path,
    target: CommandTarget,
    variables: dict[str, str],
    setting: CommandSetting,
) -> Completed:
    """Run it to its end."""
    same = {"directory": folder, "environment": target.environment, "variables": variables, "timeout": setting.timeout}
    if not target.hosts:
        return await sandbox.run(argv, **same)  # type: ignore[arg-type]  # each as `run` declares it
    async with doorway(folder, target.hosts):
        return await sandbox.run(through(argv), **same)  # type: ignore[arg-type]  # as above


def _argv(wanted: CommandRun, setting: CommandSetting) -> tuple[str, ...]:
    """The words of a command. Each value stays within its word."""
    values = {one: wanted.values[one] for one in setting.parameters} | {"key": wanted.key(), "event": wanted.event}

    def filled(word: str) -> str:
        return re.sub(r"\{([a-z][a-z0-9_-]*)\}", lambda found: values.get(found[1], found[0]), word)

    return tuple(filled(word) for word in setting.argv)


def _end(done: Completed) -> str:
    said = one_line(done.output.decode(errors="replace").strip()[-300:], 300)
    code = "no exit code" if done.exit_code is None else f"exit {done.exit_code}"
    return f"{code}{f': {said}' if said else ''}"
