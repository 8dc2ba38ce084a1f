"""`baton demo`: a delivery on a sample repository with a real server, worker and console. Only the model is simulated."""

import asyncio
import contextlib
import os
import shlex
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

import config
import connection
import places
from commands import processes, server
from commands.context import named
from commands.demo.report import report_lines
from commands.demo.repository import make_sample
from commands.demo.running import Demo
from commands.errors import Code
from commands.interrupts import Interruption
from commands.links import address, link_for
from commands.questions import forget_typed, typed_line
from commands.text import subject_lines
from commands.up import DEFAULT_PORTS, console_port, worker_variables
from contracts.delivery.run import DeliveryInput, DeliveryReport
from contracts.errors import Misconfigured
from contracts.gates import GateView
from contracts.ids import repository_name
from contracts.printed import command, quoted
from contracts.text import one_line
from ledger import feed, gates, runs
from ledger.db import Ledger
from ledger.views.feed import head
from ledger.views.gates import subject_of
from model_choice import endpoints

SAMPLE = Path(__file__).parent / "sample"
INSTRUCTION = "Discounted prices lose half a cent: 999 cents at 50 percent must be 500. Fix it, and document the rule."
STEP = 0.2
"""Seconds between two reads of the ledger and the run."""


async def demo(settings: config.Settings, *, approve_as: str | None, real: bool, keep: bool, say: Callable[[str], None]) -> int:
    """Run the demo from scratch to the final report. Returns 0 if the fix was pushed, 130 if interrupted, else 1.

    A script answers, whatever the settings name; with `real` their model does. Raises `Misconfigured` if they name none.
    Always stops everything it started, even if it is interrupted again while stopping.
    """
    state = settings.state.absolute() / "demo"
    if real and not (settings.model or endpoints(settings)):
        raise Misconfigured(
            "--real-model: no model is set; set ANTHROPIC_API_KEY, OPENAI_API_KEY or BATON_MODEL, or leave it out"
        )
    scripted = not real or settings.model.startswith("scripted:")
    # Not strict: the demo must run beside a server of `baton up`.
    ports = server.free_ports(DEFAULT_PORTS, strict=False)
    this = Demo(settings, state, ports, scripted, approve_as, say)
    places.usable(state)
    with Interruption() as interruption:
        async with _alone(state):
            try:
                client = await _start(this)
                return await _deliver(this, client)
            finally:
                interruption.ignore()  # another Ctrl-C must not leave processes behind
                await _stop(this, keep=keep)
    return Code.INTERRUPTED


@contextlib.asynccontextmanager
async def _alone(state: Path) -> AsyncIterator[None]:
    """The only demo with this state folder. Raises `Misconfigured` where one runs, or a killed one has left something."""
    refused = Misconfigured(
        f"a demo is running with the state folder {state}; stop it first (Ctrl-C where it runs, or, if it was killed, "
        f"BATON_STATE={shlex.quote(str(state))} baton down)"
    )
    async with contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(processes.alone(state, "demo", patience=0))
        except processes.Busy:
            raise refused from None
        if any(processes.find(state, name) is not None for name in processes.PARTS):
            raise refused
        yield


async def _stop(this: Demo, *, keep: bool) -> None:
    with contextlib.suppress(OSError):  # the terminal may be closed
        this.say("Stopping the demo")
    # The server last: without one the others would only retry their connection.
    for name in processes.PARTS:
        await asyncio.to_thread(processes.stop, this.state, name)
    with contextlib.suppress(OSError):
        this.say(f"Stopped what the demo started. Its state stays in {this.state}")
        if not keep:
            this.say(f"  rm -r {shlex.quote(str(this.state))} removes it")


async def _start(this: Demo) -> Client:
    running = server.start("server", server.server_command(this.state, this.ports), this.state, {}, this.ports)
    client = await server.ready(this.ports.address, running, this.state)
    variables = worker_variables(this.settings.model_copy(update={"role": "all"}), this.state, this.ports)
    if this.scripted and not this.settings.model.startswith("scripted:"):
        # As the only model it stands before every key that the worker inherits.
        variables |= {"BATON_MODEL": "scripted:sample", "BATON_SCRIPT": str(SAMPLE / "script.yaml")}
    worker = server.start_worker(this.state, variables)
    await server.polled(client, this.settings.task_queue, worker, this.state)
    console = await server.start_console(this.state, variables, console_port(this.ports))
    this.say(f"Console           {await asyncio.to_thread(_link, this, console.port)}")
    this.say(f"Temporal Web UI   {this.ports.ui_url}")
    this.say(f"State             {this.state}")
    this.say("Times             UTC")
    if this.scripted:
        this.say("Model             SCRIPTED: replies come from a file, no network, no cost.")
        this.say("                  Everything else is real. With `baton demo --real-model` the")
        this.say("                  model of your settings answers, which costs money.")
    else:
        this.say("Model             the one of your settings: this costs money")
    return client


def _link(this: Demo, port: int) -> str:
    """The console's address, signed in as whoever decides here; a demo has a ledger of its own, and the user's policy."""
    with closing(Ledger(places.sqlite_url(this.state / "ledger.db"), this.state / "artifacts")) as ledger:
        try:
            return link_for(this.settings, ledger, this.approve_as or named("--by", None), port)
        except Misconfigured:
            return address(this.settings, port)


async def _deliver(this: Demo, client: Client) -> int:
    origin = this.state / "sample" / "origin.git"
    await asyncio.to_thread(make_sample, this.state / "sample")
    ledger = Ledger(places.sqlite_url(this.state / "ledger.db"), this.state / "artifacts")
    try:
        seq = await ledger.read(head)  # skip the lines of earlier demos with this state
        number = await ledger.tx(runs.next_number, "deliver")
        run = f"deliver-{repository_name('shop')}-{number:04d}"
        asked = DeliveryInput(repository=str(origin), instruction=INSTRUCTION, owner=this.approve_as, branch=f"baton/{run}")
        handle = await client.start_workflow(
            "Delivery", asked, id=run, task_queue=this.settings.task_queue, static_summary=f"deliver: {INSTRUCTION[:80]}"
        )
        this.say(f"Run               {run}{this.stamp}   {this.link(run, handle.first_execution_run_id or '')}")
        this.say("")
        return await _follow(this, client, handle, ledger, origin, seq)
    finally:
        ledger.close()


async def _follow(
    this: Demo, client: Client, handle: WorkflowHandle[object, object], ledger: Ledger, origin: Path, seq: int
) -> int:
    """Print the feed as it grows, stop at each gate, and end with the report."""
    seen = set[str]()
    # A task, so that the end of the run is noticed while the feed is polled.
    result = asyncio.create_task(handle.result())
    # Read in any case: after an interruption its server goes away under it, and asyncio would print an error that nobody reads.
    result.add_done_callback(lambda task: task.cancelled() or task.exception())
    while not result.done():
        seq = await _print_feed(this, ledger, seq)
        view = await _open_gate(ledger, handle.id)
        if view is not None and view.gate not in seen:
            seen.add(view.gate)
            seq = await _print_feed(this, ledger, seq)  # up to the line that says that it has opened
            await _at_gate(this, client, ledger, view)
        await asyncio.wait([result], timeout=STEP)
    # The last lines are committed with the end of the run, after the previous read.
    await _print_feed(this, ledger, seq)
    try:
        report = DeliveryReport.model_validate(result.result())
    except WorkflowFailureError as error:
        this.say(f"\nThe run failed: {one_line(str(error.cause), 1000)}")
        return 1
    for line in report_lines(report, origin, this.stamp):
        this.say(line)
    return 0 if report.state == "done" else 1


async def _open_gate(ledger: Ledger, run: str) -> GateView | None:
    """The first open gate of the run or its children, read from the ledger, where it comes with everything it shows."""
    views = await ledger.read(gates.open_gates)
    return next((view for view in views if view.workflow_id == run or view.workflow_id.startswith(f"{run}.")), None)


async def _print_feed(this: Demo, ledger: Ledger, seq: int) -> int:
    for line in await ledger.read(feed.after, seq):
        seq = line.seq
        if line.importance != "detail":
            why = f" ({line.why.splitlines()[0][:140]})" if line.why else ""
            this.say(f"  {line.at:%H:%M:%S}  {line.actor}: {one_line(line.did + why, 300)}{this.stamp}")
    return seq


async def _at_gate(this: Demo, client: Client, ledger: Ledger, view: GateView) -> None:
    """Show the gate and how to decide; approve it only if --approve-as says so."""
    this.say(f"\n  GATE {view.gate}: {one_line(view.title, 500)}{this.stamp}")
    for fact in view.facts:
        this.say(f"    - {one_line(fact, 1500)}")
    if view.risk:
        this.say(f"    - risk {one_line(view.risk, 1500)}")
    if view.kind in ("plan", "change"):
        this.say(await _subject(ledger, view))
    decision = f'{{"gate": "{view.gate}", "by": "YOU", "subject": "{view.subject}"}}'
    this.say("  Approve with either of:")
    program = Path(sys.executable).parent
    plain = _without_profile(this)
    variables = f"TEMPORAL_ADDRESS={this.ports.address} BATON_STATE={shlex.quote(str(this.state))}"
    if this.settings.database != places.sqlite_url(this.settings.state.absolute() / "ledger.db"):
        variables += f" BATON_LEDGER_URL={quoted(places.sqlite_url(this.state / 'ledger.db'))}"
    this.say(f"    {plain}{variables} {program}/{command('approve', view.workflow_id, view.gate)}")
    this.say(
        f"    {plain}{program}/temporal workflow update execute --address {quoted(this.ports.address)} "
        f"-w {quoted(view.workflow_id)} --name approve --input {quoted(decision)}"
    )
    if "approve" not in view.verbs:
        this.say(f"  This gate takes {' or '.join(view.verbs)}: `baton gates` shows how. Waiting for a decision.")
    elif this.approve_as is not None:
        await _decide(this, client, view, "approve", this.approve_as, "option --approve-as")
    elif sys.stdin.isatty():
        await _ask(this, client, ledger, view)
    else:
        this.say("  Waiting for a decision; nothing is approved automatically.")


def _without_profile(this: Demo) -> str:
    """What stands before a command, so that it speaks to the demo's server in a shell whose settings are for another one."""
    if not connection.in_the_way(connection.profile() | {"target_host": this.ports.address}, this.ports.address):
        return ""
    named = sorted(name for name in os.environ if name.startswith("TEMPORAL_"))
    return f"env {''.join(f'-u {name} ' for name in named)}TEMPORAL_CONFIG_FILE={os.devnull} "


async def _subject(ledger: Ledger, view: GateView) -> str:
    subject = await ledger.read(subject_of, ledger.files, view.trace, view.gate)
    return "\n".join(f"    {line}" for line in subject_lines(subject, 8000))


async def _ask(this: Demo, client: Client, ledger: Ledger, view: GateView) -> None:
    """Ask on the terminal until the answer is understood; stop asking if the gate is decided elsewhere."""
    name = os.environ.get("USER") or "operator"
    while True:
        forget_typed()
        this.say(f"  Approve {view.gate} as {name}? y = yes, n = reject, Enter = decide elsewhere")
        answer = await _answer(ledger, view)
        if answer is None:
            this.say("  decided elsewhere\n")
            return None
        match answer.strip().lower():
            case "y" | "yes":
                return await _decide(this, client, view, "approve", name, "")
            case "n" | "no":
                return await _decide(this, client, view, "reject", name, "rejected in the demo")
            case "":
                return None
        this.say("  that is neither y nor n")


async def _answer(ledger: Ledger, view: GateView) -> str | None:
    """The line that is typed; None as soon as the gate is decided elsewhere."""
    with typed_line() as line:
        while not line.done():
            await asyncio.wait([line], timeout=STEP)
            now = await _open_gate(ledger, view.workflow_id)
            if now is None or now.gate != view.gate:
                return None
    return line.result()


async def _decide(this: Demo, client: Client, view: GateView, verb: str, by: str, note: str) -> None:
    decision = {"gate": view.gate, "by": by, "note": note, "subject": view.subject, "channel": "demo"}
    await client.get_workflow_handle(view.workflow_id).execute_update(
        # An id of what is decided: a repeated call is the same update.
        verb,
        decision,
        id=f"{view.gate}-{by}-{verb}-{view.subject[:12]}",
    )
    this.say(f"  {verb} by {by}\n")
