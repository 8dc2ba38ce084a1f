"""A table `[targets.NAME]` of baton.toml: where an action may act, with which credentials, and what is declared there.

Actions name a table and what it declares; only the settings of the worker say where that is. No prompt can lead elsewhere.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from contracts.base import Input, Span
from contracts.effects.email_send import Address
from contracts.effects.github import Slug
from contracts.step_resources import Name
from contracts.tables import TableSetting

Variable = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]*$")]

HOST = r"^(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?:[0-9]{1,5}$"
Host = Annotated[str, Field(pattern=HOST)]
"""A host with its port, such as `api.example.com:443`."""


class Keyed(Input):
    """A target that is reached with a key. Without one it is reached without."""

    key_env: Variable = Field(default="", description="environment variable that holds the key or password")
    key_file: Path | None = Field(default=None, description="file that holds it; read again whenever it changes")

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.key_env and self.key_file:
            raise ValueError("name the key once: key_env or key_file")
        return self


def _http(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
        parts = urlsplit("")
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("is not an http or https URL; write it like https://HOST/PATH")
    if parts.username or parts.password or parts.fragment:
        raise ValueError("has credentials or a fragment in it; name the key with key_env or key_file")
    return url


def _encrypted(url: str) -> None:
    if url.startswith("http:"):
        raise ValueError(f"{url} has no TLS, which is only for an address of your own network: write https, or private = true")


class HttpTarget(Keyed):
    """Where `http.post` posts."""

    kind: Literal["http"]
    url: str = Field(default="", description="the whole address; exactly one of url, url_env and url_file")
    url_env: Variable = Field(default="", description="environment variable that holds it, where the address is a secret")
    url_file: Path | None = Field(default=None, description="file that holds it")
    private: bool = Field(default=False, description="whether it may be at a private, loopback or link-local address")
    auth: Literal["bearer", "x-api-key", "none"] = Field(default="bearer", description="header of the key, where there is one")
    secret_env: Variable = Field(default="", description="environment variable with the signing secret, whsec_…")
    secret_file: Path | None = Field(default=None, description="file with the signing secret")
    lookup: str = Field(
        default="",
        description="URL with {key} in it that answers 200 for a request that was taken and 404 for one that was not",
    )
    repeats: bool = Field(
        default=False, description="the receiver acts once per Idempotency-Key: without a clear answer it is sent again"
    )
    timeout: Span = Field(default=timedelta(seconds=30), description="time for one whole request")

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        return url and _http(url)

    @field_validator("lookup")
    @classmethod
    def _lookup(cls, url: str) -> str:
        if url and "{key}" not in url:
            raise ValueError("has no {key} in it, where the action's key is to stand")
        return url and _http(url.replace("{key}", "0")) and url

    @model_validator(mode="after")
    def _sane(self) -> Self:
        if [bool(self.url), bool(self.url_env), self.url_file is not None].count(True) != 1:
            raise ValueError("say where it is: exactly one of url, url_env and url_file")
        if not self.private:
            _encrypted(self.url)
            _encrypted(self.lookup)
        if self.secret_env and self.secret_file:
            raise ValueError("name the signing secret once: secret_env or secret_file")
        return self

    def usable(self, url: str) -> str:
        """An address that url_env or url_file has. Raises ValueError, which does not quote it, if it cannot be used."""
        try:
            _http(url)
        except ValueError as error:
            raise ValueError(f"the address {error}") from None
        if not self.private and url.startswith("http:"):
            raise ValueError("the address has no TLS, which is only for your own network: use https, or say private = true")
        return url


Kind = Literal["text", "integer", "boolean", "decimal"]


class StatementSetting(Input):
    """One statement that actions may execute, by its name."""

    about: str = Field(min_length=1, max_length=300, description="what it does; whoever approves reads it")
    sql: str = Field(min_length=1, max_length=20_000, description="one statement; its parameters are written `:name`")
    parameters: dict[Name, Kind] = Field(default={}, description="each parameter's type: text, integer, boolean or decimal")
    rows: int | None = Field(default=None, ge=0, description="how many rows it must change; any other number undoes it")
    undo: Name | None = Field(default=None, description="the statement of this target that takes it back, with the same values")


class SqlTarget(Input):
    """The database of `sql.execute` and `sql.load`, and all that may be done there."""

    kind: Literal["sql"]
    url: SecretStr = Field(default=SecretStr(""), description="its SQLAlchemy URL; exactly one of url, url_env and url_file")
    url_env: Variable = Field(default="", description="environment variable that holds the URL")
    url_file: Path | None = Field(default=None, description="file that holds the URL")
    table: str = Field(default="baton_action", pattern=r"^[a-z_][a-z0-9_]{0,62}$", description="the table of the keys")
    statements: dict[Name, StatementSetting] = Field(default={}, description="what actions may execute, by name")
    tables: dict[Name, TableSetting] = Field(default={}, description="what rows may be loaded into, by name")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.statements and not self.tables:
            raise ValueError("it declares neither statements nor tables, so nothing could be done there")
        for name, table in self.tables.items():
            self._corrects(name, table)
        if [bool(self.url.get_secret_value()), bool(self.url_env), self.url_file is not None].count(True) != 1:
            raise ValueError("say where it is: exactly one of url, url_env and url_file")
        for name, one in self.statements.items():
            back = self.statements.get(one.undo) if one.undo else None
            if one.undo and back is None:
                raise ValueError(f"statements.{name}: undo names {one.undo}, which is not declared here")
            if back is not None and any(one.parameters.get(key) != kind for key, kind in back.parameters.items()):
                raise ValueError(f"statements.{name}: undo = {one.undo} has parameters that {name} has not, or of other types")
        return self

    def _corrects(self, name: str, table: TableSetting) -> None:
        for word, statement in table.corrections.model_dump().items():
            if statement is not None and statement not in self.statements:
                raise ValueError(f"tables.{name}: corrections.{word} names {statement}, which is no statement of this target")


class FolderTarget(Input):
    """The folder of `file.write`."""

    kind: Literal["folder"]
    path: Path = Field(description="the folder on the worker's machine")


class MailTarget(Keyed):
    """The mail server of `email.send`, who writes, and to whom."""

    kind: Literal["smtp"]
    host: str = Field(min_length=1, max_length=253)
    port: int = Field(default=587, ge=1, le=65535)
    tls: Literal["starttls", "implicit", "none"] = Field(
        default="starttls", description="none: only for a server of this machine"
    )
    user: str = Field(default="", max_length=200, description="name to sign in with; empty: nobody signs in")
    sender: Address = Field(description="who writes")
    domains: tuple[str, ...] = Field(min_length=1, description="domains that recipients may have; * is any")
    ca_file: Path | None = Field(default=None, description="PEM file of further certificate authorities")
    timeout: Span = timedelta(seconds=30)

    @model_validator(mode="after")
    def _not_in_the_clear(self) -> Self:
        if self.tls == "none" and self.user:
            raise ValueError("a password is never sent without TLS: set tls, or leave out user")
        if bool(self.user) != bool(self.key_env or self.key_file):
            raise ValueError("user and its password (key_env or key_file) go together")
        return self


class GitHubTarget(Keyed):
    """A host with GitHub's REST interface, for `git.open_pull_request` and `git.comment`."""

    kind: Literal["github"]
    api: str = Field(default="https://api.github.com", description="address before /repos")
    repositories: tuple[Slug, ...] = Field(min_length=1, description="OWNER/NAME of each repository that may be written to")
    private: bool = Field(default=False, description="whether it may be at a private, loopback or link-local address")
    timeout: Span = timedelta(seconds=30)

    @field_validator("api")
    @classmethod
    def _api(cls, url: str) -> str:
        return _http(url).rstrip("/")

    @model_validator(mode="after")
    def _sane(self) -> Self:
        if not self.private:
            _encrypted(self.api)
        return self


class CommandSetting(Input):
    """One command that actions may run, by its name."""

    about: str = Field(min_length=1, max_length=300, description="what it does; whoever approves reads it")
    argv: tuple[str, ...] = Field(min_length=1, max_length=100, description="program and arguments; {name} becomes a value")
    parameters: dict[Name, str] = Field(default={}, description="for each parameter the expression that all of it has to match")
    check: Name | None = Field(default=None, description="the command that ends with 0 if this one was done, and with 1 if not")
    undo: Name | None = Field(default=None, description="the command that takes it back, with the same values")
    timeout: Span = timedelta(minutes=10)


class CommandTarget(Input):
    """The folder of `command.run`, what may be run there, and which hosts it may reach."""

    kind: Literal["commands"]
    folder: Path = Field(description="a folder on the worker's machine; commands see a copy that they may write")
    environment: Path | None = Field(default=None, description="folder of a prepared interpreter, first on PATH")
    hosts: tuple[Host, ...] = Field(default=(), description="HOST:PORT of all that commands may reach; none by default")
    variables: dict[Variable, Variable] = Field(
        default={}, description="variables that commands get, from which of the worker's"
    )
    commands: dict[Name, CommandSetting] = Field(min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for name, one in self.commands.items():
            for word, other in (("check", one.check), ("undo", one.undo)):
                if other is None:
                    continue
                if other not in self.commands:
                    raise ValueError(f"commands.{name}: {word} names {other}, which is not declared here")
                if not self.commands[other].parameters.items() <= one.parameters.items():
                    raise ValueError(f"commands.{name}: {word} = {other} has parameters that {name} has not")
        return self


Target = Annotated[
    HttpTarget | SqlTarget | FolderTarget | MailTarget | GitHubTarget | CommandTarget, Field(discriminator="kind")
]
