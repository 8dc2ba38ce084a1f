"""Environments for checks, made at a gate from what the repository declares."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from temporalio import activity

from activities.repositories import preparing
from activities.repositories.declared import NOTHING, declared, digest_of, told
from activities.repositories.project_files import Files
from activities.repositories.shared import Repositories, guarded
from activities.running.commit import commit_alone
from activities.running.heartbeat import beating
from contracts.repositories import Prepared, PrepareEnvironment


class Environments:
    """The activity `prepare_environment`."""

    def __init__(self, repositories: Repositories, folder: Path, passed: Mapping[str, str]) -> None:
        """`folder` is where environments lie; `passed` is all that installers see of this process's environment variables."""
        self._repos = repositories
        self._folder = folder
        self._passed = passed

    @activity.defn
    async def prepare_environment(self, request: PrepareEnvironment) -> Prepared:
        """List what the repository declares; install it if exactly this list is approved. Safe to call twice.

        Nothing of the repository is run, and no package's own code: it takes wheels, and npm packages without their scripts.
        """
        async with beating():
            made = await guarded(asyncio.to_thread(self._prepared, request))
            await commit_alone(self._repos.ledger, request)
            return made

    def _prepared(self, request: PrepareEnvironment) -> Prepared:
        mirror = self._repos.mirrors.open(request.repository)
        with self._repos.workspaces.scratch(mirror, mirror.tree_of(request.base)) as directory:
            wanted = declared(Files(directory))
        if not wanted.anything:
            return Prepared(lines=told(wanted), problem=NOTHING)
        found = Prepared(digest=digest_of(wanted), lines=told(wanted))
        if request.approved != found.digest:
            return found
        folder = preparing.place_of(self._folder, request.repository, wanted)
        try:
            preparing.ensure(wanted, folder, self._passed)
        except preparing.NotPrepared as error:
            return found.model_copy(update={"problem": str(error)})
        return found.model_copy(update={"folder": str(folder)})
