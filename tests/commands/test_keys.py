"""Keys and signatures on the command line: made for their owner alone, revoked for ever, and shown wherever a decision is."""

import json
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import update
from temporalio.client import WorkflowUpdateFailedError
from temporalio.testing import ActivityEnvironment

from activities.gates.signatures import NOT_SIGNED
from activities.gates.standing import Standing
from commands.errors import Code
from contracts.actions import Deliver, Receipt
from contracts.gates import Decision
from contracts.intents import Intent
from contracts.keys import key_id, signer_id
from contracts.runs import RunRef
from contracts.signing import SignedDecision
from ledger import actions, feed
from ledger.db import Ledger
from ledger.signatures import holds
from ledger.tables import decision, revoked_key
from ledger.views.runs import find_run
from tests import keys
from tests.commands.conftest import Baton, Begin, Serve, asking
from tests.commands.test_decide import RUN, SUBJECT, open_gate
from tests.keys import key_of
from tests.stack import Stack


@pytest.fixture
def home(baton: Baton, tmp_path: Path) -> Path:
    """The folder of a person's own settings, and a policy file where `baton` runs."""
    baton.set(XDG_CONFIG_HOME=tmp_path / "config")
    (baton.folder / "policy.toml").write_text(keys.TEXT)
    baton.set(BATON_POLICY=baton.folder / "policy.toml")
    return tmp_path / "config" / "baton" / "keys"


def test_a_key_is_for_its_owner_alone_and_is_never_overwritten(baton: Baton, home: Path) -> None:
    """Mode 600 in a folder of mode 700, whatever the umask; what is printed goes into the policy as it is."""
    before = os.umask(0)
    try:
        made = baton("keys", "new", "--by", "ann o'nym")
    finally:
        os.umask(before)
    (file,) = home.iterdir()
    assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(home.stat().st_mode)) == (0o600, 0o700)
    (baton.folder / "policy.toml").write_text(keys.TEXT + made.out)
    listed = baton("keys", "list", "--json").json
    mine = next(one for one in listed["keys"] if one["of"] == "ann o'nym")
    assert (mine["state"], mine["key"] in made.err, listed["identity"]) == ("counts", True, "signed")
    kept = file.read_bytes()
    again = baton("keys", "new", "--by", "ann o'nym")
    assert (again.code, file.read_bytes()) == (Code.REFUSED, kept)
    assert "no key is overwritten" in again.err
    assert baton("keys", "new", "--by", "ann o'nym", "--file", str(home / "more" / "two.pem")).code == 0


def test_what_is_printed_can_be_sent_by_any_client(baton: Baton, ledger: Ledger, begin: Begin, home: Path) -> None:
    """One JSON object with a signature of exactly this gate; the same one every time; nothing is sent."""
    begin()
    view = open_gate(ledger)
    file = keys.write(baton.folder / "olga.pem", "olga")
    arguments = ("approve", RUN, "--by", "olga", "--subject", SUBJECT, "--sign", "--key", str(file), "--print", "-m", "gut: ü")
    ran = baton(*arguments)
    assert ran.code == 0, ran.err
    assert f"temporal workflow update execute -w {RUN} --name approve" in ran.err
    said = Decision.read_typed_by_people(json.loads(ran.out))
    assert holds(SignedDecision.of(view, (), "approve", said), said.signature or "")
    assert not holds(SignedDecision.of(view, (), "reject", said), said.signature or "")
    assert baton(*arguments).out == ran.out
    document = baton(*arguments, "--json").json
    assert (document["outcome"], document["decision"], document["workflow_id"]) == ("signed", json.loads(ran.out), RUN)


def test_a_key_that_cannot_be_used_says_why(baton: Baton, ledger: Ledger, begin: Begin, home: Path) -> None:
    """Missing, readable by others, no key, another kind of key: what, why and what to do; before anything is sent."""
    begin()
    open_gate(ledger)
    file = keys.write(baton.folder / "k.pem", "olga")
    signing = ("approve", RUN, "--by", "olga", "--yes", "--sign")
    assert "`baton keys new` makes one" in baton(*signing).err
    assert (
        baton(*signing, "--key", str(file)).code == Code.UNREACHABLE
    )  # the next thing that can go wrong: nothing to send it to
    file.chmod(0o640)
    ran = baton(*signing, "--key", str(file))
    assert (ran.code, "others can read or change the key" in ran.err, "chmod 600" in ran.err) == (Code.USAGE, True, True)
    file.chmod(0o600)
    for text, why in ((b"none", "is no private key in PEM"), (_p256(), "is no Ed25519 key")):
        file.write_bytes(text)
        assert why in baton(*signing, "--key", str(file)).err
    for option in (("--print",), ("--key", str(file))):
        ran = baton("approve", RUN, "--yes", *option)
        assert (ran.code, f"{option[0]} goes with --sign" in ran.err) == (Code.USAGE, True)


def _p256() -> bytes:
    """A key of another kind."""
    key = ec.derive_private_key(7, ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_a_key_is_revoked_for_ever(baton: Baton, ledger: Ledger, home: Path) -> None:
    """By the beginning of its id; with the reason, in the feed; a second time it stays the first's; nobody's key as well."""
    ledger.tx_now(Standing(keys.policy(), "policy.toml").take_up, "worker-1")
    name = key_id(key_of("olga").public)
    assert baton("keys", "revoke", name[:10], "-m", " ", "--by", "olga").code == Code.USAGE
    assert baton("keys", "revoke", name[:10], "-m", "the laptop is gone", "--by", "olga").out == f"revoked: {name} of olga\n"
    assert baton("keys", "revoke", key_of("olga").public, "-m", "again", "--by", "otto").out.startswith("revoked already")
    shown = next(one for one in baton("keys", "list", "--json").json["keys"] if one["key"] == name)
    assert (shown["state"], shown["by"], shown["why"]) == ("revoked", "olga", "the laptop is gone")
    assert "the laptop is gone" in baton("keys", "list").out
    last = ledger.read_now(feed.after)[-1]
    assert (last.actor, last.did, last.why) == ("olga", f"revoked key {name} of olga", "the laptop is gone")
    assert baton("keys", "revoke", "ab" * 8, "-m", "found on a disk").code == 0
    wrong = baton("keys", "revoke", name[:4], "-m", "x")
    assert (wrong.code, name in wrong.err) == (Code.USAGE, True)
    assert "is no public key" in baton("keys", "revoke", "rsa:abc", "-m", "x").err


def test_a_revocation_that_was_taken_back_by_hand_is_found(baton: Baton, ledger: Ledger, home: Path) -> None:
    """Its row is sealed in the feed: altered or removed, `verify --all` names it."""
    name = key_id(key_of("olga").public)
    assert baton("keys", "revoke", name, "-m", "the laptop is gone").code == 0
    assert baton("verify", "--all").code == 0
    ledger.tx_now(lambda connection: connection.execute(update(revoked_key).values(why="never mind")))
    assert f"revoked key {name} is missing, or was altered" in baton("verify", "--all").out
    ledger.tx_now(lambda connection: connection.execute(revoked_key.delete()))
    assert baton("verify", "--all").code == Code.FAILED


def test_a_key_counts_once_owners_have_approved_it(baton: Baton, ledger: Ledger, home: Path) -> None:
    """A key that is only added to a file is no key of that person, until the policy's owners have approved it."""
    ledger.tx_now(Standing(keys.policy(), "policy.toml").take_up, "worker-1")
    more = keys.TEXT.replace(f'["{key_of("olga").public}"]', f'["{key_of("olga").public}", "{key_of("mallory").public}"]')
    (baton.folder / "policy.toml").write_text(more)
    running = Standing(keys.policy((keys.TEXT, more)), "policy.toml")
    pending = ledger.tx_now(running.take_up, "worker-2")
    assert [one.key for one in pending.changes] == ["people.olga.keys"]
    states = {one["public"]: one["state"] for one in baton("keys", "list", "--json").json["keys"]}
    assert (states[key_of("mallory").public], states[key_of("olga").public]) == ("waits for approval", "counts")
    assert key_of("mallory").public not in ledger.read_now(running.now).keys_of("olga")
    made = baton("policy", "propose", "policy.toml", "-m", "a second key", "--by", "olga", "--json").json
    assert baton("policy", "approve", made["id"], "--by", "otto", "--yes").code == 0
    assert key_of("mallory").public in ledger.read_now(running.now).keys_of("olga")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (key_of("otto").public, key_of("olga").public, "olga, otto have the same key"),
        (key_of("otto").public, "ed25519:short", "people.otto.keys.0: it has to be 32 bytes"),
        (key_of("otto").public, "rsa:AAAA", "keys are ed25519:PUBLIC as `baton keys new` prints them"),
    ],
)
def test_a_policy_with_a_wrong_key_is_refused(baton: Baton, home: Path, old: str, new: str, said: str) -> None:
    """With the key that is wrong, and what to do."""
    (baton.folder / "policy.toml").write_text(keys.TEXT.replace(old, new, 1))
    ran = baton("policy", "check", "policy.toml")
    assert (ran.code, said in ran.err) == (Code.USAGE, True), ran.err


def test_signed_without_any_key_is_refused(baton: Baton, home: Path) -> None:
    """Nobody could decide anything."""
    text = "\n".join(line for line in keys.TEXT.splitlines() if not line.startswith("keys"))
    (baton.folder / "policy.toml").write_text(text)
    assert "or nobody can decide; `baton keys new` makes one" in baton("policy", "check", "policy.toml").err


async def by_hand(running: Stack, run: str) -> Receipt:
    """What the worker makes of an action that somebody wrote into its outbox beside the one that was approved."""
    trace = running.ledger.read_now(find_run, run).trace
    approved = next(row for row in running.ledger.read_now(actions.of_trace, trace) if row.gate)
    fields = {name: getattr(approved, name) for name in ("type", "arguments", "arguments_digest")}
    forged = Intent(key="e" * 64, summary="push it once more", **fields)
    running.ledger.tx_now(actions.propose, forged, trace=trace, gate="change-1", state="approved")
    deliver = next(one for one in running.parts.activities if one.__name__ == "deliver")
    request = Deliver(run=RunRef(trace=trace, workflow_id=run), key=forged.key)
    receipt: Receipt = await ActivityEnvironment().run(deliver, request)
    return receipt


async def test_a_delivery_is_signed_from_plan_to_push(baton: Baton, serve: Serve, home: Path, origin: Path) -> None:
    """Two gates: a claim and a forged decision are refused; signed, by the command and by another client, it is pushed.

    The keys stand wherever the decisions are shown; a row that says something else than was signed is found without its seal.
    """
    for name in ("olga", "otto"):
        keys.write(baton.folder / f"{name}.pem", name)
    async with serve(policy=baton.folder / "policy.toml") as running:
        run = (await baton.live(*asking(origin, "--owner", "olga", "--wait-for-gate", "--json"))).json["run"]
        claimed = await baton.live("approve", run, "--yes", "--by", "olga", "--json")
        assert (claimed.code, claimed.json["reason"]) == (Code.REFUSED, NOT_SIGNED)
        posing = await baton.live("approve", run, "--yes", "--by", "olga", "--sign", "--key", "otto.pem", "--json")
        assert (posing.code, "is no key of 'olga'" in posing.json["reason"]) == (Code.REFUSED, True)
        signed = await baton.live("approve", run, "plan-1", "--yes", "--by", "olga", "--sign", "--key", "olga.pem")
        assert signed.code == 0, signed.err
        assert (await baton.live("result", run, "--wait-for-gate")).code == Code.WAITS
        printed = await baton.live(
            "approve", run, "change-1", "--yes", "--by", "otto", "--sign", "--key", "otto.pem", "--print"
        )
        handle, said = running.client.get_workflow_handle(run), json.loads(printed.out)
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update("approve", {**said, "note": "as you like"})
        await handle.signal("approve", said)
        ended = await baton.live("result", run, "--wait", "--json")
        assert ended.json["state"] == "done"
        shown = (await baton.live("show", run)).out
        for name in ("olga", "otto"):
            assert f"{name} (cli, signed with key {key_id(key_of(name).public)})" in shown
            assert f"signed with key {key_id(key_of(name).public)}" in (await baton.live("why", run)).out
        told = (await baton.live("show", run, "--json")).json["decisions"]
        assert [(one["outcome"], one["key"] != "", one["authenticated"]) for one in told] == [
            *(("refused", False, False), ("refused", False, False), ("won", True, True)),
            *(("refused", False, False), ("won", True, True)),
        ]
        assert signer_id(said["signature"]) == key_id(key_of("otto").public)
        receipt = await by_hand(running, run)
        assert (receipt.state, "what would be executed is not what was signed" in receipt.problem) == ("rejected", True), (
            receipt
        )
        assert (await baton.live("verify", run)).code == 0
        change = update(decision).where(decision.c.gate == "change-1", decision.c.outcome == "won").values(verb="reject")
        running.ledger.tx_now(lambda connection: connection.execute(change))
        assert "at change-1 is not of what it says" in (await baton.live("verify", run)).out
