"""What a sandboxed command sees: a read-only system, one interpreter, its own /tmp, and one folder."""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from activities.sandbox import interpreter
from contracts.errors import Misconfigured

WORKSPACE = "/workspace"
"""Where the folder appears inside, so that no output names a path of this machine."""

GIVEN = "/baton"
"""Where a command finds what it is given beside its folder, read-only: its input, and a way to declared hosts."""

INPUT = f"{GIVEN}/input"
CHECK = f"{GIVEN}/check"
"""Runs the project's check, for a command that is told which one that is."""

USER = 65534

FILES = {
    "/etc/passwd": f"root:x:0:0::/nonexistent:/bin/sh\nsandbox:x:{USER}:{USER}::/tmp/home:/bin/sh\n",
    "/etc/group": f"root:x:0:\nsandbox:x:{USER}:\n",
    "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
"""Files of /etc that we provide instead of the machine's: no user names, no host names."""

_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_ETC = (
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "services", "protocols", "mime.types"),
    # Debian keeps parts of programs here to which links in /usr lead: without them javac and mvn do not start.
    *("java-*-openjdk", "maven/m2.conf", "maven/logging", "ssl/openssl.cnf", "ssl/certs"),
)
"""Files of the machine's /etc that are shown: what the system's programs need, and nothing that can hold a secret.

Maven's settings.xml can.
"""

_TOO_WIDE = ("/", "/etc", "/home", "/opt", "/proc", "/root", "/run", "/srv", "/sys", "/tmp", "/var", WORKSPACE)  # noqa: S108 (a name, not a file)
_OURS = ("PATH", "HOME", "TMPDIR")
_PROGRAMS = (f"{interpreter.PLACE}/bin/pytest", CHECK)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True)
class Layout:
    """Where a command runs: the folder, whether it may change it, the interpreter's folder, and extra variables.

    `environment` None: a Python of its own with pytest alone, see `interpreter.py`. `beside` are further environments, which
    come after it. `shown` are further folders, by where they appear inside, read-only.
    """

    directory: Path
    writable: bool
    environment: Path | None
    variables: Mapping[str, str]
    shown: Mapping[str, Path] = field(default_factory=dict)
    beside: tuple[Path | None, ...] = ()

    @property
    def environments(self) -> tuple[Path | None, ...]:
        """All of them, the first one first, each once."""
        return tuple(dict.fromkeys((self.environment, *self.beside)))


def mounts(place: Layout, files: Mapping[str, int], scratch: int) -> list[str]:
    """Bubblewrap's options for this layout. `files` maps each name of `FILES` to a descriptor that holds its text.

    Raises `Misconfigured` if the folder or the environment cannot be used.
    """
    directory = place.directory.resolve()
    if not directory.is_dir():
        raise Misconfigured(f"the sandbox needs an existing folder to run in, and {directory} is none")
    size = str(scratch)
    options = ["--ro-bind", "/usr", "/usr", *_system()]
    for path in sorted(str(found) for pattern in _ETC for found in Path("/etc").glob(pattern)):
        options += ["--ro-bind-try", path, path]
    # Read-only as a whole: a worker that is root owns the files under /proc/sys, and mode bits would let a command
    # without any capability set the kernel's core_pattern, which runs a program on the host.
    options += ["--proc", "/proc", "--remount-ro", "/proc"]
    options += ["--dev", "/dev", "--size", size, "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]  # noqa: S108 (inside)
    options += ["--size", size, "--tmpfs", "/tmp", "--dir", "/tmp/home"]  # noqa: S108 (the sandbox's own)
    options += _interpreters(place.environments, directory)
    packages = [one / "node_modules" for one in place.environments if one is not None and (one / "node_modules").is_dir()]
    # Node looks for packages in every folder above the checkout, too, and npm for their programs.
    options += [part for folder in packages[-1:] for part in ("--ro-bind", str(folder), "/node_modules")]
    for path, descriptor in files.items():
        # The data comes with mode 0600; a program has to be one.
        options += [*(("--perms", "0755") if path in _PROGRAMS else ()), "--ro-bind-data", str(descriptor), path]
    for inside, folder in place.shown.items():
        options += ["--ro-bind", str(folder.resolve()), inside]
    options += ["--bind" if place.writable else "--ro-bind", str(directory), WORKSPACE]
    return [*options, "--remount-ro", "/", "--chdir", WORKSPACE]


def variables(place: Layout) -> list[str]:
    """Bubblewrap's options for a fixed environment plus the extra variables. Raises `Misconfigured` for one it refuses."""
    options = ["--clearenv"]
    for name, value in {**usual(*place.environments), **place.variables}.items():
        if not _NAME.match(name) or name.startswith("LD_") or (name in _OURS and name in place.variables):
            raise Misconfigured(f"variable {name[:80]!r} cannot be set in the sandbox; choose another name")
        if "\0" in value:
            raise Misconfigured(f"variable {name} holds a NUL character; take it out")
        options += ["--setenv", name, value]
    return options


def usual(*environments: Path | None) -> dict[str, str]:
    """The variables that every command has, with these environments on its PATH."""
    first = [f"{one or interpreter.PLACE}/bin" for one in environments]
    return {
        "PATH": ":".join((*first, "/usr/local/bin", "/usr/bin", "/bin")),
        "HOME": "/tmp/home",  # noqa: S108 (the sandbox's own)
        "TMPDIR": "/tmp",  # noqa: S108 (the sandbox's own)
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
    }


def texts() -> dict[str, str]:
    """Files inside that are ours, with what is in them."""
    return FILES | interpreter.texts()


def _interpreters(environments: Sequence[Path | None], directory: Path) -> list[str]:
    """The options that bring interpreters: the environments that are named, and for None one with pytest alone."""
    named = {path: None for one in environments if one is not None for path in prefixes(one, directory)}
    ours = {} if None not in environments else dict.fromkeys(prefixes(Path(sys.base_prefix), directory))
    shown = sorted(named | ours, key=lambda path: len(path.parts))
    options = [part for prefix in shown for part in ("--ro-bind", str(prefix), str(prefix))]
    if None not in environments:
        return options
    # Where a named environment is made of the same installation, its packages may be what that is named for.
    for folder in () if ours.keys() & named.keys() else interpreter.hidden():
        options += ["--tmpfs", str(folder)]
    return [*options, *interpreter.options()]


def prefixes(environment: Path, directory: Path) -> tuple[Path, ...]:
    """The folders that this interpreter needs, outermost first: the environment and the installation it was made from.

    Raises `Misconfigured` for an environment that is not there, or would expose more than an interpreter.
    """
    # A relative path would be looked up from wherever the worker was started, which nobody who names it can know.
    if not environment.is_absolute():
        raise Misconfigured(f"environment {environment} cannot be mounted: it is no absolute path; write it from the / on")
    if not environment.exists():
        raise Misconfigured(f"environment {environment} cannot be mounted: there is no such folder on the worker's machine")
    found = {environment: None, environment.resolve(): None}
    for base in _bases(environment):
        found |= {base: None, base.resolve(): None}
    kept = [path for path in found if not path.is_relative_to("/usr") and str(path) not in ("/", *_SYSTEM)]
    for path in {environment.resolve(): None} | dict.fromkeys(kept):
        if str(path) in _TOO_WIDE or not (path / "bin").is_dir() or directory.is_relative_to(path):
            raise Misconfigured(f"environment {path} cannot be mounted: name the folder of one interpreter, such as a venv")
    return tuple(sorted(kept, key=lambda path: len(path.parts)))


def _bases(environment: Path) -> list[Path]:
    """Installations behind a venv, by its pyvenv.cfg and by where its interpreter really lies."""
    bases = []
    config = environment / "pyvenv.cfg"
    if config.is_file():
        home = re.search(r"^home\s*=\s*(.+?)\s*$", config.read_text(errors="replace"), re.MULTILINE)
        bases += [Path(home.group(1)).parent] if home else []
    python = environment / "bin" / "python3"
    if python.exists():
        bases.append(python.resolve().parent.parent)
    for base in bases:
        # The file may come from the repository that is being worked on: it must not expose a private folder.
        if str(base) != "/" and not (any(base.glob("bin/python3*")) and any(base.glob("lib*/python3*"))):
            raise Misconfigured(f"{config} names {base} as its interpreter's home, which holds no Python; make the venv anew")
    return bases


def _system() -> list[str]:
    options: list[str] = []
    for name in _SYSTEM:
        path = Path(name)
        # On most systems these are links into /usr, which is bound already.
        if path.is_symlink():
            options += ["--symlink", str(path.readlink()), name]
        elif path.is_dir():
            options += ["--ro-bind", name, name]
    return options
