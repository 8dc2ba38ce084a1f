"""Migrations of the ledger: numbered, each in one transaction, only forward."""

from typing import NoReturn

from contracts.errors import Misconfigured


def no_way_back() -> NoReturn:
    """Every migration's `downgrade`: changes nothing and raises `Misconfigured`, which says what to do instead."""
    raise Misconfigured(
        "the ledger's schema only moves forward, because going back would delete what newer releases wrote. To go back, "
        "restore the backup from before the upgrade and start the release that wrote it"
    )
