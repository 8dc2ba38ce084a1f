"""Mutants of what people are told: nothing is lost, nothing is told too often, and nothing that an agent wrote is passed on."""

from tests.mutants.mutant import Mutant

ROOM = "tests/activities/notices"
MESSENGER = f"{ROOM}/test_messenger.py"

MUTANTS = (
    Mutant(
        name="event-tells-nobody",
        promise="What people should hear is written in the transaction of its event.",
        file="ledger/feed.py",
        old="notices.add(connection, ref, list(enumerate(fresh, last - len(fresh) + 1)))",
        new="pass",
        tests=(f"{MESSENGER}::test_a_notice_is_there_if_and_only_if_its_event_is",),
    ),
    Mutant(
        name="storm-of-messages",
        promise="Two messages to one channel are apart; what comes meanwhile is in the next one.",
        file="ledger/channels.py",
        old="connection.execute(update(channel).where(channel.c.name == name).values(next_at=next_at))",
        new="pass",
        tests=(f"{MESSENGER}::test_a_storm_is_one_message_a_minute",),
    ),
    Mutant(
        name="message-of-two-workers",
        promise="A message that one worker has claimed is sent by no other.",
        file="ledger/channels.py",
        old='and_(message.c.state == "sending", message.c.lease_until <= now)',
        new='and_(message.c.state == "sending", message.c.lease_until > 0)',
        tests=(f"{ROOM}/test_leases.py::test_what_one_worker_is_sending_no_other_sends",),
    ),
    Mutant(
        name="sleep-disturbed",
        promise="What is not urgent waits for the end of quiet hours.",
        file="contracts/channels.py",
        old="when = (hours.until(when) if hours is not None else None) or when",
        new="pass",
        tests=(f"{MESSENGER}::test_quiet_hours_end_with_one_digest",),
    ),
    Mutant(
        name="quiet-twice-a-night",
        promise="Quiet hours end once in a night in which the clock is put back.",
        file="contracts/daytimes.py",
        old="return max(found) if last else found[0]",
        new="return found[0]",
        tests=("tests/contracts/test_daytimes.py::test_quiet_hours",),
    ),
    Mutant(
        name="deadline-slept-over",
        promise="What has its deadline within the quiet hours is told at once.",
        file="contracts/channels.py",
        old="return now if deadline is not None and deadline <= when else when",
        new="return when",
        tests=(f"{MESSENGER}::test_quiet_hours_end_with_one_digest",),
    ),
    Mutant(
        name="called-to-what-is-over",
        promise="Nobody is called to a gate that has closed.",
        file="ledger/channels.py",
        old="if kind_of(one.kind).waits and not one.waits]",
        new="if False]",
        tests=(f"{MESSENGER}::test_nobody_is_called_to_a_gate_that_has_closed",),
    ),
    Mutant(
        name="slack-takes-orders",
        promise="A name that people choose mentions nobody in Slack.",
        file="activities/notices/letters.py",
        old='.replace("<", "&lt;")',
        new="",
        tests=(f"{MESSENGER}::test_names_that_people_choose_cannot_be_orders_or_headers",),
    ),
    Mutant(
        name="risk-with-its-reasons",
        promise="Of a risk its level alone is told: the reasons may quote an agent.",
        file="contracts/gates.py",
        old='level if level in LEVELS else ""',
        new="self.risk",
        tests=(f"{ROOM}/test_told.py::test_of_a_risk_its_level_alone_is_told",),
    ),
    Mutant(
        name="given-up-in-silence",
        promise="A message that is given up is on the feed.",
        file="activities/notices/messenger.py",
        old='if found is not None and found.state == "dead":',
        new="if False:",
        tests=(f"{MESSENGER}::test_a_channel_that_is_down_is_tried_again_and_then_given_up_visibly",),
    ),
    Mutant(
        name="late-worker-overwrites",
        promise="An attempt whose lease another worker has taken over records nothing.",
        file="ledger/channels.py",
        old='message.c.id == id, message.c.fence == fence, message.c.state == "sending"',
        new='message.c.id == id, message.c.state == "sending"',
        tests=(f"{ROOM}/test_leases.py::test_a_late_attempt_records_nothing",),
    ),
    Mutant(
        name="past-told-to-new-channel",
        promise="A new channel begins with what happens from then on.",
        file="ledger/channels.py",
        old="cursor = int(connection.execute(select(func.max(feed_head.c.seq))).scalar() or 0)",
        new="cursor = 0",
        tests=(f"{MESSENGER}::test_what_was_before_a_channel_is_not_sent_to_it",),
    ),
)
