"""Keys for tests, the same every time, and a policy of people who sign with them."""

import hashlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from activities.gates.policy import Policy, read_policy
from commands.decide.signing import PrivateKey
from contracts.gates import Claimed, GateView
from contracts.intents import Intent
from contracts.signing import SignedDecision


def key_of(name: str) -> PrivateKey:
    """Somebody's key."""
    return PrivateKey(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest()))


def write(file: Path, name: str) -> Path:
    """Somebody's key in a file, as `baton keys new` leaves it."""
    file.touch(mode=0o600)
    file.write_bytes(key_of(name).raw.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file


def signed(claim: Claimed, view: GateView, *intents: Intent, key: str = "") -> Claimed:
    """The claim with its signature, made with the key of who decides or another one."""
    said = claim.decision
    statement = SignedDecision.of(view, intents, claim.verb, said)
    signature = key_of(key or said.by).sign(statement)
    return claim.model_copy(update={"decision": said.model_copy(update={"signature": signature})})


TEXT = f"""
identity = "signed"

[owners]
who = ["lead"]

[people.olga]
roles = ["lead", "developer"]
keys = ["{key_of("olga").public}"]
[people.otto]
roles = ["lead"]
keys = ["{key_of("otto").public}", "{key_of("otto, later").public}"]
[people.maria]
roles = ["developer"]
keys = ["{key_of("maria").public}"]

[gates.plan]
who = ["developer"]
deadline = "P1D"
escalation = ["lead"]
expiry = "escalate"
[gates.change]
who = ["lead"]
deadline = "P1D"
[gates.conflict]
who = ["lead"]
deadline = "P1D"
[gates.stuck]
who = ["lead"]
deadline = "P1D"
[gates.action]
who = ["lead"]
deadline = "P1D"
[gates.clarify]
who = ["lead"]
deadline = "P1D"
[gates.unknown]
who = ["lead"]
deadline = "P1D"
[gates.ceiling]
who = ["lead"]
deadline = "P1D"

[actions."git.push"]
adapter = "git.push"
tier = "confirm"
reversible = "yes"
accountable = "owner"

[actions.note]
adapter = "note"
tier = "auto"
reversible = "yes"
accountable = "owner"
"""


def policy(*changes: tuple[str, str]) -> Policy:
    """The policy with these changes; each has to be one."""
    text = TEXT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return read_policy(text.encode(), "policy.toml")
