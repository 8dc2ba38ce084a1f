"""The processes of a benchmark: one dev server with our settings, a model endpoint, and workers."""

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle

import connection
from benchmarks.agent_files import write_agents, write_calls
from commands import processes, server
from commands.processes import Running
from commands.server import Ports
from contracts.errors import Misconfigured
from tests.ports import reserved

ROOT = Path(__file__).parent.parent
LOG_SHOWN = 3000
"""Characters of a worker's log that an error shows; a traceback in JSON is one long line."""


@dataclass
class Stack:
    """The running parts and their state folder. `plain` and `ours` are clients of the same server."""

    state: Path
    ports: Ports
    agents: Path
    server: Running
    plain: Client
    ours: Client
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1_000_000)))

    def next_id(self, prefix: str) -> str:
        """A new id on this server."""
        return f"{prefix}-{next(self.numbers)}"

    @contextlib.asynccontextmanager
    async def worker(self, name: str, module: str, variables: Mapping[str, str]) -> AsyncIterator[Running]:
        """A worker process while the block runs. It may not be ready yet when the block begins."""
        common = {"TEMPORAL_ADDRESS": self.ports.address, "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1"}
        running = _start(name, ["-m", module], self.state, {**common, **variables})
        try:
            yield running
        except BaseException as error:
            error.add_note(processes.log_end(self.state, name)[-LOG_SHOWN:])
            raise
        finally:
            await asyncio.to_thread(processes.stop, self.state, name)

    def baton(self, queue: str, more: Mapping[str, str]) -> dict[str, str]:
        """The environment of Baton's worker."""
        own = {"BATON_STATE": str(self.state), "BATON_AGENTS": str(self.agents), "BATON_TASK_QUEUE": queue}
        # Set although they are the defaults: a baton.toml in the working folder must not change what is measured.
        shipped = {"BATON_MODEL": "", "BATON_POLICY": str(ROOT / "policy.toml"), "BATON_WORKFLOW_SANDBOX": "false"}
        return {**own, **shipped, "BATON_LOG_FORMAT": "json", "BATON_LOG_LEVEL": "warning", **more}

    def plainly(self, queue: str, model_url: str) -> dict[str, str]:
        """The environment of the baseline's worker."""
        return {
            "BENCH_TASK_QUEUE": queue,
            "BENCH_MODEL_URL": model_url,
            "BENCH_CALLS": str(write_calls(self.state, self.agents)),
        }


@contextlib.asynccontextmanager
async def running(provider: str) -> AsyncIterator[Stack]:
    """Run a dev server on a fresh file, and agents routed to `provider`. Stops and removes everything afterwards."""
    _refuse_settings()
    state = Path(tempfile.mkdtemp(prefix="baton-bench-"))
    try:
        ports = Ports(reserved(), reserved())
        agents = write_agents(state, provider)
        process = server.start("server", server.server_command(state, ports), state, {}, ports)
        ours = await server.ready(ports.address, process, state)
        await connection.check_search_attributes(ours)
        yield Stack(state, ports, agents, process, await Client.connect(ports.address), ours)
    finally:
        await asyncio.to_thread(processes.stop, state, "server")
        shutil.rmtree(state, ignore_errors=True)


@contextlib.asynccontextmanager
async def model_endpoint(stack: Stack, script: Path) -> AsyncIterator[str]:
    """Run a model endpoint that plays `script` in its own process. Yields its base URL for Chat Completions."""
    port = reserved()
    command = ["-m", "tests.wire.server", "--script", str(script), "--port", str(port)]
    _start("model", command, stack.state, {"PYTHONPATH": str(ROOT)})
    try:
        await _listening(port)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        await asyncio.to_thread(processes.stop, stack.state, "model")


async def history_of(handle: WorkflowHandle[Any, Any]) -> tuple[int, int]:
    """Events and bytes of a run's history, as the server counts them."""
    info = (await handle.describe()).raw_description.workflow_execution_info
    return info.history_length, info.history_size_bytes


def trying(trial: Path | None) -> dict[str, str]:
    """The variable that makes Baton's worker run a file before it starts."""
    return {} if trial is None else {"BENCH_TRIAL": str(trial.absolute())}


def _start(name: str, arguments: list[str], state: Path, variables: Mapping[str, str]) -> Running:
    return server.start(name, [sys.executable, *arguments], state, variables)


async def _listening(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


def _refuse_settings() -> None:
    """Refuse settings in the environment: they would reach the workers and change the results."""
    found = sorted(name for name in os.environ if name.startswith(("BATON_", "TEMPORAL_", "BENCH_")))
    if found:
        raise Misconfigured(f"{', '.join(found)} would change what is measured; unset it and start again")
