"""One of four small HTTP servers with real faults, for the tests of Diagnosis. The standard library alone: it starts fast.

`python ailing_server.py ROLE LOG [ARGUMENT]` prints its port and serves until it is killed. shop calls the stock at ARGUMENT,
pay reads the file ARGUMENT, pictures keeps each file that it opens, users and stock are well.
"""

import configparser
import json
import logging
import resource
import sys
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

role, log, argument = sys.argv[1], sys.argv[2], (sys.argv[3:] or [""])[0]
kept: list[Any] = []


def shop() -> str:
    """Ask the stock."""
    with urllib.request.urlopen(f"http://{argument}/", timeout=10) as answer:
        return str(answer.read().decode())


def pay() -> str:
    """Round by a setting."""
    settings = configparser.ConfigParser()
    settings.read(argument)
    text = settings["pay"]["currency_decimals"]
    if not text.isdigit():
        raise ValueError(f"setting currency_decimals: invalid value {text!r}, it must be a number")
    return f"{round(19.999, int(text))}"


def pictures() -> str:
    """Open a picture, and never close it."""
    kept.append(open(__file__, "rb"))  # noqa: SIM115 (that is the fault)
    return "picture"


def well() -> str:
    """Nothing that can fail."""
    return "ok"


WORK = {"shop": shop, "pay": pay, "pictures": pictures}.get(role, well)
FORMS = {
    "shop": "%(asctime)s %(levelname)s [%(name)s] %(message)s",
    "pictures": "%(asctime)s [main] %(levelname)-5s app.Pictures - %(message)s",
    "stock": "%(asctime)s %(levelname)s %(message)s",
}


class Json(logging.Formatter):
    """JSON lines, the stack trace in a field."""

    def format(self, record: logging.LogRecord) -> str:
        """One object."""
        fields = {"ts": record.created, "level": record.levelname.lower(), "msg": record.getMessage()}
        if record.exc_info:
            fields["stack"] = self.formatException(record.exc_info)
        return json.dumps(fields)


class Asked(BaseHTTPRequestHandler):
    """Does the work once for each request, and logs how it went."""

    def do_GET(self) -> None:
        """200, or 500 with the reason in the log."""
        try:
            body, status = WORK(), 200
            if role != "users":
                said.info("request %s answered, %d files open", self.path, len(kept))
        except (OSError, ValueError, KeyError) as error:
            body, status = "failed", 500
            if role == "shop":
                said.exception("request %s failed: cannot reach stock at %s: %s", self.path, argument, error)
            else:
                said.exception("request %s failed: %s", self.path, error)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, form: str, *values: object) -> None:
        """An access log as nginx writes it, for the one that is well."""
        if role == "users":
            when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
            said.info('%s - - [%s] "%s" %s 17 "-" "tests"', self.address_string(), when, values[0], values[1])


handler = logging.FileHandler(log)
handler.setFormatter(Json() if role == "pay" else logging.Formatter(FORMS.get(role, "%(message)s")))
logging.Formatter.converter = time.gmtime
said = logging.getLogger(role)
said.addHandler(handler)
said.setLevel(logging.INFO)
server = HTTPServer(("127.0.0.1", 0), Asked)
if role == "pictures":
    resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))
if role != "users":
    said.info("%s listens on 127.0.0.1:%d", role, server.server_port)
print(server.server_port, flush=True)
server.serve_forever()
