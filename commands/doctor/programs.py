"""Whether the outside programs that are declared here are there, looked for where they would run: in the sandbox."""

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from commands.doctor.finding import Check, Finding
from commands.doctor.host import agent_files
from contracts.errors import Misconfigured

if TYPE_CHECKING:
    from activities.sandbox import Sandbox
    from activities.tools.programs import Programs
    from config import Settings
    from contracts.programs import ProgramSetting

NAME = "programs"
PATIENCE = timedelta(seconds=30)

_FOUND = ("/bin/sh", "-c", 'command -v -- "$1"', "sh")


async def programs(found: "Settings") -> list[Finding]:
    """Each declared program, and each that a route names. None is started."""
    from activities.agents.programs import check_programs
    from activities.sandbox import Sandbox
    from activities.tools.programs import Programs
    from model_choice import routed

    declared = Programs(found.programs, lambda name: found.environment([name]).get(name, ""))
    findings = [finding for name in found.programs for finding in _unset(declared, name)]
    if not findings:  # a variable that is not set is refused first, and has been said
        try:
            catalogue = agent_files(found)
            check_programs(catalogue, declared, lambda agent: routed(found, catalogue, agent))
        except Misconfigured as error:
            findings.append(Finding(NAME, "fail", str(error), "workers do not start with it: correct it"))
    if not found.programs:
        return findings or [Finding(NAME, "ok", "none is declared")]
    sandbox = Sandbox.find(found.bubblewrap, found.checks)
    return [*findings, *[await _looked_for(sandbox, name, one) for name, one in found.programs.items()]]


def _unset(declared: "Programs", name: str) -> list[Finding]:
    try:
        declared.variables(name)
    except Misconfigured as error:
        return [Finding(NAME, "warn", f"not readable here: {error}", "set it where the worker runs")]
    return []


async def _looked_for(sandbox: "Sandbox", name: str, one: "ProgramSetting") -> Finding:
    with tempfile.TemporaryDirectory(prefix="baton-doctor-") as folder:
        try:
            done = await sandbox.run(
                (*_FOUND, one.argv[0]), directory=Path(folder), environment=one.environment, timeout=PATIENCE
            )
        except Misconfigured as error:
            return Finding(NAME, "fail", f"[programs.{name}]: {error}", "correct baton.toml, then restart the workers")
    if done.exit_code != 0:
        mend = "install it below /usr, or name in `environment` the folder whose bin has it: nothing else is seen there"
        return Finding(NAME, "fail", f"[programs.{name}]: there is no {one.argv[0]} in the sandbox", mend)
    hosts = ", ".join(one.hosts) or "no host"
    return Finding(NAME, "ok", f"{name}: {done.output.decode(errors='replace').strip()}, may reach {hosts}; unmetered")


CHECKS: tuple[Check, ...] = (programs,)
