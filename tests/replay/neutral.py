"""What a saved history keeps: nothing of the machine that made it, and nothing that replay does not read."""

import base64
import sys
from pathlib import Path
from typing import Any

DROPPED = frozenset(
    {"identity", "requestId", "taskId", "workerVersion", "meteringMetadata", "header", "userMetadata", "stackTrace"}
)
"""Who did something (process and host), where code stood, and what the server keeps for itself. Replay reads none of it."""

PLACES = ((sys.prefix, "/venv"), (sys.base_prefix, "/python"), (str(Path.cwd()), "/project"))
"""Folders of this machine, which checks print in their output."""


def neutral(history: dict[str, Any]) -> dict[str, Any]:
    """The history without the names of this machine's processes, host and folders, and without what activities were sent.

    Results are what replay reads; the inputs of activities are a third of the bytes, and it compares none of them.
    """
    return {"events": [_event(event) for event in history["events"]]}


def _event(event: dict[str, Any]) -> dict[str, Any]:
    kept = {name: _clean(value) for name, value in event.items() if name not in DROPPED}
    scheduled = kept.get("activityTaskScheduledEventAttributes")
    if scheduled is not None:
        scheduled.pop("input", None)
    taken = kept.get("workflowTaskCompletedEventAttributes")
    if taken is not None:
        # What a run does before its pins goes by the release that took the task.
        taken["workerVersion"] = {"buildId": event["workflowTaskCompletedEventAttributes"]["workerVersion"]["buildId"]}
    task = kept.get("workflowTaskScheduledEventAttributes")
    if task is not None:
        task["taskQueue"] = {"name": "baton"}  # else a queue of the worker's own, named after its host
    return kept


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _payload(one) if name == "data" and isinstance(one, str) else _clean(one)
            for name, one in value.items()
            if name not in DROPPED
        }
    return [_clean(one) for one in value] if isinstance(value, list) else value


def _payload(data: str) -> str:
    raw = base64.b64decode(data)
    for folder, name in PLACES:
        raw = raw.replace(folder.encode(), name.encode())
    return base64.b64encode(raw).decode()
