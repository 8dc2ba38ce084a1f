"""`file.write`: one whole file beneath a declared folder."""

from typing import Self

from pydantic import Field, model_validator

from contracts.base import Digest, Line, digest_of, is_none, sha256
from contracts.effects.base import TEXT_LIMIT, Effect
from contracts.ids import business_key


class FileWrite(Effect, name="file_write/1"):
    """Write one file beneath a declared folder: all of it or nothing. It replaces only a file whose digest is named."""

    path: Line = Field(min_length=1, max_length=1000, description="relative to the target's folder, with / between names")
    text: str | None = Field(default=None, max_length=TEXT_LIMIT, exclude_if=is_none, description="what the file holds")
    artifact: Digest | None = Field(default=None, exclude_if=is_none, description="in place of text: bytes that are kept")
    replaces: Digest | None = Field(
        default=None, exclude_if=is_none, description="SHA-256 of the file that is there now; None: there must be none"
    )

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        if (self.text is None) == (self.artifact is None):
            raise ValueError("give either text or artifact (the digest of bytes that are kept), and not both")
        return self

    @property
    def digest(self) -> str:
        """SHA-256 of what the file is to hold."""
        return self.artifact or sha256((self.text or "").encode())

    def key(self) -> str:
        """Business key: these bytes under this name at this target, in place of those."""
        return business_key("file.write", self.target, self.path, self.digest, self.replaces or "")

    def identity(self) -> str:
        """Digest of name and contents; whether they came as text or as an artifact is not among it."""
        return digest_of("file.write", self.target, self.path, self.digest, self.replaces or "")

    def summary(self) -> str:
        """Name and target."""
        return f"write {self.path} to {self.target}"
