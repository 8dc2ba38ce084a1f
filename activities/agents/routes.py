"""`agents/routes.toml`: which models answer for a class of agents, in which order, and how good they must be."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from contracts.agents import MODEL, Choice, DatedPrice, Risk, When
from contracts.base import Input
from contracts.errors import ContractViolation, Misconfigured

LEVELS: tuple[Risk, ...] = ("low", "medium", "high")


class Routes(Input):
    """routes.toml: choices per class, and of single agents in place of their class's; prices that override the list's, and the
    quality that a risk needs.
    """

    classes: dict[str, tuple[Choice, ...]] = Field(min_length=1)
    agents: dict[str, tuple[Choice, ...]] = Field(default_factory=dict)
    prices: dict[Annotated[str, Field(pattern=MODEL)], DatedPrice] = Field(default_factory=dict)
    minimum: dict[str, dict[Risk, int]] = Field(default_factory=dict)

    @property
    def each(self) -> dict[str, tuple[Choice, ...]]:
        """Every route by whose it is: those of classes, and those of single agents as `agent NAME`."""
        return self.classes | {f"agent {name}": several for name, several in self.agents.items()}

    def of(self, agent: str, model_class: str) -> tuple[Choice, ...]:
        """The choices of an agent: its own, else those of its class."""
        return self.agents.get(agent) or self.classes[model_class]

    @model_validator(mode="after")
    def _usable(self) -> Self:
        of_classes = {f"class {name!r}": several for name, several in self.classes.items()}
        for whose, choices in (of_classes | {f"agent {name!r}": several for name, several in self.agents.items()}).items():
            if not any("first" in choice.when for choice in choices):
                raise ValueError(f"{whose} has no choice that is tried first")
            for choice in choices:
                if problem := _problem(choice):
                    raise ValueError(f"{whose}, {choice.model}: {problem}")
        if unknown := sorted(set(self.minimum) - set(self.classes)):
            raise ValueError(f"minimum names {', '.join(unknown)}, which is no class")
        return self


def _problem(choice: Choice) -> str:
    if not choice.when:
        return "`when` is empty, so it would never be asked; name first, outage, invalid or unsure, or leave `when` out"
    return choice.said_twice()


def load_routes(path: Path) -> Routes:
    """Read routes.toml. Raises `Misconfigured`, naming file and key."""
    try:
        return Routes.read_typed_by_people(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise Misconfigured(f"the routes file {path} cannot be read: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{path} is not TOML: {error}") from None
    except ContractViolation as error:
        raise Misconfigured(f"{path}: {'; '.join(error.problems)}") from None


def steps_up_to(choices: Sequence[Choice], tried: When) -> tuple[Choice, ...]:
    """The choices for `tried` ("invalid" or "unsure"), in order, without the one that is asked first anyway.

    The same model again would be no step up: for a reply it is a plain repair, and a whole step would be paid for twice.
    """
    starts = next((one for kind in ("first", "outage") for one in choices if kind in one.when), None)
    return tuple(one for one in choices if tried in one.when and one != starts)


def good_enough(choices: Sequence[Choice], minimum: Mapping[Risk, int], risk: Risk, model_class: str) -> tuple[Choice, ...]:
    """The choices that are good enough for this risk. A minimum for a lower risk also applies to every higher one.

    Raises `Misconfigured` if none is left.
    """
    least = max((minimum.get(level, 0) for level in LEVELS[: LEVELS.index(risk) + 1]), default=0)
    left = tuple(one for one in choices if one.quality >= least)
    if choices and not left:
        raise Misconfigured(
            f"class {model_class!r} needs quality {least} at {risk} risk, and no reachable choice has it; "
            "add one to routes.toml, set the key of its provider, or lower [minimum]"
        )
    return left
