"""A schedule whose starts come to nothing is named where a person looks: its runs were never on record."""

import secrets
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, Schedule, ScheduleActionStartWorkflow, ScheduleSpec

from tests.commands.conftest import Baton, Serve
from tests.stack import until

WRONG = [
    pytest.param("Delivery", {"instruction": 7}, "the input was refused: repository", id="fields"),
    pytest.param("Delivry", {}, "there is no workflow type 'Delivry'", id="type"),
]


@pytest.mark.parametrize(("pipeline", "asked", "said"), WRONG)
async def test_a_schedule_with_a_wrong_input_is_named(
    baton: Baton, serve: Serve, client: Client, pipeline: str, asked: dict[str, Any], said: str
) -> None:
    """Two starts of one schedule: one entry in `runs` and in `doctor`, with the count, the reason and the schedule's id."""
    name = f"nightly tidy {secrets.token_hex(4)}"
    async with serve() as running:
        queue = running.settings.task_queue
        action = ScheduleActionStartWorkflow(pipeline, asked, id=f"tidy-{secrets.token_hex(4)}", task_queue=queue)
        schedule = await client.create_schedule(name, Schedule(action=action, spec=ScheduleSpec()))
        try:
            for count in (1, 2):
                await schedule.trigger()

                async def failed(count: int = count) -> dict[str, Any] | None:
                    found: list[dict[str, Any]] = (await baton.live("runs", "--json")).json["refused"]
                    return found[0] if [one["count"] for one in found] == [count] else None

                entry = await until(failed, f"{count} starts are named")
            assert (entry["schedule"], said in entry["why"]) == (name, True), entry
            shown = await baton.live("runs")
            assert f"2 starts of schedule {name} failed in the last 24 hours" in shown.err
            assert f"temporal schedule update --schedule-id '{name}'" in shown.err
            found = {one["name"]: one for one in (await baton.live("doctor", "--json")).json["findings"]}["refused starts"]
            assert (found["level"], name in found["text"], said in found["text"]) == ("warn", True, True), found
        finally:
            await schedule.delete()


async def test_runs_that_are_on_record_are_no_refused_starts(baton: Baton, serve: Serve, tmp_path: Path) -> None:
    """A delivery that was admitted and then failed is in the list itself."""
    async with serve() as running:
        run = await running.deliver(tmp_path / "nothing-here")

        async def ended() -> bool | None:
            there = (await baton.live("runs", "--json")).json
            return True if any(one["ended_at"] for one in there["runs"]) else None

        await until(ended, f"{run.id} has ended")
        assert (await baton.live("runs", "--json")).json["refused"] == []
