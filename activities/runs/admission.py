"""Admission of a run: its row, and the agents, gates and ceiling that it keeps until it ends."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal

from sqlalchemy import Connection
from temporalio.exceptions import ApplicationError

from activities.agents.agent import Agent
from activities.agents.catalogue import Catalogue
from activities.agents.fallback_chain import chain_of
from activities.agents.routes import good_enough
from activities.agents.suspects import suspect_of
from activities.gates.policy import UNDECLARED_ACTION, AgentFloor, Policy
from activities.gates.standing import InForce
from activities.money.headroom import problem
from activities.money.lines import no_room
from activities.running.clock import started_at
from contracts.actions import GATES_OF, INWARD
from contracts.agents import AgentPin, Choice, Risk
from contracts.errors import BatonError, NoModel, NotFound
from contracts.gates import GateKind, GatePolicy
from contracts.journal import BeginRun
from contracts.money import Ceilings, micros
from contracts.pins import Began
from contracts.rules import Rule
from ledger import feed, identity, recent, runs
from ledger.db import Ledger, insert_each_once, now_us
from ledger.money import spend
from ledger.money.spend import Scope
from ledger.tables import agent_version

KEPT_IN_MEMORY = 2000
"""Most runs whose pins a worker caches; those of others are read from the ledger when needed."""

FRESH = 1.0
"""Seconds for which a worker takes it that there is still room for one more run of a project with the same agents."""


class Admission:
    """What `begin_run` and a first model call share."""

    def __init__(
        self,
        ledger: Ledger,
        catalogue: Catalogue,
        policy: InForce,
        ceilings: Ceilings,
        choices: Callable[[Agent], tuple[Choice, ...]],
    ) -> None:
        """`choices` gives the models that this worker can use for an agent; it raises `NoModel` if there is none."""
        self._ledger = ledger
        self._catalogue = catalogue
        self._policy = policy
        self._ceilings = ceilings
        self._choices = choices
        self._known: dict[str, Began] = {}
        self._room: dict[tuple[str, date, frozenset[str]], float] = {}
        """Until when there is taken to be room, by project, day and agents."""
        self._refused = 0.0
        """When a call found no room last."""

    async def pins(self, request: BeginRun) -> Began:
        """The run's pins: what an earlier attempt pinned, else what is newest here.

        Raises a non-retryable `ApplicationError` that names what is missing.
        """
        # First: a retry on a worker of another release must not replace what the run has pinned already.
        earlier = await self._ledger.read(runs.find_pins, request.run.trace)
        if earlier is not None:
            return earlier
        try:
            fresh = self._pins(request, await self._ledger.read(self._policy.now))
        except BatonError as error:
            # A missing model, agent or policy entry needs a person: retries would only hide it from them.
            raise ApplicationError(str(error), type=type(error).__name__, non_retryable=True) from None
        await self._check_room(request, fresh)
        return fresh.model_copy(update={"ledger": (await self._ledger.read(identity.find)).ledger})

    async def _check_room(self, request: BeginRun, began: Began) -> None:
        """Refuse a run that could only wait for money: raises a non-retryable `ApplicationError`."""
        now = started_at()
        # Asked at most once a second for runs alike, however many start at the same moment; each of their calls is asked again.
        alike = (request.run.project, now.date(), frozenset(pin.digest for pin in began.agents.values()))
        if time.monotonic() < self._room.get(alike, 0.0):
            return
        asked = time.monotonic()
        found = await self._ledger.read(problem, self._ceilings, request.run.project, began.agents.values(), now)
        if found is None:
            if len(self._room) >= KEPT_IN_MEMORY:
                self._room.clear()
            # A call may have been refused since it was asked.
            if asked > self._refused:
                self._room[alike] = asked + FRESH
        elif not await self._is_known(request):
            await self._ledger.tx(feed.append, request.run, [no_room(found.scope, found.text, now, refuses=found.refuses)])
            if found.refuses:
                raise ApplicationError(found.text, type="CeilingReached", non_retryable=True)

    def refused(self) -> None:
        """A call has found no room: whether there is some for a run is asked again, and not taken from a moment ago."""
        self._refused = time.monotonic()
        self._room.clear()

    async def _is_known(self, request: BeginRun) -> bool:
        """True if a run with this request key exists: this one then begins no work, and leads to that one."""
        key = request.request_key
        return key is not None and await self._ledger.read(runs.by_request, request.run.project, key) is not None

    def _pins(self, request: BeginRun, policy: Policy) -> Began:
        owner = request.owner or policy.defaults.owner
        if not owner:
            raise ApplicationError(
                "the run has no owner: name the accountable person as `owner` in the input, "
                "or set [defaults] owner in policy.toml",
                type="NoOwner",
                non_retryable=True,
            )
        pins = self._agents(request, policy)
        terms = {action: policy.terms(action) for action in request.actions}
        rules = tuple(one for one in policy.rules if _may_fire(one, request.actions, pins))
        default = micros(self._ceilings.run_default(request.run.project) or Decimal())
        return Began(
            owner=owner,
            ceiling_micros=default if request.ceiling_micros is None else request.ceiling_micros,
            policy_digest=policy.digest,
            agents=pins,
            gates=_gates(request, policy, rules, pins),
            actions={action: one.tier for action, one in terms.items()},
            terms=terms,
            rules=rules,
            kept_back=self._ceilings.kept_back,
            changes=request.changes,
        )

    def _agents(self, request: BeginRun, policy: Policy) -> dict[str, AgentPin]:
        """The agents that the run names and all that may stand in for them, each with the models that may answer."""
        pins: dict[str, AgentPin] = {}
        effort = request.effort or policy.defaults.effort
        chains = []
        for name in (*request.agents, *(request.auto if effort == "auto" else ())):
            asked = self._catalogue.newest(name)
            chains.append((asked, *chain_of(asked, self._catalogue.newest)))
        keyless = self._is_keyless(chains)
        for chain in chains:
            rechecking = (suspect_of(one, self._catalogue.newest) for one in chain)
            for agent in (*chain, *(one for one in rechecking if one is not None)):
                # Once each: one agent may stand in for several others.
                pin = agent.pin(() if keyless else self._allowed(agent, request.risk))
                floor = policy.agents.get(agent.file.name, AgentFloor()).minimum_confidence
                pin = pin.model_copy(update={"minimum_confidence": max(pin.minimum_confidence, floor)})
                pins.setdefault(agent.file.name, pin)
        return pins

    def _is_keyless(self, chains: Sequence[Sequence[Agent]]) -> bool:
        """True if no agent of the run has a model, and each ends in a function that stands in for it.

        Where only some have none the run is refused instead: somebody who set a key expects models at work.
        """
        ends_well = all((chain[-1].file.fallback or "").startswith("function:") for chain in chains)
        return bool(chains) and ends_well and not any(self._reaches(agent) for chain in chains for agent in chain)

    def _reaches(self, agent: Agent) -> bool:
        try:
            return bool(self._choices(agent))
        except NoModel:
            return False

    def _allowed(self, agent: Agent, risk: Risk) -> tuple[Choice, ...]:
        choices, name = self._choices(agent), agent.file.model_class
        return good_enough(choices, self._catalogue.routes.minimum.get(name, {}), risk, name)

    def begin(self, connection: Connection, request: BeginRun, began: Began, namespace: str = "") -> Began:
        """Insert the run's row with its pins and its ceiling. Safe to call twice.

        `duplicate_of` in the result names the run that already has the request key. `namespace` as in `ledger.runs.begin`.
        """
        holder = runs.begin(connection, request, began, namespace)
        if holder is not None:
            return began.model_copy(update={"duplicate_of": holder})
        # The ceiling's row exists before the first call, so that people can see and raise it from the start.
        spend.begin(connection, Scope(f"run:{request.run.trace}", began.ceiling_micros))
        insert_each_once(connection, agent_version, [self._version(pin) for pin in began.agents.values()])
        return began

    def _version(self, pin: AgentPin) -> dict[str, object]:
        text = self._catalogue.pinned(pin).text
        return {"name": pin.name, "version": pin.version, "digest": pin.digest, "definition": text, "at": now_us()}

    async def of(self, trace: str) -> Began:
        """What a run of this family pinned, cached. Raises `NotFound` if the ledger has no such run."""
        if trace not in self._known:
            # As a rule this very worker has begun the run a moment ago.
            began: Began | None = recent.of(self._ledger.engine, runs.BEGUN, trace)
            began = began or await self._ledger.read(runs.find_pins, trace)
            if began is None:
                raise NotFound(f"there is no run with trace {trace!r} in the ledger; was it restored from an older backup?")
            self.remember(trace, began)
        return self._known[trace]

    def remember(self, trace: str, began: Began) -> None:
        """Cache what a run has pinned: it never changes."""
        if len(self._known) >= KEPT_IN_MEMORY:
            # All at once: whatever is forgotten is simply read again.
            self._known.clear()
        self._known[trace] = began


def _may_fire(rule: Rule, actions: Sequence[str], agents: Collection[str]) -> bool:
    return rule.action in ("*", *actions) if rule.action is not None else rule.agent in ("*", *agents)


def _kinds(request: BeginRun, policy: Policy, rules: Sequence[Rule]) -> dict[GateKind, None]:
    """The kinds of gate that the run may open, also those that performing an action, or a rule, may open.

    So a missing table is reported before anything is paid for.
    """
    tiers = [tier for action in request.actions for tier in policy.strictest(action)]
    asks = any((rate := policy.terms(action).rate) is not None and rate.over == "ask" for action in request.actions)
    of_actions = (kind for tier in (*tiers, *(("confirm",) if asks else ())) for kind in GATES_OF[tier])
    return dict.fromkeys((*request.gates, *of_actions, *(rule.gate for rule in rules if rule.gate is not None)))


def _gates(
    request: BeginRun, policy: Policy, rules: Sequence[Rule], agents: Mapping[str, AgentPin]
) -> dict[GateKind, GatePolicy]:
    """The gates that the run may open. One for actions that text from outside has decided needs no table of its own.

    Where an outside program may do a step no action happens without a person.
    """
    found = {kind: policy.gate(kind, request.pipeline) for kind in _kinds(request, policy, rules)}
    if any(choice.is_person for pin in agents.values() for choice in pin.choices):
        found["work"] = policy.gate("work", request.pipeline)
    outside = any(pin.unmetered for pin in agents.values())
    if "action" not in found and any(outside or _goes_by_outside_text(policy, action) for action in request.actions):
        declared = "action" in policy.gates
        found["action"] = policy.gate("action", request.pipeline) if declared else UNDECLARED_ACTION
    return found


def _goes_by_outside_text(policy: Policy, action: str) -> bool:
    """True if an action of tier auto needs a person where its arguments come from outside."""
    return "auto" in policy.strictest(action) and policy.adapters()[action] not in INWARD


def for_history(began: Began) -> Began:
    """The pins that the coordinator needs; the models that may answer stay in the ledger."""
    agents = {name: pin.model_copy(update={"choices": ()}) for name, pin in began.agents.items()}
    return began.model_copy(update={"agents": agents})
