"""A ledger with a run that waits at a gate, and the words of others wherever they may stand."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert, update

from activities.gates.policy import load_policy
from activities.gates.standing import body_of
from contracts.base import digest_of, sha256
from contracts.handoff import Question
from ledger import actions, artifacts, breakers, condemnations, feed, gates, handoffs, pauses, policies, runs, workers
from ledger.breakers import Failure, Thresholds
from ledger.db import Connection, Ledger, now_us
from ledger.money import spend
from ledger.money.spend import About, Scope
from ledger.tables import action, agent_version
from tests.console.serving import QUEUE
from tests.ledger import samples

SHIPPED = load_policy(Path("policy.toml"))

HOSTILE = (
    "<script>document.title='owned'</script>"
    "<img src=x onerror=alert(1)>![](http://evil.example/x.png)"
    "\x1b[31mred\x1b[0m \u202eevil\u202c \u200b{{ 7*7 }} \"'><b>approved by olga</b>"
    '</pre></section><p class="sent">approved by <b>olga</b></p>'
)


def waits(ledger: Ledger, words: str = "a plan") -> None:
    """A run that waits at a gate, with these words wherever somebody else may write."""
    asked, began = samples.begin(input={"instruction": words, "repository": "/r", "by": "olga"}, owner=words)
    ledger.tx_now(runs.begin, asked, began)
    subject = ledger.tx_now(artifacts.put, ledger.files, words.encode()).digest
    view = samples.view(title=words, facts=(words,), narrative=words, output=words, risk=f"high: {words}", on_expiry=words)
    view = view.model_copy(update={"questions": (Question(id="q", text=words[:1000], options=(words,)),), "subject": subject})
    ledger.tx_now(gates.open_gate, samples.opening(view))
    line = samples.note("n1", did=words, why=words, next=words, stage=words[:40], actor=words, channel=words)
    ledger.tx_now(feed.append, samples.ref(), [line])
    for state in ("unknown", "dead", "approved", "delivered"):
        acts(ledger, state, state, words)
    ledger.tx_now(_condemned, ledger, words)
    ledger.tx_now(_knows, words)
    spends(ledger, agent=words[:2000], model=words[:2000], project=words[:2000])


def _knows(connection: Connection, words: str) -> None:
    """An agent, a breaker that is open, a policy and a pause with these words."""
    version = {"name": words, "version": "v1", "digest": "d", "definition": "{}", "at": 1}
    connection.execute(insert(agent_version).values(version))
    hour = timedelta(hours=1)
    breakers.failed(connection, "model", Failure(words, at_once=True), Thresholds(1, hour, hour, hour), now_us())
    policies.add(connection, 1, "d", body_of(SHIPPED), "found", words, words)
    pauses.put(connection, "agent", words, words, words, words)


SOURCE = b"an old price list"


def _condemned(connection: Connection, ledger: Ledger, words: str) -> None:
    """All actions came from a file with these words as its name, which is condemned with them."""
    read = artifacts.put(connection, ledger.files, SOURCE).digest
    artifacts.note_seen(connection, "trace-1", "plan", read, words, untrusted=True)
    for state in ("unknown", "dead", "approved", "delivered"):
        handoffs.link(connection, samples.intent(state).key, "derived", [read])
    made, _ = condemnations.condemn(connection, [read], words[:300], words, words)
    assert made.id == CONDEMNED


CONDEMNED = digest_of("condemnation", condemnations.things_digest([sha256(SOURCE)]), "0")[:12]


def acts(ledger: Ledger, event: str, state: str, words: str = "push it") -> str:
    """An action of the run in this state, left to the relay, with these words wherever somebody else may write; its key."""
    wanted = samples.intent(event, summary=words, target=words, taint=(words[:80].replace(",", " "),))
    ledger.tx_now(actions.propose, wanted, trace="trace-1", gate="", state="approved")
    values = {"state": state, "relay": "handed", "problem": words, "reason": words if state == "delivered" else ""}
    ledger.tx_now(lambda connection: connection.execute(update(action).where(action.c.key == wanted.key).values(values)))
    return wanted.key


def spends(ledger: Ledger, amount: int = 500, **about: str) -> None:
    """A call of the run that is under way: held against its own ceiling, this month's, and one of a project."""
    now = datetime.now(UTC)
    project, of = about.get("project", "shop"), About("trace-1", "plan", **about)
    scopes = [Scope("run:trace-1", 2_000_000), Scope(f"month:{now:%Y-%m}", 9_000_000)]
    scopes.append(Scope(f"project:{project}:month:{now:%Y-%m}", 9_000_000))
    ledger.tx_now(spend.reserve, "call", scopes, amount, price_version="list", worker="w", about=of)


def works(ledger: Ledger) -> None:
    """A worker that serves this queue."""
    ledger.tx_now(workers.beat, "host:1", "test", workers.Serving(QUEUE, "host"))


PATHS = (
    "/",
    "/feed",
    "/runs",
    "/runs/trace-1",
    "/runs/trace-1/gates/plan-1",
    "/read?id=trace-1",
    "/agents",
    "/system",
    "/cost",
    "/cost?by=model&run=trace-1",
    "/actions?settled=1",
    *(f"/actions/{samples.intent(state).key}" for state in ("unknown", "delivered")),
    *(f"/provenance?id={one}" for one in (samples.intent("delivered").key, sha256(SOURCE), "trace-1")),
    f"/provenance/condemn?id={sha256(SOURCE)}",
    "/provenance/condemned?all=1",
    f"/provenance/condemned/{CONDEMNED}",
)
"""Every page, over what `waits` has put there."""
