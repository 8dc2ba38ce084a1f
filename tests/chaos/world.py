"""All that is not a worker: the Temporal server on its file, the model provider, the git server. Each a real process."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client

import connection
from commands import processes, server
from commands.processes import Running
from commands.server import Ports
from tests.chaos import scene
from tests.chaos.fleet import Zygote
from tests.chaos.scene import Scene
from tests.ports import reserved
from tests.stack import until


@dataclass
class World:
    """What runs, and where."""

    folder: Path
    scene: Scene
    zygote: Zygote
    client: Client
    server: Running
    ports: Ports
    repository: str
    model_url: str

    async def kill_server(self) -> None:
        """SIGKILL the Temporal server and start it again on its file, on its port."""
        os.kill(self.server.pid, signal.SIGKILL)
        await asyncio.to_thread(processes.stop, self.folder, "server")  # it has ended: this only takes away what is left of it
        self.server = _start_server(self.folder, self.ports)
        await server.ready(self.ports.address, self.server, self.folder)


@contextlib.asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    """Start everything, and end it after the block."""
    made = scene.make(folder / "scene")
    ports, model, pushes = Ports(reserved(), reserved()), reserved(), reserved()
    try:
        running = _start_server(folder, ports)
        _start_model(folder, made, model)
        _start_git(folder, made, pushes)
        async with Zygote(folder) as zygote:
            client = await server.ready(ports.address, running, folder)
            await connection.check_search_attributes(client)
            for port in (model, pushes):
                await _listening(port)
            repository, url = f"git://127.0.0.1:{pushes}/origin.git", f"http://127.0.0.1:{model}/v1"
            yield World(folder, made, zygote, client, running, ports, repository, url)
    finally:
        for name in ("server", "model", "git"):
            await asyncio.to_thread(processes.stop, folder, name)


def _start_server(folder: Path, ports: Ports) -> Running:
    return server.start("server", server.server_command(folder, ports), folder, {}, ports)


def _start_model(folder: Path, made: Scene, port: int) -> Running:
    command = [sys.executable, "-m", "tests.chaos.outside", "--script", str(made.script), "--port", str(port)]
    command += ["--book", str(made.folder / "calls.book")]
    return server.start("model", command, folder, {"PYTHONPATH": str(server.ROOT)})


def _start_git(folder: Path, made: Scene, port: int) -> Running:
    """Git's own server: to Baton the origin is another machine, whose hooks and records it cannot reach."""
    git = shutil.which("git")
    assert git is not None
    command = [git, "daemon", "--reuseaddr", "--listen=127.0.0.1", f"--port={port}", "--export-all", "--enable=receive-pack"]
    command += [f"--base-path={made.folder}", str(made.folder)]
    return server.start("git", command, folder, {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull})


async def _listening(port: int) -> None:
    async def answers() -> bool | None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionError:
            return None
        writer.close()
        return True

    await until(answers, f"somebody listens on port {port}")
