"""`baton pause` and `resume` for more than a run: from the ledger alone, with a reason, and said wherever somebody looks."""

from pathlib import Path

import pytest

from ledger.db import Ledger
from tests.commands.conftest import Baton, Begin, Serve, asking

WHY = ("-m", "it deletes tests")


def test_a_pause_needs_no_worker_and_no_temporal(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """It counts once it is on record; status, show and feed say who, why and what lifts it, and lifting takes a reason, too."""
    run = begin()
    made = baton("pause", "--pipeline", "deliver", "--by", "olga", *WHY, "--json")
    assert made.code == 0, made.err
    assert {name: made.json["paused"][name] for name in ("kind", "name", "by", "why")} == {
        "kind": "pipeline",
        "name": "Delivery",
        "by": "olga",
        "why": "it deletes tests",
    }
    told = "pipeline Delivery is paused by olga since"
    lifts = "`baton resume --pipeline Delivery -m why` lifts it"
    for command in (["status"], ["show", run]):
        out = baton(*command).out
        assert told in out, command
        assert lifts in out, command
        document = baton(*command, "--json").json
        paused = document["status"]["paused"] if command == ["status"] else document["paused"]
        assert [one["by"] for one in paused] == ["olga"]
    assert baton("resume", "--pipeline", "deliver").code == 2
    lifted = baton("resume", "--pipeline", "deliver", "--by", "bob", "-m", "it was the prompt")
    assert lifted.out == "pipeline Delivery goes on; what was held begins by itself, within seconds\n"
    said = [(line["actor"], line["did"], line["why"]) for line in baton("feed", "--json").json["lines"]][-2:]
    assert said == [
        ("olga", "paused pipeline Delivery", "it deletes tests"),
        ("bob", "resumed pipeline Delivery, which olga had paused", "it was the prompt"),
    ]
    assert "PAUSED" not in baton("status").out
    assert "paused" not in baton("show", run).out


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("pause", "--all"), "-m is empty: say why"),
        (("pause", *WHY), "name one thing: RUN, or --agent NAME"),
        (("pause", "some-run", "--all", *WHY), "name one thing: RUN, or --agent NAME"),
        (("resume", "--agent", "writer", "--project", "shop", *WHY), "name one thing: RUN, or --agent NAME"),
        (("pause", "--agent", "wirter", *WHY), "there is no agent 'wirter', so nothing was paused. There are: "),
        (("pause", "--pipeline", "delivers", *WHY), "There are: Act, Delivery, Diagnosis, Load, Review, Support"),
        (("pause", "--project", " ", *WHY), "--project is empty: give its name"),
        (("resume", "--agent", "writer", *WHY), "agent writer is not paused. Paused now: project default"),
        (("pause", "--project", "default", *WHY), "project default is paused by olga since"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    baton: Baton, ledger: Ledger, begin: Begin, command: tuple[str, ...], said: str
) -> None:
    """With what there is, or what is paused and by whom; nothing is changed."""
    begin()
    assert baton("pause", "--project", "default", "--by", "olga", *WHY).code == 0
    before = baton("feed", "--json").json["lines"]
    ran = baton(*command)
    assert ran.code != 0
    assert said in ran.err
    assert baton("feed", "--json").json["lines"] == before


async def test_a_start_in_a_pause_says_that_it_waits(baton: Baton, serve: Serve, origin: Path) -> None:
    """The run is there and held; it fails at nothing, and goes on once the pause is lifted."""
    async with serve():
        assert (await baton.live("pause", "--pipeline", "deliver", "--by", "olga", *WHY)).code == 0
        started = await baton.live(*asking(origin, "--json"))
        assert started.code == 0, started.err
        assert "pipeline Delivery is paused by olga" in started.err
        assert [one["by"] for one in started.json["paused"]] == ["olga"]
        run = started.json["run"]
        assert (await baton.live("resume", "--pipeline", "deliver", "-m", "done")).code == 0
        waited = await baton.live("result", run, "--wait-for-gate", "--json")
        assert waited.code == 4
        listed = await baton.live("runs")
        assert "failure" not in listed.err
