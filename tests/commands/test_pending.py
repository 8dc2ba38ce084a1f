"""A run can be seen and cancelled from the moment of its start, and what fails is told while it is tried again."""

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from activities.actions.git_push import GitPushAdapter
from activities.git.errors import RepositoryUnreachable
from activities.providers.errors import status_error
from activities.providers.progress import current
from ledger import gates
from tests.commands.conftest import Baton, Ran, Serve, asking
from tests.stack import Stack, git, until

NO_HOST = ("https://127.0.0.1:1/shop.git", "git://127.0.0.1:1/shop.git")
"""Addresses at which nothing listens."""


async def ran_until(baton: Baton, command: tuple[str, ...], right: Callable[[dict[str, Any]], bool]) -> Ran:
    """The first run of this command whose JSON is as wanted."""

    async def look() -> Ran | None:
        ran = await baton.live(*command)
        return ran if ran.out and right(ran.json) else None

    return await until(look, f"{' '.join(command)} was right")


@pytest.mark.parametrize("address", NO_HOST)
async def test_a_host_that_cannot_be_reached_is_told_at_once(baton: Baton, serve: Serve, address: str) -> None:
    """The start itself says what fails; then `show`, `runs` and the feed do, with attempt and error, until it is cancelled."""
    async with serve():
        started = await baton.live("deliver", "-r", address, "-i", "Say it clearer", "--owner", "olga", "--json")
        assert started.code == 0, started.err
        run = started.json["run"]
        assert "prepare_repository" in started.json["warning"]
        assert "could not be read" in started.json["warning"]
        shown = await ran_until(baton, ("show", run, "--json"), lambda found: found["pending"][0]["attempt"] > 1)
        [one] = shown.json["pending"]
        assert (one["workflow"], one["activity"], one["most"]) == (run, "prepare_repository", 10)
        assert "could not be read" in one["error"]
        assert (shown.json["state"], shown.json["stage"]) == ("working", "intake")
        text = (await baton.live("show", run)).out
        assert f"prepare_repository of {run}: attempt " in text
        listed = await baton.live("runs")
        assert f"prepare_repository of {run}: attempt " in listed.err
        assert "admitted" not in listed.out

        async def told() -> bool | None:
            lines = (await baton.live("feed", run)).out
            return True if "prepare_repository has failed again, attempt 2 of 10" in lines else None

        await until(told, "the feed told of the second failure")
        assert (await baton.live("cancel", run)).code == 0


async def test_without_a_worker_a_run_is_seen_and_can_be_cancelled(baton: Baton, client: Client, origin: Path) -> None:
    """Nobody serves the queue: the run just printed is in every command, and its cancellation counts when a worker comes."""
    queue = f"nobody-{secrets.token_hex(4)}"
    baton.set(TEMPORAL_ADDRESS=client.service_client.config.target_host, BATON_TASK_QUEUE=queue)
    started = (await baton.live(*asking(origin, "--json"))).json
    run, trace = started["run"], started["trace"]
    shown = await baton.live("show", run, "--json")
    assert (shown.code, shown.json["state"], shown.json["trace"], shown.json["recorded"]) == (0, "starting", trace, False)
    assert "no worker has ever served task queue" in shown.json["waits_for"]
    assert "no worker has ever served task queue" in (await baton.live("show", run)).out
    await ran_until(baton, ("runs", "--json"), lambda found: [one["run"] for one in found["starting"]] == [run])
    assert (await baton.live("runs")).out.splitlines()[1].split()[:2] == [run, "starting"]
    result = await baton.live("result", run)
    assert (result.code, "is not on record yet" in result.out) == (9, True)
    for command in (("approve", run, "--yes"), ("pause", run)):
        refused = await baton.live(*command)
        assert (refused.code, "is not on record yet" in refused.err) == (5, True)
    cancelled = await baton.live("cancel", run)
    assert (cancelled.code, "ends as cancelled as soon as somebody carries it out" in cancelled.err) == (7, True)
    assert (await baton.live("cancel", f"{run}-9")).code == 3


async def test_a_run_that_never_was_on_record_is_told_as_it_ended(baton: Baton, client: Client, origin: Path) -> None:
    """Terminated before any worker saw it: show and result say so, and cancel refuses."""
    queue = f"nobody-{secrets.token_hex(4)}"
    baton.set(TEMPORAL_ADDRESS=client.service_client.config.target_host, BATON_TASK_QUEUE=queue)
    run = (await baton.live(*asking(origin, "--json"))).json["run"]
    await client.get_workflow_handle(run).terminate(reason="not today")
    shown = await baton.live("show", run)
    assert (shown.code, f"{run}: terminated" in shown.out) == (0, True)
    result = await baton.live("result", run)
    assert (result.code, "ended in Temporal as terminated" in result.out) == (1, True)
    assert (await baton.live("cancel", run)).code == 5


async def at_its_change(baton: Baton, origin: Path, *more: str) -> str:
    """A delivery that waits at its change gate."""
    run: str = (await baton.live(*asking(origin, "--wait-for-gate", "--json", *more))).json["run"]
    assert (await baton.live("approve", run, "plan-1", "--yes")).code == 0
    waiting = await baton.live("result", run, "--wait-for-gate", "--json")
    assert waiting.json["gates"] == ["change-1"], waiting.err
    return run


async def test_a_push_that_is_tried_again_is_seen_and_its_effect_leads_to_its_run(
    baton: Baton, serve: Serve, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target is away after the approval: `show` has the attempt and its error, and no gate is open.

    Then commit, branch, tree and action key, whole and shortened, are known: `why` starts at the action, `show` shows the run.
    What the tree names, in text and in JSON, can be asked about in turn.
    """

    def away(*_: object) -> None:
        raise RepositoryUnreachable("the target is away")

    async with serve() as running:
        run = await at_its_change(baton, origin, "--branch", "olga/clearer")
        with monkeypatch.context() as patch:
            patch.setattr(GitPushAdapter, "find", away)
            assert (await baton.live("approve", run, "change-1", "--yes")).code == 0
            shown = await ran_until(baton, ("show", run, "--json"), lambda found: any(one["error"] for one in found["pending"]))
        [one] = [one for one in shown.json["pending"] if one["activity"] == "deliver"]
        assert "the target is away" in one["error"]
        assert shown.json["waiting_for"] == ""
        assert await running.ledger.read(gates.open_gates) == []
        assert (await baton.live("result", run, "--wait")).code == 0
        await asyncio.to_thread(every_name_of_the_effect_is_known, baton, origin, run)
        await asyncio.to_thread(every_id_that_why_prints_is_accepted, baton, run)


def every_name_of_the_effect_is_known(baton: Baton, origin: Path, run: str) -> None:
    """And none that is like one of them."""
    [action] = baton("show", run, "--json").json["actions"]
    branch = "olga/clearer"
    commit, tree = git(origin, "rev-parse", branch, f"{branch}^{{tree}}").split()
    names = (commit, commit[:8], tree, tree[:12], action["key"], action["key"][:12], branch, f"refs/heads/{branch}")
    for name in names:
        why = baton("why", name, "--json")
        assert (why.code, why.json["start"]) == (0, action["key"]), why.err
        shown = baton("show", name, "--json")
        assert (shown.code, shown.json["run"]) == (0, run), shown.err
    for nothing in ("f" * 40, "olga/clear", "refs/heads/other"):
        assert baton("why", nothing).code == 3
        assert baton("show", nothing).code == 3


def every_id_that_why_prints_is_accepted(baton: Baton, run: str) -> None:
    """In text and in JSON."""
    tree = baton("why", run, "--json").json
    kinds = {node["kind"] for node in tree["nodes"]}
    assert {"run", "action", "gate", "handoff", "artifact"} <= kinds
    asked = [(node, baton("why", node["id"], "--json")) for node in tree["nodes"]]
    assert [(node, ran.err) for node, ran in asked if ran.code != 0 or ran.json["start"] != node["id"]] == []
    printed = {line.split()[-1] for line in baton("why", run).out.splitlines()}
    short = [one for one in printed if len(one) == 12 and set(one) <= set("0123456789abcdef")]
    assert short
    assert [one for one in short if baton("why", one).code != 0] == []


async def test_a_turn_is_seen_while_it_is_written_and_where_it_fails(baton: Baton, serve: Serve, origin: Path) -> None:
    """`show` says which model is asked, and about how much it has written by the last heartbeat.

    It then answers 500: `show` of the run names the child's activity, its attempt and its error.
    """
    async with serve() as running:
        run = (await baton.live(*asking(origin, "--wait-for-gate", "--json"))).json["run"]
        go = writing(running)
        assert (await baton.live("approve", run, "plan-1", "--yes")).code == 0
        shown = await ran_until(baton, ("show", run, "--json"), lambda found: any(one["tokens"] for one in found["pending"]))
        [one] = [one for one in shown.json["pending"] if one["tokens"]]
        text = (await baton.live("show", run)).out
        go.set()
        shown = await ran_until(baton, ("show", run, "--json"), lambda found: any(one["error"] for one in found["pending"]))
        [failed] = [one for one in shown.json["pending"] if one["error"]]
        assert (await baton.live("cancel", run)).code == 0
    assert (one["activity"], one["model"].startswith("scripted:"), one["tokens"]) == ("call_model", True, 3)
    assert f"about 3 tokens of {one['model']} so far" in " ".join(text.split())
    assert (failed["activity"], failed["workflow"].startswith(f"{run}.")) == ("call_model", True)
    assert failed["attempt"] > 1
    assert "HTTP 500" in failed["error"]


def writing(stack: Stack) -> asyncio.Event:
    """From now on every model begins to write and goes no further until the event is set."""
    go = asyncio.Event()

    class Writing:
        name = "scripted"

        async def complete(self, request: object) -> Any:
            current().took(b'data: {"choices": [{"delta": {"content": "ten letter"}}]}\n\n')
            await go.wait()
            raise status_error("scripted", 500, {}, b"the model is down")

        async def close(self) -> None:
            """Nothing is open."""

    stack.parts.providers["scripted"] = Writing()
    return go
