"""`baton up` and `baton down` with real servers: two at once, odd folders, foreign settings, files that were removed."""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

import config
from commands import processes, server
from commands.machine import NO_MODEL, WIDTH, _no_model
from commands.processes import Running
from commands.server import ROOT
from commands.tables import folded
from contracts.errors import BatonError
from tests import children, depth
from tests.commands.conftest import Ran
from tests.commands.test_surroundings import ran
from tests.ports import reserved

FOREIGN = (
    {"TEMPORAL_API_KEY": "abc", "TEMPORAL_NAMESPACE": "prod"},
    {"TEMPORAL_TLS": "true", "TEMPORAL_ADDRESS": "prod.example.org:7233"},
    {"TEMPORAL_CONFIG_FILE": "cloud.toml"},
)
"""Connection settings of people who work with another Temporal, each of which once kept `up` waiting for a minute."""

CLOUD = '[profile.default]\naddress = "cloud.example.org:7233"\nnamespace = "prod"\napi_key = "secret"\n'
ODD = "q?m#h per%20cent ü"


@dataclass
class Installation:
    """An installation that nobody else uses: `down --all` and `make clean` reach what it started, and nothing of others."""

    folder: Path
    state: Path
    ports: tuple[str, ...]

    def __call__(self, *arguments: str, **variables: str) -> Ran:
        """One command of it."""
        return ran([self.folder / ".venv" / "bin" / "baton", *arguments], env=self.environment(variables), cwd=self.folder)

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """The environment of its user, with these variables."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("BATON_", "TEMPORAL_"))}
        return kept | {"BATON_STATE": str(self.state), "PYTHONWARNINGS": "error", **variables}

    def up(self, *arguments: str, **variables: str) -> Ran:
        """`baton up` on its ports."""
        return self("up", *self.ports, "--json", *arguments, **variables)

    @property
    def running(self) -> dict[str, Running]:
        """What runs, by name, as the command lines of all processes say."""
        found = [one for at, one in processes._known() if at == self.state]
        assert len({one.name for one in found}) == len(found), f"more than one of a kind: {found}"
        return {one.name: one for one in found}

    def killed(self) -> None:
        """Nothing of it runs any more, whatever a test has left."""
        for _, running in [one for one in processes._known() if one[0] == self.state]:
            processes.end(running)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A clone as far as it matters here, with an environment that has its own programs and our packages."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "cloud.toml").write_text(CLOUD)
    shutil.copy(ROOT / "Makefile", folder)
    own = folder / ".venv"
    (own / "bin").mkdir(parents=True)
    (own / "lib").symlink_to(Path(sys.prefix) / "lib")
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", own)
    (own / "bin" / "python").symlink_to(sys.executable)
    (own / "bin" / "temporal").symlink_to(Path(sys.prefix) / "bin" / "temporal")
    command = own / "bin" / "baton"
    command.write_text(f'#!/bin/sh\nexec "{own}/bin/python" "{ROOT}/starter.py" "$@"\n')
    command.chmod(0o755)
    port = reserved()
    made = Installation(folder, folder / "states" / ODD, ("--port", str(port), "--ui-port", str(reserved())))
    try:
        yield made
    finally:
        made.killed()


def test_a_day_of_a_state_folder(installation: Installation) -> None:
    """Two `up` at once under foreign settings, in an odd folder; cut pid files; removed folders; `down`, and `make clean`."""
    _two_at_once(installation)
    _other_ports_are_refused(installation)
    _cut_pid_files_lose_nothing(installation)
    _a_removed_ledger_is_noticed_by_up(installation)
    if depth.SOAK:
        _a_removed_folder_is_noticed_by_up(installation)
    _a_removed_folder_is_noticed_by_down(installation)
    _all_are_stopped_after_an_up_that_is_under_way(installation)
    _clean_stops_what_runs(installation)


def _two_at_once(this: Installation) -> None:
    with ThreadPoolExecutor(len(FOREIGN)) as pool:
        done = list(pool.map(lambda variables: this.up(**variables), FOREIGN))
    assert [one.code for one in done] == [0, 0, 0], [one.err for one in done]
    addresses = {one.json["address"] for one in done}
    assert addresses == {f"127.0.0.1:{this.ports[1]}"}
    assert set(this.running) == {"server", "worker", "console"}
    in_the_way = ("an API key, which means TLS", "the address prod.example.org:7233, TLS", "cloud.example.org:7233")
    for one, told in zip(done, in_the_way, strict=True):
        assert told in one.json["notes"][0]
        assert "--context local" in one.json["notes"][0]
    assert {path.name for path in this.state.parent.iterdir()} == {ODD}, "nothing went into a folder of another name"
    assert {"ledger.db", "temporal.db"} <= {path.name for path in this.state.iterdir()}


def _other_ports_are_refused(this: Installation) -> None:
    before = this.running
    for ports in (("--ui-port", "7999"), *depth.soak(("--port", "7999"))):
        refused = this("up", *ports)
        assert (refused.code, f"the server runs already, on port {this.ports[1]}" in refused.err) == (2, True), refused.err
    assert this("up").code == 0, "without a word about ports what runs is what is meant"
    assert this.running == before


def _cut_pid_files_lose_nothing(this: Installation) -> None:
    before = this.running
    (this.state / "run" / "server.json").write_bytes(b'{"name": "ser')
    (this.state / "run" / "worker.json").unlink()
    (this.state / "run" / "console.json").write_bytes(b"")
    assert this.up().code == 0
    assert this.running == before
    if depth.SOAK:
        shutil.rmtree(this.state / "run")
        assert this.up().code == 0
        assert this.running == before
    for name in ("server", "worker"):
        assert json.loads((this.state / "run" / f"{name}.json").read_text())["pid"] == before[name].pid


def _a_removed_ledger_is_noticed_by_up(this: Installation) -> None:
    before = this.running
    for file in this.state.glob("ledger.db*"):
        file.unlink()
    again = this.up()
    assert again.code == 0, again.err
    assert "were removed or moved while the console, worker and server ran" in again.json["notes"][0]
    assert before["worker"].pid != this.running["worker"].pid, "it would go on writing into a file that nobody reads"
    assert this("runs").code == 0


def _a_removed_folder_is_noticed_by_up(this: Installation) -> None:
    before = this.running
    shutil.rmtree(this.state)
    again = this.up()
    assert again.code == 0, again.err
    assert "were removed or moved while the console, worker and server ran" in again.json["notes"][0]
    assert {one.pid for one in before.values()}.isdisjoint(one.pid for one in this.running.values())
    assert set(this.running) == {"server", "worker", "console"}
    assert {"ledger.db", "temporal.db"} <= {path.name for path in this.state.iterdir()}


def _a_removed_folder_is_noticed_by_down(this: Installation) -> None:
    shutil.rmtree(this.state)
    stopped = this("down", "--json")
    assert (stopped.code, stopped.json["stopped"]) == (0, ["console", "worker", "server"]), stopped.err
    assert this.running == {}


def _all_are_stopped_after_an_up_that_is_under_way(this: Installation) -> None:
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(this.up)
        children.until(lambda: "server" in this.running, "`up` has started the server, and not yet the rest")
        stopped = this("down", "--all", "--json")
        assert starting.result().code == 0, starting.result().err
    assert stopped.json["stopped"] == [f"{name} of {this.state}" for name in processes.PARTS], stopped.err
    assert this.running == {}


def _clean_stops_what_runs(this: Installation) -> None:
    assert this.up().code == 0
    assert set(this.running) == {"server", "worker", "console"}
    cleaned = ran(["make", "clean"], cwd=this.folder, env=this.environment({}))
    assert cleaned.code == 0, cleaned.err
    assert all(f"{name} of {this.state}" in cleaned.out for name in processes.PARTS)
    children.until(lambda: not this.running, "all of it ended")
    assert not (this.folder / ".venv").exists()
    assert (this.state / "ledger.db").exists(), "the record of what ran is not in the clone, and stays"


async def test_a_worker_that_hangs_is_said_to(client: Client, tmp_path: Path) -> None:
    """It runs and asks for no work: the reason comes first, then the end of its log, of which no line fills the screen."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "worker.log").write_text("started\n" + "x" * 50_000 + "\n")
    hung = Running(name="worker", pid=os.getpid(), born=str(processes._born(os.getpid())), port=0, ui_port=0)
    with pytest.raises(BatonError) as told:
        await server.polled(client, "nobody-asks-here", hung, tmp_path, "it hangs: `baton down`, then `baton up`", limit=0.5)
    first, *lines = str(told.value).splitlines()
    assert "did not become ready (it hangs: `baton down`, then `baton up`)" in first
    assert lines[0] == "started"
    assert max(len(line) for line in lines) < 2000


def test_files_that_were_moved_are_lost_as_removed_ones_are(tmp_path: Path) -> None:
    """A process that has the server's database open, under the folder's name, a link to it, another name, and removed."""
    state, link = tmp_path / "state", tmp_path / "link"
    state.mkdir()
    link.symlink_to(state)
    this = Running(name="server", pid=os.getpid(), born=str(processes._born(os.getpid())), port=0, ui_port=0)
    with (state / "temporal.db").open("w"):
        assert not processes.lost_its_files(this, state)
        assert not processes.lost_its_files(this, link)
        state.rename(tmp_path / "moved")
        assert processes.lost_its_files(this, state)
        shutil.rmtree(tmp_path / "moved")
        assert processes.lost_its_files(this, state)
    assert not processes.lost_its_files(this, state)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, [NO_MODEL]),
        ({"role": "runs"}, [NO_MODEL]),
        ({"role": "actions"}, []),
        ({"model": "scripted:any"}, []),
        ({"ANTHROPIC_API_KEY": "k"}, []),
        ({"openai_base_url": "http://127.0.0.1:1/v1"}, []),
    ],
)
def test_that_no_model_is_set_is_said_when_a_worker_starts(settings: dict[str, Any], told: list[str], tmp_path: Path) -> None:
    """Where agents run here and nothing names a model; a key, a model or an endpoint of one's own is enough."""
    assert _no_model(config.Settings(state=tmp_path, **settings)) == told
    assert max(map(len, folded(NO_MODEL, WIDTH))) <= WIDTH
