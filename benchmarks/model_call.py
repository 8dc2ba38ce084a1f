"""What a model call costs a worker apart from the model: the whole activity, with a model that answers at once."""

import json
from pathlib import Path
from typing import Any

from temporalio.testing import ActivityEnvironment

from activities.agents.catalogue import load_catalogue
from activities.gates.policy import load_policy
from activities.providers.base import Provider
from activities.runs.admission import Admission
from activities.tools.registry import TOOLS
from activities.turns.models import Models
from benchmarks.agent_files import INSTRUCTION, MODEL, answer, register, write_agents
from benchmarks.ours import READ_PART, STAGES, BenchTask
from config import HOME
from contracts.conversation import ModelReply, ModelRequest, Usage
from contracts.money import Ceilings
from contracts.runs import RunRef
from contracts.turns import CallModel
from ledger.db import Ledger

RUNS = 50
"""Number of runs that share the calls."""


class Instant:
    """A provider whose model answers at once."""

    name = "scripted"

    def __init__(self) -> None:
        self._reply = ModelReply(text=json.dumps(answer()), stop="end", model=MODEL, usage=Usage(input=400, output=60))

    async def complete(self, request: ModelRequest) -> ModelReply:
        """The same reply to every call."""
        del request
        return self._reply

    async def close(self) -> None:
        """Nothing to close."""


class ModelCall:
    """`call(n)` is the nth first turn of an agent, as the workflow asks for it: reserved, answered, settled and recorded."""

    def __init__(self, ledger: Ledger, folder: Path, provider: Provider | None = None) -> None:
        """`provider` None: one whose model answers at once."""
        register()
        provider = provider or Instant()
        catalogue = load_catalogue(write_agents(folder, provider.name), TOOLS | {READ_PART.name: READ_PART})
        policy = load_policy(HOME / "policy.toml")
        ceilings = Ceilings(run_usd=10**9, agent_day_usd=10**9, month_usd=10**9)
        self._pin = catalogue.newest(STAGES[0][1]).pin(catalogue.routes.classes[MODEL])
        self.admission = Admission(ledger, catalogue, policy, ceilings, lambda _: self._pin.choices)
        self.models = Models(ledger, catalogue, {provider.name: provider}, ceilings, self.admission, "bench")

    async def __call__(self, number: int) -> None:
        """One call. Each number is a turn of its own."""
        task = BenchTask(instruction=INSTRUCTION).stored().decode()
        run = RunRef(trace=f"trace-{number % RUNS}", workflow_id="bench", path=f"stage/{number}")
        request: Any = CallModel(run=run, agent=self._pin.ref, choices=self._pin.choices, task=task)
        await ActivityEnvironment().run(self.models.call_model, request)
