"""How a project is laid out, and what its check needs that a checkout does not have. Looks at names and manifests only."""

from collections.abc import Iterable, Iterator
from typing import Any

from activities.repositories import ecosystems as known
from activities.repositories.declared import declared
from activities.repositories.project_files import Files, is_test, table
from activities.repositories.provided import Provided
from activities.repositories.requirements import names
from contracts.text import amount

_SHOWN = 8


def lines(files: Files) -> tuple[str, ...]:
    """One line for each part of the layout."""
    return (*_python(files), *_others(files), *_locks(files))


def needs(files: Files, has: Provided | None = None) -> tuple[str, ...]:
    """What has to be in an environment, or in the repository, before a check can run; empty where nothing says so.

    `has` is what the environment that is named brings along; None: none is named.
    """
    return (*_python_needs(files, has), *_npm_needs(files, has), *_other_needs(files))


def at_the_root(files: Files) -> tuple[str, ...]:
    """Python packages and modules that lie at the root, so that a test can import them only from there."""
    code = [path for path in files.paths if path.endswith(".py") and not is_test(path)]
    folders = {path.split("/", 1)[0] for path in code if path.count("/") == 1}
    packages = sorted(name for name in folders if name.isidentifier() and name not in known.NOT_PACKAGES)
    modules = sorted(path for path in code if "/" not in path and path not in known.NOT_MODULES)
    return (*packages, *modules)


def in_src(files: Files) -> tuple[str, ...]:
    """Python packages and modules in a folder `src` that is none itself."""
    inside = [path.split("/") for path in files.paths if path.startswith("src/") and path.endswith(".py")]
    if "src/__init__.py" in files.paths:
        return ()
    return tuple(sorted({parts[1] for parts in inside if len(parts) in (2, 3)}))


def _python(files: Files) -> Iterator[str]:
    if source := in_src(files):
        yield f"Python in src/ (src layout): {_few(source)}"
    if root := at_the_root(files):
        yield f"Python at the root (flat layout): {_few(root)}"
    if files.tests:
        yield f"{amount(len(files.tests), 'test file')} by pytest's names, such as {files.tests[0]}"


def _others(files: Files) -> Iterator[str]:
    package = files.json("package.json")
    if package:
        inside = f", workspaces: {_few(_workspaces(package))}" if _workspaces(package) else ""
        yield f"npm package {package.get('name') or 'without a name'}{inside}"
    there = {row.ecosystem: row.name for row in reversed(known.MANIFESTS) if files.text(row.name) is not None}
    for ecosystem, name in sorted(there.items()):
        yield f"{ecosystem} project ({name})"


def _workspaces(package: dict[str, Any]) -> list[str]:
    said = package.get("workspaces")
    named = table(said).get("packages") if isinstance(said, dict) else said
    return [str(one) for one in named] if isinstance(named, list) else []


def _locks(files: Files) -> Iterator[str]:
    there = [name for name in known.LOCKS if name in files.paths]
    if there:
        yield f"versions are fixed in: {', '.join(there)}"


def _python_needs(files: Files, has: Provided | None) -> Iterator[str]:
    found = declared(files)
    wanted = names(found.python)
    if missing := wanted if has is None else has.lacks(wanted):
        # The files alone: which of their tables it is does not matter here.
        said = list(dict.fromkeys(source.partition(" (")[0] for source in found.sources if source != "package.json"))
        verb = ("names" if len(said) == 1 else "name") + ("" if has is None else " and the environment lacks")
        yield f"Python packages that {_few(said)} {verb}: {_few(missing)}; {known.NAMED_ENVIRONMENT}"


def _npm_needs(files: Files, has: Provided | None) -> Iterator[str]:
    package = files.json("package.json")
    wanted = {name for kind in ("dependencies", "devDependencies") for name in table(package.get(kind))}
    missing = wanted - (has.npm if has is not None else set())
    # npm writes this file when it has installed, so a committed node_modules has it.
    if missing and files.text("node_modules/.package-lock.json") is None:
        why = "a checkout has no node_modules, and a check no network" if has is None else "the environment lacks them"
        yield f"{amount(len(missing), 'npm package')} that package.json names: {why}; {known.NAMED_ENVIRONMENT}"


def _other_needs(files: Files) -> Iterator[str]:
    if table(files.toml("Cargo.toml").get("dependencies")) and files.text(".cargo/config.toml") is None:
        yield "crates that Cargo.toml names: a check has no network, so they have to be vendored (`cargo vendor`)"
    if files.text("go.sum") and files.text("vendor/modules.txt") is None:
        yield "modules that go.sum names: a check has no network, so they have to be vendored (`go mod vendor`)"
    if any(files.text(row.name) is not None for row in known.MANIFESTS if row.ecosystem in ("Gradle", "Maven")):
        yield "plugins and libraries of the Java build: a check has no network and no cache of them"


def _few(names: Iterable[object]) -> str:
    given = [str(name) for name in names]
    more = f" and {len(given) - _SHOWN} more" if len(given) > _SHOWN else ""
    return ", ".join(given[:_SHOWN]) + more
