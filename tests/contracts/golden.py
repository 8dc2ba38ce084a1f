"""Golden JSON Schemas of every contract, and what a change to one means.

`python -m tests.contracts.golden` says what differs; `--write` refreshes the files and refuses to cover a breaking change.
A contract that was never released may change as it likes: delete its file, then write.
"""

import functools
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from contracts.base import Contract
from contracts.registry import EVERY
from tests.contracts import defaults
from tests.contracts.compare import breaking_changes

FOLDER = Path(__file__).parent / "golden"
COMMAND = "python -m tests.contracts.golden --write"


def path_of(name: str, folder: Path = FOLDER) -> Path:
    """Where the golden schema of `plan/1` lies: plan_v1.json."""
    return folder / f"{name.replace('/', '_v')}.json"


@functools.cache
def rendered(contract: type[Contract]) -> str:
    """The contract's schema as it is kept: what a reader accepts."""
    return json.dumps(contract.model_json_schema(mode="validation"), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def breaking(contracts: Iterable[type[Contract]] = EVERY, folder: Path = FOLDER) -> list[str]:
    """Every change to a kept schema that would break stored bodies, histories or callers, with how to mend it."""
    found: list[str] = []
    by_path = {path_of(contract.contract, folder): contract for contract in contracts}
    for path in sorted(folder.glob("*.json")):
        contract = by_path.get(path)
        if contract is None:
            name = path.stem.replace("_v", "/")
            found.append(
                f"{name}: the contract is gone; stored ones could no longer be read. Put it back into contracts/registry.py"
            )
            continue
        before, now = json.loads(path.read_text()), json.loads(rendered(contract))
        found += [_advice(contract.contract, where, what, mend) for where, what, mend in breaking_changes(before, now)]
    return found


def stale(contracts: Iterable[type[Contract]] = EVERY, folder: Path = FOLDER) -> list[str]:
    """Contracts whose kept schema is missing or differs, broken or not."""
    paths = {contract.contract: path_of(contract.contract, folder) for contract in contracts}
    return [
        contract.contract
        for contract in contracts
        if not paths[contract.contract].exists() or paths[contract.contract].read_text() != rendered(contract)
    ]


def write(contracts: Iterable[type[Contract]] = EVERY, folder: Path = FOLDER) -> list[str]:
    """Refresh the kept schemas; nothing is written where any change is breaking, and these are given back."""
    problems = breaking(contracts, folder)
    if not problems:
        folder.mkdir(exist_ok=True)
        for contract in contracts:
            path_of(contract.contract, folder).write_text(rendered(contract))
    return problems


def _advice(contract: str, where: str, what: str, mend: str) -> str:
    name, version = contract.split("/")
    return f"{contract}: field {where} {what}. Make it a new version ({name}/{int(version) + 1}) with an upcaster, or {mend}"


def main(arguments: list[str]) -> int:
    """The command."""
    writes, now = arguments == ["--write"], defaults.defaults(defaults.brief())
    problems = [*defaults.changed(defaults.kept(), now), *breaking()]
    if writes and not problems:
        write()
        defaults.write(now)
    old = stale() + (["defaults.json"] if defaults.kept() != now else [])
    report: Mapping[str, list[str]] = {"breaks": problems, "to refresh": [] if writes and not problems else old}
    for title, lines in report.items():
        sys.stdout.writelines(f"{title}: {line}\n" for line in lines)
    if problems:
        sys.stdout.write(
            "Nothing was written. A contract that was never released: delete its file in tests/contracts/golden first\n"
        )
    return 1 if any(report.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
