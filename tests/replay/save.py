"""Save histories for replay: `python -m tests.replay.save NAME` delivers the sample and writes its histories under NAME.

Saved histories are never replaced: a new one gets a new name, and the old ones have to replay for as long as their runs live.
"""

import asyncio
import base64
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from commands.demo import SAMPLE
from tests.stack import dev_server, sample, stack

FOLDER = Path(__file__).parent / "histories"


async def save(name: str) -> list[Path]:
    """Deliver the sample, with one round of requested changes at the plan, and write what happened."""
    written = []
    with tempfile.TemporaryDirectory() as folder:
        origin = sample(Path(folder) / "sample")
        async with dev_server() as server, stack(server.client, Path(folder) / "state", SAMPLE / "script.yaml") as running:
            run = await running.deliver(origin, branch="saved")
            await running.decide(await running.gate(run, "plan-1"), "request_changes", note="look again")
            await running.approve(run, "plan-2")
            await running.approve(run, "change-1")
            await run.result()
            child = server.client.get_workflow_handle(f"{run.id}.write.1.fix-rounding")
            for kind, handle in (("delivery", run), ("write_item", child)):
                path = FOLDER / f"{kind}-{name}.json"
                if path.exists():
                    raise SystemExit(f"{path.name} is there; saved histories are never replaced, choose another name")
                history = json.loads((await handle.fetch_history()).to_json())
                path.write_text(json.dumps({"workflow_id": handle.id, "history": neutral(history)}, indent=1))
                written.append(path)
    return written


def neutral(value: Any) -> Any:
    """The history without the names of folders on this machine, which checks print in their output."""
    if isinstance(value, dict):
        return {name: _payload(one) if name == "data" and isinstance(one, str) else neutral(one) for name, one in value.items()}
    return [neutral(one) for one in value] if isinstance(value, list) else value


def _payload(data: str) -> str:
    raw = base64.b64decode(data)
    for folder, name in ((sys.prefix, "/venv"), (sys.base_prefix, "/python"), (str(Path.cwd()), "/project")):
        raw = raw.replace(folder.encode(), name.encode())
    return base64.b64encode(raw).decode()


if __name__ == "__main__":
    for saved in asyncio.run(save(sys.argv[1])):
        print(saved.name)
    sys.stdout.flush()
    os._exit(0)
