"""What the steps of a diagnosis exchange: copies of logs, what they show by themselves, and what each service's agent found."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from contracts.base import Contract, Digest, Line, PerMille, is_empty, is_none
from contracts.diagnosis_input import Service
from contracts.inputs import ChildInput
from contracts.outside import From
from contracts.people import Feedback
from contracts.resources import Resource
from contracts.runs import Request

Level = Literal["debug", "info", "warning", "error", "fatal"]

LEVELS: tuple[Level, ...] = ("debug", "info", "warning", "error", "fatal")
"""From harmless to fatal."""

Fault = Literal["here", "elsewhere", "none", "unknown"]
"""Where the cause of what is seen lies. here: in this service. elsewhere: in what it calls. none: nothing is wrong with it."""

ChangeKind = Literal["file", "setting", "dependency", "service"]


class CopiedFile(Contract):
    """One file of a service as it was when the diagnosis began. Its lines keep their numbers."""

    name: Annotated[Line, From("log")]
    kind: Literal["log", "config"] = "log"
    artifact: Digest
    first_line: int = Field(description="number of the first line that was kept, from 1")
    lines: int = Field(description="how many were kept")
    begins: datetime | None = Field(default=None, description="the first time stamp; None: there is none")
    ends: datetime | None = None
    note: str = Field(default="", exclude_if=is_empty, description="what is not there, such as older lines")


class Quoted(Contract):
    """A line of a log, copied. `line` counts from 1 in the file."""

    file: Line = Field(min_length=1, max_length=500)
    line: int = Field(ge=1, le=10_000_000_000)
    quote: str = Field(min_length=1, max_length=400, description="copied character by character from that line")


class Sign(Contract):
    """Records of a log that say the same, but for numbers and names (one cluster)."""

    template: str = Field(description="what they have in common; <*> stands for what differs")
    level: Level
    count: int
    first: datetime | None = None
    last: datetime | None = None
    example: Quoted


class Signs(Contract):
    """What code sees in a service's logs by itself."""

    records: int = 0
    errors: int = Field(default=0, description="records of level error or above")
    warnings: int = 0
    undated: int = Field(default=0, exclude_if=is_empty, description="records without a time stamp")
    signs: tuple[Sign, ...] = Field(default=(), description="clusters of errors and warnings, most telling first")
    first_error: Quoted | None = Field(default=None, exclude_if=is_none)
    first_at: datetime | None = Field(default=None, exclude_if=is_none)
    changed_at: datetime | None = Field(default=None, exclude_if=is_none, description="when the share of errors changed most")
    before: PerMille = Field(default=0, description="errors of a thousand records before that")
    after: PerMille = Field(default=0, description="and from then on")
    left_out: int = Field(default=0, exclude_if=is_empty, description="further clusters")


class Snapshot(Contract, name="log_snapshot/1", brief=True):
    """Copies of a service's logs and configuration, and what they show by themselves."""

    service: str
    files: tuple[CopiedFile, ...]
    signs: Annotated[Signs, From("log")]
    notes: tuple[str, ...] = Field(default=(), description="what could not be read, and why")
    manifest: str = Field(default="", description="the artifact that tools find the copies by")


class TakeSnapshot(Request, name="take_snapshot/1"):
    """Ask for copies of a service's logs and configuration."""

    service: Service
    since: datetime | None = None
    until: datetime | None = None


class Called(Contract):
    """Another service of the same diagnosis, as its callers know it."""

    name: str
    address: str = ""
    depended_on: bool = Field(description="the service is declared to call it")


class Incident(Contract, name="incident/1"):
    """The planner's task: what is seen, and which services there are."""

    question: Annotated[str, From("ticket")]
    services: tuple[Service, ...]
    since: datetime | None = None
    until: datetime | None = None


class Look(Contract):
    """What to look for in one service."""

    service: Line = Field(max_length=40)
    look_for: str = Field(min_length=1, max_length=1000)


class Investigation(Contract, name="investigation/1"):
    """The planner's result: what is looked for in each service, before anybody has read a line."""

    summary: str = Field(min_length=1, max_length=1000)
    looks: tuple[Look, ...] = Field(max_length=20, description="one for each service that needs more than the question")


class ServiceTask(Contract, name="service_task/1"):
    """What the diagnostician of one service is given. Of other services it knows names and addresses, and nothing else."""

    service: str
    address: str = ""
    question: Annotated[str, From("ticket")]
    look_for: str = ""
    since: datetime | None = None
    until: datetime | None = None
    files: tuple[CopiedFile, ...]
    signs: Annotated[Signs, From("log")]
    notes: Annotated[tuple[str, ...], From("log")] = ()
    others: tuple[Called, ...] = ()
    feedback: tuple[Feedback, ...] = ()


class LogClaim(Contract):
    """One statement, and the log lines that show it."""

    subject: Line = Field(min_length=1, max_length=200, description="what it is about, such as a service, setting or host")
    attribute: Line = Field(min_length=1, max_length=200, description="what of it, such as status, value or limit")
    value: str = Field(min_length=1, max_length=600)
    quotes: tuple[Quoted, ...] = Field(max_length=10)


class ProposedChange(Contract):
    """One change that would mend it."""

    kind: ChangeKind
    name: Line = Field(
        min_length=1,
        max_length=300,
        description="the file's path, the setting's name, the package, or the service that is started anew",
    )
    value: str = Field(max_length=1000, description="a setting's new value or a package's version; otherwise empty")
    file: Line = Field(max_length=500, description="with a setting: the configuration file it stands in; otherwise empty")
    what: str = Field(min_length=1, max_length=1000, description="what is done, and why that helps")


class Diagnosis(Contract, name="diagnosis/1"):
    """What one agent says about one service."""

    fault: Fault
    blames: Line = Field(
        max_length=200, description="with elsewhere: the service, or HOST:PORT, where the cause lies; otherwise empty"
    )
    cause: str = Field(min_length=1, max_length=2000, description="the root cause, or why there is none")
    claims: tuple[LogClaim, ...] = Field(max_length=20)
    changes: tuple[ProposedChange, ...] = Field(max_length=10)
    confidence: PerMille
    not_looked_at: tuple[str, ...] = Field(max_length=20)


class Unsupported(Contract):
    """A claim that the logs do not show, with the reason."""

    claim: LogClaim
    reason: str


class CheckDiagnosis(Request, name="check_diagnosis/1"):
    """Look up the quotes of a diagnosis in the copies that it was made from."""

    snapshot: Snapshot
    diagnosis: Diagnosis


class CheckedDiagnosis(Contract, name="checked_diagnosis/1", brief=True):
    """A diagnosis whose claims are supported, each quote at its line; and the claims that are not."""

    service: str
    by: str = ""
    handoff: str = Field(default="", description="id of the diagnostician's handoff")
    diagnosis: Diagnosis
    unsupported: tuple[Unsupported, ...] = ()
    signs: Signs = Signs()
    files: tuple[CopiedFile, ...] = ()
    notes: tuple[str, ...] = ()
    unsure: str = Field(default="", description="why the agent was unsure; empty: it was not")

    def came_from(self) -> tuple[str, ...]:
        """It quotes logs."""
        return ("log",)


class DiagnoseServiceInput(ChildInput, name="diagnose_service_input/1"):
    """One service, for the child that diagnoses it."""

    service: Service
    question: str = ""
    look_for: str = ""
    since: datetime | None = None
    until: datetime | None = None
    others: tuple[Called, ...] = ()
    minutes: int = 60


class Fix(Contract):
    """A proposed change with its number, and what it touches."""

    id: str = Field(description="such as shop-1")
    service: str
    change: ProposedChange
    touches: tuple[Resource, ...] = ()
    problem: str = Field(default="", exclude_if=is_empty, description="why no code can check what it touches")


class Conflict(Contract):
    """Two proposed changes that cannot both be made as they are: they touch the same thing."""

    id: str
    on: str
    fixes: tuple[str, ...]
    sides: tuple[str, ...]


class Contradiction(Contract):
    """Two services' diagnoses that cannot both be right."""

    id: str
    about: Literal["value", "blame"] = Field(description="value: same subject and attribute. blame: each says it is the other")
    on: str
    services: tuple[str, ...]
    sides: tuple[str, ...]


class WeighTask(Contract, name="weigh_task/1"):
    """The weigher's task. The diagnoses stand beside it."""

    question: Annotated[str, From("ticket")]
    services: tuple[str, ...]
    missing: tuple[str, ...] = ()
    fixes: Annotated[tuple[Fix, ...], From("log")] = ()
    conflicts: Annotated[tuple[Conflict, ...], From("log")] = ()
    contradictions: Annotated[tuple[Contradiction, ...], From("log")] = ()
    first_signs: Annotated[tuple[str, ...], From("log")] = Field(default=(), description="services by their first error")
    feedback: tuple[Feedback, ...] = ()


class Ruling(Contract):
    """What the weigher makes of one conflict or contradiction."""

    id: Line = Field(max_length=60)
    holds: Line = Field(max_length=60, description="the fix or the service that holds; empty: it cannot be decided")
    why: str = Field(min_length=1, max_length=600)


class Weighed(Contract, name="weighed/1"):
    """The weigher's result."""

    summary: str = Field(min_length=1, max_length=2000)
    roots: tuple[Line, ...] = Field(max_length=20, description="services, or HOST:PORT, where the cause lies")
    rulings: tuple[Ruling, ...] = Field(max_length=40)
    fixes: tuple[Line, ...] = Field(max_length=40, description="ids of the fixes to make, in order; never both of a conflict")
    open: tuple[str, ...] = Field(max_length=20, description="what stays undecided, and what would decide it")
