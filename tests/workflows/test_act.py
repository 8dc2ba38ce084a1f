"""Act on a real server: from a type and its arguments to a receipt, by the tier that policy has for it."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError

from config import HOME
from contracts.act import ActReport
from ledger.tables import action
from tests.activities.actions.servers import Mail, Web, mail, web
from tests.stack import Stack, result_of, stack

POLICY = """
[actions."notice"]
adapter = "file.write"
tier = "auto"
reversible = "by notice"
accountable = "owner"

[actions."refund"]
adapter = "http.post"
tier = "confirm"
reversible = "no"
accountable = "owner"

[actions."letter"]
adapter = "email.send"
tier = "auto"
reversible = "no"
accountable = "owner"

[actions."revert"]
adapter = "git.revert"
tier = "draft"
reversible = "no"
accountable = "owner"
"""


@contextlib.asynccontextmanager
async def acting(client: Client, folder: Path, **more: Any) -> AsyncIterator[tuple[Stack, Web, Mail]]:
    """A worker whose settings declare a folder, a receiver and a mail server."""
    (folder / "notices").mkdir()
    policy = folder / "policy.toml"
    policy.write_text((HOME / "policy.toml").read_text() + POLICY)
    with web() as site, mail() as post:
        server = {"kind": "smtp", "host": "127.0.0.1", "port": post.port, "tls": "none"}
        targets = {
            "notices": {"kind": "folder", "path": str(folder / "notices")},
            "bank": {"kind": "http", "url": f"{site.address}/hook", "private": True},
            "post": server | {"sender": "shop@example.org", "domains": ["example.org"]},
        }
        async with stack(client, folder / "state", policy=policy, targets=targets, **more) as running:
            yield running, site, post


async def act(running: Stack, name: str, **asked: Any) -> ActReport:
    """Perform one and give back the report."""
    return await result_of(await started(running, name, **asked))


async def started(running: Stack, name: str, **asked: Any) -> Any:
    """Start one, as any client would."""
    queue = running.settings.task_queue
    asked = {"owner": "olga"} | asked
    return await running.client.start_workflow("Act", asked, id=f"act-{name}-{queue}", task_queue=queue, result_type=ActReport)


async def test_an_action_is_performed_and_taken_back(client: Client, tmp_path: Path) -> None:
    """Auto: at once, once, also where two runs ask; what is not declared is refused with nothing written for it."""
    async with acting(client, tmp_path) as (running, site, _):
        file = tmp_path / "notices" / "today.txt"
        notice = {"type": "notice", "target": "notices", "arguments": {"path": "today.txt", "text": "open\n"}}
        first, again = await act(running, "1", **notice), await act(running, "2", **notice)
        assert first.receipt is not None
        assert again.receipt is not None
        assert (first.state, first.receipt.state, first.receipt.how, file.read_text()) == (
            "done",
            "delivered",
            "sent",
            "open\n",
        )
        assert (again.receipt.how, again.receipt.done_by) == ("found", f"act-1-{running.settings.task_queue}")
        for number, (wrong, said) in enumerate(
            (
                ({"arguments": {"path": "../x", "text": "x"}}, "it leads upwards"),
                ({"target": "other"}, "no target is called 'other' here"),
                ({"target": "bank"}, "is of kind http"),
                ({"arguments": {"path": "x", "text": "x", "mode": "0777"}}, "mode: Extra inputs"),
                ({"type": "note"}, "is performed by the pipelines that prepare it"),
                ({"type": "unheard"}, "policy.toml declares no action 'unheard'"),
                ({"arguments": None, "target": None, "undo": first.receipt.key}, "nothing is known that takes this back"),
            )
        ):
            with pytest.raises(WorkflowFailureError) as refused:
                await act(running, f"wrong-{number}", **(notice | wrong))
            assert said in str(refused.value.cause)
        rows = await running.ledger.read(lambda connection: connection.execute(action.select()).all())
        assert [(row.type, row.state) for row in rows] == [("notice", "delivered")]
        # A blind target, under confirm: the gate shows where it goes; nothing is sent before it is approved.
        refund = {"type": "refund", "target": "bank", "arguments": json.dumps({"event": "refund/7", "body": {"amount": 7}})}
        run = await started(running, "refund", **refund)
        view = await running.gate(run, "action-1")
        assert {f"to {site.address}/hook", "without a clear answer a person is asked", "event: refund/7"} <= set(view.facts)
        assert site.seen == []
        await running.decide(view)
        report = await result_of(run)
        assert (report.state, report.receipt.reference, len(site.book)) == ("done", "evt-1", 1)
        # A draft: a person does it.
        back = {"repository": "/srv/git/shop", "commit": "a" * 40, "onto": "b" * 40, "branch": "back"}
        run = await started(running, "draft", type="revert", arguments=back)
        await running.decide(await running.gate(run, "draft-1"), "done", note="done by hand")
        assert (await result_of(run)).receipt.state == "done_by_person"


async def test_an_answer_that_is_lost_for_good_is_for_a_person(client: Client, tmp_path: Path) -> None:
    """A mail server that does not answer after the text: nothing is sent again, and what a person found out is the receipt."""
    async with acting(client, tmp_path) as (running, _, post):
        post.loses = True
        text = {"to": ["olga@example.org"], "subject": "Hello", "text": "We are closed."}
        run = await started(running, "letter", type="letter", target="post", arguments={"event": "hello/7", **text})
        view = await running.gate(run, "unknown-1")
        assert "an earlier attempt may have done it, and a mail server cannot say whether it took a message" in " ".join(
            view.facts
        )
        assert len(post.box) == 1
        await running.decide(view, "happened", reference="<1@post>")
        report = await result_of(run)
        assert (report.state, report.receipt.state, report.receipt.how, len(post.box)) == ("done", "delivered", "person", 1)
        assert report.receipt.reference == "<1@post>"


async def test_a_target_that_fails_again_and_again_is_left_alone(client: Client, tmp_path: Path) -> None:
    """Its breaker opens for all its actions: they wait, which the feed says, and go on by themselves when it is back."""
    breakers = {"failures": 2, "cooldown": "PT2S", "longest": "PT2S"}
    async with acting(client, tmp_path, breakers=breakers) as (running, _, post):
        post.refuses = {"MAIL": "451 later"}
        text = {"to": ["olga@example.org"], "subject": "Hello", "text": "We are closed."}
        letters = [{"event": f"hello/{number}", **text} for number in range(2)]
        runs = [
            await started(running, f"{number}", type="letter", target="post", arguments=one)
            for number, one in enumerate(letters)
        ]

        async def waits() -> bool | None:
            lines = [line.did for run in runs for line in await running.feed(run)]
            return True if any(line.startswith("waits: mail olga@example.org") for line in lines) else None

        from tests.stack import until

        await until(waits, "an action waits for its target")
        post.refuses = {}
        assert [(await result_of(run)).receipt.state for run in runs] == ["delivered"] * 2
        assert len(post.box) == 2
        said = "\n".join([await running.said(run) for run in runs])
        assert "circuit breaker open for target:email.send:post" in said
        assert "circuit breaker closed for target:email.send:post" in said
