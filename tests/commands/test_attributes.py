"""Search attributes that a server has under our names with other types: named before a run fails for them."""

import asyncio
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from temporalio.common import SearchAttributeKey
from temporalio.testing import WorkflowEnvironment

import config
from commands import server
from connection import WrongTypes, check_search_attributes, compared_attributes
from contracts.errors import Misconfigured
from converter import DATA_CONVERTER
from tests import processes
from tests.commands.conftest import Baton, asking
from tests.depth import soak

STATE = SearchAttributeKey.for_int("State")
OWNER = SearchAttributeKey.for_text("Owner")
NEEDS = SearchAttributeKey.for_keyword("NeedsHuman")
COST = SearchAttributeKey.for_int("CostUsd")
PROJECT = SearchAttributeKey.for_keyword_list("Project")


async def a_server(*theirs: SearchAttributeKey[object]) -> WorkflowEnvironment:
    """A dev server that somebody else has set up with these attributes."""
    return await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(server.temporal_program()),
        dev_server_log_level="error",
        search_attributes=theirs,
        data_converter=DATA_CONVERTER,
    )


@pytest.mark.parametrize(
    ("theirs", "says"),
    [
        ((STATE, OWNER), ("State is Int and must be Keyword", "Owner is Text and must be Keyword")),
        *soak(
            ((NEEDS,), ("NeedsHuman is Keyword and must be Bool",)),
            ((COST, PROJECT), ("CostUsd is Int and must be Float", "Project is KeywordList and must be Keyword")),
        ),
    ],
    ids=["two-types", *soak("a-bool", "a-number-and-a-list")],
)
async def test_wrong_types_are_named_by_worker_doctor_and_start(
    baton: Baton, origin: Path, tmp_path: Path, theirs: Sequence[SearchAttributeKey[object]], says: Sequence[str]
) -> None:
    """The worker does not start, doctor fails, and a start is refused: each names the type that is there and the one needed."""
    async with await a_server(*theirs) as environment:
        address = environment.client.service_client.config.target_host
        baton.set(TEMPORAL_ADDRESS=address)
        settings = config.Settings(state=tmp_path / "worker", task_queue="baton")
        with processes.Worker(environment.client, settings, tmp_path / "worker.log") as running:
            assert await asyncio.to_thread(running.ended) == 2
        found = {one["name"]: one for one in (await baton.live("doctor", "--json")).json["findings"]}
        attributes = found["search attributes"]
        assert attributes["level"] == "fail"
        started = await baton.live(*asking(origin, "--json", "--project", "shop"))
        for one in says:
            assert one in (tmp_path / "worker.log").read_text()
            assert one in attributes["text"]
        assert started.code in (0, 2)
        if STATE in theirs:
            owned = await baton.live(*asking(origin, "--owner", "maria"))
            assert (owned.code, says[0] in owned.err) == (2, True)


async def test_what_to_do_about_them_works(tmp_path: Path) -> None:
    """The two commands that are printed, run as they are: afterwards all types are right, and the check passes."""
    async with await a_server(STATE, OWNER) as environment:
        client = environment.client
        with pytest.raises(Misconfigured) as refused:
            await check_search_attributes(client)
        said = str(refused.value)
        for command in said[said.index("temporal operator") :].split("; then "):
            program = [str(server.temporal_program()), *command.split()[1:]]
            address = client.service_client.config.target_host
            done = await asyncio.to_thread(
                subprocess.run, [*program, "--address", address], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
        await check_search_attributes(client)
        assert await compared_attributes(client) == ({}, WrongTypes({}, client.namespace))
