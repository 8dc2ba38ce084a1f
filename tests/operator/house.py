"""An installation that runs as an operator has it: `baton up`, its worker's settings, a model, a bank that takes posts."""

import asyncio
import contextlib
import os
import secrets
import shlex
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

import config
from commands import processes
from converter import DATA_CONVERTER
from ledger import gates, runs
from ledger.db import Ledger
from tests import forks, scripts
from tests.activities.actions.servers import Web, web
from tests.docs.machine import Machine
from tests.docs.pages import ROOT, Block
from tests.operator.scripted import AT_THE_GATEWAY, CONVERSATIONS, agents
from tests.stack import Stack, sample, until
from tests.wire.server import WireServer
from tests.workflows.test_act import POLICY

Run = WorkflowHandle[Any, Any]


@dataclass
class House:
    """What runs, for those who plant something in it and for those who look after it.

    `gateway` is the model of the agent that makes small changes alone, and costs money; all others are scripted. `bank` is
    where the action `refund` goes. `stack` starts runs as any client of Temporal does, and waits for gates; it has no worker
    of its own.
    """

    machine: Machine
    stack: Stack
    gateway: WireServer
    bank: Web
    origin: Path
    agents: Path

    @property
    def ledger(self) -> Ledger:
        """The ledger of the installation."""
        return self.stack.ledger

    async def baton(self, *arguments: str) -> str:
        """One command, as somebody types it; all that it prints. An exit code other than 0 fails the test."""
        return await self.shell(shlex.join(("baton", *arguments)))

    async def shell(self, script: str) -> str:
        """Some lines of shell in the installation's folder; `# exit code N` behind a line promises another code than 0."""
        block = Block("by hand", 0, "sh", "tested", "", f"{script}\n")
        return await asyncio.to_thread(self.machine.run, block)

    async def deliver(self, instruction: str, **more: Any) -> Run:
        """Start a delivery of the sample as another program would, by type and plain JSON."""
        return await self.stack.deliver(self.origin, instruction=instruction, **more)

    async def state_of(self, run: Run) -> tuple[str, str]:
        """The state of a run, and what it waits for, as the ledger has it."""
        row = await self.ledger.read(runs.find, run.id)
        return row.state, row.waiting_for

    async def open_gates(self) -> set[tuple[str, str]]:
        """Run and gate of all that waits for a person."""
        return {(view.workflow_id.partition(".")[0], view.gate) for view in await self.ledger.read(gates.open_gates)}

    @property
    def base(self) -> str:
        """The address of the console that `baton up` has started."""
        found = processes.find(self.machine.state, "console")
        assert found is not None, "no console runs"
        return f"http://127.0.0.1:{found.port}"

    def worker(self) -> processes.Running:
        """The worker that runs."""
        found = processes.find(self.machine.state, "worker")
        assert found is not None, "no worker runs"
        return found

    async def clear(self) -> None:
        """End all that is open, so that the next anomaly is the only one."""
        query = "ExecutionStatus = 'Running'"
        async for one in self.stack.client.list_workflows(query):
            with contextlib.suppress(RPCError):  # it has ended since
                await self.stack.client.get_workflow_handle(one.id).cancel()

        async def over() -> bool | None:
            return True if not [one async for one in self.stack.client.list_workflows(query)] else None

        await until(over, "every run has ended")


@contextlib.asynccontextmanager
async def house(folder: Path, ports: Mapping[str, int]) -> AsyncIterator[House]:
    """Begin with `baton up`; whatever runs in the end is ended by its process id. `ports`: `port` and `ui_port`."""
    origin, own = sample(folder / "sample"), agents(folder / "agents")
    machine = _machine(folder, ports, own)
    async with WireServer(script=scripts.save(folder / "gateway.yaml", AT_THE_GATEWAY)) as gateway:
        with web() as bank:
            _settings(machine, gateway, bank)
            try:
                await asyncio.to_thread(
                    machine.command, "up", "baton", "up", "--port", str(machine.port), "--ui-port", str(machine.ui_port)
                )
                client = await Client.connect(machine.variables["TEMPORAL_ADDRESS"], data_converter=DATA_CONVERTER)
                settings = config.Settings(state=machine.state)
                ledger = Ledger(settings.database, settings.artifacts)
                try:
                    # It only starts and looks: the worker's parts are in the worker's own process.
                    stack = Stack(client, settings, ledger, parts=None, check="true")  # type: ignore[arg-type]
                    yield House(machine, stack, gateway, bank, origin, own)
                finally:
                    ledger.close()
            finally:
                for name in processes.PARTS:
                    await asyncio.to_thread(processes.stop, machine.state, name)


def _machine(folder: Path, ports: Mapping[str, int], own: Path) -> Machine:
    machine = Machine(folder, ports["port"], ports["ui_port"])
    machine.here.mkdir()
    (folder / "home").mkdir()
    (folder / "policy.toml").write_text(
        (ROOT / "policy.toml").read_text() + POLICY.replace('tier = "confirm"', 'tier = "auto"')
    )
    machine.variables = {
        "HOME": str(folder / "home"),
        "PATH": f"{forks.script(folder / 'bin' / 'baton').parent}:{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}",
        "LANG": "C.UTF-8",
        "TEMPORAL_ADDRESS": f"127.0.0.1:{machine.port}",
        "BATON_AGENTS": str(own),
        "BATON_POLICY": str(folder / "policy.toml"),
        "BATON_SCRIPT": str(scripts.save(folder / "script.yaml", *CONVERSATIONS)),
        "GATEWAY_KEY": f"key-{secrets.token_hex(4)}",
    }
    return machine


def _settings(machine: Machine, gateway: WireServer, bank: Web) -> None:
    (machine.here / "baton.toml").write_text(
        f"""
[providers.gateway]
speaks = "chat"
base_url = "{gateway.openai_url}"
key_env = "GATEWAY_KEY"

[targets.bank]
kind = "http"
url = "{bank.address}/hook"
private = true
"""
    )
