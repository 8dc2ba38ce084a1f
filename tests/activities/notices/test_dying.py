"""A worker that is killed before the outcome of a message is on record: nothing is lost, and the key is the same."""

import json
from collections.abc import Mapping
from datetime import datetime
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from activities.actions.adapter import Adapter
from ledger.db import Ledger
from ledger.views.notices import messages
from tests import forks
from tests.activities.actions.servers import Mail, Web
from tests.activities.notices.dying import CHANNELS
from tests.activities.notices.world import Clock, messenger, opened, targets, turn
from tests.children import finished
from tests.depth import soak

CLAIMED, SENT, RECORDED = "message.before_send", "message.before_record", "message.after_record"


POINTS = [("sqlite_url", CLAIMED), ("postgres_url", SENT), ("sqlite_url", RECORDED)]
POINTS += soak(("postgres_url", CLAIMED), ("sqlite_url", SENT), ("postgres_url", RECORDED))


@pytest.mark.parametrize(("ledger", "point"), POINTS, indirect=["ledger"])
async def test_what_a_worker_dies_over_is_sent_once_per_key(
    ledger: Ledger, clock: Clock, site: Web, post: Mail, tmp_path: Path, point: str
) -> None:
    """Killed before it is sent, after it, or after its record: by the receivers' own books there is one message, or one key."""
    await _killed(ledger, clock, site, post, tmp_path, point)
    assert _effects(site, post) == dict.fromkeys(CHANNELS, 0 if point == CLAIMED else 1)
    await _next_worker(ledger, clock, site, post)
    # Slack and a mail server act on each request: where nobody knows that they had it they get it again, as the same.
    twice = 2 if point == SENT else 1
    assert _effects(site, post) == {"once": 1, "chat": twice, "post": twice}
    assert {name: len(keys) for name, keys in _keys(site, post).items()} == dict.fromkeys(CHANNELS, 1)
    assert {(kept.channel, kept.state) for kept in ledger.read_now(messages)} == {(name, "sent") for name in CHANNELS}


class Forgetful:
    """The mutant: every attempt is an event of its own."""

    def __init__(self, inner: Adapter) -> None:
        self._inner = inner
        self.permanent = inner.permanent
        self.find = inner.find

    def send(self, arguments: bytes, when: datetime) -> str:
        """Send it as something else."""
        said: dict[str, Any] = json.loads(arguments)
        return self._inner.send(json.dumps(said | {"event": f"{said['event']}/again"}).encode(), when)


@pytest.mark.parametrize("ledger", ["sqlite_url", *soak("postgres_url")], indirect=True)
async def test_a_message_without_a_key_of_its_own_is_seen_to_arrive_twice(
    ledger: Ledger, clock: Clock, site: Web, post: Mail, tmp_path: Path
) -> None:
    """What is counted above can be wrong: a receiver that acts once per key acts twice where the key is another."""
    await _killed(ledger, clock, site, post, tmp_path, SENT)
    await _next_worker(ledger, clock, site, post, forgetful=True)
    assert _effects(site, post)["once"] == 2
    assert len(_keys(site, post)["once"]) == 2


async def _killed(ledger: Ledger, clock: Clock, site: Web, post: Mail, folder: Path, point: str) -> None:
    where = targets(site.address, post.port)
    await turn(messenger(ledger, where, CHANNELS, clock, "first"))  # the channels are there
    opened(ledger)
    url = ledger.engine.url.render_as_string(hide_password=False)
    program = forks.program("tests.activities.notices.dying")
    code, out, err = await finished(*program, url, folder, site.address, str(post.port), point)
    assert (code, out.split("\n")[:-1]) == (0, [f"{name} 9" for name in CHANNELS]), err


async def _next_worker(ledger: Ledger, clock: Clock, site: Web, post: Mail, *, forgetful: bool = False) -> None:
    """Two minutes later the leases of the dead are over."""
    clock.on(minutes=2)
    ledger.tx_now(_nobody_leads)
    one = messenger(ledger, targets(site.address, post.port), CHANNELS, clock, "second")
    if forgetful:
        one._senders = {kind: Forgetful(sender) for kind, sender in one._senders.items()}
    await turn(one)
    assert await turn(one) == 0


def _nobody_leads(connection: Any) -> None:
    from sqlalchemy import update

    from ledger.tables import upkeep

    connection.execute(update(upkeep).values(until=0))


def _effects(site: Web, post: Mail) -> Mapping[str, int]:
    paths = [posted["path"] for posted in site.book]
    return {"once": paths.count("/once"), "chat": paths.count("/chat"), "post": len(post.box)}


def _keys(site: Web, post: Mail) -> Mapping[str, set[str]]:
    found = {
        name: {one["headers"]["webhook-id"] for one in site.book if one["path"] == f"/{name}"} for name in ("once", "chat")
    }
    return found | {"post": {message_from_bytes(raw)["message-id"] for _, _, raw in post.box}}
