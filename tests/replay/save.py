"""Save histories for replay: `python -m tests.replay.save GENERATION [SCENARIO …]` plays scenarios and writes what happened.

Saved histories are never replaced: a new one gets a new generation, and the old ones have to replay for as long as their
runs live.
"""

import asyncio
import contextlib
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from tests import scripts
from tests.activities.actions.servers import web
from tests.paid import copied
from tests.replay.neutral import neutral
from tests.replay.scenarios import SCENARIOS, Scenario
from tests.stack import dev_server, sample, stack
from tests.wire.server import WireServer
from tests.workflows.reviewing import change, enlarge, hosting, opened

FOLDER = Path(__file__).parent / "histories"

PLACE = Path("/tmp/baton-saved")
PARTS = {"Review": "review_part", "Load": "load_part", "Diagnosis": "diagnose_service", "Support": "support_case"}
"""What the histories of children are called; those of a delivery are its items."""

POLICY = Path(__file__).parents[2] / "policy.toml"


async def save(generation: str, names: list[str]) -> list[Path]:
    """Play the scenarios one after the other. Raises `SystemExit` where a history of that name is there already."""
    written: list[Path] = []
    async with dev_server() as server:
        for name in names:
            shutil.rmtree(PLACE, ignore_errors=True)
            PLACE.mkdir()
            try:
                for kind, handle in await play(server.client, PLACE, name, SCENARIOS[name]):
                    written.append(await write(handle, FOLDER / f"{kind}-{generation}.json"))
            finally:
                shutil.rmtree(PLACE)
    return written


async def play(client: Client, place: Path, name: str, scenario: Scenario) -> list[tuple[str, WorkflowHandle[Any, Any]]]:
    """Let a run go that way to its end; the run and the children whose histories belong to it, under file names."""
    reviews = scenario.pipeline == "Review"
    origin = change(place / "sample")[0] if reviews else sample(place / "sample")
    if scenario.asked.get("head") == "large":
        enlarge(place / "sample")
    script = scripts.save(place / "script.yaml", *scenario.script)
    policy = place / "policy.toml"
    policy.write_text(_policy(POLICY.read_text(), scenario.gates))
    settings, asked = scenario.settings(place), scenario.asked
    async with (
        models_of(place, script if scenario.script else None, paid=scenario.paid) as models,
        contextlib.AsyncExitStack() as around,
    ):
        if scenario.pull_request:
            host = around.enter_context(web())
            asked, settings = asked | {"pull_request": opened(host, origin)}, settings | hosting(host)
        running = await around.enter_async_context(
            stack(client, place / "state", task_queue="baton", policy=policy, **models, **settings)
        )
        delivery = {"repository": str(origin), "instruction": "Fix it", "branch": "saved"}
        more = {"Delivery": delivery, "Review": {"repository": str(origin)}}.get(scenario.pipeline, {})
        asked = {"owner": "olga"} | more | asked
        run = await client.start_workflow(scenario.pipeline, asked, id=f"saved-{name}", task_queue="baton")
        await scenario.people(running, run)
        try:
            await run.result()
        except WorkflowFailureError as error:
            print(f"{name} ended: {error.cause}", file=sys.stderr)
    kind = scenario.pipeline.lower()
    kept: list[tuple[str, WorkflowHandle[Any, Any]]] = [(f"{kind}-{name.removeprefix(f'{kind}-')}", run)]
    for child in scenario.children:
        own = child.rsplit(".", 1)[-1] if scenario.pipeline == "Support" else child.split(".", 1)[0]
        label = name if len(scenario.children) == 1 else f"{name}-{own}"
        part = PARTS.get(scenario.pipeline, "write_item")
        kept.append((f"{part}-{label.removeprefix(f'{kind}-')}", client.get_workflow_handle(f"{run.id}.{child}")))
    return kept


@contextlib.asynccontextmanager
async def models_of(place: Path, script: Path | None, *, paid: bool) -> AsyncIterator[dict[str, Any]]:
    """Settings by which the script answers: played as it is, or as a paid model over HTTP. None: there is no model."""
    if script is None:
        yield {}
        return
    if not paid:
        yield {"model": "scripted:test", "script": script}
        return
    async with WireServer(script=script) as server:
        yield {"openai_base_url": server.openai_url, "agents": copied(place / "agents")}


def _policy(text: str, gates: str) -> str:
    """The policy with some tables of gates in place of its own."""
    for table in [line for line in gates.splitlines() if line.startswith("[")]:
        head, found, rest = text.partition(table)
        _, begins, others = rest.partition("\n[")
        text = text if not found else head + begins[1:] + others
    return text + gates


async def write(handle: WorkflowHandle[Any, Any], path: Path) -> Path:
    """One event on a line."""
    if path.exists():
        raise SystemExit(f"{path.name} is there; saved histories are never replaced, choose another generation")
    history = neutral(json.loads((await handle.fetch_history()).to_json()))
    events = ",\n".join(json.dumps(event, separators=(",", ":")) for event in history["events"])
    path.write_text(f'{{"workflow_id":{json.dumps(handle.id)},"history":{{"events":[\n{events}\n]}}}}\n')
    return path


if __name__ == "__main__":
    for saved in asyncio.run(save(sys.argv[1], sys.argv[2:] or list(SCENARIOS))):
        print(saved.name)
    sys.stdout.flush()
    os._exit(0)
