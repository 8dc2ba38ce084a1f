"""A check that cannot run on the base: through the command line another one, or another interpreter, is named and tried."""

import asyncio
from pathlib import Path

import pytest

from tests.commands.conftest import Baton, Dialogue, Serve

Asked = tuple[str, ...]
WHY, CHECK, ENVIRONMENT = "why:", "go on without [Enter: leave it out]:", "after that install it [Enter: leave it out]:"
TYPED: list[tuple[Asked, Dialogue, str]] = [
    (
        ("--check", "pyest"),
        [(WHY, "mistyped\n"), (CHECK, "true\n"), (ENVIRONMENT, "\n")],
        "check: true; on the base: exit code 0",
    ),
    (("--check", "pyest"), [(WHY, "mistyped\n"), (CHECK, "None\n"), (ENVIRONMENT, " \n")], "check: none; "),
    (
        ("--check", "pyest"),
        [(WHY, "check: true\n"), (CHECK, "\n"), (ENVIRONMENT, "\n")],
        "check: true; on the base: exit code 0",
    ),
]


async def begun(baton: Baton, origin: Path, *more: str) -> str:
    """A run that waits at the gate of its base."""
    started = await baton.live("deliver", "-r", str(origin), "-i", "Say it clearer", *more, "--wait-for-gate", "--json")
    assert started.json["gates"] == ["stuck-1"], started.out + started.err
    run: str = started.json["run"]
    return run


async def named(baton: Baton, run: str, **answers: str) -> list[str]:
    """Name something else; the facts of the gate that opens then."""
    given = [part for name, text in answers.items() for part in ("--answer", f"{name}={text}")]
    sent = await baton.live("request-changes", run, "-m", "try that", "--yes", *given)
    assert sent.code == 0, sent.err
    return await facts(baton, run)


async def facts(baton: Baton, run: str) -> list[str]:
    """Those of the gate that is open."""
    waiting = await baton.live("result", run, "--wait-for-gate", "--json")
    found: list[str] = (await baton.live("show", run, "--gate", waiting.json["gates"][0], "--json")).json["gate"]["facts"]
    return found


@pytest.mark.parametrize(
    ("asked", "typed", "fact"), TYPED, ids=[f"{row[1][0][1]}{row[1][1][1]}".split("\n")[0] for row in TYPED]
)
async def test_at_a_terminal_each_thing_that_may_be_named_is_asked_for(
    baton: Baton, serve: Serve, origin: Path, asked: Asked, typed: Dialogue, fact: str
) -> None:
    """The reason, then the check, then the interpreter; Enter leaves one out, and the rest is tried at once."""
    async with serve():
        run = await begun(baton, origin, *asked)
        ran = await asyncio.to_thread(baton.process, "request-changes", run, typed=[*typed, ("[y/N]", "y\n")])
        assert ran.code == 0, ran.out
        assert any(one.startswith(fact) for one in await facts(baton, run))


async def test_an_interpreter_that_was_named_is_shown_and_can_be_taken_back(baton: Baton, serve: Serve, origin: Path) -> None:
    """One that is not there, one from somewhere, then none: each is told at the gate, and none is Baton's own Python again."""
    async with serve():
        run = await begun(baton, origin, "--check", "pytest -q nowhere")
        gone = await named(baton, run, environment="/no/such/place", check="pytest -q tests")
        assert gone[0].endswith("cannot be mounted: there is no such folder on the worker's machine")
        assert "environment: /no/such/place" in gone
        relative = await named(baton, run, environment="venv")
        assert "environment venv cannot be mounted: it is no absolute path" in relative[0]
        own = await named(baton, run, environment="None")
        assert "check: pytest -q tests; on the base: 4 tests ran, 1 failed" in own


async def test_what_mends_it_is_said_for_who_stands_at_the_gate(baton: Baton, serve: Serve, origin: Path) -> None:
    """A gate takes answers and no options; `baton checks` can still be tried before."""
    async with serve():
        run = await begun(baton, origin, "--check", "pytest -q --frobnicate")
        said = await facts(baton, run)
        page = (await baton.live("show", run, "--gate", "stuck-1")).out
    assert "with --answer environment=FOLDER" in said[1]
    assert "`baton checks PATH --environment FOLDER` tries it" in said[1]
    # What is decided on are the facts themselves and the output: each stands there once.
    assert page.count(said[0]) == 1
    assert page.count("unrecognized arguments: --frobnicate") == 1
