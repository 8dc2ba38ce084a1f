"""Failpoints: named places where a test kills or stops its own worker. Off unless the worker is started with one armed.

Only `worker.py` arms one, from the setting `failpoint`, and says so in its log. Off, a point costs one look at a global.
"""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from temporalio import workflow
from temporalio.worker import (
    Interceptor,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from contracts.errors import Misconfigured

Point = Literal[
    "model.before_call",  # money is reserved, nothing is sent
    "model.before_settle",  # the provider has answered, the ledger does not know
    "model.before_completion",  # the turn is committed, Temporal does not know
    "tool.before_effect",  # the workspace is marked as about to change
    "tool.before_result",  # the workspace is changed, no result is stored
    "tool.before_completion",  # the result is committed, Temporal does not know
    "gate.before_completion",  # the decision is committed, whoever sent it has no answer yet
    "action.in_lease",  # the lease is committed, the target has not been asked
    "action.before_send",  # the target was asked and has nothing; the lease is held
    "action.before_receipt",  # the target has it, the ledger does not know
    "action.in_receipt",  # the receipt is written, and not committed
    "action.before_completion",  # the receipt is committed, Temporal does not know
    "file.before_rename",  # the new file is whole under its temporary name, the former one has its own
    "message.before_send",  # a message is claimed, nothing is sent
    "message.before_record",  # the channel has it, the ledger does not know
    "message.after_record",  # the ledger knows that it was sent
    "load.before_commit",  # a batch is in its table, the transaction is open
    "load.before_completion",  # the batch is committed at the target, Temporal does not know
    "support.opened",  # a case is open in the ledger, Temporal does not know
    "support.looked_up",  # a case has its issue, Temporal does not know
    "journal.before_completion",  # lines are committed by a local activity, inside an open workflow task
    "activity.in_heartbeat",  # an activity is about to send a heartbeat
    "workflow.in_task",  # workflow code has decided on its next activity, its task is not completed
]
"""All points. A name that is not here is refused at start, and by the type checker where it is reached."""

ACTIONS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


@dataclass
class Failpoint:
    """What is armed: the `hits`-th time that `point` is reached, `signal` is sent to this process, unless `marker` exists."""

    point: str
    signal: signal.Signals
    hits: int
    marker: Path

    def reached(self, point: str) -> None:
        """Count, and send the signal when it is time. The marker is on disk before the signal."""
        if point != self.point:
            return
        self.hits -= 1
        if self.hits == 0 and self._is_first():
            os.kill(os.getpid(), self.signal)

    def _is_first(self) -> bool:
        try:
            descriptor = os.open(self.marker, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            return False
        os.write(descriptor, f"{os.getpid()}\n".encode())
        # Before the signal, which leaves no time for it: without the marker the next worker would die here, too.
        os.fsync(descriptor)
        os.close(descriptor)
        return True


_armed: Failpoint | None = None


def reach(point: Point) -> None:
    """Do nothing, unless a test has armed this point in this process."""
    if _armed is not None:
        _armed.reached(point)


def arm(text: str) -> Failpoint:
    """Arm the failpoint that `text` names, as in `model.before_call kill 3 /path/marker`; it replaces an earlier one.

    Raises `Misconfigured` for an unknown point or action, and for a marker whose folder does not exist.
    """
    global _armed
    _armed = _read(text)
    return _armed


def _read(text: str) -> Failpoint:
    words = text.split(maxsplit=3)
    if len(words) != 4 or not words[2].isdigit() or int(words[2]) < 1:
        raise Misconfigured(f"failpoint {text!r}: write POINT ACTION HITS MARKER, such as 'model.before_call kill 3 /tmp/m'")
    point, action, hits, marker = words[0], words[1], int(words[2]), Path(words[3])
    if point not in get_args(Point):
        raise Misconfigured(f"there is no failpoint {point!r}; there are {', '.join(get_args(Point))}")
    if action not in ACTIONS:
        raise Misconfigured(f"failpoint {point}: {action!r} is not an action; there are {', '.join(ACTIONS)}")
    if not marker.parent.is_dir():
        raise Misconfigured(f"failpoint {point}: the marker's folder {marker.parent} does not exist; make it")
    return Failpoint(point, ACTIONS[action], hits, marker)


def interceptors() -> list[Interceptor]:
    """The interceptors that a worker needs for points inside workflow tasks; none while no point is armed."""
    return [] if _armed is None else [_InTasks()]


class _InTasks(Interceptor):
    """Reaches `workflow.in_task` without a trace in workflow code, and never during replay."""

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        """One for each workflow."""
        del input
        return _Inbound


class _Inbound(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(_Outbound(outbound))


class _Outbound(WorkflowOutboundInterceptor):
    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:
        if not workflow.unsafe.is_replaying():
            reach("workflow.in_task")
        return super().start_activity(input)
