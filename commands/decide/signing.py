"""A person's private key: a PEM file (PKCS 8) for its owner alone, and the signature that it puts under a decision."""

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import places
from contracts.errors import Misconfigured, Refused
from contracts.gates import Decision, GateView, Verb
from contracts.intents import Intent
from contracts.keys import ALGORITHM, written
from contracts.signing import SignedDecision

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True)
class PrivateKey:
    """A key that was read from its file."""

    raw: "Ed25519PrivateKey"

    @property
    def public(self) -> str:
        """Its public key, as it stands in the policy."""
        return f"{ALGORITHM}:{written(self.raw.public_key().public_bytes_raw())}"

    def sign(self, statement: SignedDecision) -> str:
        """The signature under this statement; the same one every time."""
        return f"{self.public}:{written(self.raw.sign(statement.signed()))}"

    def signed(self, view: GateView, intents: Sequence[Intent], verb: Verb, values: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON object of a decision at this gate with its signature. `intents` ride on the gate."""
        said = Decision.read_typed_by_people(values)
        return {**values, "signature": self.sign(SignedDecision.of(view, intents, verb, said))}


def file_of(name: str) -> Path:
    """Where this user keeps the key of somebody: one file for each name. Raises `Misconfigured` without a home folder."""
    return places.config_home() / "baton" / "keys" / f"{quote(name, safe=' @')}.pem"


def new(file: Path) -> PrivateKey:
    """Make a key and write it into a new file of mode 0600. Raises `Refused` if the file is there: no key is overwritten."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    made = Ed25519PrivateKey.generate()
    text = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(file, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as kept:
            kept.write(text)
            kept.flush()
            os.fsync(kept.fileno())
    except FileExistsError:
        raise Refused(f"{file} is there already, and no key is overwritten; move it away, or give --file another one") from None
    except OSError as error:
        raise Misconfigured(f"the key cannot be kept: {places.unable(error)}") from None
    return PrivateKey(made)


def load(file: Path) -> PrivateKey:
    """Read a key. Raises `Misconfigured` for a file that is missing, that others can read, or that is no such key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        with file.open("rb") as opened:
            mode, text = stat.S_IMODE(os.fstat(opened.fileno()).st_mode), opened.read()
    except FileNotFoundError:
        raise Misconfigured(f"there is no key {file}; `baton keys new` makes one, or name its file with --key") from None
    except OSError as error:
        raise Misconfigured(f"the key cannot be read: {places.unable(error)}") from None
    if mode & 0o077:
        raise Misconfigured(
            f"others can read or change the key {file} (mode {mode:o}), so a signature of it proves nothing: "
            "`chmod 600` it if nobody has, else `baton keys revoke` it and make a new one"
        )
    try:
        raw = load_pem_private_key(text, password=None)
    except (ValueError, TypeError):
        raise Misconfigured(f"{file} is no private key in PEM without a password; `baton keys new` writes one") from None
    if not isinstance(raw, Ed25519PrivateKey):
        raise Misconfigured(f"{file} is no Ed25519 key, and no other is taken; `baton keys new` makes one")
    return PrivateKey(raw)
