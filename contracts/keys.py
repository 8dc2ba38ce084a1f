"""How public keys and signatures are written: `ed25519:PUBLIC` and `ed25519:PUBLIC:SIGNATURE`. Pure."""

import base64
import binascii
from typing import Annotated

from pydantic import AfterValidator

from contracts.base import sha256

ALGORITHM = "ed25519"
"""The only one. It is written out, so that a signature of another kind is refused as such and never guessed at."""

_PUBLIC_SIZE, _SIGNATURE_SIZE = 32, 64


def written(raw: bytes) -> str:
    """Bytes as they stand in keys and signatures: base64 for URLs, without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _raw(text: str, size: int) -> bytes:
    if not text.isascii():
        raise ValueError("only letters, digits, - and _ stand in a key or a signature")
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raw = b""
    # The decoder skips what is no base64 and ignores spare bits: the same bytes could be written in many ways.
    if len(raw) != size or written(raw) != text:
        raise ValueError(f"it has to be {size} bytes in base64 for URLs, without padding")
    return raw


def raw_key(public: str) -> bytes:
    """The 32 bytes of a public key. Raises `ValueError` if it is not written as one."""
    algorithm, _, key = public.partition(":")
    if algorithm != ALGORITHM:
        raise ValueError(f"it begins with {algorithm[:20]!r}, and keys are {ALGORITHM}:PUBLIC as `baton keys new` prints them")
    return _raw(key, _PUBLIC_SIZE)


def raw_signature(signature: str) -> tuple[str, bytes]:
    """The public key that a signature names, and its 64 bytes. Raises `ValueError` if it is not written as one."""
    public, colon, value = signature.rpartition(":")
    if not colon:
        raise ValueError(f"a signature is {ALGORITHM}:PUBLIC:SIGNATURE, as `baton approve --sign --print` writes it")
    raw_key(public)
    return public, _raw(value, _SIGNATURE_SIZE)


def key_id(public: str) -> str:
    """The short name of a public key: 16 hex digits of its digest. Raises `ValueError` if it is not written as one."""
    return sha256(raw_key(public))[:16]


def signer_id(signature: str) -> str:
    """The `key_id` of the key that a signature names; "" for no signature. Raises `ValueError` if it is not written as one."""
    return key_id(raw_signature(signature)[0]) if signature else ""


def _key(text: str) -> str:
    raw_key(text)
    return text


def _signature(text: str) -> str:
    raw_signature(text)
    return text


PublicKey = Annotated[str, AfterValidator(_key)]
"""A person's public key, as it stands in the policy."""

Signature = Annotated[str, AfterValidator(_signature)]
"""A signature with the public key that it is made for."""
