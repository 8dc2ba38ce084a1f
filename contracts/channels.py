"""A table `[channels.NAME]` of baton.toml: where notices go, which of them, and when."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from contracts.base import Input, Line, Span
from contracts.daytimes import Hours, next_at, time_of_day, zone_named
from contracts.effects.email_send import Address
from contracts.notices import Importance, NoticeKind
from contracts.pipelines import PIPELINES
from contracts.step_resources import Name

ChannelKind = Literal["slack", "webhook", "mail"]

SHORTEST = timedelta(seconds=10)
"""Two messages to one channel are at least so far apart."""

_PIPELINES = tuple(sorted(one.workflow.lower() for one in PIPELINES))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _pipeline(name: str) -> str:
    if name not in _PIPELINES:
        raise ValueError(f"there is no pipeline {name!r}; there are {', '.join(_PIPELINES)}")
    return name


class Channel(Input):
    """Where notices go: through a table `[targets.NAME]`, with its key, signature and limits."""

    kind: ChannelKind = Field(
        description="slack: as Slack's incoming webhooks want it; webhook: JSON; both by a target of the kind http; mail: smtp"
    )
    target: Name = Field(description="which [targets.NAME] leads there")
    to: tuple[Address, ...] = Field(default=(), max_length=50, description="with mail: the addresses that get it")
    kinds: tuple[NoticeKind, ...] = Field(default=(), description="only these kinds of notices; default: all")
    pipelines: tuple[Annotated[str, AfterValidator(_pipeline)], ...] = Field(
        default=(), description="only of runs of these pipelines; default: all"
    )
    projects: tuple[Line, ...] = Field(default=(), description="only of runs of these projects; default: all")
    importance: Importance = Field(default="overview", description="alert: only what is important, or of high risk")
    who: tuple[Line, ...] = Field(
        default=(), description="only what these people and roles of the policy are asked for; default: whoever is asked"
    )
    zone: str = Field(
        default="",
        description="time zone of `quiet`, of `digest_at`, and of deadlines in texts, such as Europe/Berlin; default: UTC",
    )
    quiet: str = Field(
        default="",
        description='hours in which what is not urgent waits, such as "22:00-07:00"; it comes as one digest afterwards',
    )
    digest_every: Span | None = Field(default=None, description="gather what is not urgent for so long, such as PT30M")
    digest_at: str = Field(default="", description='gather what is not urgent until this time of day, such as "08:00"')
    apart: Span = Field(
        default=timedelta(minutes=1), description="least time between two messages; what comes meanwhile is in the next one"
    )

    @model_validator(mode="after")
    def _sane(self) -> Self:
        if self.kind == "mail" and not self.to:
            raise ValueError('to: a channel of the kind mail needs addresses, such as to = ["ops@example.com"]')
        if self.kind != "mail" and self.to:
            raise ValueError(f"to: addresses are for the kind mail; a channel of the kind {self.kind} goes to its target's url")
        if self.digest_every is not None and self.digest_at:
            raise ValueError("a digest comes every so often or at a time of day: write digest_every or digest_at")
        if self.digest_every is not None and self.digest_every < timedelta(minutes=1):
            raise ValueError(f"digest_every: a digest more often than every minute gathers nothing, not {self.digest_every}")
        if self.apart < SHORTEST:
            raise ValueError(f"apart: at least {SHORTEST.seconds} s, or a storm of notices is one of messages")
        _ = self.local, self.hours
        if self.digest_at:
            time_of_day(self.digest_at)
        return self

    @property
    def local(self) -> ZoneInfo:
        """The channel's time zone."""
        return zone_named(self.zone or "UTC")

    @property
    def hours(self) -> Hours | None:
        """The quiet hours; None where there are none."""
        return Hours.read(self.quiet, self.local) if self.quiet else None

    def due(self, now: datetime, *, urgent: bool, deadline: datetime | None) -> datetime:
        """When a notice of this instant is to go out. At once if it is urgent, or could come after its deadline otherwise."""
        if urgent:
            return now
        when, hours = self._digest(now), self.hours
        when = (hours.until(when) if hours is not None else None) or when
        return now if deadline is not None and deadline <= when else when

    def _digest(self, now: datetime) -> datetime:
        if self.digest_at:
            return next_at(time_of_day(self.digest_at), self.local, now)
        if self.digest_every is not None:
            return now + self.digest_every - (now - _EPOCH) % self.digest_every
        return now
