"""The messenger: what people should hear reaches each channel once, in few messages, and never an agent's words."""

import asyncio
import base64
import hashlib
import hmac
import json
import threading
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from sqlalchemy import select

from activities.actions import lines as action_lines
from activities.notices import operating
from activities.notices.letters import check_channels
from activities.notices.messenger import Pace
from contracts.channels import Channel
from contracts.errors import Misconfigured, Refused
from contracts.notices import KINDS, Occasion
from contracts.runs import RunRef
from ledger import channels, feed, gates
from ledger.db import Ledger, from_us, server_us
from ledger.tables import addressed, notice
from ledger.views.notices import messages, troubles
from tests.activities.actions.servers import Mail, Web
from tests.activities.notices.world import (
    BOTH,
    NO_WAIT,
    NOON,
    ORDERS,
    SECRET,
    Clock,
    channel,
    messenger,
    opened,
    policy,
    started,
    targets,
    told,
    turn,
)
from tests.ledger.samples import note, ref

NIGHT = {"quiet": "22:00-07:00", "zone": "Europe/Berlin"}


def bodies(site: Web) -> list[Any]:
    """What was posted, as JSON."""
    return [json.loads(one["body"]) for one in site.book]


def titles(site: Web) -> list[str]:
    """Of the messages that were posted."""
    return [one["data"]["title"] for one in bodies(site)]


@BOTH
async def test_each_kind_of_channel_is_told_with_title_risk_deadline_and_commands(
    ledger: Ledger, clock: Clock, site: Web, post: Mail
) -> None:
    """And not one word of an agent's. The post is signed, the mail is plain, and Slack gets no markup."""
    declared = {
        "chat": channel("slack", "chat"),
        "hook": channel(),
        "post": channel("mail", "post", to=["olga@example.org", "ivan@example.org"]),
    }
    one = messenger(ledger, targets(site.address, post.port), declared, clock)
    assert await turn(one) == 0
    started(ledger)
    opened(ledger)
    assert await turn(one) == 3

    by_path = {posted["path"]: posted for posted in site.book}
    hook, headers = json.loads(by_path["/hook"]["body"]), by_path["/hook"]["headers"]
    shown = hook["data"]["notices"][0]
    assert shown["title"] == "delivery-trace-1: gate plan-1 is open" == hook["data"]["title"]
    assert (shown["risk"], shown["deadline"], shown["project"]) == ("medium", "2026-01-11T12:00:00+00:00", "default")
    looks, approves = "baton show delivery-trace-1 --gate plan-1", "baton approve delivery-trace-1 plan-1"
    assert shown["commands"] == [looks, approves, "baton runbook gate-plan"]
    assert shown["link"] == "https://temporal.example.org/namespaces/default/workflows/delivery-trace-1"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + by_path["/hook"]["body"]
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"

    chat = json.loads(by_path["/chat"]["body"])
    assert chat["text"].split("\n")[:2] == [shown["title"], "risk medium; until 2026-01-11 12:00 UTC"]
    sender, receivers, raw = post.box[0]
    mail = message_from_bytes(raw, policy=default)
    assert (sender, receivers) == ("baton@example.org", ("olga@example.org", "ivan@example.org"))
    assert mail["subject"] == f"[baton] {shown['title']}"
    assert "baton approve delivery-trace-1 plan-1" in mail.get_content()
    for sent in (by_path["/hook"]["body"], by_path["/chat"]["body"], raw):
        assert b"Ignore" not in sent
    assert {(kept.channel, kept.state) for kept in ledger.read_now(messages)} == {(name, "sent") for name in declared}


async def test_names_that_people_choose_cannot_be_orders_or_headers(
    ledger: Ledger, clock: Clock, site: Web, post: Mail
) -> None:
    """A run's id may hold anything: it mentions nobody in Slack, and is one line in a mail's subject."""
    declared = {"chat": channel("slack", "chat"), "post": channel("mail", "post", to=["olga@example.org"])}
    one = messenger(ledger, targets(site.address, post.port), declared, clock)
    await turn(one)
    hostile = "a <!channel> & <https://evil.example|b>\r\nBcc: all@example.org\u202e"
    ledger.tx_now(feed.append, _run(hostile), [note("n", tells=Occasion(kind="expired", about="plan-1"))])
    assert await turn(one) == 2
    text = bodies(site)[0]["text"]
    assert "<" not in text
    assert "&lt;!channel&gt; &amp; " in text
    mail = message_from_bytes(post.box[0][2], policy=default)
    assert mail["bcc"] is None
    assert "\\u000d\\nBcc: all@example.org\\u202e: gate plan-1 closed" in mail["subject"]


def _run(workflow_id: str, trace: str = "trace-9") -> RunRef:
    return ref(trace, workflow_id=workflow_id)


async def test_what_was_before_a_channel_is_not_sent_to_it(ledger: Ledger, clock: Clock, site: Web) -> None:
    """A new channel begins with what happens from then on."""
    opened(ledger, "plan-1")
    one = messenger(ledger, targets(site.address), {"ops": channel()}, clock)
    assert await turn(one) == 0
    opened(ledger, "plan-2")
    assert await turn(one) == 1
    assert titles(site) == ["delivery-trace-1: gate plan-2 is open"]


@pytest.mark.parametrize("kind", ["slack", "webhook", "mail"])
async def test_ids_of_any_length_fit_into_a_message(ledger: Ledger, clock: Clock, site: Web, post: Mail, kind: str) -> None:
    """Temporal takes a thousand characters: then fewer notices are listed, and none is lost."""
    to = {"to": ["olga@example.org"]} if kind == "mail" else {}
    declared = {"ops": channel(kind, "post" if kind == "mail" else "hook", **to)}
    one = messenger(ledger, targets(site.address, post.port), declared, clock)
    await turn(one)
    for number in range(30):
        line = note(f"n{number}", tells=Occasion(kind="expired", about="plan-1"))
        ledger.tx_now(feed.append, _run("\u202e" * 1000, trace=f"trace-{number}"), [line])
    assert await turn(one) == 1
    [kept] = ledger.read_now(messages)
    assert (kept.state, kept.notices, kept.title) == ("sent", 30, "30 notices: 30 gates without a decision")


async def test_what_a_later_release_tells_is_passed_on(ledger: Ledger, clock: Clock, site: Web) -> None:
    """A kind that this one does not know keeps no channel from going on."""
    one = messenger(ledger, targets(site.address), {"ops": channel()}, clock)
    await turn(one)
    told(ledger, note("k", tells=Occasion(kind="moved_house", about="abc")))
    assert await turn(one) == 1
    assert titles(site) == ["delivery-trace-1: abc (a later release of Baton says more)"]


async def test_what_is_a_week_old_is_not_told(ledger: Ledger, clock: Clock, site: Web) -> None:
    """A channel that no worker had for months does not tell of all that was meanwhile."""
    one = messenger(ledger, targets(site.address), {"ops": channel()}, clock)
    await turn(one)
    opened(ledger, "plan-1")
    clock.now = ledger.read_now(ledgers_time) + timedelta(days=7, hours=1)
    opened(ledger, "plan-2")
    assert await turn(one) == 0
    assert site.book == []


def ledgers_time(connection: Any) -> datetime:
    """The ledger's own clock, by which notices are dated."""
    return from_us(server_us(connection))


async def test_a_channel_that_breaks_keeps_no_other_from_its_messages(ledger: Ledger, clock: Clock, site: Web) -> None:
    """Such as one whose message cannot be made."""
    declared = {"a": channel(), "b": channel("slack", "chat")}
    one = messenger(ledger, targets(site.address), declared, clock)
    await turn(one)
    one._declared = declared | {"a": Channel.model_construct(kind="webhook", target="hook", quiet="?")}
    opened(ledger)
    assert await turn(one) == 1
    assert [posted["path"] for posted in site.book] == ["/chat"]


@BOTH
async def test_a_storm_is_one_message_a_minute(ledger: Ledger, clock: Clock, site: Web) -> None:
    """A hundred gates at once: the first message is about all that is there, and what comes then is in the next one."""
    one = messenger(ledger, targets(site.address), {"ops": channel()}, clock)
    await turn(one)
    for number in range(100):
        opened(ledger, f"plan-{number}")
    await turn(one)
    for number in range(100, 150):
        opened(ledger, f"plan-{number}")
        clock.on(seconds=1)
        await turn(one)
    assert titles(site) == ["100 notices: 100 open gates"]
    clock.on(seconds=10)
    assert await turn(one) == 1
    assert titles(site) == ["100 notices: 100 open gates", "50 notices: 50 open gates"]
    assert [len(one["data"]["notices"]) for one in bodies(site)] == [20, 20]
    assert [one["data"]["more"] for one in bodies(site)] == [80, 30]


async def test_quiet_hours_end_with_one_digest(ledger: Ledger, clock: Clock, site: Web) -> None:
    """What is not urgent waits; an escalation, a dead letter and what ends within the night do not."""
    one = messenger(ledger, targets(site.address), {"ops": channel(**NIGHT)}, clock)
    clock.on(hours=10)  # 23:00 in Berlin
    await turn(one)
    opened(ledger, "plan-1")
    opened(ledger, "plan-2", deadline=clock.now + timedelta(hours=7))  # an hour before the night is over
    opened(ledger, "plan-3")
    assert await turn(one) == 1
    clock.on(minutes=1)
    told(ledger, note("e", tells=Occasion(kind="escalation", about="plan-1", who=("olga",))))
    told(ledger, note("d", tells=Occasion(kind="dead_letter", about="abc", what="email.send, dead")))
    assert await turn(one) == 1
    assert titles(site) == ["delivery-trace-1: gate plan-2 is open", "2 notices: 1 escalation, 1 dead letter"]
    clock.now = NOON + timedelta(hours=18) - timedelta(microseconds=1)  # just before seven in Berlin
    assert await turn(one) == 0
    clock.on(microseconds=1)
    assert await turn(one) == 1
    assert titles(site)[2:] == ["2 notices: 2 open gates"]


async def test_nobody_is_called_to_a_gate_that_has_closed(ledger: Ledger, clock: Clock, site: Web) -> None:
    """What was decided while it waited for the morning is left out."""
    one = messenger(ledger, targets(site.address), {"ops": channel(digest_every="PT1H")}, clock)
    await turn(one)
    opened(ledger, "plan-1")
    opened(ledger, "plan-2")
    await turn(one)
    ledger.tx_now(gates.close, "trace-1", "plan-1", "approve")
    clock.on(hours=1)
    assert await turn(one) == 1
    assert titles(site) == ["delivery-trace-1: gate plan-2 is open"]
    states = ledger.read_now(lambda connection: connection.execute(select(addressed.c.state)).scalars().all())
    assert sorted(states) == ["over", "taken"]


@BOTH
async def test_two_workers_send_each_message_once(ledger: Ledger, clock: Clock, site: Web) -> None:
    """Also where both believe that they lead a channel."""
    declared, where = {"ops": channel(apart="PT10S")}, targets(site.address)
    both = [messenger(ledger, where, declared, clock, name) for name in ("worker-1", "worker-2")]
    for one in both:
        one._pace = Pace(lead=timedelta())  # it leads for no time at all: the other one does not know it
    for number in range(10):
        opened(ledger, f"plan-{number}")
        await asyncio.gather(*(turn(one) for one in both))
        clock.on(seconds=10)
    assert len(titles(site)) == len(set(titles(site))) == 9


@BOTH
async def test_a_restart_sends_nothing_again(ledger: Ledger, clock: Clock, site: Web) -> None:
    """The next worker knows what the last one has sent."""
    declared, where = {"ops": channel()}, targets(site.address)
    await turn(messenger(ledger, where, declared, clock, "worker-1"))
    opened(ledger)
    first = messenger(ledger, where, declared, clock, "worker-1")
    await turn(first)
    running = asyncio.create_task(first.run())
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    clock.on(hours=1)
    assert await turn(messenger(ledger, where, declared, clock, "worker-2")) == 0
    assert len(site.book) == 1


async def test_a_channel_that_is_down_is_tried_again_and_then_given_up_visibly(ledger: Ledger, clock: Clock, site: Web) -> None:
    """With the same key each time; what comes meanwhile is in the next message; the other channel is not kept waiting."""
    declared = {"down": channel(target="once"), "up": channel("slack", "chat")}
    one = messenger(ledger, targets(site.address), declared, clock)
    await turn(one)
    opened(ledger, "plan-1")
    site.answer = 503
    await turn(one)
    opened(ledger, "plan-2")
    clock.on(minutes=2)
    await turn(one)
    kept = {kept.channel: kept for kept in ledger.read_now(messages)}
    assert (kept["down"].state, kept["down"].tries, kept["down"].notices) == ("open", 2, 1)
    assert "once answered 503" in kept["down"].problem
    clock.on(minutes=2)
    await turn(one)
    [trouble] = [found for found in ledger.read_now(troubles) if found.channel == "down"]
    assert trouble.dead == 1
    lines = [line for line in ledger.read_now(feed.after) if line.stage == "notify"]
    assert {line.importance for line in lines} == {"alert"}
    assert "gave up a message to channel down: delivery-trace-1: gate plan-1 is open" in {line.did for line in lines}

    site.answer = 0
    clock.on(minutes=2)
    await turn(one)
    assert [json.loads(posted["body"])["data"]["title"] for posted in site.book if posted["path"] == "/once"] == [
        "delivery-trace-1: gate plan-2 is open"
    ]
    dead = next(kept for kept in ledger.read_now(messages) if kept.state == "dead" and kept.channel == "down")
    ledger.tx_now(operating.retry, dead.id[:6], "olga", "it is back")
    await turn(one)
    assert len([posted for posted in site.book if posted["path"] == "/once"]) == 2
    with pytest.raises(Refused, match="is sent"):
        ledger.tx_now(operating.retry, dead.id, "olga", "again")


async def test_a_message_that_its_receiver_cannot_take_holds_no_other_back(ledger: Ledger, clock: Clock, site: Web) -> None:
    """After five failures newer notices are sent, one message at a time; it is tried on, and nothing is sent twice."""
    limits = NO_WAIT.model_copy(update={"attempts": 30})
    one = messenger(ledger, targets(site.address), {"ops": channel()}, clock, limits=limits)
    await turn(one)
    site.chokes_on = b"plan-1 "
    opened(ledger, "plan-1")
    for _ in range(channels.STUBBORN):
        clock.on(minutes=2)
        await turn(one)
        opened(ledger, "plan-2")
    assert titles(site) == []
    for number in (3, 4):
        clock.on(minutes=2)
        await turn(one)
        opened(ledger, f"plan-{number}")
    assert titles(site) == ["delivery-trace-1: gate plan-2 is open", "delivery-trace-1: gate plan-3 is open"]
    # Down as a whole: what fails beside it holds the others back as ever.
    site.answer = 503
    for number in range(5, 5 + 2 * channels.STUBBORN):
        clock.on(minutes=2)
        await turn(one)
        opened(ledger, f"plan-{number}")
    assert sorted(kept.state for kept in ledger.read_now(messages)) == ["open", "open", "sent", "sent"]
    site.answer, site.chokes_on = 0, b"\0"
    clock.on(minutes=2)
    await turn(one)
    assert len(titles(site)) == 4


async def test_a_refusal_is_given_up_at_once(ledger: Ledger, clock: Clock, site: Web) -> None:
    """A receiver that says no for good, and an address of this network that nobody has allowed."""
    declared = {"no": channel(), "inside": channel(target="public")}
    one = messenger(ledger, targets(site.address), declared, clock)
    await turn(one)
    opened(ledger)
    site.answer = 404
    await turn(one)
    found = {kept.channel: kept for kept in ledger.read_now(messages)}
    assert {kept.state for kept in found.values()} == {"dead"}
    assert "hook answered 404" in found["no"].problem
    assert "an address of this machine or of a private network; nothing was sent" in found["inside"].problem


async def test_a_slow_channel_keeps_no_other_waiting(ledger: Ledger, clock: Clock, site: Web) -> None:
    """One message that gets no answer is one task; other channels, and what writes to the ledger, go on."""
    go, reached = threading.Event(), threading.Event()

    class Slow:
        permanent = ()

        def send(self, arguments: bytes, when: Any) -> str:
            reached.set()
            go.wait()
            return "at last"

    declared = {"slow": channel("mail", "post", to=["olga@example.org"]), "hook": channel()}
    one = messenger(ledger, targets(site.address), declared, clock)
    one._senders = dict(one._senders) | {"mail": Slow()}  # type: ignore[dict-item]  # it is never asked for more
    await turn(one)
    opened(ledger)
    assert await one.round() == 2
    await asyncio.to_thread(reached.wait)
    clock.on(minutes=5)
    opened(ledger, "plan-2")
    while len(site.book) < 2:
        await one.round()
        await asyncio.sleep(0.005)
    go.set()
    await one.settle()
    assert {kept.state for kept in ledger.read_now(messages) if kept.notices} == {"sent"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"kinds": ["dead_letter"]}, {"dead_letter"}),
        ({"importance": "alert"}, {"escalation", "dead_letter", "breaker_open", "policy_proposed", "high"}),
        ({"projects": ["shop"]}, {"breaker_open", "policy_proposed"}),
        ({"pipelines": ["review"]}, {"breaker_open", "policy_proposed"}),
        ({"who": ["olga"]}, {"gate_opened", "dead_letter", "breaker_open", "high"}),
        ({"who": ["shop"]}, {"gate_opened", "dead_letter", "breaker_open", "high"}),
        ({"who": ["ivan", "bank"]}, {"dead_letter", "breaker_open", "escalation", "high"}),
    ],
)
async def test_a_channel_gets_its_own_alone(
    ledger: Ledger, clock: Clock, site: Web, settings: dict[str, Any], expected: set[str]
) -> None:
    """By kind, importance, project, pipeline, and whoever is asked; what is about no run is for every project."""
    one = messenger(ledger, targets(site.address), {"ops": channel(**settings)}, clock)
    await turn(one)
    started(ledger)
    opened(ledger, "plan-1", ("shop",))
    opened(ledger, "plan-2", risk="high: it cannot be undone")
    for kind, who in (("escalation", ("ivan",)), ("dead_letter", ()), ("breaker_open", ()), ("policy_proposed", ("boss",))):
        told(ledger, note(kind, tells=Occasion(kind=kind, about="plan-1", who=who)))  # type: ignore[arg-type]
    await turn(one)
    [sent] = bodies(site)
    got = {"high" if shown["risk"] == "high" else shown["kind"] for shown in sent["data"]["notices"]}
    assert got == expected


async def test_the_runs_owner_is_asked_by_name(ledger: Ledger, clock: Clock, site: Web) -> None:
    """Where a gate asks its run's `owner`, that is a person."""
    one = messenger(ledger, targets(site.address), {"ops": channel(who=["olga"])}, clock)
    await turn(one)
    started(ledger)  # olga's
    opened(ledger, "plan-1", ("owner",))
    assert await turn(one) == 1


async def test_a_test_message_goes_out_at_night_as_well(ledger: Ledger, clock: Clock, site: Web) -> None:
    """By the worker that has the channel, with its keys."""
    clock.on(hours=10)
    one = messenger(ledger, targets(site.address), {"ops": channel(**NIGHT)}, clock)
    await turn(one)
    assert not ledger.tx_now(channels.ask_for_test, "nowhere", "t0", clock(None))  # type: ignore[arg-type]
    assert ledger.tx_now(channels.ask_for_test, "ops", "t1", clock(None))  # type: ignore[arg-type]
    assert await turn(one) == 1
    [sent] = bodies(site)
    assert (sent["type"], sent["data"]["title"]) == ("baton.test", "test message: this channel works")
    [kept] = ledger.read_now(messages)
    assert (kept.state, kept.reference, kept.how) == ("sent", "evt-1", "test")


@BOTH
def test_a_notice_is_there_if_and_only_if_its_event_is(ledger: Ledger) -> None:
    """They are one transaction: an event that was not committed tells nobody, and one that was is never lost."""

    class Lost(Exception):
        pass

    def broken(connection: Any) -> None:
        feed.append(connection, _run("delivery-trace-9"), [note("k", tells=Occasion(kind="expired", about="plan-1"))])
        assert len(connection.execute(select(notice)).all()) == 1
        raise Lost

    with pytest.raises(Lost):
        ledger.tx_now(broken)
    assert ledger.read_now(lambda connection: connection.execute(select(notice)).all()) == []
    opened(ledger)
    opened(ledger)  # an attempt that is made again writes the line once, and the notice
    [row] = ledger.read_now(lambda connection: connection.execute(select(notice)).all())
    assert (row.seq, row.kind) == (ledger.read_now(feed.after)[-1].seq, "gate_opened")


def test_a_dead_letter_tells_and_names_no_summary(ledger: Ledger) -> None:
    """What an action says may be an agent's: its key, type and state are told."""

    class Row:
        key, type, summary, tries, problem, handed_at = "a" * 64, "email.send", ORDERS, 3, ORDERS, 1

    line = action_lines.given_up(Row(), "dead")  # type: ignore[arg-type]
    assert line.tells == Occasion(kind="dead_letter", about="a" * 12, what="email.send, dead")


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (channel(target="nowhere"), "[channels.ops] target: [targets.nowhere] is not declared"),
        (
            channel(target="post"),
            "[targets.post] is of the kind smtp; a channel of the kind webhook needs one of the kind http",
        ),
        (channel("mail", "hook", to=["olga@example.org"]), "needs one of the kind smtp"),
        (channel("mail", "post", to=["olga@example.com"]), "writes to example.org, and not to olga@example.com"),
        (channel(who=["olgs"]), "who: the policy knows no person and no role olgs; it has bank, ivan, olga, shop"),
    ],
)
def test_a_channel_that_leads_nowhere_stops_the_worker(declared: Any, said: str) -> None:
    """With the table, and what to change."""
    from activities.notices.audience import known_to

    with pytest.raises(Misconfigured) as caught:
        check_channels({"ops": declared}, targets("http://127.0.0.1:1"), known_to(policy()))
    assert said in str(caught.value)


def test_every_kind_has_a_title_of_its_own() -> None:
    """With nothing in it but what stands for ids and names."""
    assert len({kind.says for kind in KINDS.values()}) == len(KINDS)
    for kind in KINDS.values():
        assert kind.says.format(about="", what="", who="")
