"""A support desk: what the settings of a worker declare of it, and its guide, by which tickets can be sorted and answered."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from contracts.base import Contract, Input, Span
from contracts.step_resources import Name

Category = Literal["billing", "technical", "compliance", "other"]
"""Who answers: a specialist for each of the first three. `other` goes to a person."""

Urgency = Literal["low", "normal", "high"]

Language = Annotated[str, Field(pattern=r"^[a-z]{2}$")]
"""Two letters, such as `en`."""

Wanted = Literal["refund", "correction", "information", "repair", "access", "deletion", "export", "complaint", "other"]

Word = Annotated[str, Field(min_length=1, max_length=60)]
"""A word or a phrase. It is looked for as a whole, in any case."""

Words = Annotated[tuple[Word, ...], Field(max_length=200)]

TEXT = 6000
"""Most characters of an answer."""


class RefundSetting(Input):
    """A table `[desks.NAME.refund]`: the declared target and statement by which money is given back."""

    target: Name = Field(description="which [targets.NAME], of kind sql or http")
    statement: Name | None = Field(
        default=None, description="of an sql target: which statement; it takes `order` (text) and `cents` (integer)"
    )


class DeskSetting(Input):
    """A table `[desks.NAME]`: where the desk answers, what it looks things up in, and its guide."""

    about: str = Field(min_length=1, max_length=300, description="whose questions it answers; agents read it")
    mail: Name = Field(description="which [targets.NAME] of kind smtp sends its answers")
    guide: Path = Field(description="TOML file with the words, fields and templates of this desk")
    knowledge: Name = Field(description="which [folders.NAME] has its articles, as Markdown or text")
    database: Name = Field(description="which [databases.NAME] knows customers and orders")
    customer: Name = Field(
        default="customer", description="query of that database with the parameter `address`: the customer, in one row"
    )
    orders: Name = Field(
        default="orders",
        description="query with the parameter `address`: rows with `order` and `cents`, which is what may still be refunded",
    )
    window: Span = Field(
        default=timedelta(days=7), description="how long a further ticket about the same issue joins the first one"
    )
    refund: RefundSetting | None = Field(default=None, description="how money is given back; without it nothing is refunded")


class Template(Input):
    """A text that answers a kind of ticket without a model."""

    about: str = Field(min_length=1, max_length=300, description="which tickets it answers; agents read it")
    words: Words = Field(min_length=1, description="one of these has to stand in the ticket")
    category: Category | None = Field(
        default=None, description="answers tickets of this category, after a look at customer and orders; None: ends at once"
    )
    text: dict[Language, Annotated[str, Field(min_length=1, max_length=TEXT)]] = Field(
        default={}, description="by language; {order} and {article} are filled in. Without a text nobody is answered"
    )
    refund: bool = Field(default=False, description="true: what the ticket asks back is refunded, as far as the order allows")

    @property
    def trivial(self) -> bool:
        """True if it ends a ticket without anybody looking further."""
        return self.category is None


class Guide(Input, name="support_guide/1"):
    """The words, fields and templates of a desk. Code sorts by it where no model is reachable, and agents are shown it."""

    language: Language = Field(default="en", description="where no other one is recognised")
    languages: dict[Language, Words] = Field(default={}, description="words by which a language is recognised")
    categories: dict[Category, Words] = Field(default={}, description="words by which a category is recognised")
    urgent: Words = Field(default=(), description="words that make a ticket urgent")
    wants: dict[Wanted, Words] = Field(default={}, description="words by which is recognised what is wanted")
    order: str = Field(default="", max_length=200, description="regular expression of an order's number")
    templates: dict[Name, Template] = Field(default={}, max_length=100)

    @field_validator("order")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from None
        return pattern


class Desk(Contract):
    """A desk as a run works with it: names alone, and which handoff has its guide."""

    name: Name
    about: str = ""
    mail: Name
    knowledge: Name
    database: Name
    customer: Name = "customer"
    orders: Name = "orders"
    window: timedelta
    refund_target: str = ""
    refund_statement: str = ""
    refund_adapter: Literal["", "sql.execute", "http.post"] = ""
