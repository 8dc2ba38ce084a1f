"""Hashing passwords with argon2id: away from the event loop, few at a time, and as long for a name that nobody has."""

import asyncio
import base64
import secrets

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from contracts.passwords import normal

log = structlog.get_logger()

HASHER = PasswordHasher()
"""With the library's parameters, those of RFC 9106 for little memory: 64 MiB for each hash. A newer release may have others."""

AT_ONCE = 2
"""Hashes that are made side by side: what a console may need of memory and processors for them is bounded."""


class Hashing:
    """Compares passwords for one console."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def is_right(self, hashed: str | None, password: str) -> bool:
        """True if the password is the one of this hash. Without a hash it takes the same work, and is never true."""
        async with self._turn:
            return await asyncio.to_thread(_is_right, hashed or _nobodys(), password) and hashed is not None

    async def renewed(self, hashed: str, password: str) -> str | None:
        """The hash of the same password if this one was made with other parameters than today's, else None."""
        if not HASHER.check_needs_rehash(hashed):
            return None
        async with self._turn:
            return await asyncio.to_thread(made, password)


def made(password: str) -> str:
    """The hash that is kept of a password: another one each time, as its salt is."""
    return HASHER.hash(normal(password))


def _is_right(hashed: str, password: str) -> bool:
    try:
        return HASHER.verify(hashed, normal(password))
    except VerificationError:
        return False
    except InvalidHashError:
        log.error("a hash in console_password cannot be read", do="set the password again with `baton console password`")
        return False


def _nobodys() -> str:
    """A hash of no password, with today's parameters. Random bytes will do: comparing with it takes as long."""
    salt, digest = (
        base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (HASHER.salt_len, HASHER.hash_len)
    )
    parameters = f"m={HASHER.memory_cost},t={HASHER.time_cost},p={HASHER.parallelism}"
    return f"$argon2id$v=19${parameters}${salt}${digest}"
