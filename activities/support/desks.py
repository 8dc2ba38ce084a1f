"""The desks that the worker's settings declare, with their guides. A name that they lack leads nowhere."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from activities.actions.declared import Targets
from activities.resources import NotDeclared, Resources
from contracts.base import BODY_LIMIT
from contracts.desks import Desk, DeskSetting, Guide
from contracts.effects.targets import HttpTarget, MailTarget, SqlTarget
from contracts.errors import ContractViolation, Misconfigured, Refused
from contracts.step_resources import Database, Folder


@dataclass(frozen=True)
class Desks:
    """The tables `[desks.NAME]`, by name, and what they name."""

    resources: Resources
    targets: Targets
    settings: Mapping[str, DeskSetting] = field(default_factory=dict)

    def desk(self, name: str) -> Desk:
        """A desk, with all that it names there. Raises `NotDeclared`, `Refused` or `Misconfigured`."""
        setting = self.setting(name)
        self.targets.get(setting.mail, MailTarget)
        self.resources.folder(Folder(name=setting.knowledge))
        queries = self.resources.database(Database(name=setting.database)).queries
        for query in (setting.customer, setting.orders):
            if query not in queries:
                there = ", ".join(sorted(queries)) or "none"
                raise Misconfigured(f"[desks.{name}] names the query {query!r}, and [databases.{setting.database}] has {there}")
        return Desk(
            name=name,
            refund_adapter=self._refunds_by(name, setting),
            refund_target=setting.refund.target if setting.refund else "",
            refund_statement=(setting.refund.statement or "") if setting.refund else "",
            **setting.model_dump(include={"about", "mail", "knowledge", "database", "customer", "orders", "window"}),
        )

    def setting(self, name: str) -> DeskSetting:
        """The table of a desk. Raises `NotDeclared`."""
        found = self.settings.get(name)
        if found is None:
            there = f"there are {', '.join(sorted(self.settings))}" if self.settings else "none is declared"
            raise NotDeclared(
                f"no desk is called {name!r} here; {there}. Declare it in the worker's baton.toml as [desks.{name}], or name "
                "another one"
            )
        return found

    def guide(self, name: str) -> Guide:
        """The guide of a desk, as its file says now. Raises `Misconfigured`, which names each wrong key."""
        path = self.setting(name).guide
        table = f"[desks.{name}]: guide {path}"
        guide = read_guide(path, table)
        if len(guide.stored()) > BODY_LIMIT - 4096:
            raise Misconfigured(f"{table} is too long: agents are shown all of it; at most {BODY_LIMIT - 4096} bytes fit")
        return guide

    def _refunds_by(self, name: str, setting: DeskSetting) -> Literal["", "sql.execute", "http.post"]:
        if setting.refund is None:
            return ""
        table, target = f"[desks.{name}.refund]", self.targets.tables.get(setting.refund.target)
        if isinstance(target, HttpTarget):
            if setting.refund.statement is not None:
                raise Misconfigured(f"{table} names a statement, and [targets.{setting.refund.target}] is of kind http")
            return "http.post"
        if isinstance(target, SqlTarget):
            if setting.refund.statement not in target.statements:
                there = ", ".join(sorted(target.statements)) or "none"
                raise Misconfigured(f"{table}: statement has to be one of [targets.{setting.refund.target}]: {there}")
            return "sql.execute"
        raise Refused(f"{table} names the target {setting.refund.target!r}, which is none of kind sql or http")


def read_guide(path: Path, name: str) -> Guide:
    """A guide out of its file. Raises `Misconfigured`."""
    try:
        return Guide.read_typed_by_people(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Misconfigured(f"{name} cannot be read: {error}") from None
    except ContractViolation as error:
        raise Misconfigured(f"{name}: {'; '.join(error.problems)}") from None
