"""Four services that really run, three of them with a fault, and the logs that they leave; and what agents say of them."""

import contextlib
import http.client
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle

from contracts.diagnosis import DiagnosisReport
from tests.children import started
from tests.scripts import Turn, answer, says
from tests.stack import Stack

SERVER = Path(__file__).with_name("ailing_server.py")
REQUESTS = 30


@dataclass(frozen=True)
class Ailing:
    """The folder with the logs, and where the stock was that the shop calls."""

    folder: Path
    stock: str

    def service(self, name: str, **more: Any) -> dict[str, Any]:
        """One service of an input."""
        return {"name": name, "logs": [str(self.folder / name / "*.log")], **more}

    def all(self, *names: str) -> list[dict[str, Any]]:
        """The services of an input: all four, and those that are named."""
        config = [str(self.folder / "pay" / "pay.ini")]
        whole = [self.service("shop"), self.service("pay", config=config), self.service("pictures"), self.service("users")]
        return [*whole, *(self.service(name, address=self.stock) for name in names)]


@contextlib.contextmanager
def _serving(folder: Path, role: str, argument: str = "") -> Iterator[int]:
    (folder / role).mkdir(parents=True, exist_ok=True)
    command = (sys.executable, "-I", "-S", str(SERVER), role, str(folder / role / f"{role}.log"), argument)
    with started(*command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())


def _ask(port: int, times: int = REQUESTS) -> set[int]:
    found = set[int]()
    for number in range(times):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", f"/{number}")
        found.add(connection.getresponse().status)
        connection.close()
    return found


def ail(folder: Path) -> Ailing:
    """Run all of them, ask each, stop the stock half way, and return what they wrote."""
    (folder / "pay").mkdir(parents=True)
    (folder / "pay" / "pay.ini").write_text("[pay]\nbank = here\ncurrency_decimals = two\n")
    with _serving(folder, "stock") as stock, contextlib.ExitStack() as running:
        address = f"127.0.0.1:{stock}"
        shop = running.enter_context(_serving(folder, "shop", address))
        assert _ask(shop) == {200}
        running_on = running.pop_all()
    with running_on:
        assert _ask(shop) == {500}
        with _serving(folder, "pay", str(folder / "pay" / "pay.ini")) as pay, _serving(folder, "pictures") as pictures:
            assert _ask(pay) == {500}
            assert _ask(pictures) == {200, 500}
        with _serving(folder, "users") as users:
            assert _ask(users) == {200}
    return Ailing(folder, address)


def pays(folder: Path) -> set[int]:
    """What the service pay answers when it is started anew, with the settings that are there now."""
    with _serving(folder, "pay", str(folder / "pay" / "pay.ini")) as pay:
        return _ask(pay)


async def diagnose(stack: Stack, services: list[dict[str, Any]], **more: Any) -> WorkflowHandle[Any, DiagnosisReport]:
    """Start a diagnosis as `temporal workflow start` would."""
    asked: dict[str, Any] = {"owner": "olga", "services": services, **more}
    run = f"diagnose-{secrets.token_hex(4)}"
    queue = stack.settings.task_queue
    return await stack.client.start_workflow("Diagnosis", asked, id=run, task_queue=queue, result_type=DiagnosisReport)


def planned(**looks: str) -> dict[str, Any]:
    """What the planner says."""
    said = [{"service": name, "look_for": text} for name, text in looks.items()]
    return says("incident_planner", answer({"summary": "Look at the errors.", "looks": said}))


def diagnosis(fault: str, cause: str = "It is so.", **more: Any) -> dict[str, Any]:
    """A diagnosis's body."""
    whole = {"fault": fault, "blames": "", "cause": cause, "claims": [], "changes": [], "confidence": 800, "not_looked_at": []}
    return whole | more


def claim(subject: str, attribute: str, value: str, file: str, quote: str, line: int = 1) -> dict[str, Any]:
    """A claim with one quote."""
    quotes = [{"file": file, "line": line, "quote": quote}]
    return {"subject": subject, "attribute": attribute, "value": value, "quotes": quotes}


def change(kind: str, name: str, value: str = "", file: str = "", what: str = "It mends it.") -> dict[str, Any]:
    """A proposed change."""
    return {"kind": kind, "name": name, "value": value, "file": file, "what": what}


def finds(service: str, *turns: Turn) -> dict[str, Any]:
    """The conversation of one service's diagnostician."""
    return says("diagnostician", *turns, text=f"diagnostician of the service `{service}`")


def weighs(summary: str = "Weighed.", **more: Any) -> dict[str, Any]:
    """What the weigher says."""
    whole = {"summary": summary, "roots": [], "rulings": [], "fixes": [], "open": []} | more
    return says("weigher", answer(whole))
