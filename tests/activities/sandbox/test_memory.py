"""Memory of sandboxed commands, with and without a cgroup that can hold it: what is used counts, what is reserved does not."""

import os
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from activities.sandbox import ResourceLimits, Sandbox, memory
from activities.sandbox.limits import MIB
from activities.sandbox.probe import probe
from tests.children import PATIENCE

LONG = timedelta(seconds=PATIENCE)
DEFAULT = ResourceLimits()
SMALL = replace(DEFAULT, memory=192 * MIB)

HOLD = "import time; held = b'x' * ({mib} << 20); time.sleep({seconds})"
MANY = f"""
import os
for _ in range(6):
    if os.fork() == 0:
        {HOLD.format(mib=60, seconds=1000)}
os.wait()
"""
HANDED_ON = f"""
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        {HOLD.format(mib=400, seconds=1000)}
    os._exit(0)
os.wait()
import time; time.sleep(1000)
"""
MAPPED = """
import mmap, time
held = mmap.mmap(-1, 400 << 20)
for at in range(0, len(held), 4096):
    held[at] = 1
time.sleep(1000)
"""
SHARED = """
import os
held = b"x" * (100 << 20)
children = []
for _ in range(5):
    child = os.fork()
    if child == 0:
        import time; time.sleep(1); os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
print("all ended")
"""
WASM = """
const memory = new WebAssembly.Memory({initial: 16, maximum: 65536});
memory.grow(64);
new Uint8Array(memory.buffer).fill(7);
console.log("bytes", memory.buffer.byteLength);
"""
RESERVE = "import mmap; held = mmap.mmap(-1, 16 << 30, flags=mmap.MAP_PRIVATE | 0x4000, prot=0); print('reserved')"


@pytest.fixture
def watched() -> Sandbox:
    """A sandbox on a machine where no cgroup can be made."""
    sandbox = Sandbox.find()
    sandbox._cgroups._parents = {"pids": [], "memory": []}
    return sandbox


@pytest.fixture(params=["watched", "as this machine has it"])
def either(request: pytest.FixtureRequest, watched: Sandbox) -> Sandbox:
    """Both kinds of machines."""
    return watched if request.param == "watched" else Sandbox.find()


def program(name: str) -> str:
    """A program of this machine, or the test is left out."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    return name


HOGS = [HOLD.format(mib=400, seconds=1000), MANY, HANDED_ON, MAPPED]


@pytest.mark.parametrize("script", HOGS, ids=["one process", "six processes", "an orphan", "a shared mapping"])
async def test_what_uses_more_is_ended_and_told(watched: Sandbox, tmp_path: Path, script: str) -> None:
    """However the memory is spread over processes: all of them are ended, and the reason says how much it was."""
    done = await watched.run(["python", "-c", script], directory=tmp_path, timeout=LONG, limits=SMALL)
    assert (done.exit_code, done.timed_out) == (None, False)
    assert done.stopped.startswith("its processes used ")
    assert done.stopped.endswith(" MiB of memory together, and the limit is 192 MiB")


async def test_the_kernel_says_it_too(tmp_path: Path) -> None:
    """Where a cgroup holds memory the command ends by the kernel's signal, and the reason stands beside the exit code."""
    sandbox = Sandbox.find()
    if "memory" not in sandbox.limited_by():
        pytest.skip("no cgroup for memory can be made on this machine")
    argv = ["python", "-c", HOLD.format(mib=400, seconds=0)]
    done = await sandbox.run(argv, directory=tmp_path, timeout=LONG, limits=SMALL)
    assert (done.exit_code, "more memory than the limit of 192 MiB" in done.stopped) == (137, True)
    fine = await sandbox.run(["true"], directory=tmp_path, timeout=LONG, limits=SMALL)
    assert (fine.exit_code, fine.stopped) == (0, "")


async def test_shared_pages_count_once(watched: Sandbox, tmp_path: Path) -> None:
    """Six processes that see the same 100 MiB use 100 MiB, not 600."""
    limits = replace(DEFAULT, memory=400 * MIB)
    done = await watched.run(["python", "-c", SHARED], directory=tmp_path, timeout=LONG, limits=limits)
    assert (done.exit_code, done.output, done.stopped) == (0, b"all ended\n", "")


RESERVES = [
    (["java", "-version"], b"version"),
    (["javac", "-version"], b"javac "),
    (["node", "-e", WASM], b"bytes 5242880"),
    (["python", "-c", RESERVE], b"reserved"),
]


@pytest.mark.parametrize(("argv", "said"), RESERVES, ids=["java", "javac", "WebAssembly", "16 GiB reserved"])
async def test_what_only_reserves_runs(either: Sandbox, tmp_path: Path, argv: list[str], said: bytes) -> None:
    """The JVM and WebAssembly reserve more address space than the limit of memory, and run under the default."""
    if argv[0] != "python":
        program(argv[0])
    done = await either.run(argv, directory=tmp_path, timeout=LONG)
    assert (done.exit_code, said in done.output, done.stopped) == (0, True, ""), done.output


async def test_a_java_program_is_compiled_and_run(either: Sandbox, tmp_path: Path) -> None:
    """What a check of a Java project does, with nothing but the JDK of the machine."""
    program("javac")
    (tmp_path / "One.java").write_text(
        "public class One { public static void main(String[] a) { System.out.println(41 + 1); } }"
    )
    done = await either.run(["sh", "-c", "javac One.java && java One"], directory=tmp_path, timeout=LONG)
    assert (done.exit_code, done.output) == (0, b"42\n")


async def test_where_nothing_can_be_counted_each_process_is_limited(
    watched: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that lets nobody look into the sandbox still has a limit, and `baton doctor` says what it costs."""
    monkeypatch.setattr(memory, "readable", lambda first: None)
    argv = ["python", "-c", HOLD.format(mib=400, seconds=0)]
    done = await watched.run(argv, directory=tmp_path, timeout=LONG, limits=SMALL)
    assert (done.exit_code, b"MemoryError" in done.output) == (1, True)
    told = {fact.name: fact for fact in (await probe(watched)).facts}["memory"]
    assert (told.holds, "which stops the JVM" in told.how) == (True, True)


def test_the_machine_itself_does_not_count() -> None:
    """Before a sandbox has a root of its own the machine's /proc lies there: none of its processes is the command's."""
    assert memory._sum(Path("/proc/self/root/proc"), memory._resident) == 0


def test_an_ended_sandbox_uses_nothing() -> None:
    """A process that is gone, and a folder that is none, are no error."""
    gone = os.fork()
    if gone == 0:
        os._exit(0)
    os.waitpid(gone, 0)
    assert memory.readable(gone) is None
    assert memory._sum(Path("/proc", str(gone), "root", "proc"), memory._resident) == 0
