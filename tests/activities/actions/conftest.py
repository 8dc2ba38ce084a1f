"""Every kind of target, on loopback, with a ledger."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from ledger.db import Ledger
from ledger.migrate import upgrade
from tests.activities.actions.cases import Outside
from tests.activities.actions.servers import Mail, Web, mail, web
from tests.postgres import Postgres
from tests.repositories import change, repository


@dataclass
class World:
    """What is outside, the books of its servers, and the ledger."""

    outside: Outside
    web: Web
    mail: Mail
    ledger: Ledger

    def effects(self) -> Mapping[str, int]:
        """How often each target was acted on, by its own book."""
        return self.outside.effects(self.web, self.mail, self.ledger)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[World]:
    """All of it, for one module."""
    folder = tmp_path_factory.mktemp("outside")
    origin = repository(folder / "origin", {"README.md": b"hello\n"})
    change(origin, {"README.md": b"hello\nworld\n"})
    with web(book=folder / "web.book") as site, mail(book=folder / "mail.book") as post:
        url = f"sqlite:///{folder}/ledger.db"
        outside = Outside(folder, url, site.address, post.port, postgres.url(postgres.create()), origin)
        outside.prepare()
        ledger = outside.open()
        upgrade(ledger)
        yield World(outside, site, post, ledger)
        ledger.close()
