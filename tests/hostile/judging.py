"""A change judged as a delivery does it: the check on change and base, the further runs, the verdict, facts and risk."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

from temporalio.testing import ActivityEnvironment

from activities.git import Mirrors
from activities.repositories.checks import Checks
from activities.repositories.proof import Proofs
from activities.repositories.shared import Repositories
from activities.repositories.trial import SabotageLimits
from activities.repositories.workspaces import Workspaces
from activities.sandbox import Sandbox
from contracts.delivery.proof import Prove
from contracts.delivery.testing import Declared, Judge, TestReport
from contracts.repositories import CheckRun, RunChecks, WorkspaceRef
from ledger.db import Ledger
from tests.ledger.samples import ref
from tests.repositories import plain, repository
from workflows.delivery.proof_facts import proof_facts, proof_risks

LEVELS = ("low", "medium", "high")


@dataclass
class Judgement:
    """What a person would see."""

    report: TestReport
    facts: str
    risk: str


@dataclass
class Bench:
    """One machine on which changes are judged."""

    folder: Path
    ledger: Ledger
    limits: SabotageLimits = field(default_factory=SabotageLimits)
    sandbox: Sandbox = field(default_factory=Sandbox.find)
    bases: "dict[object, asyncio.Task[CheckRun]]" = field(default_factory=dict)

    def __post_init__(self) -> None:
        mirrors = Mirrors(self.folder / "mirrors")
        repositories = Repositories(self.ledger, mirrors, Workspaces(self.folder / "workspaces", mirrors))
        self.mirrors = mirrors
        self.checks = Checks(repositories, self.sandbox)
        self.proofs = Proofs(repositories, self.sandbox, self.limits)

    async def judge(
        self,
        base: Mapping[str, str],
        change: Mapping[str, str | None],
        command: str = "pytest -q",
        declared: Declared = "repository",
        environment: str | None = None,
    ) -> Judgement:
        """Commit the base and the change, and judge the one by the other."""
        start, origin = await asyncio.to_thread(self._committed, base, change)
        on_change = await self._run(start, command, environment)
        on_base = await self._on_base(base, origin, command, environment)
        prove = Prove(run=ref(), start=start, origin=origin, on_change=on_change, on_base=on_base, environment=environment)
        proof = await ActivityEnvironment().run(self.proofs.prove, prove)
        judge = Judge(run=ref(), runs=(on_change,), base=on_base, added=None, proof=proof, declared=declared)
        report = (await ActivityEnvironment().run(self.checks.judge_checks, judge)).report
        level, reasons = proof_risks(report)
        level = level if report.verdict == "passed" else 2
        return Judgement(report, "\n".join((report.why, *proof_facts(report), *reasons)), LEVELS[level])

    async def _on_base(self, base: Mapping[str, str], origin: WorkspaceRef, command: str, environment: str | None) -> CheckRun:
        """The check on the base: run once for all changes of equal files, whose base has the same tree everywhere."""
        same = (tuple(sorted(base.items())), command, environment)
        if same not in self.bases:
            self.bases[same] = asyncio.create_task(self._run(origin, command, environment))
        return await self.bases[same]

    async def _run(self, tree: WorkspaceRef, command: str, environment: str | None) -> CheckRun:
        asked = RunChecks(run=ref(), start=tree, command=command, environment=environment)
        return await ActivityEnvironment().run(self.checks.run_checks, asked)

    def _committed(self, base: Mapping[str, str], change: Mapping[str, str | None]) -> tuple[WorkspaceRef, WorkspaceRef]:
        path = self.folder / f"source-{token_hex(4)}"  # several are made at the same time
        repository(path, {name: text.encode(errors="surrogateescape") for name, text in base.items()})
        mirror = self.mirrors.open(str(path))
        origin = mirror.fetch("main").commit
        for name, text in change.items():
            if text is None:
                (path / name).unlink()
                continue
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(text.encode(errors="surrogateescape"))
        plain(path, "add", "--all", "--force")
        plain(path, "commit", "--quiet", "-m", "change")
        start = mirror.fetch("main").commit
        return tuple(WorkspaceRef(repository=mirror.repository, base=one) for one in (start, origin))  # type: ignore[return-value]
