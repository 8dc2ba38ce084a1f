"""`baton notify`: what people were told, what was not sent, and a test of a channel, with an error for what cannot be meant."""

import asyncio

from ledger.db import Ledger
from tests.activities.actions.servers import web
from tests.activities.notices.world import Clock, channel, messenger, opened, started, targets, turn
from tests.commands.conftest import Baton

TABLES = """
[targets.hook]
kind = "http"
url = "https://hooks.example/ops"
[channels.ops]
kind = "webhook"
target = "hook"
"""


async def sent_and_given_up(ledger: Ledger) -> None:
    """One message that was sent, and one that was given up."""
    with web() as site:
        clock = Clock()
        one = messenger(ledger, targets(site.address), {"ops": channel()}, clock)
        await turn(one)
        started(ledger)
        opened(ledger, "plan-1")
        await turn(one)
        opened(ledger, "plan-2")
        site.answer = 410
        clock.on(minutes=1)
        await turn(one)


async def test_what_was_sent_and_what_was_not(baton: Baton, ledger: Ledger) -> None:
    """Listed, shown, tried again and dropped; every list of what waits says that something was not sent."""
    assert (await baton.live("notify", "list")).out == "no message was sent or is to be sent\n"
    await sent_and_given_up(ledger)
    listed = (await baton.live("notify", "list", "--json")).json
    assert [one["state"] for one in listed["messages"]] == ["sent", "dead"]
    dead = listed["messages"][1]
    assert [one["dead"] for one in listed["channels"]] == [1]
    shown = await baton.live("notify", "show", dead["id"][:6])
    for said in ("delivery-trace-1: gate plan-2 is open", "ops, by [targets.hook]", "hook answered 410", "gate_opened"):
        assert said in shown.out
    for lists in (("notify", "list"), ("actions", "list"), ("gates",), ("runs",)):
        assert "1 message to channel ops was given up; `baton notify list --state dead`" in (await baton.live(*lists)).err
    assert "given up" in (await baton.live("doctor", "--offline")).out
    assert (await baton.live("notify", "drop", dead["id"], "-m", "it is too late", "--by", "olga")).code == 0
    again = await baton.live("notify", "retry", dead["id"], "-m", "no")
    assert (again.code, f"message {dead['id']} is dropped: only one that was given up" in again.err) == (5, True)
    assert [one["state"] for one in (await baton.live("notify", "list", "--state", "dropped", "--json")).json["messages"]] == [
        "dropped"
    ]
    text = (await baton.live("feed")).out
    assert "olga: dropped message" in text


async def test_a_test_waits_for_the_worker_that_has_the_channel(baton: Baton, ledger: Ledger) -> None:
    """And says what came of it: sent, not sent with the reason, or not yet."""
    unknown = await baton.live("notify", "test", "ops")
    assert (unknown.code, "no worker has been started with a channel 'ops'; there are: none" in unknown.err) == (3, True)
    with web() as site:
        one = messenger(ledger, targets(site.address), {"ops": channel()}, Clock())
        one._clock = real_time
        await turn(one)
        late = await baton.live("notify", "test", "ops", "--timeout", "0.1")
        assert (late.code, "not sent yet" in late.out) == (9, True)
        await turn(one)
        running = asyncio.create_task(one.run())
        good = await baton.live("notify", "test", "ops")
        assert (good.code, good.out) == (0, "sent through ops to hook: evt-2\n")
        site.answer = 404
        bad = await baton.live("notify", "test", "ops")
        assert (bad.code, "not sent: hook answered 404" in bad.out) == (1, True)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def real_time(connection: object) -> int:
    """The real one: a command asks now."""
    from ledger.db import now_us

    del connection
    return now_us()


def test_what_cannot_be_meant(baton: Baton, ledger: Ledger) -> None:
    """Is refused with what there is."""
    wrong = baton("notify", "list", "--state", "gone")
    assert (wrong.code, "there are open, sending, sent, dead, dropped" in wrong.err) == (2, True)
    assert baton("notify", "show", "abcdef").code == 3
    assert baton("notify", "retry", "abcdef", "-m", " ").code == 2


def test_doctor_checks_each_channel(baton: Baton, ledger: Ledger) -> None:
    """Where it leads, whom it names, which key is missing here, and whether a worker has it."""
    baton.folder.joinpath("baton.toml").write_text(TABLES)
    assert "no worker has been started with ops" in baton("doctor", "--offline").out
    baton.folder.joinpath("baton.toml").write_text(TABLES.replace('target = "hook"', 'target = "hooks"'))
    assert "[channels.ops] target: [targets.hooks] is not declared" in baton("doctor", "--offline").out
    baton.folder.joinpath("baton.toml").write_text(TABLES.replace("[channels", 'secret_env = "OPS"\n[channels'))
    assert "not readable here: [targets.hook] names the variable OPS" in baton("doctor", "--offline").out
    baton.folder.joinpath("baton.toml").write_text(TABLES + 'quiet = "22"\n')
    assert "channels.ops: '22' are no hours" in baton("runs").err
