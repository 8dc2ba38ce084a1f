"""Tables `[channels.NAME]`: what is wrong with one is said by its key, with what to write instead."""

from typing import Any

import pytest

from contracts.channels import Channel
from contracts.errors import ContractViolation

OPS = {"kind": "webhook", "target": "ops"}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (OPS | {"kind": "pager"}, "kind: Input should be 'slack', 'webhook' or 'mail'"),
        (OPS | {"colour": "red"}, "colour: Extra inputs are not permitted"),
        (OPS | {"kind": "mail"}, 'to: a channel of the kind mail needs addresses, such as to = ["ops@example.com"]'),
        (OPS | {"to": ["ops@example.com"]}, "to: addresses are for the kind mail"),
        (OPS | {"kind": "mail", "to": ["Ops <ops@example.com>"]}, "to.0: is no plain address"),
        (OPS | {"kinds": ["gate_shut"]}, "kinds.0: Input should be 'gate_opened'"),
        (OPS | {"pipelines": ["deliveries"]}, "there is no pipeline 'deliveries'; there are act, delivery, "),
        (OPS | {"importance": "detail"}, "importance: Input should be 'overview' or 'alert'"),
        (OPS | {"quiet": "22:00"}, "are no hours; write them as HH:MM-HH:MM, such as 22:00-07:00"),
        (OPS | {"quiet": "22:00-24:00"}, "'24:00' is no time of day; write HH:MM, from 00:00 to 23:59"),
        (OPS | {"quiet": "07:00-07:00"}, "begin and end at the same time, which would be always or never"),
        (OPS | {"quiet": "22:00-07:00", "zone": "Europe/Atlantis"}, "this machine knows no time zone 'Europe/Atlantis'"),
        (OPS | {"quiet": "22:00-07:00", "zone": "../etc/passwd"}, "this machine knows no time zone"),
        (OPS | {"quiet": "22:00-07:00", "zone": "Europe"}, "this machine knows no time zone 'Europe'"),
        (OPS | {"zone": "Berlin"}, "this machine knows no time zone 'Berlin'"),
        (OPS | {"digest_at": "8"}, "'8' is no time of day"),
        (OPS | {"digest_at": "08:00", "digest_every": "PT1H"}, "write digest_every or digest_at"),
        (OPS | {"digest_every": "PT1S"}, "gathers nothing"),
        (OPS | {"apart": "PT1S"}, "apart: at least 10 s"),
    ],
)
def test_what_is_wrong_is_said(table: dict[str, Any], said: str) -> None:
    """By the key, and with what to write."""
    with pytest.raises(ContractViolation) as caught:
        Channel.read_typed_by_people(table)
    assert said in str(caught.value)
