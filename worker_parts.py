"""What a worker is made of: every activity with what it needs, wired by hand."""

import contextlib
import os
import secrets
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import config
import setting_digests
from activities.actions.declared import Targets
from activities.actions.deliver import Actions
from activities.actions.edits import Edits
from activities.actions.email_send import HERE
from activities.actions.every import adapters
from activities.actions.git_push import GitPushAdapter
from activities.actions.prepare import Preparing
from activities.actions.pull_requests import PullRequests
from activities.actions.relay import Relay
from activities.actions.sending import Sender
from activities.agents.catalogue import Catalogue, load_catalogue
from activities.agents.fallbacks import Fallbacks
from activities.agents.programs import check_programs
from activities.agents.releases import RELEASED, read_lock, wrong_versions
from activities.gates.approvals import Approvals
from activities.gates.gates import Gates
from activities.gates.holding import Condemnations
from activities.gates.policy import Policy, load_policy
from activities.gates.received import Receipts
from activities.gates.standing import Standing
from activities.git import Mirrors
from activities.git.command import PASSED_ON
from activities.git.lfs_pointers import KEPT
from activities.loads.comparisons import Comparisons
from activities.loads.loads import Loads
from activities.loads.sources import Sources
from activities.logfiles.copies import LogCopies
from activities.money import prices
from activities.money.scopes import check_levels
from activities.notices.audience import known_to
from activities.notices.letters import check_channels, senders
from activities.notices.messenger import Messenger
from activities.providers.base import Provider
from activities.repositories.changes import Changes
from activities.repositories.checks import Checks
from activities.repositories.cleanup import Cleanup
from activities.repositories.comparison import Comparison
from activities.repositories.environments import Environments
from activities.repositories.fetch import Fetch
from activities.repositories.frozen_change import FrozenChange
from activities.repositories.handed_in import HandedIn
from activities.repositories.integration import Integration
from activities.repositories.kept_environments import KeptEnvironments
from activities.repositories.preparing import PASSED_ON as PASSED_ON_TO_INSTALLERS
from activities.repositories.proof import Proofs
from activities.repositories.shared import Repositories
from activities.repositories.trial import SabotageLimits
from activities.repositories.workspaces import Workspaces
from activities.resources import Resources
from activities.running.clock import Clock
from activities.running.pausing import Resuming
from activities.runs.admission import Admission
from activities.runs.disk import Disk
from activities.runs.journal import Journal
from activities.runs.results import Results
from activities.runs.under_way import CallsUnderWay
from activities.runs.upkeep import Upkeep
from activities.sandbox import Sandbox, SandboxUnavailable
from activities.scanning.scan import Scans
from activities.support.cases import Cases
from activities.support.desks import Desks
from activities.tools.programs import Programs
from activities.tools.registry import TOOLS
from activities.turns.models import Models
from activities.turns.tool_calls import Tools
from contracts.errors import Misconfigured
from ledger import artifacts, identity
from ledger.db import Ledger
from ledger.gates import approver_of
from ledger.workers import Serving
from model_choice import build_providers, choices, routed, vendors


@dataclass(frozen=True)
class Parts:
    """The parts of a worker."""

    ledger: Ledger
    providers: dict[str, Provider]
    catalogue: Catalogue
    standing: Standing
    activities: list[Callable[..., Any]]
    upkeep: Upkeep
    under_way: CallsUnderWay
    relay: Relay | None
    """None where this worker's role is `runs`."""
    messenger: Messenger | None
    """The same; and None where no channel is declared."""
    clock: Clock
    machine: dict[str, Any]
    """What is known of this machine: goes onto the worker's row with its first heartbeat."""
    ledger_id: str
    name: str
    """This worker's own, as leases and heartbeats have it."""

    @property
    def policy(self) -> Policy:
        """The policy in force when somebody last looked."""
        return self.standing.policy


def build(settings: config.Settings, ledger: Ledger) -> Parts:
    """Build every activity with its dependencies. Raises `Misconfigured` for an invalid file."""
    catalogue, policy = load_catalogue(settings.agents, TOOLS), Standing(load_policy(settings.policy), str(settings.policy))
    check_agents(policy.file, (agent.file.name for agent in catalogue.agents))
    providers = build_providers(settings)
    # The pid alone is not unique: the kernel reuses it.
    name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    mirrors = Mirrors(
        settings.state.absolute() / "mirrors",
        settings.environment(PASSED_ON),
        settings.mirror_mib << 20,
        lambda digest: ledger.read_now(artifacts.find_named, ledger.files, digest, KEPT),
    )
    workspaces = Workspaces(settings.state.absolute() / "workspaces", mirrors)
    sandbox = find_sandbox(settings)
    limits = settings.ceilings
    reached = (one for agent in catalogue.agents for one in routed(settings, catalogue, agent) if one.provider in providers)
    check_levels(limits, reached)
    admission = Admission(ledger, catalogue, policy, limits, lambda agent: choices(settings, catalogue, providers, agent))
    models = Models(
        ledger, catalogue, providers, limits, admission, name, settings.growth, settings.breakers, vendors(settings)
    )
    journal = Journal(ledger, admission)
    repositories = Repositories(ledger, mirrors, workspaces)
    gates, results = Gates(ledger, policy, HandedIn(repositories)), Results(ledger)
    fallbacks = Fallbacks(ledger, Scans(repositories))
    changes, checks, comparison = Changes(repositories), Checks(repositories, sandbox), Comparison(repositories)
    approver = (lambda key: ledger.read_now(approver_of, key)) if settings.push_trailers else (lambda _: "")
    push = GitPushAdapter(mirrors, lambda digest: ledger.read_now(artifacts.get, ledger.files, digest), approver)
    freezing = FrozenChange(repositories, settings.push_author, trailers=settings.push_trailers)
    targets = Targets(settings.targets, lambda name: settings.environment([name]).get(name, ""))
    there = adapters(
        *(ledger, targets, push, mirrors),
        lambda: Sandbox.find(settings.bubblewrap, settings.checks),
        settings.state.absolute() / "commands",
        settings.push_author,
    )
    policy.file.check_adapters(there)
    sends = settings.role != "runs"
    sender = Sender(
        ledger, there, name, lambda: policy.policy.adapters(), breakers=settings.breakers, doubt=Approvals(policy).doubt
    )
    actions = Actions(ledger, sender, sends=sends)
    relay = Relay(ledger, sender, name, settings.relay) if sends else None
    check_channels(settings.channels, targets, known_to(policy.file))
    messenger = make_messenger(settings, ledger, targets, policy, name) if sends and settings.channels else None
    preparing = Preparing(ledger, there, lambda: policy.policy.adapters(), lambda: policy.policy.undone_by())
    programs = Programs(settings.programs, lambda name: settings.environment([name]).get(name, ""))
    check_programs(catalogue, programs, lambda agent: routed(settings, catalogue, agent))
    resources = Resources(settings.folders, settings.logs, settings.databases)
    read = lambda digest: ledger.read_now(artifacts.get, ledger.files, digest)  # noqa: E731  (as the adapters get it)
    sources = Sources(resources, settings.state.absolute() / "loads", read)
    loads, support = Loads(ledger, targets, sources), Cases(ledger, Desks(resources, targets, settings.desks), sources)
    copies = LogCopies(ledger, resources, sandbox)
    tools = Tools(ledger, catalogue, TOOLS, workspaces, sandbox, resources, programs)
    registered: list[Callable[..., Any]] = [
        models.call_model,
        tools.run_tool,
        resources.find_resources,
        journal.begin_run,
        journal.record,
        journal.finish_run,
        Resuming(ledger).await_resume,
        results.keep_results,
        results.recall_result,
        fallbacks.fall_back,
        gates.open_gate,
        Receipts(ledger).find_received,
        gates.admit_decision,
        Condemnations(ledger).look_for_condemned,
        Fetch(repositories, sandbox).prepare_repository,
        changes.collect_changes,
        changes.describe_change,
        changes.match_files,
        comparison.compare_revisions,
        comparison.describe_group,
        comparison.check_findings,
        PullRequests(ledger, targets).find_pull_request,
        Integration(repositories).integrate,
        checks.run_checks,
        checks.judge_checks,
        freezing.freeze,
        freezing.redirect,
        Proofs(repositories, sandbox, SabotageLimits.of(settings.sabotage_places, settings.sabotage_seconds)).prove,
        Environments(
            repositories, settings.environments, settings.environment_like(PASSED_ON_TO_INSTALLERS)
        ).prepare_environment,
        Cleanup(repositories).drop_workspaces,
        preparing.prepare_action,
        Edits(ledger, targets).prepare_edit,
        actions.perform,
        actions.deliver,
        actions.resolve,
        loads.examine_source,
        loads.plan_load,
        loads.load_batch,
        loads.count_load,
        loads.reconcile_table,
        copies.take_snapshot,
        copies.check_diagnosis,
        support.read_tickets,
        support.list_tickets,
        support.open_case,
        support.fill_template,
        support.look_up,
        support.end_case,
        support.sum_up,
        Comparisons(ledger, targets, sources).compare_sides,
    ]
    clock, about = Clock(), f"baton {version('baton')} on {settings.task_queue}"
    machine: dict[str, Any] = {"providers": sorted(providers), "role": settings.role, "live": catalogue.live()}
    machine |= {
        "prices": prices.sources(catalogue.routes.prices),
        "agents": wrong_versions(catalogue, read_lock(settings.agents / RELEASED)),
    }
    own = ledger.read_now(identity.find).ledger
    serving = Serving(settings.task_queue, socket.gethostname(), setting_digests.digests(settings, own), machine)
    disk = Disk(workspaces, mirrors, KeptEnvironments(settings.environments))
    upkeep = Upkeep(ledger, name, about, disk, serving=serving, clock_ahead=clock.ahead_us, keep_days=settings.keep_days)
    beside = (upkeep, models.under_way, relay, messenger)
    return Parts(ledger, providers, catalogue, policy, registered, *beside, clock, machine, own, name)


def make_messenger(settings: config.Settings, ledger: Ledger, targets: Targets, policy: Standing, name: str) -> Messenger:
    """What sends to the channels that are declared."""
    # An address of this machine leads nobody else anywhere.
    ui = "" if urlsplit(settings.ui_url).hostname in HERE else settings.ui_url
    own = settings.channels, senders(targets), lambda: policy.policy
    return Messenger(ledger, *own, name, settings.relay, ui=ui)


def find_sandbox(settings: config.Settings) -> Sandbox | None:
    """The sandbox; None if there is none: `look_at_machine` says so, and checks are refused."""
    with contextlib.suppress(SandboxUnavailable):
        return Sandbox.find(settings.bubblewrap, settings.checks)
    return None


def check_agents(policy: Policy, agents: Iterable[str]) -> None:
    """Raise `Misconfigured` if the policy names an agent that there is none of: its rule would never fire."""
    there = set(agents)
    named = (*policy.agents, *(rule.agent for rule in policy.rules if rule.agent not in (None, "*")))
    if unknown := sorted({str(name) for name in named} - there):
        raise Misconfigured(f"policy.toml names the agent {', '.join(unknown)}; there are {', '.join(sorted(there))}")
