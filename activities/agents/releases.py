"""Released agent versions, which never change again: `released.lock` names each with its digest."""

from collections.abc import Mapping
from pathlib import Path

from activities.agents.agent import Agent
from activities.agents.catalogue import WITHDRAWN, Catalogue
from contracts.errors import Misconfigured, Refused
from contracts.text import one_line

RELEASED = "released.lock"
"""The file in the folder of agents that names what is released."""

HEAD = "# Agent versions that are not live. `baton agents withdraw` adds one; without its line a version may be live again.\n"


def read_lock(path: Path) -> dict[str, str]:
    """Released agent versions with their digests, from released.lock: lines of `name@vN DIGEST`, # comments."""
    lock: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() if path.exists() else [], 1):
        words = line.split("#")[0].split()
        if words and (len(words) != 2 or "@v" not in words[0]):
            raise Misconfigured(f"{path} line {number}: a line is `name@vN DIGEST`, not {line[:80]!r}")
        if words:
            lock[words[0]] = words[1]
    return lock


def freeze(path: Path, agent: Agent) -> bool:
    """Add an agent version to released.lock: from then on its file and schemas must not change. False if it was there.

    Raises `Misconfigured` if it was released with other bytes: a release is never replaced.
    """
    name, lock = f"{agent.file.name}@{agent.version}", read_lock(path)
    if name in lock and lock[name] != agent.digest:
        raise Misconfigured(f"{name} is released with digest {lock[name][:12]}… already; put the change into a new version")
    if name in lock:
        return False
    lines = sorted(f"{one} {digest}" for one, digest in (lock | {name: agent.digest}).items())
    head = "# Released agent versions. A line is never changed: what it names is frozen. `baton agents freeze` adds one."
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return True


def lock_problems(catalogue: Catalogue, lock: Mapping[str, str]) -> list[str]:
    """What differs between the files and released.lock, a line for each; empty if everything is as released."""
    have = {f"{agent.file.name}@{agent.version}": agent.digest for agent in catalogue.agents}
    problems = [f"{name} is released and its file is gone; restore it" for name in sorted(set(lock) - set(have))]
    for name, digest in sorted(have.items()):
        if name in lock and lock[name] != digest:
            problems.append(
                f"{name} is released with digest {lock[name][:12]}… and has {digest[:12]}… now: its file, or the schema of "
                "a tool, its task or its result changed. Restore it, and put the change into a new version"
            )
    return problems


def wrong_versions(catalogue: Catalogue, lock: Mapping[str, str]) -> list[str]:
    """What is live and should not be: a released version whose file was changed, and one beside released ones that is not.

    An agent of which nothing is released yet is somebody's work in progress, and nothing is said of it.
    """
    problems = []
    for name in sorted({agent.file.name for agent in catalogue.agents}):
        live = catalogue.newest(name)
        label = f"{name}@{live.version}"
        released = [one for one in lock if one.partition("@")[0] == name]
        if label in lock and lock[label] != live.digest:
            problems.append(f"{label} is live, and is not what was released under that name: its file or a tool was changed")
        elif released and label not in lock:
            problems.append(
                f"{label} is live and was never released; {', '.join(released)} {'was' if len(released) == 1 else 'were'}"
            )
    return problems


def withdraw(folder: Path, catalogue: Catalogue, agent: Agent, why: str, by: str) -> bool:
    """Have workers that start from now on pass this version over; runs that pinned it keep it. False if it was so before.

    Who and why stand behind its line in the file. Raises `Refused` where no other version would be left to be live.
    """
    name, label = agent.file.name, f"{agent.file.name}@{agent.version}"
    if label in catalogue.withdrawn:
        return False
    others = (one for one in catalogue.agents if one.file.name == name and one is not agent)
    if all(f"{name}@{one.version}" in catalogue.withdrawn for one in others):
        raise Refused(f"{label} is the last version of {name}, and nothing would be live without it. Write a new version first")
    path = folder / WITHDRAWN
    before = path.read_text(encoding="utf-8") if path.exists() else HEAD
    path.write_text(f"{before}{label}  # {one_line(by, 80)}: {one_line(why, 1000)}\n", encoding="utf-8")
    return True
