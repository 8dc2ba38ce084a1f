"""Checks of Temporal: CLI, server, namespace, payload limit, search attributes, workers, clock, stuck runs."""

import email.utils
import http.client
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from commands.context import connect
from commands.doctor.finding import Check, Finding
from commands.doctor.record import open_runs, refused
from commands.doctor.workers import workers_on

if TYPE_CHECKING:
    from temporalio.client import Client

    from config import Settings

RETENTION = timedelta(days=3)
"""Shortest retention without a warning: closed runs should survive a long weekend."""

PROBE_BYTES = 4_150_000
"""Above the server's default payload limit (2 MiB) and just below its gRPC limit (4 MiB)."""

# HTTP dates have whole seconds and an answer takes time, so that a second or two means nothing.
SKEW = timedelta(seconds=5)


def temporal_program(_: "Settings") -> Finding:
    """The `temporal` program, which `baton up` and the demo need."""
    from commands.server import temporal_program as find
    from contracts.errors import Misconfigured

    try:
        program = find()
    except Misconfigured as error:
        return Finding("temporal program", "warn", str(error), "only `baton up` and `baton demo` need it: `make setup`")
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=20).stdout
    return Finding("temporal program", "ok", f"{said.strip()} at {program}")


async def temporal(found: "Settings") -> list[Finding]:
    """The server, and everything that needs a server that answers."""
    from connection import Unreachable

    try:
        client = await connect()
    except Unreachable as error:
        return [Finding("temporal server", "fail", str(error), "`baton up` starts one on this machine")]
    about_server = [await _asked(check(client), check.__name__) for check in ABOUT_SERVER]
    record = [await _asked(open_runs(client, found), "open runs"), await _asked(refused(client, found), "refused starts")]
    return [await _server(client), *about_server, *record, *await workers_on(client, found), clock(found)]


async def _asked(check: Any, name: str) -> Finding:
    from temporalio.service import RPCError

    try:
        finding: Finding = await check
    # One request that a server does not allow must not hide what the others found.
    except RPCError as error:
        return Finding(
            name.strip("_").replace("_", " "), "warn", f"could not be checked: {error}", "ask the operator of the server"
        )
    return finding


async def _server(client: "Client") -> Finding:
    from temporalio.api.workflowservice.v1 import GetSystemInfoRequest

    info = await client.workflow_service.get_system_info(GetSystemInfoRequest())
    where = client.service_client.config.target_host
    return Finding("temporal server", "ok", f"version {info.server_version or 'unknown'} at {where}")


async def _namespace(client: "Client") -> Finding:
    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
    from temporalio.service import RPCError, RPCStatusCode

    name = client.namespace
    try:
        described = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=name))
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        mend = f"temporal operator namespace create -n {name}, or set another in temporal.toml or TEMPORAL_NAMESPACE"
        return Finding("namespace", "fail", f"there is no namespace {name!r}", mend)
    kept = described.config.workflow_execution_retention_ttl.ToTimedelta()
    # The ledger keeps the record; but a stuck or failed run can only be diagnosed from its history.
    if kept < RETENTION:
        text = f"{name}: Temporal deletes ended runs after {kept}"
        return Finding("namespace", "warn", text, f"temporal operator namespace update -n {name} --retention 720h")
    return Finding("namespace", "ok", f"{name}, ended runs are kept {kept.days} days")


async def _search_attributes(client: "Client") -> Finding:
    from connection import compared_attributes, creating
    from search_attributes import SEARCH_ATTRIBUTES

    missing, wrong = await compared_attributes(client)
    if wrong:
        text = f"of another type: {wrong.text}; workers do not start"
        return Finding("search attributes", "fail", text, wrong.mend)
    if missing:
        text = f"missing: {', '.join(missing)}; a run that sets one stands still until it is there"
        mend = f"a worker adds them at startup if it is allowed to; otherwise: {creating(missing, client.namespace)}"
        return Finding("search attributes", "warn", text, mend)
    return Finding("search attributes", "ok", f"all {len(SEARCH_ATTRIBUTES)} are registered, with the right types")


async def _blob_limit(client: "Client") -> Finding:
    """Send a large signal to a workflow that does not exist. The server checks the size first, so nothing changes."""
    from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
    from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
    from temporalio.service import RPCError, RPCStatusCode

    # Limits cannot be queried, only tried out.
    payload = Payload(metadata={"encoding": b"binary/plain"}, data=b"\0" * PROBE_BYTES)
    request = SignalWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id="baton-doctor-size-probe"),
        signal_name="probe",
        input=Payloads(payloads=[payload]),
    )
    try:
        await client.workflow_service.signal_workflow_execution(request)
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return Finding(
                "payload limit",
                "ok",
                f"payloads of {PROBE_BYTES / 1_000_000:g} MB are accepted: a large message cannot leave a run stuck",
            )
        if error.status == RPCStatusCode.INVALID_ARGUMENT:
            text = "updates above 2 MiB are accepted and then cannot be processed: such an update leaves its run stuck"
            mend = (
                "set limit.blobSize.error=6000000 and history.maxInFlightUpdatePayloads=3500000 in the server's dynamic config"
            )
            return Finding("payload limit", "warn", text, mend)
        raise
    return Finding(
        "payload limit",
        "warn",
        "a workflow with the probe's name exists and received the probe",
        "rename or end the workflow baton-doctor-size-probe",
    )


async def _stuck(client: "Client") -> Finding:
    from commands.doctor.stuck import stuck_runs

    stuck = await stuck_runs(client)
    if not stuck:
        return Finding("stuck runs", "ok", "none")
    text = "; ".join(f"{one.workflow}: {one.cause}: {one.why or 'no explanation'}" for one in stuck[:5])
    more = f"; and {len(stuck) - 5} more" if len(stuck) > 5 else ""
    mend = "; ".join(f"{one.mend}: {one.command}" for one in stuck[:5])
    return Finding("stuck runs", "warn", text + more, mend)


def clock(found: "Settings") -> Finding:
    """Compare with the clock of the machine that serves the Web UI: Temporal's API has no clock."""
    now, server = _times(found.ui_url)
    if server is None:
        return Finding("clock", "warn", f"not compared: the Web UI at {found.ui_url} does not answer", "set `ui_url`")
    skew = abs(server - now)
    if skew > SKEW:
        text = (
            f"this machine and the server differ by {int(skew.total_seconds())} s: deadlines and daily budgets would be wrong"
        )
        return Finding("clock", "warn", text, "synchronise both clocks (NTP)")
    return Finding("clock", "ok", "within seconds of the server's")


def _times(url: str) -> tuple[datetime, datetime | None]:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    link = kind(parts.hostname or "localhost", parts.port, timeout=3)
    try:
        link.request("GET", "/")
        said = link.getresponse().getheader("Date")
    except (OSError, http.client.HTTPException):
        return datetime.now(UTC), None
    finally:
        link.close()
    return datetime.now(UTC), email.utils.parsedate_to_datetime(said) if said else None


ABOUT_SERVER = (_namespace, _search_attributes, _blob_limit, _stuck)
CHECKS: tuple[Check, ...] = (temporal_program, temporal)
