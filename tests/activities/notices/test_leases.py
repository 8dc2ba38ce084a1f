"""One message, several workers: whoever has claimed it sends it, and an attempt that comes too late changes nothing."""

from datetime import timedelta

from contracts.relay import Relaying
from ledger import channels
from ledger.db import Ledger, to_us
from ledger.views.notices import named
from tests.activities.actions.servers import Web
from tests.activities.notices.world import BOTH, NO_WAIT, Clock, channel, messenger, opened, targets, turn

MINUTE = timedelta(minutes=1) // timedelta(microseconds=1)


async def made(ledger: Ledger, clock: Clock, site: Web) -> str:
    """A message that has failed once, and is due; its id."""
    one = messenger(ledger, targets(site.address), {"ops": channel()}, clock)
    await turn(one)
    opened(ledger)
    site.answer = 503
    await turn(one)
    clock.on(minutes=1)
    [row] = ledger.read_now(channels.due, "ops", to_us(clock.now))
    return str(row.id)


@BOTH
async def test_what_one_worker_is_sending_no_other_sends(ledger: Ledger, clock: Clock, site: Web) -> None:
    """Until its lease is over; then the next one has it, once."""
    id, now = await made(ledger, clock, site), to_us(clock.now)
    assert ledger.tx_now(channels.claim, id, "worker-1", now, now + MINUTE) is not None
    assert ledger.read_now(channels.due, "ops", now + MINUTE - 1) == []
    assert ledger.tx_now(channels.claim, id, "worker-2", now + MINUTE - 1, now + 2 * MINUTE) is None
    assert ledger.tx_now(channels.claim, id, "worker-2", now + MINUTE, now + 2 * MINUTE) is not None
    assert ledger.tx_now(channels.claim, id, "worker-3", now + MINUTE, now + 2 * MINUTE) is None


@BOTH
async def test_a_lease_that_is_renewed_is_not_over(ledger: Ledger, clock: Clock, site: Web) -> None:
    """A mail server that takes its time keeps its message."""
    id, now = await made(ledger, clock, site), to_us(clock.now)
    row = ledger.tx_now(channels.claim, id, "worker-1", now, now + MINUTE)
    assert row is not None
    ledger.tx_now(channels.renew, id, row.fence, now + 5 * MINUTE)
    assert ledger.tx_now(channels.claim, id, "worker-2", now + 2 * MINUTE, now + 3 * MINUTE) is None


@BOTH
async def test_a_late_attempt_records_nothing(ledger: Ledger, clock: Clock, site: Web) -> None:
    """Neither that it was sent nor that it failed: the newer attempt counts."""
    id, now = await made(ledger, clock, site), to_us(clock.now)
    late = ledger.tx_now(channels.claim, id, "worker-1", now, now + MINUTE)
    newer = ledger.tx_now(channels.claim, id, "worker-2", now + MINUTE, now + 2 * MINUTE)
    assert late is not None
    assert newer is not None
    limits: Relaying = NO_WAIT
    assert ledger.tx_now(channels.failed, late, "too late", limits, now, for_good=True) is None
    assert not ledger.tx_now(channels.sent, late, "too late", now)
    assert ledger.read_now(named, id).state == "sending"
    assert ledger.tx_now(channels.sent, newer, "evt-1", now)
    assert (ledger.read_now(named, id).state, ledger.read_now(named, id).reference) == ("sent", "evt-1")
