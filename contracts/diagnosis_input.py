"""What a diagnosis is asked for: services with their logs, what is wrong, and when."""

import posixpath
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from contracts.base import Input, Line, is_empty, is_none
from contracts.ids import slug
from contracts.inputs import PipelineInput, Typed
from contracts.outside import From
from contracts.step_resources import Name

SERVICES = 20
"""Most services of one diagnosis."""

DECLARED = "logs:"
"""Begins a log source that the worker's settings declare: `logs:NAME` is `[logs.NAME]`."""

_COMMAND = r"^[a-z][a-z0-9_-]{0,39}/[a-z][a-z0-9_-]{0,39}$"


class Service(Input):
    """One service: where its logs are, and what may be read and done beside them. Paths are the worker's."""

    name: Name
    logs: tuple[Annotated[Line, Field(min_length=1, max_length=1000)], ...] = Field(
        min_length=1, max_length=20, description="paths or globs of log files, or logs:NAME for what [logs.NAME] declares"
    )
    config: tuple[Annotated[Line, Field(min_length=1, max_length=1000)], ...] = Field(
        default=(), max_length=20, exclude_if=is_empty, description="paths of its configuration files"
    )
    repository: Line | None = Field(
        default=None, max_length=1000, exclude_if=is_none, description="path or URL of the git repository with its code"
    )
    depends_on: tuple[Name, ...] = Field(
        default=(), max_length=SERVICES, exclude_if=is_empty, description="services of this diagnosis that it calls"
    )
    address: Line | None = Field(
        default=None, max_length=200, exclude_if=is_none, description="HOST:PORT under which other services call it"
    )
    restart: Line | None = Field(
        default=None,
        pattern=_COMMAND,
        exclude_if=is_none,
        description="TARGET/COMMAND: the declared command that starts it anew; None: a person does",
    )

    @model_validator(mode="before")
    @classmethod
    def _typed(cls, given: Any) -> Any:
        """`NAME=SOURCE[,SOURCE…]`, as people type it."""
        if not isinstance(given, str):
            return given
        name, equals, sources = given.partition("=")
        if not equals or not sources.strip():
            raise ValueError(f"a service is typed as NAME=LOGS, such as shop=/var/log/shop/*.log; got {given[:80]!r}")
        return {"name": name.strip(), "logs": tuple(one.strip() for one in sources.split(",") if one.strip())}

    @field_validator("logs", "config")
    @classmethod
    def _whole(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path in paths:
            if path.startswith(DECLARED):
                continue
            if not path.startswith("/"):
                raise ValueError(f"{path[:80]!r} is not absolute, and a worker has a folder of its own; begin with /")
            if ".." in path.split("/"):
                raise ValueError(f"{path[:80]!r} goes up a folder (..); write the shortest path")
        return paths

    @field_validator("config")
    @classmethod
    def _files(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [path for path in paths if path.startswith(DECLARED) or any(sign in path for sign in "*?")]:
            raise ValueError(f"{wrong[0][:80]!r} is no path of one file; name each configuration file")
        return paths


class DiagnosisInput(PipelineInput, name="diagnosis_input/1"):
    """What is wrong, with which services, and when."""

    services: Annotated[tuple[Service, ...], Typed("-s", "services", option="--service")] = Field(
        min_length=1,
        max_length=SERVICES,
        description="a service as NAME=LOGS (paths or globs, with commas between), or @FILE: TOML with a table for each; "
        "once per service",
    )
    question: Annotated[str, Typed("-q"), From("ticket")] = Field(
        default="", max_length=4000, description="what is seen, in plain words; None: whatever the logs show"
    )
    since: datetime | None = Field(default=None, description="the logs from when on, as 2026-11-30T08:00Z; None: all")
    until: datetime | None = Field(default=None, description="the logs until when; None: all")
    report_only: bool = Field(default=False, description="true: nobody is asked, and no fix is made; the report proposes them")
    edit: Annotated[tuple[Name, ...], Typed(option="--edit")] = Field(
        default=(),
        max_length=20,
        exclude_if=is_empty,
        description="a target of kind folder beneath which the services' configuration files may be written; once per target. "
        "None: a person changes them",
    )
    service_minutes: int = Field(
        default=60, ge=1, le=2880, description="after so many minutes a service that has no diagnosis is reported without one"
    )

    @field_validator("since", "until")
    @classmethod
    def _utc(cls, at: datetime | None) -> datetime | None:
        if at is None:
            return None
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        names = [one.name for one in self.services]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"services: {twice[0]!r} is there twice; give each service one name, and all its logs there")
        for one in self.services:
            if unknown := [name for name in one.depends_on if name not in names or name == one.name]:
                raise ValueError(f"services: {one.name} depends on {unknown[0]!r}, which is no other service of this diagnosis")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ValueError("since is not before until, so no line can be meant; correct one of them")
        return self

    def named(self, name: str) -> Service:
        """The service of this name."""
        return next(one for one in self.services if one.name == name)

    def label(self) -> str:
        """The first service."""
        return slug(self.services[0].name)

    def asks(self) -> str:
        """Which services, and what is seen."""
        names = ", ".join(one.name for one in self.services)
        return f"diagnose {names}{f': {self.question}' if self.question else ''}"

    def about(self) -> tuple[str, ...]:
        """Each service with its sources, shortened."""
        return tuple(f"{one.name}: {', '.join(map(posixpath.basename, one.logs))}"[:300] for one in self.services)
