"""What people say to agents: feedback, and answers to questions."""

from collections.abc import Sequence

from pydantic import Field

from contracts.base import Contract, canonical

CHECKS = "checks"
"""Who says what a check has printed."""


class Feedback(Contract):
    """What a person or a check asked to be different."""

    source: str = Field(description="who or what says so")
    about: str = Field(description="the gate, item or check it is about")
    text: str

    def came_from(self) -> tuple[str, ...]:
        """The sources of its words: what a check prints is from outside, what a person says is not."""
        return ("check",) if self.source == CHECKS else ()


class Act(Contract):
    """Who did something to a run and why, as they say it themselves; "" where they do not say."""

    by: str = ""
    note: str = ""
    channel: str = ""

    @property
    def who(self) -> str:
        """The name, or `operator` for somebody who did not give one."""
        return self.by or "operator"

    @property
    def why(self) -> str:
        """The reason, or that somebody asked."""
        return self.note or ("they gave no reason" if self.by else "an operator asked for it")


class Clarified(Contract):
    """A question with the answer that a person gave."""

    question: str
    answer: str
    by: str


def stored_answers(answers: Sequence[Clarified]) -> bytes:
    """The bytes that are kept and digested for these answers, in the order in which they were given."""
    return canonical([one.model_dump(mode="json") for one in answers])


def as_text(answers: Sequence[Clarified]) -> str:
    """The answers in one sentence each, with a space before the first; "" where nobody was asked."""
    return "".join(f" {one.by} had answered {one.question[:300]!r}: {one.answer[:600]!r}." for one in answers)[:3000]
