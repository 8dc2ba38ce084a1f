"""Support on a real server: tickets of a file, a real database, a real mail server; each ticket ends once."""

import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from temporalio.client import Client

from contracts.support import SupportReport
from tests import scripts
from tests.activities.actions.servers import Mail, mail
from tests.activities.support.places import Shop, ticket
from tests.stack import Stack, result_of, stack

POLICY = Path(__file__).parents[2] / "policy.toml"
ASKED = {"owner": "olga", "desk": "shop", "folder": "inbox", "file": "tickets.jsonl"}


@contextlib.asynccontextmanager
async def answering(
    client: Client, folder: Path, *conversations: dict[str, Any], tiers: dict[str, str] | None = None, **settings: Any
) -> AsyncIterator[tuple[Stack, Shop, Mail]]:
    """A worker with a desk. Without `conversations` it has no model at all. `tiers`: of types of action, where others."""
    shop = Shop(folder, f"sqlite:///{folder}/shop.db")
    policy = folder / "policy.toml"
    words = POLICY.read_text()
    for action, tier in (tiers or {}).items():
        words = re.sub(rf'(\[actions\."{re.escape(action)}"\]\nadapter = "[a-z.]+"\ntier) = "\w+"', rf'\1 = "{tier}"', words)
    policy.write_text(words)
    played = scripts.save(folder / "script.yaml", *conversations) if conversations else None
    with mail() as server:
        whole = {"policy": policy, **shop.settings(server.port), **settings}
        async with stack(client, folder / "state", played, **whole) as running:
            yield running, shop, server


async def started(running: Stack, name: str, asked: dict[str, Any] = ASKED) -> Any:
    """Start one, as any client would."""
    queue = running.settings.task_queue
    return await running.client.start_workflow("Support", asked, id=name, task_queue=queue, result_type=SupportReport)


def sent(server: Mail) -> list[tuple[tuple[str, ...], str]]:
    """What arrived: recipients and text."""
    return [(to, text.decode()) for _, to, text in server.box]


async def test_without_any_key_tickets_are_answered_by_the_guide(client: Client, tmp_path: Path) -> None:
    """Each ticket has its case; a person approves what goes out, refunds money and answers what no template does; bad
    ones are named; every step says that no model took part."""
    async with answering(client, tmp_path) as (running, shop, server):
        shop.file(
            ticket("T-1", "ann@shop.test", "Please, my card was charged twice for AB-1001, 42.00 EUR."),
            ticket("T-2", "bob@shop.test", "The app crashes when I look at the map."),
            "{not json}\n",
            ticket("T-3", "bob@shop.test", "Thanks, that was quick!"),
        )
        run = await started(running, "support-keyless")
        draft = await running.gate(run, "ticket.1-t-1.draft-1")
        assert any("ann@shop.test" in fact for fact in draft.facts)
        assert any("4200" in fact for fact in draft.facts)
        await running.decide(draft, "done", reference="BANK-7")
        await running.approve(run, "ticket.1-t-1.action-1")
        stuck = await running.gate(run, "ticket.2-t-2.stuck-1")
        assert any("no template of the guide answers this" in fact for fact in stuck.facts)
        assert "crashes when I look at the map" in stuck.narrative
        await running.decide(stuck, "request_changes", note="Version 2.1 mends it; please update.")
        await running.approve(run, "ticket.2-t-2.action-1")
        report = await result_of(run)
        lines = await running.feed(run)
        assert (report.state, report.reason, report.usd_micros) == ("done", "", 0)
        assert report.endings == {"replied": 2, "no_reply": 1}
        assert [(one.where, one.why.split(":")[0]) for one in report.bad] == [("line 3", "it is no JSON")]
        assert {one.category: one.tickets for one in report.categories} == {"billing": 1, "technical": 1, "other": 1}
        told = dict(sent(server))
        assert "We pay back what AB-1001 was charged twice." in told[("ann@shop.test",)]
        assert "Version 2.1 mends it" in told[("bob@shop.test",)]
        assert shop.refunded() == {}
        stood_in = [line for line in lines if "stood in for" in line.did]
        assert len(stood_in) == 7
        assert all("(degraded)" in line.did for line in stood_in)
        again = await result_of(await started(running, "support-again"))
        assert again.endings == {}
        assert [one.ending for one in again.cases] == ["known"] * 3
        assert len(server.box) == 2
