"""What people say to agents: a request for something different, and the answer to a question."""

from pydantic import Field

from contracts.base import Contract


class Feedback(Contract):
    """What a person or a check asked to be different."""

    source: str = Field(description="who or what says so")
    about: str = Field(description="the gate, item or check it is about")
    text: str


class Clarified(Contract):
    """A question with the answer that a person gave."""

    question: str
    answer: str
    by: str
