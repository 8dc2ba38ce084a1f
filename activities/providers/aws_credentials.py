"""What AWS's own tools would sign with here: variables, a profile, a role. The SDK's client reads it only once."""

import threading
import time
from typing import Any

from contracts.errors import BatonError

FIXED_FOR = 60.0
"""Seconds until credentials that do not renew themselves are looked for again: other programs write new ones into files."""


class NoneFound(BatonError):
    """No variable, profile or role holds credentials."""


class Chain:
    """boto3's chain of credentials. Those of roles and of single sign-on are renewed before they expire."""

    def __init__(self, profile: str, region: str) -> None:
        """`profile` "": the one that AWS's own tools would use."""
        self._profile = profile
        self._region = region
        self._lock = threading.Lock()
        self._found: Any = None
        self._found_at = 0.0

    def current(self) -> tuple[str, str, str | None]:
        """Key, secret and session token now. It blocks: token servers may be asked. Raises `NoneFound`, and boto3's errors."""
        with self._lock:
            if self._found is None or (self._is_fixed() and time.monotonic() - self._found_at >= FIXED_FOR):
                self._found, self._found_at = self._look(), time.monotonic()
            frozen = self._found.get_frozen_credentials()
        return frozen.access_key, frozen.secret_key, frozen.token

    def _look(self) -> Any:
        import boto3

        found = boto3.Session(profile_name=self._profile or None, region_name=self._region).get_credentials()
        if found is None:
            raise NoneFound("neither variables nor a profile nor a role of this machine hold AWS credentials")
        return found

    def _is_fixed(self) -> bool:
        from botocore.credentials import RefreshableCredentials

        return not isinstance(self._found, RefreshableCredentials)
