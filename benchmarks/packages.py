"""Published packages as repositories: how many get a meaningful verdict with what Baton finds, alone and after its one fix."""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from benchmarks.report import Say, table

LIST = Path(__file__).with_suffix(".toml")
DOWNLOADED = Path(__file__).parent / "results" / "packages"
PATIENCE = 900.0
BATON = Path(sys.executable).with_name("baton")
End = Literal["alone", "prepared", "stuck", "no check", "not fetched"]


@dataclass(frozen=True)
class Package:
    """One line of packages.toml."""

    registry: Literal["pypi", "npm", "debian"]
    name: str
    version: str
    layout: str
    sha256: str

    @property
    def label(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class Row:
    """What came of one package. `why`: the file that declares the check, or what the gate says and how to mend it."""

    package: Package
    end: End
    check: str = ""
    source: str = ""
    shown: str = ""
    why: str = ""
    mend: str = ""


Fetch = Callable[[Package, Path], Path]


def listed(path: Path = LIST) -> tuple[Package, ...]:
    """The packages of the list."""
    return tuple(Package(**row) for row in tomllib.loads(path.read_text())["package"])


async def run(say: Say, packages: Sequence[Package] | None = None, fetch: Fetch | None = None) -> dict[str, Any]:
    """Download, unpack and commit each package, ask `baton checks`, and where it says so prepare an environment first.

    One after the other. Prints the table and returns the rows. `packages` None: the list; `fetch` None: from the registries.
    """
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="baton-packages-") as place:
        for package in listed() if packages is None else packages:
            row = await asyncio.to_thread(_measured, package, Path(place), fetch or download)
            say(f"{package.label}: {row.end} {row.shown or row.why}")
            rows.append(row)
    say(rendered(rows))
    return {"rows": [asdict(row) for row in rows], "ends": Counter(row.end for row in rows)}


def rendered(rows: Sequence[Row]) -> str:
    """The table, and the counts below it."""
    lines = [["package", "registry", "layout", "check", "found in", "verdict"]]
    for row in rows:
        verdict = f"{row.end}: {row.shown or f'{row.why} → {row.mend}'}"
        lines.append(
            [row.package.label, row.package.registry, row.package.layout, row.check[:60], row.source[:60], verdict[:200]]
        )
    ends = Counter(row.end for row in rows)
    told = sum(row.end in ("stuck", "no check") and bool(row.mend) for row in rows)
    meaningful = f"{ends['alone']} alone, {ends['prepared']} more after `baton prepare`, of {len(rows)}"
    return f"{table(lines)}\n\nmeaningful verdicts: {meaningful}; {told} of the rest say how to mend it"


def _measured(package: Package, place: Path, fetch: Fetch) -> Row:
    source = place / f"{package.registry}-{package.name}"
    try:
        _repository(fetch(package, DOWNLOADED), source)
    except (OSError, subprocess.SubprocessError, ValueError, tarfile.TarError) as error:
        return Row(package, "not fetched", why=" ".join(str(error).split())[:300])
    first = _row(package, _baton(place, "checks", str(source), "--run"))
    if first.end != "stuck" or "baton prepare" not in first.mend:
        return first
    folder = place / "environments" / source.name
    prepared = _baton(place, "prepare", str(source), "--into", str(folder), "--yes")
    if not prepared.get("folder"):
        return replace(first, why=f"{first.why}; baton prepare: {prepared.get('said', 'nothing is declared')}"[:600])
    again = _row(package, _baton(place, "checks", str(source), "--run", "--environment", str(folder)))
    shutil.rmtree(folder, ignore_errors=True)
    return replace(again, end="prepared") if again.end == "alone" else again


def _row(package: Package, found: dict[str, Any]) -> Row:
    if "check" not in found:
        return Row(package, "stuck", why=str(found.get("said", ""))[:600])
    if found["check"] is None:
        return Row(package, "no check", why="no file says how it is tested", mend="name the command with --check")
    ran = found["ran"]
    shown = f"exit code {ran['exit_code']}" if ran["total"] is None else f"{ran['total']} tests, {_failed(ran)} failed"
    row = Row(package, "alone", found["check"], found["source"], f"{shown}, {ran['seconds']} s")
    return row if found["usable"] else replace(row, end="stuck", shown="", why=found["problem"], mend=found["mend"])


def _failed(ran: dict[str, Any]) -> int:
    return len(ran["failures"]) + int(ran.get("unnamed", 0))


def _baton(place: Path, *words: str) -> dict[str, Any]:
    """A command's document; only `said` where it ended without one."""
    variables = {**os.environ, "BATON_STATE": str(place / "state")}
    done = subprocess.run(
        [BATON, *words, "--json"], cwd=place, env=variables, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    try:
        return dict(json.loads(done.stdout))
    except ValueError:
        return {"said": " ".join(done.stderr.split())[-400:]}


def download(package: Package, folder: Path) -> Path:
    """The package's file, by the registry's own client as the user has set it up. Kept for the next time.

    Raises `ValueError` for a file with another hash, `CalledProcessError` or `OSError` where the client fails or is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{package.registry}-{package.name}-{package.version}"
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=folder) as place:
            (file,) = _downloaded(package, Path(place))
            file.rename(kept)
    found = hashlib.sha256(kept.read_bytes()).hexdigest()
    if found != package.sha256:
        kept.unlink()
        raise ValueError(f"the downloaded file has the hash {found}, and {package.sha256} is expected")
    return kept


def _downloaded(package: Package, place: Path) -> list[Path]:
    exact = f"{package.name}=={package.version}"
    (place / "wanted.txt").write_text(f"{exact} --hash=sha256:{package.sha256}\n")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-binary",
        ":all:",
    ]
    command = {
        "pypi": [*pip, "--require-hashes", "--dest", ".", "-r", "wanted.txt"],
        "npm": ["npm", "pack", "--silent", f"{package.name}@{package.version}"],
        "debian": ["apt-get", "download", f"{package.name}={package.version}"],
    }[package.registry]
    subprocess.run(command, cwd=place, check=True, capture_output=True, timeout=PATIENCE)
    return [file for file in place.iterdir() if file.name != "wanted.txt"]


def _repository(file: Path, source: Path) -> None:
    """Unpack the file and commit what is in it. A Debian package holds the project in a folder below."""
    with tempfile.TemporaryDirectory(dir=source.parent) as place:
        if tarfile.is_tarfile(file):
            with tarfile.open(file) as archive:
                archive.extractall(place, filter="data")
            (inside,) = Path(place).iterdir()
        else:
            subprocess.run(["dpkg-deb", "-x", str(file), place], check=True, capture_output=True, timeout=PATIENCE)
            inside = next(path.parent for name in ("go.mod", "Cargo.toml") for path in sorted(Path(place).rglob(name)))
        inside.rename(source)
    who = ["-c", "user.name=benchmark", "-c", "user.email=benchmark@example.org"]
    for words in (["init", "--quiet"], ["add", "--all", "--force"], [*who, "commit", "--quiet", "-m", "as published"]):
        subprocess.run(["git", "-C", str(source), *words], check=True, capture_output=True, timeout=PATIENCE)
